"""AudioStore: keeps recorded audio, all of it or the newest frames up to a limit.

Blocks are kept as they arrive and joined when read, so that adding a block takes the same time after an hour.

Thread: any.
"""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
from numpy.typing import NDArray


class AudioStore:
    """The newest PCM16 frames of a recording.

    Parameters
    ----------
    channels : int
    keep_frames : int, optional
        Most frames to keep; all of them when not given.

    Attributes
    ----------
    frames : int
        Frames kept now.
    """

    def __init__(self, channels: int, keep_frames: int | None = None) -> None:
        self.channels = channels
        self._keep_frames = keep_frames
        # A signal handler may take it again in the middle of a call.
        self._lock = threading.RLock()
        self._blocks: deque[NDArray[np.int16]] = deque()
        self.frames = 0

    def add(self, block: NDArray[np.int16]) -> None:
        """Take *block*, int16 (frames, channels), without copying it; drop the oldest frames beyond the limit."""
        if len(block) == 0:
            return
        with self._lock:
            self._blocks.append(block)
            self.frames += len(block)
            if self._keep_frames is not None:
                self._drop_oldest(self.frames - self._keep_frames)

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._blocks.clear()
            self.frames = 0

    def read(self) -> NDArray[np.int16]:
        """A copy of everything kept, int16 (frames, channels)."""
        blocks = self._snapshot()
        return np.concatenate(blocks) if blocks else np.empty((0, self.channels), np.int16)

    def _snapshot(self) -> tuple[NDArray[np.int16], ...]:
        """The blocks at one moment, without the lock.

        add() and clear() are called with the delivery's lock held. A signal handler that waits for that one in the middle
        of a read would never get it if the reader held this one.
        """
        while True:
            try:
                return tuple(self._blocks)
            except RuntimeError:  # a block came meanwhile
                continue

    def _drop_oldest(self, excess: int) -> None:
        while excess > 0:
            oldest = self._blocks[0]
            dropped = min(excess, len(oldest))
            if dropped == len(oldest):
                self._blocks.popleft()
            else:
                self._blocks[0] = oldest[dropped:]
            self.frames -= dropped
            excess -= dropped
