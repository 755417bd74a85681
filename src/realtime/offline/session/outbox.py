"""The way out of a session: events are put in order without waiting, one task writes them to the socket.

Putting never waits, so that a group of events that belong together is never torn apart by another task.
Whoever produces many events calls ``drain`` now and then; so a client that does not read stops its own
session and nothing else.

Thread: the event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

CUT = 1006  # never sent in a close frame: what the other side sees where there is none
QUEUED_BYTES = 1 << 20  # drain() waits above this


class Outbox:
    """Outgoing text frames of one connection."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._frames: deque[str] = deque()
        self._bytes = 0
        self._more = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._close: tuple[int, str] | None = None

    def put(self, frame: str) -> None:
        """Queue a frame; dropped after ``close``."""
        if self._close is None:
            self._frames.append(frame)
            self._bytes += len(frame)
            if self._bytes > QUEUED_BYTES:
                self._room.clear()
            self._more.set()

    async def drain(self) -> None:
        """Wait until less than QUEUED_BYTES are queued."""
        await self._room.wait()

    def close(self, code: int, reason: str) -> None:
        """Close the connection after what is queued."""
        if self._close is None:
            self._close = (code, reason)
            self._room.set()
            self._more.set()

    def cut(self) -> None:
        """Drop the connection after what is queued, without a close frame, as a network does."""
        self.close(CUT, "")

    async def run(self) -> None:
        """Write until closed from either side."""
        try:
            while True:
                await self._more.wait()
                self._more.clear()
                while self._frames:
                    frame = self._frames.popleft()
                    await self._connection.send(frame)
                    self._bytes -= len(frame)
                    if self._bytes <= QUEUED_BYTES:
                        self._room.set()
                if self._close is not None:
                    if self._close[0] == CUT:
                        self._connection.transport.abort()
                    else:
                        await self._connection.close(*self._close)
                    return
        except ConnectionClosed:
            self.close(CUT, "")
            self._frames.clear()
