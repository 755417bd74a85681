"""LateOffset: how two clocks lay against each other some seconds ago, for a recording, which can wait.

A callback that comes late moves the stamps for a while, but not what is heard: the server still has sound. Frames that the
server had to wait for move both for good. The median of what the stamps told before and after a moment tells them apart.

Thread: the recorder's delivery thread.
"""

from __future__ import annotations

from collections import deque

import numpy as np

__all__ = ["HOLD_SECONDS", "LateOffset"]

# What a moment is judged by, before and after it; so the offset of a moment is known that much later
HOLD_SECONDS = 3.0
# The offset stays until the median is farther away than that: equal steps stay equal
STEP_SECONDS = 0.0003
# A median is looked for so often
EACH_SECONDS = 0.05


class LateOffset:
    """The offset of the first captured frame from the first played one, in seconds."""

    def __init__(self) -> None:
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
