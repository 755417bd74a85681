"""The queue between the application and the socket: any thread puts, one task takes.

The queue survives reconnections. Live audio in it is bounded: when the socket cannot keep up, the oldest audio
is dropped and counted, so that the microphone never waits and the model hears what is said now. Other events
are few and never dropped.

Thread: `put_audio` and `reject_audio` any; the rest the event loop's only.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from ..protocol.audio_format import Int16Array
from ..protocol.reading import Wire

__all__ = ["Commit", "Entry", "Outbox"]

# Of audio in the queue, in any case: 29 MB.
MAX_SECONDS = 600.0
# A send that takes this long means that the peer does not read.
STUCK_SECONDS = 0.25
# Of one append event. The vendor takes 15 MiB, but the other entries must not wait that long.
MAX_APPEND_SAMPLES = 240_000
# Of one append event to a server that takes small messages only.
MIN_APPEND_SAMPLES = 2_400


@dataclass(frozen=True)
class Commit:
    """A commit of the audio sent so far; it is sent only if there is enough audio at that moment."""


Entry = Int16Array | Commit | Wire


class _Audio:
    """Queued audio; ``samples`` is None once it was dropped."""

    __slots__ = ("put_at", "samples")

    def __init__(self, samples: Int16Array, put_at: float) -> None:
        self.samples: Int16Array | None = samples
        self.put_at = put_at


class Outbox:
    """Bounded queue of events, commits and audio, in one order.

    A file may be put at once, much faster than it can be sent. So audio is dropped only when more than
    *limit_seconds* of it are queued and either the oldest has been queued for that long or the socket is stuck.

    Parameters
    ----------
    limit_seconds : float
        Live audio that may be queued, in seconds.

    Raises
    ------
    ValueError
        a limit below 0
    """

    def __init__(self, limit_seconds: float) -> None:
        if not limit_seconds >= 0:
            raise ValueError(f"input_queue_seconds must be 0 or more, not {limit_seconds!r}")
        self.limit_seconds = limit_seconds
        self.sample_rate = 24_000
        self.max_append_samples = MAX_APPEND_SAMPLES
        self.dropped_samples = 0
        self._lock = threading.Lock()
        self._queue: deque[_Audio | Commit | Wire] = deque()
        # The same objects as in the queue, audio alone.
        self._audio: deque[_Audio] = deque()
        self._audio_samples = 0
        # Entries of dropped audio that are still in the queue.
        self._dropped_entries = 0
        # The time from which on the socket counts as stuck.
        self._stuck_from = -inf
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._ready: asyncio.Event | None = None
        self._sleeping = False

    def __len__(self) -> int:
        return len(self._queue) - self._dropped_entries

    @property
    def audio_samples(self) -> int:
        """Samples in the queue."""
        return self._audio_samples

    # What the socket does: it decides whether audio is dropped

    def disconnected(self) -> None:
        """Note that there is no connection."""
        self._stuck_from = -inf

    def send_started(self) -> None:
        """Note that the socket was given a frame."""
        self._stuck_from = time.monotonic() + STUCK_SECONDS

    def send_finished(self) -> None:
        """Note that the socket has taken the frame, or is open and can take the first one."""
        self._stuck_from = inf

    # Putting

    def put_audio(self, samples: Int16Array) -> None:
        """Queue *samples*, which must not change afterwards. Never blocks. Thread: any."""
        if len(samples) > self.max_append_samples:
            for piece in self.pieces(samples):
                self.put_audio(piece)
            return
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

    def pieces(self, samples: Int16Array) -> Iterator[Int16Array]:
        """*samples* in pieces for one append event each. Thread: any."""
        size = self.max_append_samples
        for start in range(0, len(samples), size):
            yield samples[start : start + size]

    def shorten_appends(self) -> bool:
        """Send audio in pieces of half the length from now on; False if they are as short as they can be."""
        if self.max_append_samples <= MIN_APPEND_SAMPLES:
            return False
        self.max_append_samples = max(self.max_append_samples // 2, MIN_APPEND_SAMPLES)
        return True

    def reject_audio(self, samples: Int16Array) -> None:
        """Count *samples* as dropped without queueing them. Thread: any."""
        with self._lock:
            self.dropped_samples += len(samples)

    def _drop(self, limit: float, now: float) -> None:
        stuck = now > self._stuck_from
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
        # While an event stands at the head, `take` does not remove them.
        if self._dropped_entries > 1000:
            self._queue = deque(e for e in self._queue if not isinstance(e, _Audio) or e.samples is not None)
            self._dropped_entries = 0

    def put(self, entry: Commit | Wire) -> None:
        """Queue an event or a commit."""
        with self._lock:
            self._queue.append(entry)
        if self._sleeping:
            self._wake()

    def put_first(self, event: Wire) -> None:
        """Put an event that could not be sent back at the head."""
        with self._lock:
            self._queue.appendleft(event)

    def clear(self) -> None:
        """Drop everything, uncounted."""
        with self._lock:
            self._queue.clear()
            self._audio.clear()
            self._audio_samples = self._dropped_entries = 0

    def open(self) -> None:
        """Bind to the running event loop; called before `take`."""
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._ready = asyncio.Event()

    async def take(self) -> Entry:
        """The next entry, in the order put. Cancel-safe: an entry is taken or it stays."""
        assert self._ready is not None, "open() comes first"
        while True:
            with self._lock:
                while self._queue:
                    entry = self._queue.popleft()
                    if not isinstance(entry, _Audio):
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
            # The loop has closed: no task takes entries any more.
            pass

    def _ready_set(self) -> None:
        if self._ready is not None:
            self._ready.set()
