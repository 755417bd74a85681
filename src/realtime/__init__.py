"""Client, relay and offline server for the OpenAI Realtime API: the names that applications import.

Thread: importing it starts none.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

if importlib.util.find_spec("websockets") is None:
    _ADVICE = "websockets is missing; install it with: pip install 'wavtools[realtime]'"
    # python -m realtime.offline and the like: one line without a traceback.
    if sys.argv[:1] == ["-m"]:
        print(f"realtime: {_ADVICE}", file=sys.stderr)
        raise SystemExit(2)
    raise ModuleNotFoundError(_ADVICE, name="websockets")

from .client.client import RealtimeClient
from .client.farewell import HangUp, hang_up
from .connection.link import LinkOptions
from .conversation.change import Change
from .conversation.items import Formatted, FormattedTool, Item
from .conversation.reducer import Conversation
from .errors import (
    AnswerError,
    ConfigurationError,
    ConnectError,
    ConnectionLostError,
    RealtimeError,
    ServerError,
    StateError,
    ToolError,
)
from .events import (
    ClientStats,
    CloseEvent,
    ConnectionEvent,
    Delta,
    ErrorEvent,
    Event,
    InterruptedEvent,
    ItemEvent,
    ItemUpdatedEvent,
    RateLimitsEvent,
    RealtimeEvent,
    ResponseEndedEvent,
    ResponseFailedEvent,
    TimingsEvent,
    UsageEvent,
    UserTranscriptEvent,
    UserTranscriptFailedEvent,
)
from .voice import CutEvent, EchoEvent, FalseInterruptionEvent, IdleEvent, VoiceSession

if TYPE_CHECKING:
    from .client.answer import Answer
    from .synchronous import Talk, talk

# Names of modules on top, which are imported when they are first used.
_ON_TOP = {"Answer": "client.answer", "Talk": "synchronous", "talk": "synchronous"}

__all__ = [
    "Answer",
    "AnswerError",
    "Change",
    "ClientStats",
    "CloseEvent",
    "ConfigurationError",
    "ConnectError",
    "ConnectionEvent",
    "ConnectionLostError",
    "Conversation",
    "CutEvent",
    "Delta",
    "EchoEvent",
    "ErrorEvent",
    "Event",
    "FalseInterruptionEvent",
    "Formatted",
    "FormattedTool",
    "HangUp",
    "IdleEvent",
    "InterruptedEvent",
    "Item",
    "ItemEvent",
    "ItemUpdatedEvent",
    "LinkOptions",
    "RateLimitsEvent",
    "RealtimeClient",
    "RealtimeError",
    "RealtimeEvent",
    "ResponseEndedEvent",
    "ResponseFailedEvent",
    "ServerError",
    "StateError",
    "Talk",
    "TimingsEvent",
    "ToolError",
    "UsageEvent",
    "UserTranscriptEvent",
    "UserTranscriptFailedEvent",
    "VoiceSession",
    "hang_up",
    "talk",
]


def __getattr__(name: str) -> Any:
    if name not in _ON_TOP:
        raise AttributeError(f"module 'realtime' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_ON_TOP[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
