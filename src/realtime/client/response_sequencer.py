"""When to ask for a response, and when to cancel one. Pure: told what happened, it says what to send.

A server makes one response at a time and refuses a second ``response.create``; tools, the user and the
application all ask for one. So at most one request waits here, asked for when the response before it is
done and every tool of it has answered. A refused request waits as well: the server knew better.

Responses outside the conversation (``conversation: "none"``) run beside all this and are let through.

Thread: the event loop's only.
"""

from __future__ import annotations

from typing import Any

from ..protocol.reading import Wire

__all__ = ["Sequencer"]


class Sequencer:
    """One conversation's responses.

    Attributes
    ----------
    active : str or None
        Id of the response being made ("" while it has none yet).
    """

    def __init__(self) -> None:
        self.pending: Wire | None = None  # the request that waits
        self.pending_for_tools = False
        self.reset()

    def reset(self) -> None:
        """Nothing is being made. What waits goes on waiting."""
        self.active: str | None = None
        self.cancelling = False
        self.heard_user = False  # speech began after the active response: the server ends it by itself
        self._requested: Wire | None = None  # asked for, response.created not seen
        self._sent = False
        self._outside = 0

    def forget(self) -> None:
        """Drop what waits, too."""
        self.pending, self.pending_for_tools = None, False
        self.reset()

    def sent(self) -> None:
        """The request has left this machine."""
        self._sent = self._requested is not None

    def lost(self) -> tuple[bool, str | None]:
        """The connection is gone: whether a response went with it, and its id.

        A request that was not sent yet is sent to the next session.
        """
        active, requested, sent = self.active, self._requested, self._sent
        self.reset()
        if active is None and not sent:
            self._requested = requested
            return False, None
        return True, active or None

    @property
    def busy(self) -> bool:
        """Whether a response is being made or was asked for."""
        return self.active is not None or self._requested is not None

    @property
    def waiting(self) -> bool:
        return self.pending is not None or self.pending_for_tools

    def request(self, parameters: Wire) -> list[Wire]:
        """The application asks. Parameters of a later request replace those of one that waits."""
        if parameters.get("conversation") == "none":
            self._outside += 1
            return [{"type": "response.create", "response": parameters}]
        self.pending = parameters if parameters or self.pending is None else self.pending
        return self.next_request(tools_running=False)

    def tools_answered(self) -> None:
        """Outputs were posted: the model must be asked once all are there."""
        self.pending_for_tools = True

    def next_request(self, *, tools_running: bool) -> list[Wire]:
        """What to send now."""
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
            # Its response.created has come or will come; until its response.done nothing is to be asked.
            if self.active is None:
                self.active = ""

    def created(self, response: Any, *, tools_running: bool = False) -> bool:
        """``response.created``. Returns False for a response outside the conversation."""
        response = response if isinstance(response, dict) else {}
        if self._outside and response.get("conversation_id") is None:
            self._outside -= 1
            return False
        if self._requested is None and not tools_running:
            self.pending_for_tools = False  # the server began by itself, and has seen the outputs
        self._requested, self._sent = None, False
        response_id = response.get("id")
        self.active = response_id if isinstance(response_id, str) else ""
        self.cancelling = self.heard_user = False
        return True

    def done(self, response: Any) -> None:
        """``response.done``."""
        response_id = response.get("id") if isinstance(response, dict) else None
        if self.active is not None and (not self.active or response_id in (self.active, None)):
            self.active = None
            self.cancelling = self.heard_user = False

    def stalled(self) -> None:
        """Nothing has come of the active response for long: its end was lost, or never sent."""
        self.reset()

    def speech_started(self) -> None:
        self.heard_user = self.busy

    def cancel(self) -> list[Wire]:
        """Stop what is being made, and do not ask for what waits."""
        self.pending, self.pending_for_tools = None, False
        if not self.busy or self.cancelling:
            return []
        self.cancelling = True
        return [
            {"type": "response.cancel", "response_id": self.active}
            if self.active
            else {"type": "response.cancel"}
        ]
