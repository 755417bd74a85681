"""How often something may happen: the token bucket, and one bucket for each of many clients.

Thread: the event loop's only.
"""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["Bucket", "Buckets"]


class Bucket:
    """Lets through *rate* a second on average, and *burst* at once after a rest. Times are the caller's, in seconds."""

    __slots__ = ("_level", "_time", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._level = burst
        self._time: float | None = None

    def take(self, now: float, amount: float = 1.0) -> bool:
        """Whether *amount* may happen now; if so it is counted."""
        if self._time is not None:
            self._level = min(self.burst, self._level + (now - self._time) * self.rate)
        self._time = now
        if amount > self._level:
            return False
        self._level -= amount
        return True

    def has(self, now: float, amount: float = 1.0) -> bool:
        """Whether `take` would let it through; counts nothing."""
        if self._time is None:
            return amount <= self.burst
        return amount <= min(self.burst, self._level + (now - self._time) * self.rate)


class Buckets:
    """A bucket for each key; of more than *capacity* keys the least recently used is forgotten."""

    def __init__(self, rate: float, burst: float, capacity: int = 4096) -> None:
        self._rate = rate
        self._burst = burst
        self._capacity = capacity
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def of(self, key: str) -> Bucket:
        """The bucket of *key*."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._rate, self._burst)
            if len(self._buckets) > self._capacity:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket
