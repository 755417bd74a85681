"""The time of time.monotonic(), finely: on Windows that clock ticks only every 16 ms before Python 3.13.

Thread: any; calls at the same time on two threads disturb each other by nanoseconds at most.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["FineClock", "monotonic"]

# Coarser clocks than this are refined.
FINE_SECONDS = 0.001
# A coarse clock that is further behind has stood still.
LATE_TICKS = 4
# Greatest difference in speed of two clocks of one computer
DRIFT = 1e-4


class FineClock:
    """A coarse clock, refined by a fine one with another zero.

    The result is never before the coarse clock's and less than a tick after it; or less than four ticks, where ticks come
    late or one of the two clocks stands still while the computer sleeps.

    Parameters
    ----------
    coarse, fine : callable
        Give seconds.
    tick : float
        Greatest step of the coarse clock, seconds.
    """

    def __init__(self, coarse: Callable[[], float], fine: Callable[[], float], tick: float) -> None:
        self._coarse = coarse
        self._fine = fine
        self._limit = LATE_TICKS * tick
        self._read_at = fine()
        self._ahead = coarse() - self._read_at

    def __call__(self) -> float:
        """Seconds of the coarse clock."""
        ahead = self._coarse() - (fine := self._fine())
        # The coarse clock is exact at a tick and late in between: the greatest difference of the two is the true one.
        # It may shrink as slowly as the clocks drift apart.
        self._ahead -= (fine - self._read_at) * DRIFT
        self._read_at = fine
        if not ahead <= self._ahead < ahead + self._limit:
            self._ahead = ahead
        return fine + self._ahead


def _fine_monotonic() -> Callable[[], float]:
    tick = time.get_clock_info("monotonic").resolution
    return time.monotonic if tick <= FINE_SECONDS else FineClock(time.monotonic, time.perf_counter, tick)


# time.monotonic itself where it is fine
monotonic = _fine_monotonic()
