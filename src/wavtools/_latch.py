"""Latch: an event that is set once; a signal handler may wait for it in the middle of another wait for it.

threading.Event holds a lock while it begins to wait, so that a signal handler which waits for the same event then hangs.

Thread: any.
"""

from __future__ import annotations

import queue
import time

__all__ = ["Latch"]

# Ctrl-C is seen on Windows only between waits.
POLL_SECONDS = 0.5


class Latch:
    """An event without a lock.

    Attributes
    ----------
    is_set : bool
    """

    def __init__(self) -> None:
        self.is_set = False
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        """Release those who wait, now and later."""
        self.is_set = True
        self._wakes.put(None)

    def wait(self, seconds: float = float("inf")) -> bool:
        """Wait until it is set, at most *seconds*; True if it is set."""
        deadline = time.monotonic() + seconds
        while not self.is_set:
            left = min(POLL_SECONDS, deadline - time.monotonic())
            if left <= 0:
                return False
            try:
                self._wakes.get(timeout=left)
            except queue.Empty:
                continue
            # For the next one who waits.
            self._wakes.put(None)
        return True
