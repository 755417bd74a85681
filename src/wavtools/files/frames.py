"""Frame sources: a sound of any length that is read in blocks of int16 frames, from any frame on.

Only a block is in memory. compressed_frames holds the sources that decode; open_frames chooses one.

Thread: any, one at a time per source.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wavtools.errors import DecodeError
from wavtools.files.samples import as_frames, as_samples
from wavtools.files.wav_reader import WavReader

__all__ = ["ArrayFrames", "BlockFrames", "FrameSource", "WavFrames"]


class FrameSource(Protocol):
    """A sound that is read in blocks.

    Attributes
    ----------
    sample_rate : int
        Hz
    channels : int
    frames : int or None
        How many the sound has; None where only reading to the end tells.
    seekable : bool
        False for an iterator of chunks, which gives each frame once.
    """

    sample_rate: int
    channels: int
    frames: int | None
    seekable: bool

    def seek(self, frame: int) -> int:
        """Go on with *frame*, or with the end if that comes first; returns where that is."""
        ...

    def read(self, frames: int) -> NDArray[np.int16]:
        """Read the next frames, shape (n, channels): 1 to *frames*, or none at the end.

        Raises DecodeError for damage, OSError where the file cannot be read.
        """
        ...

    def close(self) -> None:
        """Release the file or the decoder; never raises."""
        ...


class ArrayFrames:
    """Samples in memory: converted block by block, never copied as a whole."""

    seekable = True

    def __init__(self, samples: Any, sample_rate: int) -> None:
        held = as_samples(samples, "audio")
        self._samples = held[:, np.newaxis] if held.ndim == 1 else held
        self.sample_rate = sample_rate
        self.frames: int | None = len(held)
        self.channels = int(self._samples.shape[1])
        self._next = 0
        if not self.channels:
            raise ValueError(f"audio has shape {held.shape}; at least one channel is needed")

    def seek(self, frame: int) -> int:
        """Go on with *frame*."""
        self._next = min(frame, len(self._samples))
        return self._next

    def read(self, frames: int) -> NDArray[np.int16]:
        """Read the next frames."""
        block = self._samples[self._next : self._next + frames]
        self._next += len(block)
        return as_frames(block, "audio")

    def close(self) -> None:
        """Do nothing."""


class WavFrames:
    """A file of uncompressed sound."""

    seekable = True

    def __init__(self, source: str | os.PathLike[str] | bytes, name: str) -> None:
        self._reader = WavReader(source)
        self._name = name
        self.sample_rate = self._reader.sample_rate
        self.channels = self._reader.channel_count
        self.frames: int | None = self._reader.frames

    def seek(self, frame: int) -> int:
        """Go on with *frame*."""
        self._reader.seek(min(frame, self._reader.frames))
        return self._reader.tell()

    def read(self, frames: int) -> NDArray[np.int16]:
        """Read the next frames."""
        wanted = min(frames, self._reader.frames - self._reader.tell())
        block = self._reader.read(frames, "int16")
        if len(block) < wanted:
            raise DecodeError(f"{self._name} became shorter while it was read")
        return block.reshape(-1, self.channels)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


class BlockFrames:
    """What comes as blocks, first to last: a decoder's output, or an iterator of chunks.

    To go back it begins anew and drops what comes before, so that each frame is the one of a whole decode.

    Parameters
    ----------
    begin : callable
        Returns an iterator of (rate in Hz, samples as `as_frames` takes them); rate and channels stay as in the first pair.
    name : str
        What errors call it.
    seekable : bool
        True if *begin* may be called again.
    """

    def __init__(
        self, begin: Callable[[], Iterator[tuple[int, Any]]], name: str, *, seekable: bool = True
    ) -> None:
        self._begin = begin
        self._name = name
        self.seekable = seekable
        self.frames: int | None = None
        self._blocks = begin()
        self._next = 0
        self._held = np.empty((0, 1), np.int16)
        first = next(self._blocks, None)
        if first is None:
            raise DecodeError(f"{name} holds no sound")
        self.sample_rate, block = first
        self._held = as_frames(block, name)
        self.channels = 1 if self._held.ndim == 1 else int(self._held.shape[1])
        self._held = self._shaped(self._held)

    def seek(self, frame: int) -> int:
        """Go on with *frame*."""
        if frame < self._next:
            self.close()
            self._blocks = self._begin()
            self._held = self._held[:0]
            self._next = 0
        while self._next < frame and len(self.read(frame - self._next)):
            pass
        return self._next

    def read(self, frames: int) -> NDArray[np.int16]:
        """Read the next frames: what is left of a block."""
        while not len(self._held):
            following = next(self._blocks, None)
            if following is None:
                return self._held
            self._held = self._shaped(as_frames(following[1], self._name))
        block, self._held = self._held[:frames], self._held[frames:]
        self._next += len(block)
        return block

    def _shaped(self, block: NDArray[np.int16]) -> NDArray[np.int16]:
        channels = 1 if block.ndim == 1 else block.shape[1]
        if channels != self.channels:
            raise ValueError(f"{self._name} has {channels} channels in one chunk and {self.channels} before")
        return block.reshape(-1, channels)

    def close(self) -> None:
        """End the iterator."""
        close = getattr(self._blocks, "close", None)
        if close is not None:
            close()
