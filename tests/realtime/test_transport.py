"""Transport: faults of the wire, refusals and keepalive, against real websocket servers."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from realtime import ConnectError, LinkOptions, RealtimeClient
from realtime.connection import transport
from realtime.protocol.liveness import Liveness
from tests import wire_turns as turns
from tests.canary import KEY
from tests.client_bench import QUICK, make
from tests.raw_server import RawServer, frame
from tests.waiting import Log, until
from tests.wire_server import ScriptedServer

# Faults


FAULTS = {
    "reset": (None, 1006),
    "end of file in a frame": (b"\x81\x7e\x10\x00abc", 1006),
    "bad UTF-8 in a close": (frame(b"\x03\xe8\xff\xfe", 8), 1007),
    "bad opcode": (frame(b"x", 3), 1002),
    "reserved bit": (frame(b"x", rsv=0x40), 1002),
    "masked by the server": (frame(b"x", mask=True), 1002),
    "a length of 2^62": (b"\x81\x7f\x40" + bytes(7), 1009),
    "too many fragments": (
        frame(b"{", 1, fin=False) + frame(b" ", 0, fin=False) * 70_000,
        1009,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_broken_peer_is_told_by_its_code_and_answered_by_a_new_session(name, monkeypatch):
    # These peers answer neither a close nor a ping.
    monkeypatch.setattr(transport, "CLOSE_TIMEOUT", 0.1)
    monkeypatch.setattr(transport, "PING_INTERVAL", 0.2)
    data, code = FAULTS[name]
    connected = asyncio.Event()

    async def behave(server, reader, writer) -> None:
        if server.connections > 1:
            await reader.read()
            return
        if data is not None:
            writer.write(data)
            await writer.drain()
        if name in ("reset", "end of file in a frame"):
            await connected.wait()
            writer.transport.abort() if data is None else writer.close()
        else:
            await reader.read()
            writer.close()

    async with RawServer(behave) as server:
        client = RealtimeClient(api_key=KEY, url=server.url, link=QUICK)
        log = Log(client, "connection.changed", "close")
        await client.connect()
        connected.set()
        again = await log.until("connection.changed", 3)
        assert (again.state, again.code) == ("reconnecting", code), again
        await until(client.is_connected)
        assert not log.of("close")
        await client.disconnect()


async def test_a_message_over_the_limit_is_1009():
    async with ScriptedServer() as server:
        client = make(server, LinkOptions(first_delay=0.01, max_message_bytes=100_000))
        log = Log(client, "connection.changed")
        await client.connect()
        await server.peer.say_raw("x" * 200_000)
        assert (await log.until("connection.changed", 3)).code == 1009
        await client.disconnect()


async def test_a_message_over_a_mebibyte_arrives():
    async with ScriptedServer() as server, make(server) as client:
        log = Log(client, "conversation.item.completed")
        await server.peer.say(*turns.user_text("x" * 3_000_000))
        await log.until("conversation.item.completed")
        assert len(client.conversation.get_items()[0].formatted.text) == 1 << 20  # bounded


# Refusals


@pytest.mark.parametrize(
    ("status", "fatal"), [(401, True), (403, True), (429, False), (503, False), (302, True)]
)
async def test_a_refused_upgrade_says_the_status_and_whether_it_is_fatal(status, fatal):
    async def refuse(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = f"go away {KEY}".encode()
        writer.write(
            f"HTTP/1.1 {status} X\r\nLocation: ws://127.0.0.1:9/\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = RealtimeClient(api_key=KEY, url=url, link=QUICK)
    with pytest.raises(ConnectError) as caught:
        await client.connect()
    assert (caught.value.status, caught.value.fatal) == (status, fatal)
    assert "go away" in str(caught.value) and "canary" not in str(caught.value)
    server.close()


async def test_a_server_that_accepts_and_never_answers_the_handshake_is_given_up_at_the_timeout():
    gone = asyncio.Event()

    async def silent(reader, writer) -> None:
        await reader.read()  # the request, and then the end of a client that gave up
        gone.set()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = RealtimeClient(api_key=KEY, url=url, link=LinkOptions(connect_timeout=0.2))
    log = Log(client, "error", "close")
    with pytest.raises(ConnectError, match="did not open a session within 0.2 s") as caught:
        await client.connect()
    assert not caught.value.fatal and client.state == "disconnected"
    assert [event.source for event in log.of("error")] == ["connection"] and not log.of("close")
    await asyncio.wait_for(gone.wait(), 2)  # the socket was closed, not left to the collector
    server.close()


# Keepalive


async def test_a_peer_that_answers_no_ping_is_given_up_within_five_seconds():
    async def deaf(server, reader, writer) -> None:
        if server.connections > 1:
            await reader.read()
            return
        await asyncio.sleep(30)

    async with RawServer(deaf) as server:
        client = RealtimeClient(api_key=KEY, url=server.url, link=QUICK)
        log = Log(client, "connection.changed")
        await client.connect()
        started = time.monotonic()
        lost = await log.until("connection.changed", 3)
        assert lost.state == "reconnecting" and "ping" in lost.reason
        assert time.monotonic() - started <= 5.0
        await log.until("connection.changed", 4)
        assert time.monotonic() - started <= 6.0
        await client.disconnect()


async def test_a_busy_event_loop_is_no_reason_to_hang_up(monkeypatch):
    monkeypatch.setattr(transport, "PING_INTERVAL", 0.1)
    monkeypatch.setattr(transport, "PING_TIMEOUT", 0.2)
    async with ScriptedServer() as server:
        process = await serve_elsewhere(server)
        async with RealtimeClient(api_key=KEY, url=process.url, link=QUICK) as client:
            for _ in range(3):
                await asyncio.sleep(0.13)
                time.sleep(0.9)  # noqa: ASYNC251 - the point: the loop is busy, the peer is well
            await asyncio.sleep(0.3)
            assert client.is_connected() and client.stats.reconnections == 0
        process.stop()


class serve_elsewhere:
    """A scripted server in a thread with a loop of its own."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server

    def __await__(self):
        return self._start().__await__()

    async def _start(self):

        await self.server.stop()
        self.server.port = 0
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.server.start(), self.loop))
        self.url = self.server.url
        return self

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()


async def test_a_timer_that_is_late_says_nothing_about_the_peer(monkeypatch):
    monkeypatch.setattr(transport, "PING_INTERVAL", 0.01)
    monkeypatch.setattr(transport, "PING_TIMEOUT", 0.01)
    monkeypatch.setattr(transport, "STALL", -1.0)  # every timer counts as late

    forgiven: list[float] = []
    forgive = Liveness.forgive

    def counted(self: Liveness, now: float) -> None:
        forgiven.append(now)
        forgive(self, now)

    monkeypatch.setattr(Liveness, "forgive", counted)

    async def deaf(server, reader, writer) -> None:
        await asyncio.sleep(30)

    async with RawServer(deaf) as server:
        client = RealtimeClient(api_key=KEY, url=server.url, link=QUICK)
        await client.connect()
        await until(lambda: len(forgiven) >= 20)  # and no pong
        assert client.is_connected()
        monkeypatch.setattr(transport, "STALL", 0.5)
        await until(lambda: client.state == "reconnecting")
        await client.disconnect()
