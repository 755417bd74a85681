"""The objects that event handlers receive.

Events of the protocol (``server.*``, ``client.*``) are `Event`: dictionaries whose keys also read as attributes.
Events that the client itself makes are the other classes. The types of the protocol's objects can be imported from
here as well.

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
    from .prices import Cost

__all__ = [
    "AudioConfig",
    "AudioFormatConfig",
    "AudioInputConfig",
    "AudioOutputConfig",
    "BudgetEvent",
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
    "McpApprovalEvent",
    "RateLimitsEvent",
    "RealtimeEvent",
    "ResponseEndedEvent",
    "ResponseFailedEvent",
    "SessionConfig",
    "TimingsEvent",
    "ToolProgressEvent",
    "TranscriptionConfig",
    "TurnDetectionConfig",
    "UsageEvent",
    "UserTranscriptEvent",
    "UserTranscriptFailedEvent",
]


class Event(dict[str, Any]):
    """An event of the protocol: a dictionary whose keys also read as attributes, as in ``event.response.status``.

    All handlers receive the same object: change a copy.
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
    """``conversation.updated``: an item changed.

    Attributes
    ----------
    item : Item
    delta : Delta or None
        The piece that was added; None for any other change.
    """

    __slots__ = ("delta", "item")

    def __init__(self, item: Item, delta: Delta | None) -> None:
        self.item = item
        self.delta = delta

    def __repr__(self) -> str:
        return f"ItemUpdatedEvent(item={self.item.id!r}, delta={self.delta is not None})"


@dataclass(frozen=True)
class InterruptedEvent:
    """``conversation.interrupted``: the server detected that the user began to speak.

    Attributes
    ----------
    item_id : str or None
        The id that the user's item will have.
    audio_start_ms : int or None
        Start of the speech on the server's clock, in milliseconds.
    response_active : bool
        True if an answer was in progress.
    will_cancel : bool
        True if the server itself ends that answer.
    """

    item_id: str | None = None
    audio_start_ms: int | None = None
    response_active: bool = False
    will_cancel: bool = True


