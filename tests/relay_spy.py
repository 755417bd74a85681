"""A relay in this process, an upstream that remembers everything, and raw bytes for what no library would send."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from realtime.protocol.redact import Secret
from realtime.relay import Policy, Relay
from tests.wire_server import ScriptedServer

KEY = "sk-relay-secret-key-0123456789"
TOKEN = "shared-token-abcdefgh"


def policy_with(**sections: dict[str, Any]) -> Policy:
    """The default policy on a free port, with these fields of these sections changed."""
    policy = Policy()
    sections["listen"] = {"port": 0, **sections.get("listen", {})}
    return replace(
        policy, **{name: replace(getattr(policy, name), **fields) for name, fields in sections.items()}
    )


@asynccontextmanager
async def relay_to(address: str, *, key: str = KEY, tools: Any = (), **sections: dict[str, Any]):
    """A running relay in front of the upstream at *address*."""
    sections["upstream"] = {**sections.get("upstream", {}), "url": address}
    policy = replace(policy_with(**sections), tools=tuple(tools))
    async with Relay(policy, Secret(key)) as relay:
        yield relay


@asynccontextmanager
async def spied(script: Any = None, **sections: Any):
    """(relay, upstream): the upstream is a ScriptedServer."""
    async with (
        ScriptedServer(script) as upstream,
        relay_to(upstream.url + "/v1/realtime", **sections) as relay,
    ):
        yield relay, upstream


def join(relay: Relay, path: str = "/v1/realtime", **options: Any) -> Any:
    """A websockets client of the relay, as a context manager."""
    options.setdefault("compression", None)
    options.setdefault("proxy", None)
    return connect(relay.url + path, max_size=None, **options)


async def receive(socket: ClientConnection, kind: str | None = None, timeout: float = 5.0) -> dict[str, Any]:
    """The next event, or the next of this type."""

    async def find() -> dict[str, Any]:
        while True:
            event = json.loads(await socket.recv())
            if kind is None or event["type"] == kind:
                return event

    return await asyncio.wait_for(find(), timeout)


async def closed(socket: ClientConnection, timeout: float = 5.0) -> tuple[int, str]:
    """Read to the end; the close code and reason."""

    async def read() -> None:
        async for _ in socket:
            pass

    try:
        await asyncio.wait_for(read(), timeout)
    except asyncio.TimeoutError:
        raise AssertionError("the connection is still open") from None
    except Exception:
        pass
    return socket.close_code or 1006, socket.close_reason or ""


class Wiretap:
    """A TCP listener that answers nothing: counts connections and bytes. For attacks that must not get that far."""

    def __init__(self) -> None:
        self.connections = 0
        self.data = b""

    async def __aenter__(self) -> Wiretap:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/realtime"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while data := await reader.read(65536):
                self.data += data
        except ConnectionError:
            pass
        writer.close()


def upgrade(path: str = "/v1/realtime", host: str = "127.0.0.1", *headers: str, method: str = "GET") -> bytes:
    """An upgrade request with these further header lines."""
    lines = [
        f"{method} {path} HTTP/1.1",
        *([f"Host: {host}"] if host else []),
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def exchange(relay: Relay, data: bytes, timeout: float = 5.0) -> bytes:
    """Send raw bytes; all that comes back until the relay hangs up."""
    port = int(relay.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        answer = b""
        while chunk := await asyncio.wait_for(reader.read(65536), timeout):
            answer += chunk
        return answer
    except ConnectionError:
        return b""
    finally:
        writer.close()


def masked(opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0, mask: bool = True) -> bytes:
    """A frame as a client sends it, or as it must not."""
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    bit = 0x80 if mask else 0
    length = len(payload)
    if length < 126:
        head += bytes([bit | length])
    elif length < 65536:
        head += bytes([bit | 126]) + length.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + length.to_bytes(8, "big")
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))
