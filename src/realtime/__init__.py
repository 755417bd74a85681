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
from .connection.options import LinkOptions
from .conversation.change import Change
from .conversation.items import Formatted, FormattedTool, Item
from .conversation.reducer import Conversation
from .errors import (
    AnswerError,
    BudgetError,
    ConfigurationError,
    ConnectError,
    ConnectionLostError,
    RealtimeError,
    ServerError,
    StateError,
    ToolError,
    TranscriptionError,
)
from .events import (
    BudgetEvent,
    ClientStats,
    CloseEvent,
    ConnectionEvent,
    Delta,
    ErrorEvent,
    Event,
    InterruptedEvent,
    ItemEvent,
    ItemUpdatedEvent,
    McpApprovalEvent,
    RateLimitsEvent,
    RealtimeEvent,
    ResponseEndedEvent,
    ResponseFailedEvent,
    TimingsEvent,
    ToolProgressEvent,
    UsageEvent,
    UserTranscriptEvent,
    UserTranscriptFailedEvent,
)
from .tools import ToolContext, ToolResult

if TYPE_CHECKING:
    from .captions import Segment, Transcriber, TranscriptionUsage, Words
    from .client.answer import Answer
    from .client.farewell import HangUp, hang_up
    from .phone import PhoneCall
    from .program import read_line, run
    from .synchronous import Talk, talk
    from .transcript_lines import print_transcript
    from .voice import VoiceSession
    from .voice_events import CutEvent, EchoEvent, FalseInterruptionEvent, IdleEvent

# Names of modules on top, which are imported when they are first used.
_ON_TOP = {
    "Answer": "client.answer",
    "CutEvent": "voice_events",
    "EchoEvent": "voice_events",
    "FalseInterruptionEvent": "voice_events",
    "HangUp": "client.farewell",
    "IdleEvent": "voice_events",
    "PhoneCall": "phone",
    "Segment": "captions",
    "Talk": "synchronous",
    "Transcriber": "captions",
    "TranscriptionUsage": "captions",
    "VoiceSession": "voice",
    "Words": "captions",
    "hang_up": "client.farewell",
    "print_transcript": "transcript_lines",
    "read_line": "program",
    "run": "program",
    "talk": "synchronous",
}

# Seldom true, and then loaded.
_CLASH = importlib.util.find_spec(f"{__name__}._async")
_CLASH and importlib.import_module(f"{__name__}.name_clash").warn_of_other()

__all__ = [
    "Answer",
    "AnswerError",
    "BudgetError",
    "BudgetEvent",
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
    "McpApprovalEvent",
    "PhoneCall",
    "RateLimitsEvent",
    "RealtimeClient",
    "RealtimeError",
    "RealtimeEvent",
    "ResponseEndedEvent",
    "ResponseFailedEvent",
    "Segment",
    "ServerError",
    "StateError",
    "Talk",
    "TimingsEvent",
    "ToolContext",
    "ToolError",
    "ToolProgressEvent",
    "ToolResult",
    "Transcriber",
    "TranscriptionError",
    "TranscriptionUsage",
    "UsageEvent",
    "UserTranscriptEvent",
    "UserTranscriptFailedEvent",
    "VoiceSession",
    "Words",
    "hang_up",
    "print_transcript",
    "read_line",
    "run",
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