@dataclass(frozen=True)
class ErrorEvent:
    """``error``: something failed, and the client continues.

    The event ``error.benign`` has the same attributes and reports races that need no attention.

    Attributes
    ----------
    message : str
    source : str
        What failed: "server" (it sent an error event), "handler" (one of the application's handlers raised), "tool",
        "wire" (a malformed message arrived), "connection", "player" or "voice" (a part of a `VoiceSession`).
    type, code, param, event_id : str or None
        As the server stated them.
    caused_by : str or None
        Type of the client event that the server refused; None where the server did not name the event.
    exception : BaseException or None
    event : Event or None
        The server event that reported the error.
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
    """``close``: the connection has ended, and the client will not reconnect by itself.

    Attributes
    ----------
    code : int
        Websocket close code.
    reason : str
    error : bool
        False if ``disconnect()`` or ``reset()`` ended the connection.
    """

    code: int
    reason: str
    error: bool = False


@dataclass(frozen=True)
class ConnectionEvent:
    """``connection.changed``: the state of the connection changed.

    Attributes
    ----------
    state : str
        As `RealtimeClient.state`.
    attempt : int
        While "reconnecting": the number of the attempt, from 1.
    delay : float
        While "reconnecting": seconds until the attempt.
    code : int or None
    reason : str or None
        Why the previous connection ended.
    renewed : bool
        True after a planned change to a new session.
    """

    state: str
    attempt: int = 0
    delay: float = 0.0
    code: int | None = None
    reason: str | None = None
    renewed: bool = False


@dataclass(frozen=True)
class ResponseEndedEvent:
    """``response.ended``: an answer ended otherwise than "completed".

    Attributes
    ----------
    response_id : str or None
    message : str
        What happened, for the user.
    type, code : str or None
        Of the error of a failed answer, as the server stated them.
    event : Event or None
        The ``response.done`` event; None if the connection was lost.
    status : str
        "failed", "incomplete" or "cancelled", as the server stated it.
    reason : str or None
        "max_output_tokens" or "content_filter" of an incomplete answer, "turn_detected" or "client_cancelled" of a
        cancelled one, the code or type of a failure, "connection_lost".
    """

    response_id: str | None
    message: str
    type: str | None = None
    code: str | None = None
    event: Event | None = None
    status: str = "failed"
    reason: str | None = None

    def __str__(self) -> str:
        return self.message


class ResponseFailedEvent(ResponseEndedEvent):
    """``response.failed``: an answer ended with status "failed", or was lost with the connection.

    Quotas, rate limits and server failures are reported here, and not as an error event. ``response.ended`` has the
    same object.
    """


@dataclass(frozen=True)
class UsageEvent:
    """``usage``: tokens of one response or transcription.

    Attributes
    ----------
    usage : Event
        The server's object.
    total : mapping of str to int
        Tokens of all responses since the client was made.
    source : "response" or "transcription"
        Transcriptions are billed separately, and are not in ``total``.
    response_id, item_id : str or None
    model : str or None
        The model that is billed.
    """

    usage: Event
    total: Mapping[str, int]
    source: str = "response"
    response_id: str | None = None
    item_id: str | None = None
    model: str | None = None

    @property
    def cost(self) -> Cost | None:
        """US dollars, a float; None if no price is known. See `realtime.prices.cost_of`."""
        from .prices import cost_of

        return cost_of(self.model, self.usage)


@dataclass(frozen=True)
class BudgetEvent:
    """``budget.reached``: the client has cost what it may, and requests no more answers.

    Attributes
    ----------
    cost, budget : float
        US dollars.
    """

    cost: float
    budget: float


@dataclass(frozen=True)
class UserTranscriptEvent:
    """``user.transcript``: the words of what the user said are there.

    Attributes
    ----------
    transcript : str
    item_id : str
    item : Item or None
        The user's item; None for one that is not in the conversation.
    usage : Event or None
        What the transcription cost, in the server's words.
    """

    transcript: str
    item_id: str
    item: Item | None = None
    usage: Event | None = None

    def __str__(self) -> str:
        return self.transcript


@dataclass(frozen=True)
class UserTranscriptFailedEvent:
    """``user.transcript.failed``: no words will come of what the user said.

    Attributes
    ----------
    message : str
        Why, for the user.
    item_id : str
    item : Item or None
    code : str or None
        Of the server's error; "connection_lost" if the connection ended before.
    """

    message: str
    item_id: str
    item: Item | None = None
    code: str | None = None

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class McpApprovalEvent:
    """``mcp.approval``: an MCP server's tool is called when the application approves, see `RealtimeClient.approve`.

    Attributes
    ----------
    request_id : str
    server_label, name : str
        Of the MCP server and of its tool.
    arguments : str
        JSON, as the model stated them.
    item : Item or None
        The request in the conversation.
    """

    request_id: str
    server_label: str
    name: str
    arguments: str = ""
    item: Item | None = None

    def __str__(self) -> str:
        return f"{self.server_label}: {self.name}({self.arguments})"


@dataclass(frozen=True)
class ToolProgressEvent:
    """``tool.progress``: a tool tells how far it is, with `ToolContext.progress`.

    Attributes
    ----------
    text : str
    name, call_id : str
        Of the tool and of its call.
    """

    text: str
    name: str
    call_id: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class RateLimitsEvent:
    """``rate_limits``: the latest limits by name ("requests", "tokens"), as the server stated them."""

    rate_limits: Mapping[str, Event]


@dataclass
class TimingsEvent:
    """``timings``: the times of one answer on the client's monotonic clock, in seconds.

    Attributes
    ----------
    response_id, item_id : str or None
    speech_end : float or None
        When the client knew that the user's turn had ended: speech_stopped arrived, or the commit or the text was sent.
    created : float or None
    first_delta : float or None
        When the first piece of the answer arrived.
    first_audio : float or None
        When the first audio of the answer arrived.
    first_sample : float or None
        When the device took the first sample; only `VoiceSession` sets it.
    done : float or None
        When the response ended.
    answered : bool
        False for a response that only called tools; the answer after it has the same ``speech_end``.
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
        """Seconds from the end of the user's turn to the first sample, else to the first delta; None if unknown."""
        end = self.first_sample if self.first_sample is not None else self.first_delta
        return None if end is None or self.speech_end is None else end - self.speech_end


@dataclass(frozen=True)
class RealtimeEvent:
    """``realtime.event``: every event of the protocol that is sent or received, for logs and inspectors.

    Attributes
    ----------
    source : "client" or "server"
        Who sent the event.
    event : Event
    timestamp : float
        Seconds since the epoch.
    """

    source: Literal["client", "server"]
    event: Event
    timestamp: float = field(default=0.0)

    @property
    def time(self) -> str:
        """``timestamp`` in ISO 8601, UTC, with milliseconds, as JavaScript's ``toISOString`` writes it."""
        moment = datetime.datetime.fromtimestamp(self.timestamp, datetime.timezone.utc)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class ClientStats:
    """Counters since the client was made.

    Attributes
    ----------
    input_samples_dropped : int
        Samples given to `append_input_audio` that no server received, because the socket was too slow or missing.
    input_samples_queued : int
        Samples that wait to be sent.
    renewals, reconnections : int
    malformed, ignored : int
        Server events that could not be used, and server events of unknown type.
    evicted_items : int
    evicted_seconds : float
        Items, and seconds of their audio, dropped to bound the memory.
    handler_events_dropped : int
        Events that coroutine handlers never got, because they were too slow.
    tool_threads : int
        Plain tools that run now, those included whose time is over and that have not returned.
    """

    input_samples_dropped: int
    input_samples_queued: int
    renewals: int
    reconnections: int
    malformed: int
    ignored: int
    evicted_items: int
    evicted_seconds: float
    handler_events_dropped: int = 0
    tool_threads: int = 0
