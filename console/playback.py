"""Playback: plays one item of the conversation again, and keeps its position in the model.

It has an output stream of its own, so an answer that arrives meanwhile is not disturbed.

Thread: the event loop's; the device opens in a thread.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .session import SessionModel
from .state import SILENCE
from .transcript import ItemRow

if TYPE_CHECKING:
    from .audio import Speaker

__all__ = ["Playback"]


class Playback:
    """Plays one row at a time; keeps ``model.playback``."""

    def __init__(self, model: SessionModel) -> None:
        self._model = model
        self._speaker: Speaker | None = None
        self._length = 0

    async def start(self, row: ItemRow, device: str | None) -> None:
        """Play *row* from its beginning, in place of the row that plays now; *device* None is the default one."""
        from .audio import Speaker

        await self.stop()
        audio = row.audio
        speaker = Speaker(row.sample_rate, device)
        await asyncio.to_thread(speaker.connect)
        if speaker.problem:
            self._model.notice("warning", f"no speaker: {speaker.problem}; playing in silence")
        speaker.add_16bit_pcm(audio, row.id)
        self._speaker, self._length = speaker, len(audio)
        self._model.playback.item_id, self._model.playback.position = row.id, 0
        self._model.revision += 1

    async def stop(self) -> None:
        """Stop, if a row is playing."""
        speaker, self._speaker = self._speaker, None
        if self._model.playback.item_id is not None:
            self._model.playback.item_id = None
            self._model.revision += 1
        if speaker is not None:
            await asyncio.to_thread(speaker.disconnect)

    def tick(self) -> bool:
        """Note the position; True when the row has been played to its end: then call `stop`."""
        if self._speaker is None:
            return False
        receipt: Any = self._speaker.get_track_sample_offset()
        position = 0 if receipt is None else receipt.offset
        if position != self._model.playback.position:
            self._model.playback.position = position
            self._model.revision += 1
        return position >= self._length and not self._speaker.is_audible()

    def get_bars(self) -> tuple[float, ...]:
        """Return BANDS levels between 0 and 1."""
        return SILENCE if self._speaker is None else self._speaker.get_bars()
