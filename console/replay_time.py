"""The time of a replay: which second of it belongs to which moment of the session, and a clock that pauses and seeks.

Thread: any; pure but for the clock that it is given.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Protocol

__all__ = ["EventTimeline", "ReplayClock", "Timeline"]

# Pauses of a session without sound are shortened to that
LONGEST_PAUSE = 5.0


class Timeline(Protocol):
    """Seconds of a replay and moments of the session."""

    @property
    def seconds(self) -> float:
        """Length of the replay."""
        ...

    def second_of(self, time: float) -> float:
        """Return the second of a moment, given in seconds since the epoch."""
        ...


class EventTimeline:
    """The timeline of a session without sound: its events one after another, long pauses shortened.

    Parameters
    ----------
    times : iterable of float
        Of everything that happens, in order, in seconds since the epoch.
    """

    def __init__(self, times: Iterable[float]) -> None:
        self._seconds: list[float] = []
        self._times: list[float] = []
        last = end = 0.0
        for moment in times:
            if not self._times or moment - last > LONGEST_PAUSE:
                end += LONGEST_PAUSE if self._times else 0.0
                self._times.append(moment)
                self._seconds.append(end)
            elif moment > last:
                end += moment - last
            last = max(moment, last)
        self.seconds = end

    def second_of(self, time: float) -> float:
        """Return the second of a moment."""
        at = bisect_right(self._times, time) - 1
        if at < 0:
            return 0.0
        end = self._seconds[at + 1] if at + 1 < len(self._times) else self.seconds
        return min(self._seconds[at] + time - self._times[at], end)


class ReplayClock:
    """A position that moves by itself, unless it is paused.

    Parameters
    ----------
    seconds : float
        The last position.
    speed : float
        Seconds of the replay in a second; above 0.
    now : callable
        Seconds that only grow.

    Attributes
    ----------
    paused : bool
        The position stays.
    """

    def __init__(self, seconds: float, speed: float, now: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self.paused = False
        self._speed = speed
        self._now = now
        self._second = 0.0
        self._since = now()

    @property
    def second(self) -> float:
        """The position, from 0 to ``seconds``."""
        moved = 0.0 if self.paused else (self._now() - self._since) * self._speed
        return min(self._second + moved, self.seconds)

    def seek(self, second: float) -> None:
        """Move to another position; beyond an end, to the end."""
        self._second = min(max(second, 0.0), self.seconds)
        self._since = self._now()

    def pause(self, paused: bool) -> None:
        """Stop at the position, or go on from there."""
        self.seek(self.second)
        self.paused = paused
