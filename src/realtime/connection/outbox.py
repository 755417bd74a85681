"""The queue between the application and the socket: any thread puts, one task takes.

It survives reconnections. Live audio in it is bounded: when the socket cannot keep up the oldest is dropped
and counted, so that the microphone never waits and the model hears the present. Other events are few
and never dropped.

Thread: `put_audio` any; the rest the event loop's only.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from typing import Any

from ..protocol.audio_format import Int16Array

__all__ = ["Outbox"]


MAX_SECONDS = 600.0  # of audio, whatever the circumstances: 29 MB
STUCK_SECONDS = 0.25  # one send that takes this long means that the peer does not read


class _Audio:
    __slots__ = ("put_at", "samples")

    def __init__(self, samples: Int16Array, put_at: float) -> None:
        self.samples: Int16Array | None = samples
        self.put_at = put_at


class Outbox:
    """Bounded queue of events and audio, in one order.

    A file may be put in one go, much faster than it can be sent. So audio is dropped only when more than
    *limit_seconds* of it wait and the oldest has waited that long, or nothing is being sent at all.

    Parameters
    ----------
    limit_seconds : float
        Live audio that may wait.
    """

    def __init__(self, limit_seconds: float) -> None:
        if not limit_seconds >= 0:
            raise ValueError(f"input_queue_seconds must be 0 or more, not {limit_seconds!r}")
        self.limit_seconds = limit_seconds
        self.sample_rate = 24_000
        self.dropped_samples = 0
        self.blocked_since: float | None = 0.0  # when the send under way began; 0.0: no connection
        self._lock = threading.Lock()
        self._queue: deque[_Audio | dict[str, Any]] = deque()
        self._audio: deque[_Audio] = deque()  # the same objects, audio alone
        self._audio_samples = 0
        self._dropped_entries = 0  # still in the queue, as nothing
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._ready: asyncio.Event | None = None
        self._sleeping = False

    def __len__(self) -> int:
        return len(self._queue) - self._dropped_entries

    @property
    def audio_samples(self) -> int:
        """Samples that wait."""
        return self._audio_samples

    def put_audio(self, samples: Int16Array) -> None:
        """Queue *samples*, which must not change afterwards. Never blocks. Thread: any."""
        now = time.monotonic()
        entry = _Audio(samples, now)
        with self._lock:
            self._queue.append(entry)
            self._audio.append(entry)
            self._audio_samples += len(samples)
            limit = self.limit_seconds * self.sample_rate
            if self._audio_samples > limit:
                self._drop(limit, now)
        if self._sleeping:
            self._wake()

    def _drop(self, limit: float, now: float) -> None:
        stuck = self.blocked_since is not None and now - self.blocked_since > STUCK_SECONDS
        most = MAX_SECONDS * self.sample_rate
        while self._audio_samples > limit and len(self._audio) > 1:
            oldest = self._audio[0]
            if not (stuck or now - oldest.put_at > self.limit_seconds or self._audio_samples > most):
                return
            assert oldest.samples is not None
            self._audio.popleft()
            self._audio_samples -= len(oldest.samples)
            self.dropped_samples += len(oldest.samples)
            oldest.samples = None
            self._dropped_entries += 1
        if self._dropped_entries > 1000:  # an event at the head keeps them from being taken
            self._queue = deque(e for e in self._queue if isinstance(e, dict) or e.samples is not None)
            self._dropped_entries = 0

    def put(self, event: dict[str, Any]) -> None:
        """Queue an event."""
        with self._lock:
            self._queue.append(event)
        if self._sleeping:
            self._wake()

    def put_first(self, entry: dict[str, Any]) -> None:
        """Give back an event that could not be sent."""
        with self._lock:
            self._queue.appendleft(entry)

    def clear(self) -> None:
        with self._lock:
            self._queue.clear()
            self._audio.clear()
            self._audio_samples = self._dropped_entries = 0

    def open(self) -> None:
        """Bind to the running event loop, before `take`."""
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._ready = asyncio.Event()

    async def take(self) -> Int16Array | dict[str, Any]:
        """The next entry, in the order put. Cancel-safe: an entry is taken or it stays."""
        assert self._ready is not None, "open() comes first"
        while True:
            with self._lock:
                while self._queue:
                    entry = self._queue.popleft()
                    if isinstance(entry, dict):
                        return entry
                    if entry.samples is not None:
                        self._audio.popleft()
                        self._audio_samples -= len(entry.samples)
                        return entry.samples
                    self._dropped_entries -= 1
                self._ready.clear()
                self._sleeping = True
            await self._ready.wait()
            self._sleeping = False

    def _wake(self) -> None:
        if threading.get_ident() == self._loop_thread:
            assert self._ready is not None
            self._ready.set()
            return
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._ready_set)
        except RuntimeError:
            pass  # the loop has closed: nobody takes any more

    def _ready_set(self) -> None:
        if self._ready is not None:
            self._ready.set()
