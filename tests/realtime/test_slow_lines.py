"""Slow lines through a real proxy: a late pong is no reason to hang up, silence is."""

from __future__ import annotations

import asyncio

import pytest

from realtime import RealtimeClient
from realtime.connection import transport
from tests import wire_turns as turns
from tests.client_bench import QUICK
from tests.slow_proxy import SlowProxy
from tests.waiting import Log, until
from tests.wire_server import EchoServer, ScriptedServer


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Everything that these tests send takes several times as long as the limit for a pong."""
    monkeypatch.setattr(transport, "PING_INTERVAL", 0.05)
    monkeypatch.setattr(transport, "PING_TIMEOUT", 0.4)


async def test_a_long_answer_over_a_slow_line_is_no_reason_to_hang_up():
    """The pong waits behind the answer, and any byte of the answer is life."""
    async with (
        ScriptedServer() as server,
        SlowProxy(server.port, down=400_000) as proxy,
        RealtimeClient(api_key="", url=proxy.url, link=QUICK) as client,
    ):
        log = Log(client, "conversation.item.completed", "connection.changed")
        # 13 s of speech: 850 kB.
        await server.peer.say(
            *turns.response_created(), *turns.audio_answer("a long answer", turns.tone(320_000))
        )
        await log.until("conversation.item.completed", timeout=30)
        assert len(client.conversation.get_items()[0].formatted.audio) == 320_000
        assert not log.of("connection.changed") and client.stats.reconnections == 0


async def test_a_large_image_over_a_slow_line_is_no_reason_to_hang_up():
    """The ping waits behind the image, in our own queue and in those of the proxy."""
    async with (
        EchoServer() as server,
        SlowProxy(server.port, up=600_000) as proxy,
        RealtimeClient(api_key="", url=proxy.url, link=QUICK) as client,
    ):
        log = Log(client, "conversation.item.completed", "connection.changed")
        image = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 1_333_333}
        client.send_user_message_content([image])
        await log.until("conversation.item.completed", 2, timeout=30)
        assert not log.of("connection.changed") and client.stats.reconnections == 0


@pytest.mark.parametrize("speaks", [True, False])
async def test_a_half_open_socket_is_found_and_replaced(speaks):
    async with (
        EchoServer() as server,
        SlowProxy(server.port) as proxy,
        RealtimeClient(api_key="", url=proxy.url, link=QUICK) as client,
    ):
        log = Log(client, "conversation.item.completed", "connection.changed")
        proxy.swallows = True
        while not log.of("connection.changed"):
            if speaks:
                client.append_input_audio(turns.tone(480))
            await asyncio.sleep(0.02)
        assert "ping" in log.of("connection.changed")[0].reason
        proxy.swallows = False
        await until(client.is_connected)
        client.send_user_message_content("Hello")
        await log.until("conversation.item.completed", 2)


async def test_a_socket_whose_frames_nobody_takes_is_not_judged(monkeypatch):
    """While the reader does not come to read, pongs are not read either."""
    async with ScriptedServer() as server, RealtimeClient(api_key="", url=server.url, link=QUICK) as client:
        log = Log(client, "connection.changed")
        going_on = asyncio.Event()
        receive = transport.Transport.receive

        async def wait_and_receive(self):
            await going_on.wait()
            return await receive(self)

        monkeypatch.setattr(transport.Transport, "receive", wait_and_receive)
        for _ in range(40):
            await server.peer.say({"type": "rate_limits.updated", "rate_limits": []})
        socket = client._link._transport._socket
        await until(lambda: not socket.transport.is_reading())
        await asyncio.sleep(1.5)
        assert not log.of("connection.changed")
        going_on.set()
        await until(lambda: socket.transport.is_reading())
        assert client.is_connected()


def test_a_socket_that_does_not_say_what_is_acknowledged_is_none():
    class Closed:
        def fileno(self) -> int:
            return -1

    assert transport._unacknowledged(Closed()) is None and transport._unacknowledged(None) is None
