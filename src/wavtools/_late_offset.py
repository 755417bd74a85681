"""LateOffset: how two clocks lay against each other some seconds ago, and what was played then, for a recording.

A recording can wait. A callback that comes late moves the stamps for a while, but not what is heard: the server still has
sound. Frames that the server had to wait for move both for good. The median of what the stamps told before and after
a moment tells them apart.

Thread: the recorder's delivery thread.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

__all__ = ["HOLD_SECONDS", "LateOffset"]

Samples = NDArray[np.int16]

# What a moment is judged by, before and after it; so the offset of a moment is known that much later
HOLD_SECONDS = 3.0
# What was played is kept that long: a moment may be asked for later while the machine is busy
KEEP_SECONDS = 9
# The offset stays until the median is farther away than that: equal steps stay equal
STEP_SECONDS = 0.0003
# A median is looked for so often
EACH_SECONDS = 0.05


class LateOffset:
    """The offset of the first captured frame from the first played one, in seconds, and the frames that were played.

    Parameters
    ----------
    sample_rate : int
        Hz, of the frames.
    """

    def __init__(self, sample_rate: int) -> None:
        # Frame number n is at n modulo the length; numbers up to _end were there
        self._frames = np.zeros(KEEP_SECONDS * sample_rate, np.int16)
        self._end = 0
        self._observed: deque[tuple[float, float]] = deque()
        self._offset: float | None = None
        self._judged = 0.0

    def begin(self) -> None:
        """Forget all observations."""
        self._observed.clear()
        self._offset = None

    def observe(self, now: float, offset: float) -> None:
        """Take the offset that the newest stamps tell at *now*, seconds by any clock."""
        self._observed.append((now, offset))
        while now - self._observed[0][0] > 4 * HOLD_SECONDS:
            self._observed.popleft()

    def at(self, moment: float) -> float | None:
        """Return the offset at a moment; None before the first observation. Moments grow."""
        if self._offset is not None and moment - self._judged < EACH_SECONDS:
            return self._offset
        near = [offset for now, offset in self._observed if abs(now - moment) <= HOLD_SECONDS]
        if near:
            median = float(np.median(near))
            if self._offset is None or abs(median - self._offset) > STEP_SECONDS:
                self._offset = median
            self._judged = moment
        return self._offset

    def keep(self, number: int, frames: Samples) -> None:
        """Keep played frames, of which the first has that number."""
        size = len(self._frames)
        if number < self._end:
            # Numbers begin anew with another device
            self._frames[:] = 0
        frames, self._end = frames[-size:], number + len(frames)
        at = (self._end - len(frames)) % size
        head = min(len(frames), size - at)
        self._frames[at : at + head] = frames[:head]
        self._frames[: len(frames) - head] = frames[head:]

    def kept(self, number: int, count: int) -> Samples:
        """Return *count* frames from that number on; silence for those that are not kept."""
        size = len(self._frames)
        out = np.zeros(count, np.int16)
        first, last = max(number, self._end - size, 0), min(number + count, self._end)
        if first < last:
            out[first - number : last - number] = self._frames[np.arange(first, last) % size]
        return out
