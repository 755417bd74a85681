"""ChunkQueue: holds the chunks of a recorder until a thread or an event loop takes them by iterating.

Thread: put() on the delivery thread, the rest any.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator

from wavtools._delivery import AudioChunk

__all__ = ["ChunkQueue"]


class ChunkQueue:
    """Chunks that wait to be taken; iteration ends when the queue is empty and was closed.

    Parameters
    ----------
    keep_frames : int, optional
        Most frames that wait; then the oldest chunks are dropped. No limit when not given.
    """

    def __init__(self, keep_frames: int | None) -> None:
        self._keep_frames = keep_frames
        # A signal handler may take it again in the middle of a call.
        self._lock = threading.RLock()
        self._arrived = threading.Condition(self._lock)
        self._async_wakers: set[Callable[[], None]] = set()
        self._chunks: deque[AudioChunk] = deque()
        self._closed = True
        # Frames of all chunks that wait.
        self._held = 0

    def open(self) -> None:
        """Begin anew, for another session."""
        with self._lock:
            self._chunks.clear()
            self._held = 0
            self._closed = False

    def put(self, chunk: AudioChunk) -> None:
        """Add a chunk, and wake those who wait for one."""
        with self._lock:
            self._chunks.append(chunk)
            self._held += len(chunk.mono)
            if self._keep_frames is not None:
                while len(self._chunks) > 1 and self._held > self._keep_frames:
                    self._take()
        self._wake()

    def _take(self) -> AudioChunk:
        chunk = self._chunks.popleft()
        self._held -= len(chunk.mono)
        return chunk

    def close(self) -> None:
        """End iteration once the queue is empty."""
        with self._lock:
            self._closed = True
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            self._arrived.notify_all()
            wakers = list(self._async_wakers)
        for wake in wakers:
            wake()

    def __iter__(self) -> Iterator[AudioChunk]:
        while True:
            with self._arrived:
                while not self._chunks and not self._closed:
                    # With a timeout, so that Ctrl-C is seen on Windows too.
                    self._arrived.wait(0.5)
                if not self._chunks:
                    return
                chunk = self._take()
            yield chunk

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        """The chunks for ``async for``. Cancel-safe: a chunk leaves the queue only when it is handed over."""
        # Here, because importing it takes 30 ms that a synchronous program need not spend.
        import asyncio

        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()

        def wake() -> None:
            try:
                loop.call_soon_threadsafe(arrived.set)
            except RuntimeError:  # the loop is closed, so nobody waits
                pass

        with self._lock:
            self._async_wakers.add(wake)
        try:
            while True:
                arrived.clear()
                with self._lock:
                    chunk = self._take() if self._chunks else None
                    closed = self._closed
                if chunk is not None:
                    yield chunk
                elif closed:
                    return
                else:
                    await arrived.wait()
        finally:
            with self._lock:
                self._async_wakers.discard(wake)
