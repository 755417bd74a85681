"""When to request a response, and when to cancel one: it is told what happens and returns what to send.

A server makes one response at a time and refuses a second ``response.create``; tools, the user and the
application all cause requests. So at most one request waits here. It is sent when the response before it is
done and all tools of that response have answered. A request that the server refused because of another
response waits as well: the refusal names it by its ``event_id``.

Responses outside the conversation (``conversation: "none"``) are independent of this and are sent at once.

Thread: the event loop's only; pure.
"""

from __future__ import annotations

from typing import Any

from ..protocol.bounded_dict import remember
from ..protocol.ids import generate_id
from ..protocol.reading import Wire, dict_of, text_of
from .outside_responses import OutsideResponses

__all__ = ["ResponseSequencer"]


class _Request:
    """A ``response.create`` that was queued.

    ``overtaken`` once a response has ended after it, ``wanted`` until it is cancelled; ``claim`` is the event id under
    which it was asked for, also when it is sent again under another one.
    """

    __slots__ = ("claim", "overtaken", "parameters", "wanted")

    def __init__(self, parameters: Wire, claim: str | None) -> None:
        self.parameters = parameters
        self.claim = claim
        self.overtaken = False
        self.wanted = True


class ResponseSequencer:
    """The order of one conversation's responses.

    Attributes
    ----------
    active : str or None
        Id of the response that is being made; "" if it has no id yet, None if there is none.
    cancelling : bool
        True if its cancellation was sent.
    pending : dict or None
        Parameters of the request that waits.
    answering : str or None
        Event id under which the response being made was asked for; None if the server began it by itself.
    pending_for_tools : bool
        True if a request is due because tools have answered.
    outside : OutsideResponses
        Responses outside the conversation.
    """

    def __init__(self) -> None:
        self.pending: Wire | None = None
        # The event id that the waiting request will have, and the one under which it was asked for; None for our own.
        self._pending_id: str | None = None
        self._pending_claim: str | None = None
        self.pending_for_tools = False
        self.outside = OutsideResponses()
        self._id_prefix = generate_id("req_", 12)
        self._id_count = 0
        self.reset()

    def reset(self) -> None:
        """Forget the responses that are being made or were requested; a waiting request stays."""
        self.outside.clear()
        self._forget_response()

    def _forget_response(self) -> None:
        self.active: str | None = None
        self.answering: str | None = None
        self.cancelling = False
        # The event id of the request whose response.created has not come; None without one.
        self._requested: str | None = None
        self._sent = False
        # This session's requests by event id. Which response answers a request is not said, so a
        # refusal may still come after a response.created.
        self._requests: dict[str, _Request] = {}
        # The server will begin a response by itself: the user's turn is over.
        self._expected = False
        # The next response is cancelled when it begins, with an event if none was sent or it was refused.
        self._cancel_next = False
        self._cancel_due = False

    def forget(self) -> None:
        """Forget everything, a waiting request included."""
        self.drop_pending()
        self.reset()

    def drop_pending(self) -> None:
        """Forget the request that waits."""
        self.pending, self.pending_for_tools = None, False
        self._pending_id = self._pending_claim = None

    def sent(self, event_id: str) -> None:
        """The request was sent."""
        self._sent = self._sent or event_id == self._requested
        self.outside.sent(event_id)

    def lost(self) -> tuple[bool, str | None]:
        """The connection was lost: True and the response's id if a response was lost with it.

        A request that was not sent yet is kept: it goes to the next session.
        """
        active, requested, sent = self.active, self._requested, self._sent
        request = self._requests.get(requested or "")
        self._forget_response()
        outside_lost = self.outside.lost()
        if active is not None or sent:
            return True, active or None
        if requested is not None and request is not None:
            self._requested, self._requests = requested, {requested: request}
        return outside_lost, None

    @property
    def busy(self) -> bool:
        """True while a response is being made or was requested."""
        return self.active is not None or self._requested is not None

    @property
    def waiting(self) -> bool:
        """True while a request waits for its turn."""
        return self.pending is not None or self.pending_for_tools

    def awaits(self, event_id: str) -> bool:
        """True while what was asked for as *event_id* waits for its turn or for its response."""
        return event_id in (self._pending_claim, self.claim_of(self._requested or ""))

    def claim_of(self, event_id: str) -> str | None:
        """The event id under which the request *event_id* was asked for."""
        request = self._requests.get(event_id)
        return None if request is None else request.claim

    # Requests

    def request(self, parameters: Wire, event_id: str | None = None) -> list[Wire]:
        """The application requests a response; its parameters replace those of a waiting request."""
        if parameters.get("conversation") == "none":
            event_id = event_id or self._next_id()
            self.outside.requested(event_id, parameters)
            return [{"type": "response.create", "event_id": event_id, "response": parameters}]
        self.pending = parameters if parameters or self.pending is None else self.pending
        if event_id is not None:
            self._pending_id = self._pending_claim = event_id
        return self.next_request(tools_running=False)

    def tools_answered(self) -> None:
        """An output was sent: a request is due once all tools have answered."""
        self.pending_for_tools = True

    def next_request(self, *, tools_running: bool) -> list[Wire]:
        """The requests to send now, if any are due."""
        if self.busy:
            return []
        events = [
            {"type": "response.create", "event_id": again, "response": parameters}
            for again, parameters in self.outside.take_waiting()
        ]
        if self.pending is None and not (self.pending_for_tools and not tools_running):
            return events
        parameters, self.pending = self.pending or {}, None
        if not tools_running:
            self.pending_for_tools = False
        self._requested, self._sent = self._pending_id or self._next_id(), False
        claim, self._pending_id, self._pending_claim = self._pending_claim, None, None
        self._expected = self.cancelling = self._cancel_next = self._cancel_due = False
        remember(self._requests, self._requested, _Request(parameters, claim))
        event: Wire = {"type": "response.create", "event_id": self._requested}
        return [*events, {**event, "response": parameters} if parameters else event]

    def _next_id(self) -> str:
        self._id_count += 1
        return f"{self._id_prefix}{self._id_count}"

    def refused(self, event_id: str | None = None, *, another_is_active: bool) -> None:
        """The server refused the request *event_id*; None for a server that does not name it."""
        if event_id is None:
            event_id = self._requested or self.outside.oldest() or next(reversed(self._requests), None)
        if self.outside.refused(event_id, again=another_is_active):
            return
        request = self._requests.pop(event_id or "", None)
        if event_id == self._requested:
            self._requested, self._sent = None, False
            if not another_is_active:
                self.cancelling = self._cancel_next = self._cancel_due = False
        if request is None or not another_is_active:
            return
        if request.claim == self.answering:
            self.answering = None
        if request.wanted:
            self.pending = request.parameters if self.pending is None else self.pending
            self._pending_claim = self._pending_claim or request.claim
        if self.active is None and not request.overtaken:
            # Its response.created has come or will come; no request may be sent before its response.done.
            self.active = ""

    # Responses

    def turn_began(self) -> None:
        """The user speaks: an answer that was expected will not come."""
        if self._expected:
            self._expected = self._cancel_next = self._cancel_due = False

    def turn_ended(self, *, answered: bool) -> None:
        """The user's turn is over; *answered* if the server answers it by itself."""
        self._expected = answered and not self.busy

    def created(self, response: Any, *, tools_running: bool = False) -> bool:
        """``response.created``. Returns False for a response outside the conversation."""
        response = dict_of(response)
        if self.outside.created(response, another_requested=self._requested is not None or self._expected):
            return False
        if self._requested is None and not tools_running:
            # The server began by itself and knows the outputs.
            self.pending_for_tools = False
        self.answering, self._requested = self.claim_of(self._requested or ""), None
        self._sent = self._expected = False
        self.active = text_of(response.get("id")) or ""
        self.cancelling, self._cancel_next = self._cancel_next, False
        return True

    def done(self, response: Any) -> bool:
        """``response.done``. Returns False for a response outside the conversation."""
        response_id = dict_of(response).get("id")
        if self.outside.done(text_of(response_id)):
            return False
        if self.active is not None and (not self.active or response_id in (self.active, None)):
            self.active = self.answering = None
            self.cancelling = self._cancel_next = self._cancel_due = False
        for request in self._requests.values():
            request.overtaken = True
        return True

    def stalled(self) -> None:
        """The active response has sent nothing for long: its end was lost or never sent."""
        self._forget_response()

    # Cancellation

    def cancel(self, *, expected: bool = True) -> list[Wire]:
        """The cancellation of the response that is being made; drops a waiting request.

        A response that was requested is cancelled as well, and if *expected* one that the server will begin by
        itself: `created` then sets ``cancelling``, and `cancel_due` says what to send.
        """
        self.drop_pending()
        for request in self._requests.values():
            request.wanted = False
        if not self.active and (self.busy or (self._expected and expected)):
            self._cancel_next = True
            self._cancel_due = self._cancel_due or not self.busy
        if not self.busy or self.cancelling:
            return []
        self.cancelling = True
        return [self._cancellation()]

    def cancel_due(self) -> list[Wire]:
        """The cancellation to send now that a response has begun, if none is under way for it."""
        if not (self.cancelling and self._cancel_due):
            return []
        self._cancel_due = False
        return [self._cancellation()]

    def cancel_refused(self) -> None:
        """The server had no response to cancel: one that it has yet to begin is cancelled when it begins."""
        self._cancel_due = self._cancel_next

    def _cancellation(self) -> Wire:
        event: Wire = {"type": "response.cancel"}
        return {**event, "response_id": self.active} if self.active else event
