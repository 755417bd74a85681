"""Turns of the model: asks for responses at the right moment, calls tools, sends their outputs.

`ResponseSequencer` decides when a response may be requested; this module tells it what happens, runs the tools,
and gives up a response whose end was lost.

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ..background import describe
from ..connection.unconfirmed import Unconfirmed
from ..conversation.items import Item
from ..conversation.reducer import Conversation
from ..events import ErrorEvent
from ..protocol.bounded_dict import remember
from ..protocol.ids import generate_id
from ..protocol.reading import Wire, text_of
from ..tools import Call, Toolbox
from .follower import Follower
from .response_sequencer import ResponseSequencer
from .settings import Settings

__all__ = ["RESPONSE_STALL", "TurnTaking"]

# Seconds without an event of a response, after which its end counts as lost.
RESPONSE_STALL = 10.0


class TurnTaking:
    """Requests, responses and tool calls of one client.

    Parameters
    ----------
    send : callable
        ``send(event)`` queues a client event.
    report : callable
        ``report(error)`` reports a failed tool call.
    conversation : Conversation
        Holds the calls of a response, and whether the user speaks.
    settings : Settings
        Which tools the application handles itself, and whether the server answers by itself.
    unconfirmed : Unconfirmed
        Learns of the calls whose output is to come.
    tool_timeout : float or None
        Seconds that one tool call may take.
    clock : callable
        The time in seconds, monotonic.

    Attributes
    ----------
    toolbox : Toolbox
        The application's tools and their running calls.
    follower : Follower or None
        Is told of the responses that answer a request of its own.
    refusal : callable or None
        Says why no response may be requested for now; None while it may.
    when_idle : callable or None
        Called when nothing is being made, requested or due, and no tool runs.
    asides : set of str
        Event ids of requests to say something beside the conversation; the answer to a tool's output comes after.
    """

    def __init__(
        self,
        send: Callable[[Wire], object],
        report: Callable[[ErrorEvent], None],
        conversation: Conversation,
        settings: Settings,
        unconfirmed: Unconfirmed,
        tool_timeout: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.toolbox = Toolbox(tool_timeout, self._tool_answered)
        self.follower: Follower | None = None
        self.refusal: Callable[[], Exception | None] | None = None
        self.when_idle: Callable[[], None] | None = None
        self.asides: set[str] = set()
        self._send = send
        self._report = report
        self._conversation = conversation
        self._settings = settings
        self._unconfirmed = unconfirmed
        self._clock = clock
        self._sequencer = ResponseSequencer()
        self._connected = False
        # Items with calls of cancelled responses: send the output, request no response.
        self._muted_calls: dict[str, None] = {}
        self._last_response_event = 0.0
        self._stall_timer: asyncio.TimerHandle | None = None

    # State

    @property
    def response_active(self) -> bool:
        """True while a response is being made or was requested."""
        return self._sequencer.busy

    @property
    def idle(self) -> bool:
        """True if no response is being made, requested or waiting to be requested, and no tool runs."""
        sequencer = self._sequencer
        return not (sequencer.busy or sequencer.waiting or sequencer.outside or self.toolbox.running)

    @property
    def answering(self) -> str | None:
        """Event id under which the response being made was asked for."""
        return self._sequencer.answering

    def makes(self, response_id: str) -> bool:
        """True while the response *response_id* is being made."""
        return self._sequencer.active == response_id

    def awaits(self, event_id: str) -> bool:
        """True while what was asked for as *event_id* waits for its turn or for its response."""
        return self._sequencer.awaits(event_id)

    def claim_of(self, event_id: str) -> str | None:
        """The event id under which the request *event_id* was asked for."""
        return self._sequencer.claim_of(event_id)

    def restorable_calls(self) -> set[str]:
        """Ids of calls whose output will still be sent, or was sent and not confirmed."""
        return self.toolbox.running | self._unconfirmed.calls.keys()

    # The connection

    def session_began(self) -> None:
        """A session was opened."""
        self._connected = True

    def connection_lost(self) -> tuple[bool, str | None]:
        """The connection was lost: True and the response's id if a response was lost with it."""
        self._connected = False
        self.asides.clear()
        return self._sequencer.lost()

    def stop(self) -> None:
        """The connection has ended for good: cancel tools, drop requests."""
        self._connected = False
        self.asides.clear()
        self.toolbox.cancel()
        # The next connection begins another conversation, in which ids may come again.
        self.toolbox.forget()
        self._muted_calls.clear()
        self._sequencer.forget()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    # Requests of the application

    def why_not(self) -> Exception | None:
        """Why no response may be requested for now; None while it may."""
        return None if self.refusal is None else self.refusal()

    def need_leave(self) -> None:
        """Raise `why_not`."""
        error = self.why_not()
        if error is not None:
            raise error

    def request_response(self, parameters: Wire, event_id: str | None = None) -> None:
        """Request a response with *parameters*, now or after the one that is being made; `need_leave` goes before."""
        self.need_leave()
        self._send_all(self._sequencer.request(parameters, event_id))
        self._watch_for_stall()

    def cancel_response(self, *, expected: bool = True) -> None:
        """Cancel the response that is being made, and drop a waiting request.

        If *expected*, an answer that the server will begin by itself is cancelled when it begins.
        """
        events = self._sequencer.cancel(expected=expected)
        self.drop_response()
        self._send_all(events)
        self._rested()

    def note_cancellation(self, response_id: str | None) -> None:
        """The application itself cancels a response: *response_id*, or the one that is being made."""
        if response_id is None or response_id == self._sequencer.active:
            self._sequencer.cancel()
            self.drop_response()
        else:
            self._conversation.drop_response(response_id)

    def drop_response(self) -> None:
        """Drop what is still to come of the response that is being made."""
        if self._sequencer.active is not None:
            self._conversation.drop_response(self._sequencer.active)
            # The events of this response may name no response.
            self._conversation.drop_response("")

    # What happened

    def request_sent(self, event_id: str) -> None:
        """A ``response.create`` was sent."""
        self._sequencer.sent(event_id)

    def request_refused(self, event_id: str | None, *, another_is_active: bool) -> None:
        """The server refused the request *event_id*, because of another response or for good.

        None stands for the id where the server does not name the request.
        """
        self._sequencer.refused(event_id, another_is_active=another_is_active)
        if not another_is_active:
            self.asides.discard(event_id or "")
        self.request_next()

    def cancel_refused(self) -> None:
        """The server had nothing to cancel."""
        self._sequencer.cancel_refused()

    def aside_ended(self, event_id: str) -> None:
        """What was said beside the conversation is over: an answer that waited for its end is requested."""
        if event_id in self.asides:
            self.asides.discard(event_id)
            self.request_next()

    def turn_began(self) -> None:
        """The server heard the user begin to speak."""
        self._sequencer.turn_began()

    def turn_ended(self) -> None:
        """The server heard the user's turn end."""
        self._sequencer.turn_ended(answered=self._settings.server_answers())

    def response_event(self, now: float) -> None:
        """An event of a response came. Called for every audio delta: it must be cheap."""
        self._last_response_event = now

    def response_created(self, response: Any) -> bool:
        """``response.created``; returns False for a response outside the conversation."""
        sequencer = self._sequencer
        if not sequencer.created(response, tools_running=bool(self.toolbox.running)):
            return False
        if sequencer.cancelling:
            self.drop_response()
            self._send_all(sequencer.cancel_due())
        return True

    def response_done(self, response: Any) -> bool:
        """``response.done``; `request_next` follows when the handlers have been told.

        Returns False for a response outside the conversation.
        """
        inside = self._sequencer.done(response)
        if isinstance(response, dict) and response.get("status") == "cancelled":
            self._mute_calls_of(text_of(response.get("id")))
        return inside

    def request_next(self) -> None:
        """Request a response if one is due, and allowed."""
        if self._sequencer.waiting and self.why_not() is not None:
            self._sequencer.drop_pending()
        # While the user speaks to a server that answers by itself, that answer will know the outputs.
        held = bool(self.asides) or (self._conversation.input.speaking and self._settings.server_answers())
        self._send_all(self._sequencer.next_request(tools_running=bool(self.toolbox.running) or held))
        self._watch_for_stall()
        self._rested()

    def _rested(self) -> None:
        if self.follower is not None:
            self.follower.rested(idle=self.idle)
        if self.when_idle is not None and self.idle:
            self.when_idle()

    def call_completed(self, item: Item) -> None:
        """The model called a tool: run it, unless the application handles that tool itself."""
        if not item.call_id or not item.name:
            return
        given = {tool.get("name") for tool in self._settings.given_tools}
        if item.name in given and item.name not in self.toolbox.tools:
            return
        if self.toolbox.call(item.call_id, item.name, item.arguments or "", item.id):
            self._unconfirmed.call_started(item.call_id)

    # Tools

    def _tool_answered(self, call: Call, output: str, failure: BaseException | None, respond: bool) -> None:
        if failure is not None:
            message = f"the call of tool {call.name!r} failed: {describe(failure)}"
            self._report(ErrorEvent(message, "tool", exception=failure))
        item = {"type": "function_call_output", "call_id": call.call_id, "output": output}
        self._send({"type": "conversation.item.create", "item": {"id": generate_id("item_"), **item}})
        if respond and call.key not in self._muted_calls:
            self._sequencer.tools_answered()
        self.request_next()

    def _mute_calls_of(self, response_id: str | None) -> None:
        """Request no response for the calls of a cancelled response; the model still gets their outputs."""
        for item in self._conversation.get_items():
            if item.call_id and item.type == "function_call" and item.response_id == response_id:
                remember(self._muted_calls, item.id, None)

    def _send_all(self, events: list[Wire]) -> None:
        for event in events:
            self._send(event)

    def _watch_for_stall(self) -> None:
        """While a request waits for the end of a response: check that the response still lives."""
        waits = self._sequencer.busy and self._sequencer.waiting
        if waits and self._connected and self._stall_timer is None:
            self._last_response_event = max(self._last_response_event, self._clock() - RESPONSE_STALL)
            self._stall_timer = asyncio.get_running_loop().call_later(RESPONSE_STALL, self._check_stall)

    def _check_stall(self) -> None:
        self._stall_timer = None
        if self._connected and self._clock() - self._last_response_event >= RESPONSE_STALL:
            self._sequencer.stalled()
            self.request_next()
        else:
            self._watch_for_stall()
