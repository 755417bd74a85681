"""Link: opening and closing, at any moment and for any number of times."""

from __future__ import annotations

import asyncio
import gc
import os
import time

import numpy as np
import pytest

from realtime import ConnectError, RealtimeClient
from realtime.connection import transport
from tests import wire_turns as turns
from tests.canary import KEY
from tests.client_bench import QUICK, make
from tests.raw_server import RawServer
from tests.waiting import Log, until
from tests.wire_server import Peer, ScriptedServer, created


async def test_cancelling_connect_closes_the_socket():
    async def silent(peer: Peer) -> None:
        await peer.listen()

    async with ScriptedServer(silent) as server:
        client = make(server)
        connecting = asyncio.create_task(client.connect())
        await server.wait_for_peers(1)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await asyncio.wait_for(server.peer.ended.wait(), 2)
        assert client.state == "disconnected"


async def test_disconnect_while_connecting_ends_connect():
    async def silent(peer: Peer) -> None:
        await peer.listen()

    async with ScriptedServer(silent) as server:
        client = make(server)
        connecting = asyncio.create_task(client.connect())
        await server.wait_for_peers(1)
        await client.disconnect()
        with pytest.raises((asyncio.CancelledError, ConnectError)):
            await connecting
        assert client.state == "disconnected"


async def test_what_comes_before_session_created_is_dispatched_after_it():
    async def chatty(peer: Peer) -> None:
        await peer.say_raw("{")
        await peer.say_raw("[]")
        await peer.say({"type": "conversation.created", "conversation": {"id": "c"}}, created())
        await peer.listen()

    async with ScriptedServer(chatty) as server:
        client = make(server)
        log = Log(client, "server.*", "error")
        async with client:
            assert [event.type for event in log.of("server.*")] == ["conversation.created", "session.created"]
            assert len(log.of("error")) == 2


async def test_a_handler_may_disconnect_at_any_turning_point():
    async with ScriptedServer() as server:
        client = make(server)
        log = Log(client, "close")
        client.on_next("server.session.created", lambda event: client._link.abandon())
        await client.connect()
        await log.until("close")
        assert client.state == "disconnected"
        client.reset()  # nothing to close

        client = make(server)
        log = Log(client, "close")
        client.on_next("response.failed", lambda event: client._link.abandon())
        await client.connect()
        peer = await server.wait_for_peers(2)
        await peer.say(*turns.response_created())
        await client.wait_for_next("server.response.created", timeout=5)
        peer.drop()
        await log.until("close")
        assert client.state == "disconnected" and len(server.peers) == 2


async def test_closing_a_dead_peer_takes_about_a_second():
    async def deaf(server, reader, writer) -> None:
        await asyncio.sleep(30)

    async with RawServer(deaf) as server:
        client = RealtimeClient(api_key=KEY, url=server.url, link=QUICK)
        await client.connect()
        started = time.monotonic()
        await client.disconnect()
        assert time.monotonic() - started < 2.0


async def test_a_slow_handler_closes_nothing(monkeypatch):
    monkeypatch.setattr(transport, "PING_INTERVAL", 0.05)
    monkeypatch.setattr(transport, "PING_TIMEOUT", 0.5)
    async with ScriptedServer() as server, make(server) as client:
        seen = []

        @client.on("conversation.updated")
        async def slow(event) -> None:
            await asyncio.sleep(0.01)
            seen.append(event.delta)

        await server.peer.say(*turns.audio_begin())
        for _ in range(60):
            await server.peer.say(turns.audio_delta(turns.tone(2_400)))
        await until(lambda: len(seen) >= 60)
        assert client.stats.reconnections == 0


async def test_a_peer_that_does_not_read_stops_neither_the_microphone_nor_the_loop(monkeypatch):
    monkeypatch.setattr(transport, "PING_INTERVAL", 3600)

    async def full(server, reader, writer) -> None:
        reader._transport.pause_reading()
        await asyncio.sleep(30)

    async with RawServer(full) as server:
        client = RealtimeClient(api_key=KEY, url=server.url, link=QUICK)
        await client.connect()
        appended = 0
        # Whatever the kernel's buffers hold goes out; then the queue fills, and then it drops the oldest.
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline and not client.stats.input_samples_dropped:
            for _ in range(50):
                client.append_input_audio(np.zeros(4_800, np.int16))
                appended += 4_800
            await asyncio.sleep(0.01)
        stats = client.stats
        assert stats.input_samples_dropped > 0
        assert stats.input_samples_queued <= 2.0 * 24_000
        sent = client.conversation.input.end
        assert sent + stats.input_samples_queued + stats.input_samples_dropped == appended
        started = time.monotonic()
        await client.disconnect()
        assert time.monotonic() - started < 2.0


CYCLES = 1_000 if os.environ.get("WAVTOOLS_SOAK") else 100


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")  # noqa: PTH112
async def test_connections_leave_nothing_behind():
    """A hundred; a thousand under WAVTOOLS_SOAK=1. Objects are counted, too: memory that grows is made of them."""
    async with ScriptedServer() as server:

        async def cycle(count: int) -> None:
            for _ in range(count):
                client = make(server)
                await client.connect()
                await client.disconnect()

        def descriptors() -> int:
            return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

        def counted() -> int:
            gc.collect()
            return len(gc.get_objects())

        idle = len(asyncio.all_tasks())
        await cycle(10)
        await until(lambda: all(peer.ended.is_set() for peer in server.peers))
        await until(lambda: len(asyncio.all_tasks()) <= idle)
        server.peers.clear()
        before, tasks, objects = descriptors(), len(asyncio.all_tasks()), counted()
        await cycle(CYCLES)
        await until(lambda: all(peer.ended.is_set() for peer in server.peers))
        await until(lambda: descriptors() <= before and len(asyncio.all_tasks()) <= tasks)
        server.peers.clear()
        assert counted() - objects < CYCLES, "a connection leaves an object behind"
