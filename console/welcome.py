"""The welcome of a new user: what connects at once, and three things to say.

Thread: any.
"""

from __future__ import annotations

from typing import Any

from .session import SessionModel

__all__ = ["SUGGESTIONS", "connects_at_once", "suggestions"]

# Each shows something else: a tool with its map, the memory, an answer to interrupt
SUGGESTIONS = (
    "What is the weather in Toronto?",
    "Please remember that my name is Ada.",
    "Tell me a long story.",
)


def connects_at_once(call: Any) -> bool:
    """Return True if *call* needs no decision of the user: its server is the offline one, which costs nothing."""
    endpoint = getattr(call, "endpoint", None)
    return endpoint is not None and endpoint.offline


def suggestions(model: SessionModel) -> tuple[str, ...]:
    """Return what the user could say now: SUGGESTIONS while a session has no items yet, else nothing."""
    if model.state != "connected" or model.talk.active:
        return ()
    last = model.transcript.last()
    return SUGGESTIONS if last is None or last.role == "session" else ()
