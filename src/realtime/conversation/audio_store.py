"""Growing int16 audio: appending is cheap because deltas arrive far more often than the audio is read.

Thread: one thread at a time for each object.
"""

from __future__ import annotations

import numpy as np

from ..protocol.audio_format import EMPTY, Int16Array

__all__ = ["AudioStore"]


class AudioStore:
    """Growing int16 audio. `append` is O(1) and keeps the array given; `view` copies each sample a few times at most.

    Chunks are joined only when the audio is read. A view stays valid and unchanged, however much audio is appended
    later.
    """

    __slots__ = ("_chunks", "_data", "_joined", "_length")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Remove all samples."""
        self._data: Int16Array = EMPTY
        # Number of samples in _data; the samples of _chunks follow them.
        self._joined = 0
        self._chunks: list[Int16Array] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def nbytes(self) -> int:
        """Bytes of memory used, including the reserve for growth."""
        return self._data.nbytes + sum(chunk.nbytes for chunk in self._chunks)

    def append(self, samples: Int16Array) -> None:
        """Add *samples* without copying them; they must not change afterwards."""
        if len(samples):
            self._chunks.append(samples)
            self._length += len(samples)

    def _join(self) -> None:
        """Copy the chunks to the end of _data."""
        if self._length > len(self._data):
            # The capacity doubles, so each sample is copied at most twice more, however long the audio grows.
            grown: Int16Array = np.empty(max(self._length, 2 * len(self._data)), np.int16)
            grown[: self._joined] = self._data[: self._joined]
            self._data = grown
        for chunk in self._chunks:
            self._data[self._joined : self._joined + len(chunk)] = chunk
            self._joined += len(chunk)
        self._chunks.clear()

    def view(self, start: int = 0, end: int | None = None) -> Int16Array:
        """Read-only samples [start, end). Copies only samples that no view has read before."""
        if self._chunks:
            self._join()
        view = self._data[start : self._length if end is None else min(end, self._length)]
        view.flags.writeable = False
        return view

    def truncate(self, length: int) -> None:
        """Keep the first *length* samples. Earlier views stay unchanged."""
        if length < self._length:
            self._data = self.view()[:length].copy()
            self._joined = self._length = length

    def compact(self) -> None:
        """Free the reserve for growth, for audio that is complete."""
        if self._chunks:
            self._join()
        if len(self._data) > self._length:
            self._data = self._data[: self._length].copy()
