"""MemoryTransport: a connection of the relay whose other end is in this process.

The relay sees the bytes that a socket would bring, so every rule and every bound of its own port holds here too.

Thread: the event loop only.
"""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["MemoryTransport"]


class MemoryTransport(asyncio.Transport):
    """One connection.

    Parameters
    ----------
    protocol : asyncio.Protocol
        The relay's side.
    peer : (str, int) or None
        Address and port of the client.
    """

    def __init__(self, protocol: asyncio.Protocol, peer: tuple[str, int] | None) -> None:
        super().__init__({"peername": peer})
        self._protocol: Any = protocol
        self._written = bytearray()
        self._high = 1 << 16
        self._full = False
        self._ended = False
        self._lost = False
        # Set: bytes or the end can be taken; the relay reads
        self._news = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        protocol.connection_made(self)

    # --- the relay's side; see asyncio.Transport

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Replace the relay's side."""
        self._protocol = protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set how many bytes may wait before the relay pauses."""
        self._high = self._high if high is None else high

    def write(self, data: Any) -> None:
        """Add bytes for the client."""
        if self._ended or self._lost:
            return
        self._written += data
        self._news.set()
        if len(self._written) > self._high and not self._full:
            self._full = True
            self._protocol.pause_writing()

    def can_write_eof(self) -> bool:
        """Return True."""
        return True

    def write_eof(self) -> None:
        """End what goes to the client."""
        self._ended = True
        self._news.set()

    def pause_reading(self) -> None:
        """Take nothing from the client."""
        self._reading.clear()

    def resume_reading(self) -> None:
        """Take from the client again."""
        self._reading.set()

    def is_closing(self) -> bool:
        """True once the connection is gone."""
        return self._lost

    def abort(self) -> None:
        """Drop the connection, and what has not been taken."""
        self._written.clear()
        self.hang_up()

    # --- the client's side

    async def read(self) -> bytes:
        """Wait for bytes of the relay and return them; b"" at the end. What was taken before counts as sent."""
        if self._full:
            self._full = False
            self._protocol.resume_writing()
        while not self._written and not self._ended and not self._lost:
            self._news.clear()
            await self._news.wait()
        data = bytes(self._written)
        self._written.clear()
        return data

    async def wait_reading(self) -> None:
        """Wait until the relay reads, or the connection is gone."""
        await self._reading.wait()

    def feed(self, data: bytes) -> None:
        """Give the relay bytes of the client; if it does not read, it keeps them."""
        if data and not self._lost:
            self._protocol.data_received(data)

    def hang_up(self) -> None:
        """End the connection, as a client does that goes. Idempotent."""
        if self._lost:
            return
        self._lost = True
        self._news.set()
        self._reading.set()
        asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)
