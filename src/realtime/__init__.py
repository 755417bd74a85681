"""Client, relay and offline server for the OpenAI Realtime API."""

from __future__ import annotations

from .changes import Change
from .client import RealtimeClient
from .conversation import Conversation
from .errors import (
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
    ResponseFailedEvent,
    TimingsEvent,
    UsageEvent,
)
from .items import Formatted, FormattedTool, Item
from .link import LinkOptions
from .voice import CutEvent, VoiceSession

__all__ = [
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
    "ErrorEvent",
    "Event",
    "Formatted",
    "FormattedTool",
    "InterruptedEvent",
    "Item",
    "ItemEvent",
    "ItemUpdatedEvent",
    "LinkOptions",
    "RateLimitsEvent",
    "RealtimeClient",
    "RealtimeError",
    "RealtimeEvent",
    "ResponseFailedEvent",
    "ServerError",
    "StateError",
    "TimingsEvent",
    "ToolError",
    "UsageEvent",
    "VoiceSession",
]
