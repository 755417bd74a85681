"""How a session ends: close codes, limits of time and speed, draining."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.relay_spy import closed, exchange, join, receive, spied, upgrade
from tests.waiting import until
from tests.wire_server import created

# --- close codes


@pytest.mark.parametrize(
    ("upstream_code", "client_code"),
    [(1000, 1000), (1001, 1001), (1011, 1011), (3000, 3000), (4000, 4000), (4999, 4999)],
)
async def test_close_codes_and_reasons_of_upstream_reach_the_client(upstream_code, client_code):
    async with spied() as (relay, upstream), join(relay) as socket:
        await receive(socket, "session.created")
        await upstream.peer.close(upstream_code, "invalid_request_error.why")
        assert await closed(socket) == (client_code, "invalid_request_error.why")


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4321])
async def test_close_codes_and_reasons_of_the_client_reach_upstream(code):
    async with spied() as (relay, upstream):
        async with join(relay) as socket:
            await receive(socket, "session.created")
            await socket.close(code, "bye")
        await upstream.peer.socket.wait_closed()
        assert (upstream.peer.socket.close_code, upstream.peer.socket.close_reason) == (code, "bye")


async def test_a_lost_client_is_closed_upstream_too():
    async with spied() as (relay, upstream):
        socket = await join(relay)
        await receive(socket, "session.created")
        socket.transport.abort()
        await upstream.peer.socket.wait_closed()
        assert upstream.peer.socket.close_code == 1001
        await until(lambda: relay.sessions == 0)


# --- limits of time and speed


async def test_a_session_ends_after_its_time_like_the_vendors():
    async with spied(limits={"session_minutes": 0.01}) as (relay, _), join(relay) as socket:
        assert (await receive(socket, "error"))["error"]["code"] == "session_expired"
        code, reason = await closed(socket)
        assert code == 1001 and "maximum duration" in reason


async def test_an_idle_session_ends_with_a_code_that_stops_reconnection():
    async with spied(limits={"idle_seconds": 0.1}) as (relay, _), join(relay) as socket:
        assert (await closed(socket))[0] == 3008
        assert relay.totals.closed["idle"] == 1


@pytest.mark.parametrize("side", ["client", "upstream"])
async def test_a_half_open_peer_is_found_by_its_silence(side):
    """The peer's system acknowledges, but the peer answers no ping."""
    async with spied(limits={"ping_seconds": 0.3}) as (relay, upstream):
        socket = await join(relay)
        await receive(socket, "session.created")
        silent = socket if side == "client" else upstream.peer.socket
        silent.transport.pause_reading()
        await until(lambda: relay.totals.closed, 10)
        assert relay.totals.closed == {f"{side}_silent": 1}
        silent.transport.abort()
        await socket.close()


async def test_a_client_that_does_not_read_pauses_upstream_and_is_closed():
    """The relay keeps no more than its write buffer, and upstream cannot send more."""
    sent = 0

    async def script(peer):
        nonlocal sent
        await peer.say(created())
        chunk = json.dumps({"type": "response.output_audio.delta", "delta": "A" * 65_536})
        while True:
            await peer.say_raw(chunk)
            sent += len(chunk)

    async with spied(script, limits={"stall_seconds": 0.5}) as (relay, _):
        socket = await join(relay, max_queue=1)
        await receive(socket, "session.created")
        socket.transport.pause_reading()
        await until(lambda: relay.totals.closed, 10)
        assert relay.totals.closed == {"client_stalled": 1}
        assert relay.totals.bytes_down - 12_000_000 < 12_000_000, "the kernel's buffers, and 0.3 MB"
        assert sent < 40_000_000
        socket.transport.abort()


# --- draining


async def test_draining_waits_for_the_turn_and_admits_no_client():
    async with spied() as (relay, upstream):
        socket = await join(relay)
        await receive(socket, "session.created")
        await socket.send('{"type":"response.create"}')
        peer = upstream.peer
        await peer.expect("response.create")
        await peer.say({"type": "response.created", "response": {"id": "r"}})
        await receive(socket, "response.created")
        draining = asyncio.ensure_future(relay.drain())
        await until(lambda: relay.draining)
        assert b" 503 " in await exchange(relay, upgrade())
        assert b" 503 " in await exchange(relay, upgrade("/readyz"))
        assert b" 200 " in await exchange(relay, upgrade("/healthz"))
        (pipe,) = relay._sessions
        pipe.tick(asyncio.get_running_loop().time() + 5)
        assert relay.sessions == 1 and not draining.done()
        await peer.say({"type": "response.done", "response": {"id": "r", "output": []}})
        assert (await receive(socket))["type"] == "response.done"
        assert (await closed(socket))[0] == 1012
        await asyncio.wait_for(draining, 5)


async def test_draining_ends_while_a_turn_never_ends():
    async with spied(operation={"drain_seconds": 0.2}) as (relay, upstream), join(relay) as socket:
        await receive(socket, "session.created")
        await upstream.peer.say({"type": "response.created", "response": {"id": "r"}})
        await receive(socket, "response.created")
        await relay.drain()
        await relay.close()
        assert (await closed(socket))[0] == 1012


async def test_a_session_admitted_while_draining_begins_is_drained_too():
    LATE.clear()
    async with spied(auth={"callable": f"{__name__}:late"}) as (relay, _):
        joining = asyncio.ensure_future(join(relay).__aenter__())
        await asyncio.wait_for(LATE["asked"].wait(), 5)
        draining = asyncio.ensure_future(relay.drain())
        await until(lambda: relay.draining)
        LATE["may answer"].set()
        client = await joining
        assert (await closed(client))[0] == 1012
        await asyncio.wait_for(draining, 5)


class Late(dict):
    """asyncio.Events by name, made in the event loop that asks for them."""

    def __missing__(self, name):
        self[name] = asyncio.Event()
        return self[name]


LATE = Late()


async def late(login):
    """An authenticator that takes its time."""
    LATE["asked"].set()
    await LATE["may answer"].wait()
    return "somebody"


async def test_closing_drops_clients_that_do_not_answer(monkeypatch):
    monkeypatch.setattr("realtime.relay.socket.CLOSE_TIMEOUT_SECONDS", 30.0)
    monkeypatch.setattr("realtime.relay.server.CLOSE_SECONDS", 0.1)
    async with spied() as (relay, upstream):
        client = await join(relay)
        await receive(client, "session.created")
        # Neither side answers the close.
        client.transport.pause_reading()
        upstream.peer.socket.transport.pause_reading()
        await relay.close()
        await until(lambda: relay.sessions == 0)
        client.transport.abort()
        upstream.peer.drop()
