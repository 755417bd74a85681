"""ConvertedFrames: a frame source at a rate that plays, of one whose rate is too low or too high for players.

Thread: any, one at a time per source.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavtools.errors import DecodeError
from wavtools.files.frames import FrameSource
from wavtools.pcm import mix_to_mono
from wavtools.resample import Resampler

__all__ = ["ConvertedFrames"]

# Rates that players and the resampler take, and those that are converted to them.
LOWEST_HZ, HIGHEST_HZ = 8_000, 192_000
LOWEST_CONVERTED_HZ, HIGHEST_CONVERTED_HZ = 1_000, 1_536_000
MAX_CHANNELS = 8
# Frames of the lower rate before a position from which the filter must have seen the sound: twice its length.
HISTORY = 256
# A ratio is all that the filter depends on; this is one of the two rates.
FILTER_HZ = 16_000


class ConvertedFrames:
    """A source at a whole multiple, or fraction, of its rate: 8000 Hz or more, or 192000 or less.

    Frames are those of a conversion of the whole sound, wherever reading begins. More than 8 channels become their mean.

    Parameters
    ----------
    source : FrameSource
        It is closed with this one.
    name : str
        What errors call it.

    Raises
    ------
    DecodeError
        a rate that is not 1000 to 1536000 Hz
    """

    def __init__(self, source: FrameSource, name: str) -> None:
        rate = source.sample_rate
        if not LOWEST_CONVERTED_HZ <= rate <= HIGHEST_CONVERTED_HZ:
            raise DecodeError(
                f"{name} says {rate} Hz; sound of {LOWEST_CONVERTED_HZ} to {HIGHEST_CONVERTED_HZ} Hz can be played"
            )
        self._source = source
        # Output frames for input frames; one of the two is 1.
        self._up, self._down = max(1, -(-LOWEST_HZ // rate)), max(1, -(-rate // HIGHEST_HZ))
        # Off by less than half a hertz.
        self.sample_rate = round(rate * self._up / self._down)
        self.seekable = source.seekable
        self.frames = None if source.frames is None else self._converted(source.frames)
        self._mixes = source.channels > MAX_CHANNELS
        self.channels = 1 if self._mixes else source.channels
        self._resampler = Resampler(FILTER_HZ * self._down, FILTER_HZ * self._up, self.channels)
        self._begin(0)

    def _begin(self, frame: int) -> None:
        """Take a new signal, whose first output is *frame*."""
        self._resampler.reset()
        self._next = frame
        self._held = np.empty((0, self.channels), np.int16)
        self._ended = False

    def _converted(self, frames: int) -> int:
        return -(-frames * self._up // self._down)

    def seek(self, frame: int) -> int:
        """Go on with *frame*, or with the end if that comes first; returns where that is."""
        begin = max(0, frame - HISTORY * self._up) // self._up
        there = self._source.seek(begin * self._down)
        if there < begin * self._down:
            self._begin(self._converted(there))
            self._ended = True
            return self._next
        self._begin(begin * self._up)
        while self._next < frame and len(self.read(frame - self._next)):
            pass
        return self._next

    def read(self, frames: int) -> NDArray[np.int16]:
        """Read the next frames: 1 to *frames*, or none at the end. Raises as its source."""
        while not len(self._held) and not self._ended:
            block = self._source.read(-(-frames * self._down // self._up))
            converted: NDArray[Any]
            if len(block):
                converted = self._resampler.process(mix_to_mono(block) if self._mixes else block)
            else:
                converted, self._ended = self._resampler.flush(), True
            # Without a signal, the flush gives floats.
            self._held = converted.astype(np.int16, copy=False).reshape(-1, self.channels)
        block, self._held = self._held[:frames], self._held[frames:]
        self._next += len(block)
        return block

    def close(self) -> None:
        """Close the source."""
        self._source.close()
