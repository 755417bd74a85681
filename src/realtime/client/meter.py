"""Tokens and times: sums up usage, and notes when each step of an answer happened.

Pure: told the time, holds no clock.

Thread: the event loop's only.
"""

from __future__ import annotations

from typing import Any

from ..events import TimingsEvent
from ..protocol.bounded_dict import remember

__all__ = ["Meter"]


class Meter:
    """Usage over all responses, and the timings of those that are not over."""

    def __init__(self) -> None:
        self.total: dict[str, int] = {}
        self.speech_end: float | None = None
        self._by_response: dict[str, TimingsEvent] = {}
        self._by_item: dict[str, TimingsEvent] = {}

    def add_usage(self, usage: Any) -> None:
        """Add every number of a usage object; nested ones under dotted names."""
        self._add("", usage)

    def _add(self, prefix: str, usage: Any) -> None:
        if not isinstance(usage, dict):
            return
        for key, value in usage.items():
            if isinstance(value, dict):
                self._add(f"{prefix}{key}.", value)
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                name = f"{prefix}{key}"
                self.total[name] = self.total.get(name, 0) + int(value)

    def turn_ended(self, now: float) -> None:
        """The user's turn is over: speech stopped, or text or a commit was sent."""
        self.speech_end = now

    def created(self, response_id: str, now: float) -> None:
        timings = TimingsEvent(response_id=response_id, speech_end=self.speech_end, created=now)
        self.speech_end = None
        remember(self._by_response, response_id, timings)

    def delta(
        self, response_id: str | None, item_id: str, now: float, *, audio: bool, call: bool = False
    ) -> None:
        """A piece of an answer came. Cheap after the first."""
        timings = self._by_item.get(item_id)
        if timings is None:
            timings = self._by_response.get(response_id or "")
            if timings is None:
                return
            remember(self._by_item, item_id, timings)
            if timings.first_delta is None:
                timings.first_delta = now
        timings.answered = timings.answered or not call
        if audio and timings.first_audio is None:
            timings.first_audio = now
            timings.item_id = item_id

    def first_sample(self, item_id: str, now: float) -> TimingsEvent | None:
        """The device took the first sample of *item_id*. Returns the timings once they are complete."""
        timings = self._by_item.get(item_id)
        if timings is None or timings.first_sample is not None or timings.item_id != item_id:
            return None
        timings.first_sample = now
        return timings if timings.done is not None else None

    def done(self, response_id: str, now: float) -> TimingsEvent | None:
        timings = self._by_response.pop(response_id, None)
        if timings is not None:
            timings.done = now
            if not timings.answered and self.speech_end is None:
                self.speech_end = timings.speech_end  # it only called a tool: the user still waits
        return timings
