"""The relay's own websocket, over a socket pair: frames in pieces, paused reading, input after a close."""

from __future__ import annotations

import asyncio
import http
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from realtime.relay.socket import WebSocket
from tests.relay_spy import masked, upgrade
from tests.waiting import until


class Heard:
    """SocketDelegate that accepts every handshake (or refuses it with *status*) and records its events."""

    def __init__(self, status: int = 101) -> None:
        self.messages: list[bytes] = []
        self.closed: list[tuple[int, str]] = []
        self.handshakes: list[Any] = []
        self.status = status

    def on_connected(self, socket: WebSocket) -> None:
        pass

    def on_handshake(self, socket: WebSocket, event: Any) -> None:
        self.handshakes.append(event)
        if isinstance(event, Request):
            refusal = http.HTTPStatus(self.status)
            accept = self.status == 101
            socket.respond(
                socket.protocol.accept(event) if accept else socket.protocol.reject(refusal, "no\n")
            )

    def on_message(self, socket: WebSocket, payload: bytes) -> None:
        self.messages.append(payload)

    def on_writable(self, socket: WebSocket, writable: bool) -> None:
        pass

    def on_closed(self, socket: WebSocket, code: int, reason: str) -> None:
        self.closed.append((code, reason))


@asynccontextmanager
async def connected(
    delegate: Heard, protocol: Any = None
) -> AsyncIterator[tuple[WebSocket, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A WebSocket at one end of a socket pair, streams at the other."""
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection(sock=theirs)
    _, end = await loop.create_connection(
        lambda: WebSocket(protocol or ServerProtocol(max_size=1 << 20), delegate), sock=ours
    )
    try:
        yield end, reader, writer
    finally:
        end.abort()
        writer.close()
        await asyncio.sleep(0)


async def opened(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(upgrade())
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")


@pytest.mark.parametrize("size", [5, 126, 300, 70_000])
async def test_a_frame_may_come_byte_by_byte(size):
    delegate = Heard()
    async with connected(delegate) as (end, reader, writer):
        await opened(reader, writer)
        frames = masked(1, b"a" * size) + masked(1, b"b" * size)
        head = len(frames) // 2 - size
        for position in [*range(head + 1), *range(len(frames) // 2, len(frames) // 2 + head + 1)]:
            if position == len(frames) // 2:
                end.data_received(frames[head + 1 : position])
            end.data_received(frames[position : position + 1])
        end.data_received(frames[len(frames) // 2 + head + 1 :])
        assert delegate.messages == [b"a" * size, b"b" * size]


async def test_input_while_reading_is_paused_is_kept_in_order():
    delegate = Heard()
    async with connected(delegate) as (end, reader, writer):
        await opened(reader, writer)
        end.pause_reading()
        end.pause_reading()
        assert not end.is_reading
        frame = masked(1, b"first")
        # On its way when reading was paused
        end.data_received(frame[:3])
        end.resume_reading()
        end.resume_reading()
        end.pause_reading()
        # The kept input is handled in the next iteration of the event loop, which finds reading paused.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert delegate.messages == []
        end.resume_reading()
        writer.write(frame[3:] + masked(1, b"second"))
        await until(lambda: len(delegate.messages) == 2)
        assert delegate.messages == [b"first", b"second"]


async def test_after_a_close_nothing_is_sent_or_delivered():
    delegate = Heard()
    async with connected(delegate) as (end, reader, writer):
        await opened(reader, writer)
        end.close(1000, "bye")
        end.send(b"too late")
        end.ping()
        writer.write(masked(1, b"too late") + masked(8, b"\x03\xe8bye"))
        assert await reader.read() == b"\x88\x05\x03\xe8bye"
        writer.close()
        await until(lambda: delegate.closed)
        assert delegate.messages == [] and delegate.closed == [(1000, "bye")]


async def test_further_input_of_a_refused_client_is_not_kept():
    delegate = Heard(status=403)
    async with connected(delegate) as (end, reader, writer):
        writer.write(upgrade())
        assert b" 403 " in await reader.readuntil(b"\r\n\r\n")
        for _ in range(3):
            heard = end.heard
            writer.write(b"x" * 50_000)
            await until(lambda heard=heard: end.heard > heard)
        assert end._rest == b"" and len(delegate.handshakes) == 1


async def test_the_body_of_upstreams_refusal_is_not_read_as_a_frame():
    delegate = Heard()
    protocol = ClientProtocol(parse_uri("ws://127.0.0.1/v1/realtime"))
    async with connected(delegate, protocol) as (end, reader, writer):
        protocol.send_request(protocol.connect())
        end.flush()
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 No\r\nContent-Length: 4\r\n\r\nno")
        await until(lambda: end.heard == 1)
        writer.write(b"ne")
        await until(lambda: end.heard == 2)
        assert protocol.handshake_exc is not None
        assert delegate.messages == []


@pytest.mark.parametrize(
    ("missing", "code"),
    [
        (
            "websockets.speedups",
            "from realtime.relay.socket import apply_mask; print(apply_mask(bytes(3), b'abcd'))",
        ),
        (
            "prometheus_client",
            "from realtime.relay.metrics import Metrics, Totals; print(Metrics(Totals()).text())",
        ),
    ],
)
def test_the_relay_works_without_extension_and_extra(missing, code):
    """In a process of its own: as if it were not installed."""
    hide = f"import sys; sys.modules[{missing!r}] = None; "
    done = subprocess.run([sys.executable, "-c", hide + code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("b'abc'", "None")
