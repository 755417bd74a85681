"""Tokens and times: sums up usage, and notes when each step of an answer happened.

Pure: the caller gives the time, in seconds of one clock.

Thread: the event loop's only.
"""

from __future__ import annotations

from typing import Any

from ..events import Event, TimingsEvent
from ..protocol.bounded_dict import MAX_REMEMBERED, remember
from ..protocol.reading import dict_of

__all__ = ["Meter", "add_counts"]

# Of nested usage objects; the vendor's have two levels.
MAX_DEPTH = 8
# Beyond it floats skip integers; no server counts so far.
MAX_COUNT = 2.0**53


class Meter:
    """Usage over all responses, and the timings of the responses under way.

    Attributes
    ----------
    total : dict
        Tokens so far; nested counts under dotted names.
    by_model : dict
        Usage so far by model and source ("response", "transcription"): nested sums, for prices.
    context_tokens : int or None
        Tokens of the conversation at the end of its last response; None before.
    speech_end : float or None
        When the user's turn ended; None once a response has begun after it.
    """

    def __init__(self) -> None:
        self.total: dict[str, int] = {}
        self.by_model: dict[tuple[str | None, str], dict[str, Any]] = {}
        self.context_tokens: int | None = None
        self.speech_end: float | None = None
        self._by_response: dict[str, TimingsEvent] = {}
        self._by_item: dict[str, TimingsEvent] = {}

    def forget(self) -> None:
        """Forget the responses under way: another conversation begins, in which ids may come again."""
        self.speech_end = None
        self.context_tokens = None
        self._by_response.clear()
        self._by_item.clear()

    def add_usage(self, usage: Any) -> None:
        """Add every number of a usage object, nested ones under dotted names; ignores everything else."""
        self._add("", usage, MAX_DEPTH)

    def _add(self, prefix: str, usage: Any, depth: int) -> None:
        if not isinstance(usage, dict) or not depth:
            return
        for key, value in usage.items():
            if isinstance(value, dict):
                self._add(f"{prefix}{key}.", value, depth - 1)
            elif _is_count(value):
                name = f"{prefix}{key}"
                self.total[name] = self.total.get(name, 0) + int(value)

    def add_to_model(self, model: str | None, source: str, usage: Any) -> None:
        """Add the usage of a response or a transcription to that of its model."""
        key = (model, source)
        if key not in self.by_model and len(self.by_model) >= MAX_REMEMBERED:
            # A server that names ever new models.
            key = (None, source)
        add_counts(self.by_model.setdefault(key, {}), usage)

    def note_context(self, usage: Any) -> None:
        """A response of the conversation has ended with *usage*: what it read and made is in the context now."""
        usage = dict_of(usage)
        counts = [usage.get(name) for name in ("input_tokens", "output_tokens")]
        if _is_count(counts[0]):
            self.context_tokens = sum(int(count) for count in counts if _is_count(count))

    def turn_ended(self, now: float) -> None:
        """The user's turn is over: speech stopped, or text or a commit was sent."""
        self.speech_end = now

    def created(self, response_id: str, now: float) -> None:
        """A response has begun."""
        timings = TimingsEvent(response_id=response_id, speech_end=self.speech_end, created=now)
        self.speech_end = None
        remember(self._by_response, response_id, timings)

    def delta(
        self, response_id: str | None, item_id: str, now: float, *, audio: bool, call: bool = False
    ) -> None:
        """A piece of an answer came. Called for every delta: it must be cheap."""
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

    def first_audio(self, item_id: str) -> float | None:
        """When the first audio of an answer came; None if none was seen."""
        timings = self._by_item.get(item_id)
        return timings.first_audio if timings is not None and timings.item_id == item_id else None

    def first_sample(self, item_id: str, now: float) -> TimingsEvent | None:
        """The device took the first sample of *item_id*. Returns the timings once they are complete."""
        timings = self._by_item.get(item_id)
        if timings is None or timings.first_sample is not None or timings.item_id != item_id:
            return None
        timings.first_sample = now
        return timings if timings.done is not None else None

    def done(self, response_id: str, now: float) -> TimingsEvent | None:
        """A response has ended. Returns its timings, None if its beginning was not seen."""
        timings = self._by_response.pop(response_id, None)
        if timings is not None:
            timings.done = now
            if not timings.answered and self.speech_end is None:
                # It only called a tool: the user waits for the next response.
                self.speech_end = timings.speech_end
        return timings


def add_counts(total: dict[str, Any], usage: Any, depth: int = MAX_DEPTH) -> None:
    """Add the numbers of a usage object to *total*, nested ones too; ignores everything else."""
    for name, value in dict_of(usage).items():
        if isinstance(value, dict) and depth:
            inner = total.setdefault(name, Event())
            if isinstance(inner, dict):
                add_counts(inner, value, depth - 1)
        elif _is_count(value) and not isinstance(total.get(name), dict):
            total[name] = total.get(name, 0) + value


def _is_count(value: Any) -> bool:
    """True for a number that a sum can hold exactly."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MAX_COUNT
