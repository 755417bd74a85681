"""ChunkQueue: holds the chunks of one session until a thread or an event loop takes them by iterating.

It has no lock: a signal handler that ends the recording in the middle of an iteration waits for the delivery thread, and
that must not wait for a lock which the interrupted code holds.

Thread: put() on the delivery thread, the rest any.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator

from wavtools._audio_chunk import AudioChunk

__all__ = ["ChunkQueue"]


class ChunkQueue:
    """Chunks that wait to be taken; iteration ends when the queue is empty and was closed.

    Parameters
    ----------
    keep_frames : int, optional
        Most frames that wait, but at least one chunk; then the oldest chunks are dropped. No limit when not given.

    Attributes
    ----------
    dropped : int
        Chunks that were dropped.
    """

    def __init__(self, keep_frames: int | None) -> None:
        self._keep_frames = keep_frames
        # With the number of frames that were put before each.
        self._chunks: deque[tuple[int, AudioChunk]] = deque()
        self._put = 0
        self._closed = False
        self.dropped = 0
        # Called for each chunk. Copied at once into a list, which no other thread interrupts.
        self._wakers: set[Callable[[], object]] = set()

    def put(self, chunk: AudioChunk) -> None:
        """Add a chunk, and wake those who wait for one."""
        self._chunks.append((self._put, chunk))
        self._put += len(chunk.mono)
        while self._keep_frames is not None and len(self._chunks) > 1:
            try:
                if self._put - self._chunks[0][0] <= self._keep_frames:
                    break
                self._chunks.popleft()
                self.dropped += 1
            except IndexError:  # taken meanwhile
                break
        self._wake()

    def close(self) -> None:
        """End iteration once the queue is empty."""
        self._closed = True
        self._wake()

    def _take(self) -> AudioChunk | None:
        try:
            return self._chunks.popleft()[1]
        except IndexError:
            return None

    def _wake(self) -> None:
        for wake in list(self._wakers):
            wake()

    def __iter__(self) -> Iterator[AudioChunk]:
        arrived: queue.SimpleQueue[None] = queue.SimpleQueue()

        def wake() -> None:
            if arrived.empty():
                arrived.put(None)

        self._wakers.add(wake)
        try:
            while True:
                # Before looking for a chunk: none is put after the closing.
                closed = self._closed
                chunk = self._take()
                if chunk is not None:
                    yield chunk
                elif closed:
                    return
                else:
                    try:
                        # With a timeout, so that Ctrl-C is seen on Windows too.
                        arrived.get(timeout=0.5)
                    except queue.Empty:
                        continue
        finally:
            self._wakers.discard(wake)

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

        self._wakers.add(wake)
        try:
            while True:
                arrived.clear()
                closed = self._closed
                chunk = self._take()
                if chunk is not None:
                    yield chunk
                elif closed:
                    return
                else:
                    await arrived.wait()
        finally:
            self._wakers.discard(wake)
