"""Follower: what is told of the responses to a request, as they begin, grow and end.

`Answers` is one. Nobody who does not ask has one.

Thread: the event loop's only.
"""

from __future__ import annotations

from typing import Any, Protocol

from ..conversation.change import Delta
from ..conversation.items import Item
from ..errors import AnswerError
from ..events import ResponseEndedEvent, TimingsEvent

__all__ = ["Follower"]


class Follower(Protocol):
    """Follows the responses of one client."""

    def created(self, response_id: str, request_id: str | None) -> None:
        """A response of the conversation has begun, which answers the request *request_id*."""

    def grew(self, item: Item, delta: Delta) -> None:
        """A piece of an item came. Called for every delta: it must be cheap."""

    def done(
        self, response_id: str, usage: Any, timings: TimingsEvent | None, ended: ResponseEndedEvent | None
    ) -> None:
        """A response has ended; *ended* says how, if otherwise than "completed"."""

    def refused(self, event: dict[str, Any], error: AnswerError, *, again: bool) -> None:
        """The server refused a client event; *again* if it is sent again by itself."""

    def rested(self, *, idle: bool) -> None:
        """Requests or tools have changed; *idle* if no response is made, requested or due, and no tool runs."""

    def lost(self, error: AnswerError, *, closed: bool) -> None:
        """The connection was lost, with the response that was made; *closed* if no other one follows."""
