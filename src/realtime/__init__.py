"""Client, relay and offline server for the OpenAI Realtime API: the names that applications import.

Thread: importing it starts none.
"""

from __future__ import annotations

import importlib.util
import sys

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
)
from .voice import CutEvent, EchoEvent, VoiceSession

__all__ = [
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
    "Formatted",
    "FormattedTool",
    "HangUp",
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
    "TimingsEvent",
    "ToolError",
    "UsageEvent",
    "VoiceSession",
    "hang_up",
]
