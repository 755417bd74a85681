"""When to request a response, and when to cancel one: it is told what happens and returns what to send.

A server makes one response at a time and refuses a second ``response.create``; tools, the user and the
application all cause requests. So at most one request waits here. It is sent when the response before it is
done and all tools of that response have answered. A request that the server refused because of another
response waits as well.

Responses outside the conversation (``conversation: "none"``) are independent of this and are sent at once.

Thread: the event loop's only; pure.
"""

from __future__ import annotations

from typing import Any

from ..protocol.reading import Wire, dict_of, text_of

__all__ = ["ResponseSequencer"]


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
    pending_for_tools : bool
        True if a request is due because tools have answered.
    """

    def __init__(self) -> None:
        self.pending: Wire | None = None
        self.pending_for_tools = False
        self.reset()

    def reset(self) -> None:
        """Forget the response that is being made or was requested; a waiting request stays."""
        self.active: str | None = None
        self.cancelling = False
        # The request whose response.created has not come, and whether it was sent.
        self._requested: Wire | None = None
        self._sent = False
        # Responses outside the conversation whose response.created has not come.
        self._outside = 0

    def forget(self) -> None:
        """Forget everything, a waiting request included."""
        self.pending, self.pending_for_tools = None, False
        self.reset()

    def sent(self) -> None:
        """The request was sent."""
        self._sent = self._requested is not None

    def lost(self) -> tuple[bool, str | None]:
        """The connection was lost: True and the response's id if a response was lost with it.

        A request that was not sent yet is kept: it goes to the next session.
        """
        active, requested, sent = self.active, self._requested, self._sent
        self.reset()
        if active is None and not sent:
            self._requested = requested
            return False, None
        return True, active or None

    @property
    def busy(self) -> bool:
        """True while a response is being made or was requested."""
        return self.active is not None or self._requested is not None

    @property
    def waiting(self) -> bool:
        """True while a request waits for its turn."""
        return self.pending is not None or self.pending_for_tools

    def request(self, parameters: Wire) -> list[Wire]:
        """The application requests a response; its parameters replace those of a waiting request."""
        if parameters.get("conversation") == "none":
            self._outside += 1
            return [{"type": "response.create", "response": parameters}]
        self.pending = parameters if parameters or self.pending is None else self.pending
        return self.next_request(tools_running=False)

    def tools_answered(self) -> None:
        """An output was sent: a request is due once all tools have answered."""
        self.pending_for_tools = True

    def next_request(self, *, tools_running: bool) -> list[Wire]:
        """The request to send now, if one is due."""
        if self.busy or not (self.pending is not None or (self.pending_for_tools and not tools_running)):
            return []
        parameters, self.pending = self.pending or {}, None
        if not tools_running:
            self.pending_for_tools = False
        self._requested, self._sent = parameters, False
        return [
            {"type": "response.create", "response": parameters} if parameters else {"type": "response.create"}
        ]

    def refused(self, *, another_is_active: bool) -> None:
        """The server refused our request."""
        parameters, self._requested, self._sent = self._requested, None, False
        if another_is_active:
            if self.pending is None and parameters is not None:
                self.pending = parameters
            # Its response.created has come or will come; no request may be sent before its response.done.
            if self.active is None:
                self.active = ""

    def created(self, response: Any, *, tools_running: bool = False) -> bool:
        """``response.created``. Returns False for a response outside the conversation."""
        response = dict_of(response)
        if self._outside and response.get("conversation_id") is None:
            self._outside -= 1
            return False
        if self._requested is None and not tools_running:
            # The server began by itself and knows the outputs.
            self.pending_for_tools = False
        self._requested, self._sent = None, False
        self.active = text_of(response.get("id")) or ""
        self.cancelling = False
        return True

    def done(self, response: Any) -> None:
        """``response.done``."""
        response_id = dict_of(response).get("id")
        if self.active is not None and (not self.active or response_id in (self.active, None)):
            self.active = None
            self.cancelling = False

    def stalled(self) -> None:
        """The active response has sent nothing for long: its end was lost or never sent."""
        self.reset()

    def cancel(self) -> list[Wire]:
        """The cancellation of the response that is being made; drops a waiting request."""
        self.pending, self.pending_for_tools = None, False
        if not self.busy or self.cancelling:
            return []
        self.cancelling = True
        return [
            {"type": "response.cancel", "response_id": self.active}
            if self.active
            else {"type": "response.cancel"}
        ]
