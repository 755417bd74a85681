"""What handlers are given. Pure data; the types of the protocol's objects can be imported from here, too.

Events of the wire (``server.*``, ``client.*``) are `Event`: dictionaries whose keys can also be read as
attributes. Events that the client makes itself are the dataclasses below.

Thread: any.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .conversation.change import Delta
from .protocol.types import (
    AudioConfig,
    AudioFormatConfig,
    AudioInputConfig,
    AudioOutputConfig,
    ContentPart,
    FunctionTool,
    SessionConfig,
    TranscriptionConfig,
    TurnDetectionConfig,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .conversation.items import Item

__all__ = [
    "AudioConfig",
    "AudioFormatConfig",
    "AudioInputConfig",
    "AudioOutputConfig",
    "ClientStats",
    "CloseEvent",
    "ConnectionEvent",
    "ContentPart",
    "Delta",
    "ErrorEvent",
    "Event",
    "FunctionTool",
    "InterruptedEvent",
    "ItemEvent",
    "ItemUpdatedEvent",
    "RateLimitsEvent",
    "RealtimeEvent",
    "ResponseFailedEvent",
    "SessionConfig",
    "TimingsEvent",
    "TranscriptionConfig",
    "TurnDetectionConfig",
    "UsageEvent",
]


class Event(dict[str, Any]):
    """An event of the wire: a dictionary, and ``event.response.status`` reads as well as indexing does.

    Handlers share it: change a copy.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            value = self[name]
        except KeyError:
            raise AttributeError(f"this {self.get('type', 'event')!r} event has no {name!r}") from None
        return Event(value) if type(value) is dict else value


@dataclass(frozen=True)
class ItemEvent:
    """``conversation.item.appended``, ``.completed``, ``.incomplete`` and ``.deleted``."""

    item: Item


class ItemUpdatedEvent:
    """``conversation.updated``: *item* changed; *delta* says by what, None for any other change."""

    __slots__ = ("delta", "item")

    def __init__(self, item: Item, delta: Delta | None) -> None:
        self.item = item
        self.delta = delta

    def __repr__(self) -> str:
        return f"ItemUpdatedEvent(item={self.item.id!r}, delta={self.delta is not None})"


@dataclass(frozen=True)
class InterruptedEvent:
    """``conversation.interrupted``: the server heard the user begin to speak.

    ``item_id`` is the id that the user's item will have, ``response_active`` whether an answer was being
    made, and ``will_cancel`` whether the server ends that answer by itself.
    """

    item_id: str | None = None
    audio_start_ms: int | None = None
    response_active: bool = False
    will_cancel: bool = True


@dataclass(frozen=True)
class ErrorEvent:
    """``error``: something went wrong and nothing stopped because of it.

    ``source`` says where: "server" (its error event), "handler" (a handler of yours raised), "tool", "wire"
    (something malformed arrived), "connection". ``caused_by`` is the type of the client event that the
    server refused, where it said so. ``error.benign`` carries the same for races that need no attention.
    """

    message: str
    source: str = "server"
    type: str | None = None
    code: str | None = None
    param: str | None = None
    event_id: str | None = None
    caused_by: str | None = None
    exception: BaseException | None = None
    event: Event | None = None

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class CloseEvent:
    """``close``: the connection has ended and will not come back by itself.

    ``error`` is True unless the end was asked for by ``disconnect()`` or ``reset()``.
    """

    code: int
    reason: str
    error: bool = False


@dataclass(frozen=True)
class ConnectionEvent:
    """``connection.changed``: see `RealtimeClient.state`.

    While "reconnecting", ``attempt`` counts from 1 and ``delay`` is the wait before it in seconds;
    ``code`` and ``reason`` tell why the connection before it ended. ``renewed`` marks a planned change to a
    new session.
    """

    state: str
    attempt: int = 0
    delay: float = 0.0
    code: int | None = None
    reason: str | None = None
    renewed: bool = False


@dataclass(frozen=True)
class ResponseFailedEvent:
    """``response.failed``: an answer ended with status "failed", or was lost with the connection.

    Quotas, rate limits and server trouble arrive here, not as an error event.
    """

    response_id: str | None
    message: str
    type: str | None = None
    code: str | None = None
    event: Event | None = None


@dataclass(frozen=True)
class UsageEvent:
    """``usage``: tokens of one response, and of all responses since the client was made.

    ``usage`` is the server's object. ``source`` is "response" or "transcription" (billed apart).
    """

    usage: Event
    total: Mapping[str, int]
    source: str = "response"
    response_id: str | None = None
    item_id: str | None = None


@dataclass(frozen=True)
class RateLimitsEvent:
    """``rate_limits``: what the server last said, by name ("requests", "tokens")."""

    rate_limits: Mapping[str, Event]


@dataclass
class TimingsEvent:
    """``timings``: one answer on the client's monotonic clock, in seconds.

    ``speech_end`` is when the end of the user's turn was known here (speech_stopped arrived, or the commit
    or the text was sent), ``first_delta`` when the first piece of the answer arrived, ``first_sample`` when
    the device took its first sample (only `VoiceSession` knows), ``done`` when the response ended.
    ``answered`` is
    False for a response that only called tools; the answer after them has the same ``speech_end``.
    """

    response_id: str | None = None
    item_id: str | None = None
    speech_end: float | None = None
    created: float | None = None
    first_delta: float | None = None
    first_audio: float | None = None
    first_sample: float | None = None
    done: float | None = None
    answered: bool = False

    @property
    def latency(self) -> float | None:
        """Seconds from the end of the user's turn to the first sample, or to the first delta."""
        end = self.first_sample if self.first_sample is not None else self.first_delta
        return None if end is None or self.speech_end is None else end - self.speech_end


@dataclass(frozen=True)
class RealtimeEvent:
    """``realtime.event``: every event of the wire, as it went or came, for logs and inspectors."""

    source: Literal["client", "server"]
    event: Event
    timestamp: float = field(default=0.0)

    @property
    def time(self) -> str:
        """ISO 8601 in UTC with milliseconds, as JavaScript's ``toISOString`` writes it."""
        moment = datetime.datetime.fromtimestamp(self.timestamp, datetime.timezone.utc)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class ClientStats:
    """Counters since the client was made.

    ``input_samples_dropped``: audio given to `append_input_audio` that no server heard, because the socket
    could not keep up or there was none. ``malformed`` and ``ignored`` count server events that could not be
    used and types that are not known.
    """

    input_samples_dropped: int
    input_samples_queued: int
    renewals: int
    reconnections: int
    malformed: int
    ignored: int
    evicted_items: int
    evicted_seconds: float
