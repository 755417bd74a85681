"""Answer: what the model answered to one `RealtimeClient.ask`, to be awaited or read piece by piece.

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..conversation.change import Delta
from ..conversation.items import Item
from ..events import Event, TimingsEvent
from ..protocol.audio_format import Int16Array

if TYPE_CHECKING:
    from ..prices import Cost

__all__ = ["Answer"]


class Answer:
    """One answer, from the request to its end; with tools, the responses after their calls belong to it.

    ``await answer`` waits for the end and returns the answer itself. ``async for piece in answer`` yields each `Delta`
    with text, transcript or audio as it comes; ``str(piece)`` is its words. Both raise `AnswerError` if the answer
    failed, was cut off, was refused or lost; what had come until then can still be read. If the awaiting task is
    cancelled, so is the answer. The text of an answer that the user interrupted ends with the interruption: it raises
    nothing, and its `status` is "cancelled".

    Attributes
    ----------
    status : str
        "in_progress", "completed", "incomplete", "failed" or "cancelled".
    items : list of Item
        What the model made: messages and calls of tools, in the order of the conversation.
    usage : Event
        Tokens, summed over the responses; empty until the first of them has ended.
    model : str or None
        The model that answered; None until then.
    timings : TimingsEvent or None
        Times of the response that answered.
    error : Exception or None
        What awaiting it raises.
    """

    def __init__(self, cancel: Callable[[Answer], None]) -> None:
        self.status = "in_progress"
        self.items: list[Item] = []
        self.usage = Event()
        self.model: str | None = None
        self.timings: TimingsEvent | None = None
        self.error: Exception | None = None
        self._cancel = cancel
        self._pieces: deque[Delta] = deque()
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Answer {self.status}, {len(self.items)} items, {str(self)[:60]!r}>"

    def __str__(self) -> str:
        return self.text or self.transcript

    # Reading

    @property
    def done(self) -> bool:
        """True once it has ended, in whatever way."""
        return self.status != "in_progress"

    @property
    def messages(self) -> list[Item]:
        """The items that are messages."""
        return [item for item in self.items if item.type == "message"]

    @property
    def text(self) -> str:
        """What the model wrote; "" for a spoken answer. A line for each message."""
        return "\n".join(item.formatted.text for item in self.messages if item.formatted.text)

    @property
    def transcript(self) -> str:
        """The words that the model spoke; "" for a written answer. A line for each message."""
        return "\n".join(item.formatted.transcript for item in self.messages if item.formatted.transcript)

    @property
    def audio(self) -> Int16Array:
        """What the model spoke: int16, shape (frames,), mono at `sample_rate`; empty for a written answer."""
        pieces = [item.formatted.audio for item in self.messages if len(item.formatted.audio)]
        return pieces[0] if len(pieces) == 1 else np.concatenate([np.empty(0, np.int16), *pieces])

    @property
    def sample_rate(self) -> int:
        """Rate of `audio` in Hz."""
        return self.messages[-1].formatted.sample_rate if self.messages else 24_000

    @property
    def cost(self) -> Cost | None:
        """US dollars for `usage`, a float; None before the end and without a known price. See `realtime.prices.cost_of`."""
        from ..prices import cost_of

        return None if self.model is None else cost_of(self.model, self.usage)

    @property
    def file(self) -> Any:
        """`audio` as a `wavtools.WavFile`, to be saved or played; None without audio."""
        from wavtools import WavPacker

        return WavPacker.pack(self.audio, self.sample_rate) if len(self.audio) else None

    # Waiting

    def __await__(self) -> Generator[Any, None, Answer]:
        return self._wait().__await__()

    async def _wait(self) -> Answer:
        try:
            while not self.done:
                self._changed.clear()
                await self._changed.wait()
        except asyncio.CancelledError:
            self.cancel()
            raise
        if self.error is not None:
            raise self.error
        return self

    async def __aiter__(self) -> AsyncIterator[Delta]:
        while self._pieces or not self.done:
            if not self._pieces:
                self._changed.clear()
                try:
                    await self._changed.wait()
                except asyncio.CancelledError:
                    self.cancel()
                    raise
                continue
            yield self._pieces.popleft()
        if self.error is not None:
            raise self.error

    def cancel(self) -> None:
        """Stop the answer; what has come stays. Nothing happens if it has ended."""
        if not self.done:
            self._cancel(self)

    # For Answers

    def take(self, item: Item, delta: Delta) -> None:
        """A piece of *item* came."""
        self.take_item(item)
        if delta.arguments is None:
            self._pieces.append(delta)
            self._changed.set()

    def take_item(self, item: Item) -> None:
        """Count *item* among the answer's."""
        if item not in self.items:
            self.items.append(item)

    def begin_anew(self) -> None:
        """Forget what came: it was no answer to this request."""
        self.items.clear()
        self._pieces.clear()

    def settle(self, status: str, error: Exception | None = None) -> None:
        """End it."""
        self.status, self.error = status, error
        self._changed.set()
