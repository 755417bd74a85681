"""A websocket server by hand: it answers the upgrade, and then does with the socket what a test tells it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import struct

from tests.wire_server import created


class RawServer:
    """A TCP server that answers the upgrade and then does what *behave* says with the bare socket."""

    def __init__(self, behave) -> None:
        self._behave = behave
        self._tasks: list[asyncio.Task] = []
        self.connections = 0

    async def __aenter__(self) -> RawServer:
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def _handle(self, reader, writer) -> None:
        self.connections += 1
        self._tasks.append(asyncio.create_task(self._talk(reader, writer)))

    async def _talk(self, reader, writer) -> None:
        try:
            await self._upgrade(reader, writer)
        finally:
            writer.transport.abort()

    async def _upgrade(self, reader, writer) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            key = next(
                line.split(b": ", 1)[1]
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"sec-websocket-key")
            )
            magic = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            accept = base64.b64encode(hashlib.sha1(key + magic).digest())
            answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            writer.write(answer + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
            writer.write(frame(json.dumps(created()).encode()))
            await writer.drain()
            await self._behave(self, reader, writer)


def frame(payload: bytes, opcode: int = 1, fin: bool = True, rsv: int = 0, mask: bool = False) -> bytes:
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", len(payload))
    return head + (bytes(4) if mask else b"") + payload
