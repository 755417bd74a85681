"""What a client does when a response begins and when it ends.

Thread: the event loop's only.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ..connection.frame_writer import FrameWriter
from ..conversation.change import Change
from ..conversation.interruption import settle
from ..conversation.reducer import Conversation
from ..events import Event, ResponseFailedEvent
from ..protocol.reading import Wire, dict_of, text_of
from .emitter import EventEmitter
from .meter import Meter
from .reports import Reports, answer_error, ended_of, leaves_waiting
from .settings import Settings
from .turn_taking import TurnTaking

__all__ = ["ResponseEvents"]


class ResponseEvents:
    """Handlers of ``response.created`` and ``response.done``, and of a connection that is lost between them.

    Parameters
    ----------
    emitter, conversation, turns, meter, reports, settings, writer
        The parts of the session.
    send : callable
        Queues a client event.
    announce : callable
        Emits the events of changes.
    at_rest : callable
        Called when a response has ended.
    """

    def __init__(
        self,
        emitter: EventEmitter,
        conversation: Conversation,
        turns: TurnTaking,
        meter: Meter,
        reports: Reports,
        settings: Settings,
        writer: FrameWriter,
        send: Callable[[Wire], object],
        announce: Callable[[list[Change]], None],
        at_rest: Callable[[], object],
    ) -> None:
        self._emitter = emitter
        self._conversation = conversation
        self._turns = turns
        self._meter = meter
        self._reports = reports
        self._settings = settings
        self._writer = writer
        self._send = send
        self._announce = announce
        self._at_rest = at_rest

    def created(self, event: Event) -> None:
        """``response.created``"""
        response = dict_of(event.get("response"))
        response_id = text_of(response.get("id"))
        inside = self._turns.response_created(response)
        self._writer.response_began()
        if inside and self._turns.follower is not None:
            self._turns.follower.created(response_id or "", self._turns.answering)
        if response_id is not None:
            if inside:
                self._meter.created(response_id, time.monotonic())
            else:
                self._conversation.leave_out(response_id)

    def done(self, event: Event) -> None:
        """``response.done``; a request that waited may be sent after it."""
        response = event.get("response")
        inside = self._turns.response_done(response)
        if isinstance(response, dict):
            response_id = text_of(response.get("id"))
            changes, told = settle(self._conversation, response_id or "")
            self._announce(changes)
            for unheard in told:
                self._send(unheard)
            if inside:
                self._meter.note_context(response.get("usage"))
            self._reports.usage(response.get("usage"), self._settings.model, response_id)
            ended = ended_of(response, event)
            if ended is not None:
                waited_for = inside and leaves_waiting(ended, self._conversation.get_items())
                self._reports.response_ended(ended, waited_for=waited_for)
            timings = None
            if response_id is not None:
                timings = self._meter.done(response_id, time.monotonic())
                if timings is not None:
                    self._emitter.emit("timings", timings)
            if inside and self._turns.follower is not None:
                self._turns.follower.done(response_id or "", response.get("usage"), timings, ended)
        self._turns.request_next()
        self._at_rest()

    def lost(self, code: int, why: str) -> None:
        """The connection was lost; another one may follow."""
        response_lost, response_id = self._turns.connection_lost()
        self._announce(self._conversation.abandon())
        if not response_lost:
            return
        message = f"the connection was lost while the answer was made ({why})"
        ended = ResponseFailedEvent(
            response_id, message, "connection_lost", str(code), reason="connection_lost"
        )
        self._reports.response_ended(ended, waited_for=leaves_waiting(ended, self._conversation.get_items()))
        if self._turns.follower is not None:
            self._turns.follower.lost(answer_error(ended), closed=False)
