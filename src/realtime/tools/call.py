"""One call of a tool, and which call the running code serves.

Thread: any.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

__all__ = ["Call", "current_call", "serve"]


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a tool.

    Attributes
    ----------
    key : str
        Id of the item that holds the call: unlike call ids, it names one call only.
    owner : Any
        The client whose model called.
    """

    key: str
    call_id: str
    name: str
    arguments: str
    owner: Any = None


_current: ContextVar[Call | None] = ContextVar("realtime_call", default=None)


def current_call() -> Call | None:
    """The call on whose behalf this code runs, also in tasks and threads that its tool has started."""
    return _current.get()


def serve(call: Call) -> None:
    """This task, and what it starts, runs on behalf of *call*."""
    _current.set(call)
