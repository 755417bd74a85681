"""Sends the events of a session and of its responses to the client: faults applied, in the client's dialect.

Thread: the event loop.
"""

from __future__ import annotations

import asyncio
import secrets
import string
import traceback
from collections.abc import Callable
from typing import Any

from ...protocol import codec
from ...protocol.ids import generate_server_id
from ...protocol.schema import RequestError
from ..beta import BetaDialect
from ..checks.client_events import CONTROL_EVENT
from ..faults import Faults, FaultyStream
from .call_audio import CallAudio
from .conversation import Conversation
from .items import Item
from .outbox import FrameSink

CLOSE_INTERNAL_ERROR = 1011


def describe_failure(error: BaseException) -> str:
    """One line for the log about an unexpected exception."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"internal error: {error!r}{where}"


class Channel:
    """The outgoing events of one session.

    Parameters
    ----------
    outbox : FrameSink
        Takes the frames.
    faults : Faults
        Faults that are on from the start.
    log : callable taking a str
        The server's log.
    beta : BetaDialect, optional
        Translates the events for a client of the beta dialect.

    Attributes
    ----------
    call_audio : CallAudio, optional
        In the session of a call: takes the audio of answers, which its connections do not get.
    """

    def __init__(
        self, outbox: FrameSink, faults: Faults, log: Callable[[str], None], beta: BetaDialect | None = None
    ) -> None:
        self.log = log
        self._outbox = outbox
        self._stream = FaultyStream(faults)
        self._beta = beta
        self.call_audio: CallAudio | None = None

    def emit(self, event_type: str, **fields: Any) -> None:
        """Queue a server event."""
        event = {"type": event_type, "event_id": generate_server_id("event"), **fields}
        events = self._stream.apply(event)
        if events is None:
            self._outbox.cut()
            return
        for event in events:
            for translated in [event] if self._beta is None else self._beta.from_ga(event):
                self._outbox.put(codec.dumps(translated))

    def announce_item(self, item: Item, previous_item_id: str | None) -> None:
        """Queue the added and the done event of a finished item."""
        for name in ("conversation.item.added", "conversation.item.done"):
            self.emit(name, previous_item_id=previous_item_id, item=item.as_dict())

    def emit_error(self, error: RequestError, event: Any = None) -> None:
        """Queue an error event that answers the client's *event*."""
        event_id = event.get("event_id") if isinstance(event, dict) else None
        self.emit("error", error=error.body(event_id if isinstance(event_id, str) else None))

    def internal_error(self, error: BaseException) -> RequestError:
        """Log an unexpected exception; returns the error that the client is told."""
        self.log(describe_failure(error))
        return RequestError("internal_error", "The server had an error.", kind="server_error")

    def end_of_task(self, task: asyncio.Task[Any]) -> None:
        """Done callback of every task of the session: one that ends by an exception ends the session, with a log line."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.emit_error(self.internal_error(error))
            self.close(CLOSE_INTERNAL_ERROR, "internal error")

    async def drain(self) -> None:
        """Wait while a slow client leaves too much in the queue."""
        await self._outbox.drain()

    def close(self, code: int, reason: str) -> None:
        """Close the connection after all queued events."""
        self._outbox.close(code, reason)

    @property
    def faults(self) -> Faults:
        """Faults that are on in this session."""
        return self._stream.faults

    def set_faults(self, faults: Faults) -> None:
        """Replace the faults and confirm that to the client; no fault affects the confirmation."""
        self._stream = FaultyStream(faults)
        self._outbox.put(codec.dumps({"type": CONTROL_EVENT, "faults": faults.as_dict()}))


class ResponseChannel:
    """The outgoing events and the output items of one response.

    Parameters
    ----------
    channel : Channel
        The session's channel.
    response_id : str
        Added to every event.
    conversation : Conversation, optional
        Receives the output items; None for an out-of-band response.
    """

    def __init__(self, channel: Channel, response_id: str, conversation: Conversation | None) -> None:
        self.items: list[Item] = []
        self._channel = channel
        self._response_id = response_id
        self._conversation = conversation

    def emit(self, event_type: str, **fields: Any) -> None:
        """Queue an event of this response."""
        self._channel.emit(event_type, response_id=self._response_id, **fields)

    def emit_delta(self, event_type: str, **fields: Any) -> None:
        """Queue a delta of text, padded at random as the vendor does."""
        self.emit(event_type, **fields, obfuscation=_padding())

    def emit_audio(self, data: bytes, seconds: float, address: dict[str, Any]) -> None:
        """Queue a delta of audio; in a call, play it to the caller."""
        call = self._channel.call_audio
        if call is None:
            self.emit("response.output_audio.delta", **address, delta=codec.b64encode(data))
        else:
            call.play(self._response_id, seconds)

    def open_item(self, item: Item) -> int:
        """Add an output item and announce it; returns its index in the response."""
        index = len(self.items)
        self.items.append(item)
        self.emit("response.output_item.added", output_index=index, item=item.as_dict())
        if self._conversation is not None:
            previous = self._conversation.insert(item)
            self._channel.emit("conversation.item.added", previous_item_id=previous, item=item.as_dict())
        return index

    def close_item(self, item: Item, index: int) -> None:
        """Announce that an output item is done."""
        conversation = self._conversation
        # The client may have deleted the item while it was being spoken.
        if conversation is not None and conversation.get(item.id) is item:
            previous = conversation.previous_id(item)
            self._channel.emit("conversation.item.done", previous_item_id=previous, item=item.as_dict())
        self.emit("response.output_item.done", output_index=index, item=item.as_dict())

    async def drain(self) -> None:
        """Wait while a slow client leaves too much in the queue."""
        await self._channel.drain()


def _padding() -> str:
    return "".join(secrets.choice(string.ascii_letters) for _ in range(secrets.randbelow(16)))
