"""Limits how often something may happen: the token bucket, and one bucket for each of many clients.

Thread: the event loop only; the caller passes the time.
"""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["Bucket", "Buckets"]


class Bucket:
    """Allows *rate* events a second on average, and *burst* at once after a rest. Times are in seconds."""

    __slots__ = ("_level", "_time", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._level = burst
        self._time: float | None = None

    def take(self, now: float, amount: float = 1.0) -> bool:
        """True if *amount* events may happen now; then they are counted."""
        if self._time is not None:
            self._level = min(self.burst, self._level + (now - self._time) * self.rate)
        self._time = now
        if amount > self._level:
            return False
        self._level -= amount
        return True

    def has(self, now: float, amount: float = 1.0) -> bool:
        """True if `take` would return True; counts nothing."""
        if self._time is None:
            return amount <= self.burst
        return amount <= min(self.burst, self._level + (now - self._time) * self.rate)


class Buckets:
    """A bucket for each key; beyond *capacity* keys, the least recently used bucket is dropped."""

    def __init__(self, rate: float, burst: float, capacity: int = 4096) -> None:
        self._rate = rate
        self._burst = burst
        self._capacity = capacity
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def of(self, key: str) -> Bucket:
        """The bucket of *key*, made if needed."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._rate, self._burst)
            if len(self._buckets) > self._capacity:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket
