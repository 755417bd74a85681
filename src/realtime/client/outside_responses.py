"""Responses outside the conversation: which were requested, which are being made, and which must be requested again.

Thread: the event loop's only; pure.
"""

from __future__ import annotations

from ..protocol.bounded_dict import remember
from ..protocol.reading import Wire, dict_of, text_of

__all__ = ["OutsideResponses"]


class OutsideResponses:
    """Requests with ``conversation: "none"`` and their responses, in the order sent."""

    def __init__(self) -> None:
        # Event id -> parameters. A request stays here until its response.created or its refusal.
        self._requested: dict[str, Wire] = {}
        # Those of them that have left.
        self._sent: set[str] = set()
        # Refused because the server makes one response at a time.
        self._waiting: dict[str, Wire] = {}
        # Ids of the responses that are being made.
        self._active: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._requested or self._waiting or self._active)

    def clear(self) -> None:
        """Forget everything."""
        self._requested.clear()
        self._sent.clear()
        self._waiting.clear()
        self._active.clear()

    def requested(self, event_id: str, parameters: Wire) -> None:
        """A request is queued."""
        remember(self._requested, event_id, parameters)

    def sent(self, event_id: str) -> None:
        """A request was sent."""
        if event_id in self._requested:
            self._sent.add(event_id)

    def lost(self) -> bool:
        """The connection was lost: forget what was sent; True if a response was lost with it."""
        lost = bool(self._sent or self._active)
        for event_id in self._sent:
            self._requested.pop(event_id, None)
        self._sent.clear()
        self._active.clear()
        return lost

    def oldest(self) -> str | None:
        """Event id of the oldest request without an answer."""
        return next(iter(self._requested), None)

    def refused(self, event_id: str | None, *, again: bool) -> bool:
        """Take back the request *event_id*, to be sent *again* later or not; False if there is no such request."""
        parameters = self._requested.pop(event_id or "", None)
        if parameters is None or event_id is None:
            return False
        self._sent.discard(event_id)
        if again:
            remember(self._waiting, event_id, parameters)
        return True

    def take_waiting(self) -> list[tuple[str, Wire]]:
        """The requests to send again now, as event ids and parameters."""
        again = list(self._waiting.items())
        self._waiting.clear()
        for event_id, parameters in again:
            self.requested(event_id, parameters)
        return again

    def created(self, response: Wire, *, another_requested: bool) -> bool:
        """``response.created``: True if it answers one of these requests.

        A response of the conversation names the conversation. Servers that never name it repeat the metadata of
        the request; without any metadata the response is taken for the conversation's if *another_requested*.
        """
        if not self._requested or text_of(response.get("conversation_id")) is not None:
            return False
        metadata = dict_of(response.get("metadata"))
        alike = [
            event_id
            for event_id, parameters in self._requested.items()
            if dict_of(parameters.get("metadata")) == metadata
        ]
        if not ("conversation_id" in response or (alike and metadata) or not another_requested):
            return False
        event_id = alike[0] if alike else next(iter(self._requested))
        del self._requested[event_id]
        self._sent.discard(event_id)
        response_id = text_of(response.get("id"))
        if response_id:
            remember(self._active, response_id, None)
        return True

    def done(self, response_id: str | None) -> bool:
        """``response.done``: True if it ends one of these responses."""
        if response_id not in self._active:
            return False
        del self._active[response_id or ""]
        return True
