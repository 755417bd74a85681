"""The queue of outgoing frames of one connection, and the task that writes them to the socket.

``put`` never waits, so another task cannot send an event between two that belong together. Producers of
many events call ``drain`` regularly; a client that does not read therefore stops only its own session.

Thread: the event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from websockets.exceptions import ConnectionClosed

# The close code that the other side sees without a close frame; it is never sent in one.
CUT = 1006
# Above this, drain() waits.
QUEUED_BYTES = 1 << 20


class FrameSink(Protocol):
    """Where a session sends its frames: one connection, or all connections of a call."""

    def put(self, frame: str) -> None:
        """Queue a frame."""

    async def drain(self) -> None:
        """Wait while too much is queued."""

    def close(self, code: int, reason: str) -> None:
        """Close after the queued frames."""

    def cut(self) -> None:
        """Drop the connection."""


class CanAbort(Protocol):
    """The part of a transport that is needed here."""

    def abort(self) -> None:
        """Drop the connection."""


class FrameSocket(Protocol):
    """The websocket of a client: one of the websockets library, or of an ASGI framework."""

    @property
    def transport(self) -> CanAbort:
        """What lies below it."""

    async def send(self, message: str) -> None:
        """Send a text frame. Raises ConnectionClosed."""

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame."""


class Outbox:
    """The outgoing text frames of one connection; ``run`` writes them.

    Parameters
    ----------
    connection : FrameSocket
        The socket.
    on_failure : callable taking an Exception
        Called if ``run`` ends by an unforeseen exception; the connection has been dropped then.
    """

    def __init__(self, connection: FrameSocket, on_failure: Callable[[Exception], None]) -> None:
        self._connection = connection
        self._on_failure = on_failure
        self._frames: deque[str] = deque()
        self._bytes = 0
        self._more = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._close: tuple[int, str] | None = None

    def put(self, frame: str) -> None:
        """Queue a frame; after ``close`` it is dropped."""
        if self._close is None:
            self._frames.append(frame)
            self._bytes += len(frame)
            if self._bytes > QUEUED_BYTES:
                self._room.clear()
            self._more.set()

    async def drain(self) -> None:
        """Wait until at most QUEUED_BYTES are queued."""
        await self._room.wait()

    def close(self, code: int, reason: str) -> None:
        """Close the connection after the queued frames."""
        if self._close is None:
            self._close = (code, reason)
            self._room.set()
            self._more.set()

    def cut(self) -> None:
        """Drop the connection after the queued frames, without a close frame, as a network failure does."""
        self.close(CUT, "")

    async def run(self) -> None:
        """Write frames until one side closes the connection."""
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
            self._give_up()
        # Nobody awaits this task: without the report the session would be silent for ever.
        except Exception as error:
            self._give_up()
            self._connection.transport.abort()
            self._on_failure(error)

    def _give_up(self) -> None:
        self.close(CUT, "")
        self._frames.clear()
        self._room.set()
