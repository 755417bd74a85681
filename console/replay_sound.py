"""ReplaySound: plays both sides of a saved session from any second on, and tells which second is heard.

Thread: the event loop's; the device opens in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .saved_sound import SavedSound
from .state import SILENCE

if TYPE_CHECKING:
    from .audio import Speaker

__all__ = ["ReplaySound"]

# Sound that waits in the player
AHEAD_SECONDS = 4.0
BLOCK_SECONDS = 1.0


class ReplaySound:
    """A player of a `SavedSound`.

    Parameters
    ----------
    sound : SavedSound
    output : str, optional
        Speaker, by its id or a part of its name.

    Attributes
    ----------
    problem : str
        Why nothing is heard; empty if it is.
    """

    def __init__(self, sound: SavedSound, output: str | None = None) -> None:
        self.problem = ""
        self._sound = sound
        self._output = output
        self._speaker: Speaker | None = None
        self._blocks: Iterator[Any] | None = None
        self._track = ""
        self._plays = 0
        # Frames of the sound: where the track began, and what was queued of it
        self._start = self._queued = 0
        self._changing = asyncio.Lock()

    async def play(self, second: float) -> None:
        """Play from *second* on, in place of what plays now."""
        from .audio import Speaker

        async with self._changing:
            if self._speaker is None:
                speaker = Speaker(self._sound.sample_rate, self._output)
                await asyncio.to_thread(speaker.connect)
                self._speaker, self.problem = speaker, speaker.problem
            self._speaker.interrupt()
            self._plays += 1
            self._track = f"replay-{self._plays}"
            self._start, self._queued = round(second * self._sound.sample_rate), 0
            self._blocks = self._sound.blocks(round(BLOCK_SECONDS * self._sound.sample_rate), self._start)
            self.feed()

    def hold(self) -> None:
        """Tell no position until `play` is called: the replay moves elsewhere."""
        self._blocks = None

    async def pause(self) -> None:
        """Be silent at once."""
        async with self._changing:
            self._blocks = None
            self._track = ""
            if self._speaker is not None:
                self._speaker.interrupt()

    async def close(self) -> None:
        """Close the device."""
        await self.pause()
        speaker, self._speaker = self._speaker, None
        if speaker is not None:
            await asyncio.to_thread(speaker.disconnect)

    def feed(self) -> None:
        """Queue what comes next; to be called several times a second."""
        speaker, rate = self._speaker, self._sound.sample_rate
        if speaker is None or self._blocks is None:
            return
        while self._queued - self._heard() < AHEAD_SECONDS * rate:
            block = next(self._blocks, None)
            if block is None or not len(block):
                self._blocks = iter(())
                return
            mixed = np.clip(block.sum(axis=1, dtype=np.int32), -32768, 32767).astype(np.int16)
            speaker.add_16bit_pcm(mixed, self._track)
            self._queued += len(mixed)

    @property
    def second(self) -> float | None:
        """The second of the sound that is heard; None while nothing plays."""
        if self._blocks is None or self._speaker is None:
            return None
        return (self._start + self._heard()) / self._sound.sample_rate

    def _heard(self) -> int:
        """Frames of the present track that the device has taken."""
        assert self._speaker is not None
        receipt = self._speaker.get_track_sample_offset()
        return receipt.offset if receipt is not None and receipt.track_id == self._track else 0

    def get_bars(self) -> tuple[float, ...]:
        """Return BANDS levels between 0 and 1."""
        return SILENCE if self._speaker is None or self._blocks is None else self._speaker.get_bars()
