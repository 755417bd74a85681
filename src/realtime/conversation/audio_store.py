"""Growing int16 audio, for deltas that come far more often than anybody looks.

Thread: one thread at a time for each object.
"""

from __future__ import annotations

import numpy as np

from ..protocol.audio_format import EMPTY, Int16Array

__all__ = ["AudioStore"]


class AudioStore:
    """Growing int16 audio. `append` is O(1) and keeps what it is given; `view` copies each sample a few times at most.

    Deltas come far more often than anybody looks: they are put together when somebody does. A view stays
    valid, and stays as it was, however much is appended after it.
    """

    __slots__ = ("_chunks", "_data", "_length", "_settled")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._data: Int16Array = EMPTY
        self._settled = 0  # samples in _data; the chunks come after them
        self._chunks: list[Int16Array] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def nbytes(self) -> int:
        """Memory it takes, room for growth included."""
        return self._data.nbytes + sum(chunk.nbytes for chunk in self._chunks)

    def append(self, samples: Int16Array) -> None:
        """Add *samples*, which must not change afterwards."""
        if len(samples):
            self._chunks.append(samples)
            self._length += len(samples)

    def _settle(self) -> None:
        if self._length > len(self._data):
            # Doubling: each sample is copied at most twice more however long the audio grows.
            grown: Int16Array = np.empty(max(self._length, 2 * len(self._data)), np.int16)
            grown[: self._settled] = self._data[: self._settled]
            self._data = grown
        for chunk in self._chunks:
            self._data[self._settled : self._settled + len(chunk)] = chunk
            self._settled += len(chunk)
        self._chunks.clear()

    def view(self, start: int = 0, end: int | None = None) -> Int16Array:
        """Read-only samples [start, end). Copies nothing that was looked at before."""
        if self._chunks:
            self._settle()
        view = self._data[start : self._length if end is None else min(end, self._length)]
        view.flags.writeable = False
        return view

    def truncate(self, length: int) -> None:
        """Keep the first *length* samples. Views taken before stay whole."""
        if length < self._length:
            self._data = self.view()[:length].copy()
            self._settled = self._length = length

    def compact(self) -> None:
        """Give back the room for growth once nothing more will come."""
        if self._chunks:
            self._settle()
        if len(self._data) > self._length:
            self._data = self._data[: self._length].copy()
