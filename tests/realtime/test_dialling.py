"""Dialling: every address of a name is tried, and one that swallows packets holds up nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket

import pytest

from realtime import ConfigurationError, RealtimeClient
from realtime.protocol import dialling
from realtime.protocol import endpoint as endpoints
from realtime.protocol.endpoint import Endpoint
from tests.canary import KEY
from tests.waiting import until
from tests.wire_server import ScriptedServer


@contextlib.contextmanager
def swallowing_address():
    """An address that accepts no connection and refuses none: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.3", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = []
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(("127.0.0.3", port))
            fillers.append(filler)
        yield port
        for filler in fillers:
            filler.close()


def resolving_to(monkeypatch, *addresses: str) -> None:
    async def look_up(host, port):
        return list(addresses)

    monkeypatch.setattr(endpoints, "_look_up", look_up)


async def test_localhost_reaches_a_server_that_listens_on_one_of_its_addresses(monkeypatch):
    resolving_to(monkeypatch, "::1", "127.0.0.1")
    async with ScriptedServer() as server:
        client = RealtimeClient(api_key=KEY, url=f"ws://localhost:{server.port}")
        await client.connect()
        await client.disconnect()


async def test_an_address_that_swallows_packets_does_not_hold_up_the_next(monkeypatch):
    monkeypatch.setattr(dialling, "ATTEMPT_DELAY", 0.02)
    resolving_to(monkeypatch, "127.0.0.3", "127.0.0.1")
    with swallowing_address() as port:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", port)
        async with server:
            connected = await asyncio.wait_for(dialling.open_socket(Endpoint(f"ws://h:{port}", KEY)), 10)
            assert connected.getpeername()[0] == "127.0.0.1"
            connected.close()


async def test_no_socket_is_left_when_dialling_is_given_up(monkeypatch, recwarn):
    resolving_to(monkeypatch, "127.0.0.3")
    with swallowing_address() as port:
        dial = asyncio.create_task(dialling.open_socket(Endpoint(f"ws://h:{port}", KEY)))
        await asyncio.sleep(0.02)
        dial.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dial
        await until(lambda: len(asyncio.all_tasks()) == 1)
    gc.collect()
    assert not [one for one in recwarn if issubclass(one.category, ResourceWarning)]


@pytest.mark.parametrize("steps", range(6))
async def test_a_connection_that_opens_too_late_is_closed(monkeypatch, steps):
    resolving_to(monkeypatch, "127.0.0.1")
    made = []

    async def at_once(address, port):
        made.append(socket.socket())
        return made[-1]

    monkeypatch.setattr(dialling, "_connect", at_once)
    dial = asyncio.create_task(dialling.open_socket(Endpoint("ws://h:1", KEY)))
    for _ in range(steps):
        await asyncio.sleep(0)
    dial.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        (await dial).close()
    await until(lambda: all(one.fileno() < 0 for one in made))


async def test_the_slow_one_wins_when_the_others_fail(monkeypatch):
    resolving_to(monkeypatch, "127.0.0.1", "127.0.0.2")
    monkeypatch.setattr(dialling, "ATTEMPT_DELAY", 0.01)
    failed = asyncio.Event()
    own = socket.socket()

    async def connect(address, port):
        if address == "127.0.0.1":
            await failed.wait()
            await asyncio.sleep(0.01)
            return own
        failed.set()
        raise OSError("refused")

    monkeypatch.setattr(dialling, "_connect", connect)
    assert await dialling.open_socket(Endpoint("ws://h:1", KEY)) is own
    own.close()


async def test_two_that_open_at_once_leave_one(monkeypatch):
    resolving_to(monkeypatch, "127.0.0.1", "127.0.0.2")
    monkeypatch.setattr(dialling, "ATTEMPT_DELAY", 0.01)
    made = []
    both = asyncio.Event()

    async def together(address, port):
        own = socket.socket()
        made.append(own)
        if len(made) == 2:
            both.set()
        await both.wait()
        return own

    monkeypatch.setattr(dialling, "_connect", together)
    winner = await dialling.open_socket(Endpoint("ws://h:1", KEY))
    await until(lambda: sum(one.fileno() >= 0 for one in made) == 1)
    winner.close()


async def test_every_address_that_failed_is_named(monkeypatch):
    resolving_to(monkeypatch, "127.0.0.1", "127.0.0.2")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(OSError, match=r"127\.0\.0\.1: .*; 127\.0\.0\.2: "):
            await dialling.open_socket(Endpoint(f"ws://h:{port}", KEY))


async def test_only_verified_addresses_are_dialled(monkeypatch):
    resolving_to(monkeypatch, "127.0.0.1", "192.0.2.1")
    with pytest.raises(ConfigurationError, match="plain ws://"):
        await dialling.open_socket(Endpoint("ws://h:1", KEY))


def test_the_two_families_take_turns():
    in_turns = dialling._in_turns
    assert in_turns(["::1", "::2", "::3", "1.1.1.1"]) == ["::1", "1.1.1.1", "::2", "::3"]
    assert in_turns(["1.1.1.1", "::1", "2.2.2.2"]) == ["1.1.1.1", "::1", "2.2.2.2"]


async def test_small_frames_do_not_wait_for_acknowledgements():
    """asyncio switches Nagle's algorithm off only for sockets that name their protocol."""
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        made = await dialling.open_socket(
            Endpoint(url=f"ws://127.0.0.1:{listener.getsockname()[1]}", api_key="")
        )
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=made)
        assert transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        transport.close()
