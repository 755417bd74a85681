"""A message that a server cannot take is found, named with its size and not sent again; the conversation goes on."""

from __future__ import annotations

import json

import pytest
from websockets.asyncio.server import serve

from realtime import RealtimeClient
from realtime.connection.undeliverable import APPEND, Culprit, Undeliverable
from tests import wire_turns as turns
from tests.client_bench import QUICK, make
from tests.waiting import Log, until
from tests.wire_server import EchoServer


class SmallServer(EchoServer):
    """Takes messages of up to *max_size* bytes; closes with 1009 for a larger one."""

    def __init__(self, max_size: int, **session: object) -> None:
        super().__init__(**session)
        self.max_size = max_size

    async def start(self) -> None:
        self._server = await serve(
            self._handle, "127.0.0.1", self.port, compression=None, max_size=self.max_size, close_timeout=0.5
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]


def image(size: int) -> dict:
    return {"type": "input_image", "image_url": "data:image/png;base64," + "A" * size}


@pytest.mark.parametrize("size", [20_000, 3_000_000])
async def test_a_message_that_is_too_large_is_dropped_and_named_with_its_size(size):
    """Of either kind: it has left before the close comes, or it is still being sent then."""
    async with SmallServer(10_000) as server, make(server, instructions="Be brief.") as client:
        log = Log(client, "error", "close", "conversation.item.completed")
        client.send_user_message_content("before")
        await log.until("conversation.item.completed", 2)
        item_id = client.send_user_message_content([image(size)])
        error = await log.until("error")
        assert f"{size:,}"[:-3] in error.message and item_id in error.message and "dropped" in error.message
        assert (error.code, error.caused_by) == ("message_not_taken", "conversation.item.create")
        await until(client.is_connected)
        client.send_user_message_content("after")
        await until(lambda: server.histories[-1] and "after" in json.dumps(server.histories[-1]))
        assert client.stats.reconnections == 1 and not log.of("close") and len(log.of("error")) == 1
        assert "before" in json.dumps(server.histories[-1]) and len(server.histories) == 2


async def test_an_item_of_the_history_that_a_later_server_cannot_take_is_left_out():
    async with SmallServer(100_000) as server, make(server) as client:
        log = Log(client, "error", "conversation.item.completed")
        client.send_user_message_content("x" * 20_000)
        await log.until("conversation.item.completed", 2)
        client.send_user_message_content("short")
        await log.until("conversation.item.completed", 4)
        port = server.port
        await server.stop()
        async with SmallServer(10_000) as smaller:
            await smaller.stop()
            smaller.port = port
            await smaller.start()
            error = await log.until("error")
            assert "20," in error.message
            await until(client.is_connected)
            client.send_user_message_content("after")
            await until(lambda: "after" in json.dumps(smaller.histories[-1]))
            assert "short" in json.dumps(smaller.histories[-1]) and len(log.of("error")) == 1


async def test_audio_is_sent_in_shorter_pieces_to_a_server_that_takes_small_messages():
    async with SmallServer(100_000) as server, make(server, turn_detection=None) as client:
        log = Log(client, "error", "conversation.item.completed")
        client.append_input_audio(turns.tone(120_000))
        await until(lambda: client.stats.reconnections == 3 and client.is_connected())
        client.create_response()
        await log.until("conversation.item.completed", 2)
        assert all("shorter pieces" in error.message for error in log.of("error"))
        spoken = client.conversation.get_items()[0].formatted.audio
        assert len(spoken) == 120_000


async def test_settings_that_no_session_takes_end_the_connection_with_their_size():
    async with SmallServer(10_000) as server:
        client = make(server, instructions="x" * 20_000)
        log = Log(client, "error", "close")
        await client.connect()
        closed = await log.until("close")
        assert closed.code == 1009 and "session.update" in log.of("error")[0].message
        assert "20," in log.of("error")[0].message and len(server.peers) == 1


async def test_the_smallest_pieces_of_audio_that_are_too_large_end_the_connection():
    async with SmallServer(1_000) as server:
        client = make(server)
        client._outbox.max_append_samples = 2_400
        log = Log(client, "error", "close")
        await client.connect()
        client.append_input_audio(turns.tone(2_400))
        assert (await log.until("close")).code == 1009
        assert APPEND in log.of("error")[0].message


async def test_a_message_that_ends_every_session_is_dropped_and_named():
    """Whatever the server says when it ends: here it breaks at one text."""

    class Breaking(EchoServer):
        async def _answer(self, event, history, say):
            if "poison" in json.dumps(event):
                await self.peer.close(1011, "internal error")
                raise ConnectionResetError
            await super()._answer(event, history, say)

    async with Breaking() as server, make(server) as client:
        log = Log(client, "error", "close", "conversation.item.completed")
        client.send_user_message_content("poison")
        error = await log.until("error")
        assert "conversation.item.create" in error.message and "code 1011" in error.message
        await until(client.is_connected)
        client.send_user_message_content("after")
        await until(lambda: "after" in json.dumps(server.histories[-1]))
        assert not log.of("close") and len(server.histories) == 4


async def test_a_message_of_the_server_over_our_own_limit_blames_none_of_ours():
    async with EchoServer() as server:
        client = RealtimeClient(api_key="", url=server.url, link=QUICK_SMALL)
        log = Log(client, "error", "connection.changed", "conversation.item.completed")
        async with client:
            client.send_user_message_content("hello")
            await log.until("conversation.item.completed", 2)
            await server.peer.say_raw(json.dumps({"type": "x", "text": "x" * 200_000}))
            await until(lambda: client.stats.reconnections and client.is_connected())
            assert not log.of("error")


QUICK_SMALL = type(QUICK)(connect_timeout=2.0, first_delay=0.01, max_message_bytes=100_000)


def create(text: str) -> dict:
    return {"type": "conversation.item.create", "event_id": f"evt_{text}", "item": {"id": f"item_{text}"}}


def test_a_quick_end_blames_only_the_item_that_was_first_each_time():
    found = Undeliverable()
    for _ in range(2):
        assert found.find(1011, 0.1, [], 0, create("a")) is None
    assert found.find(1011, 0.1, [], 0, create("b")) is None
    assert found.find(1011, 60.0, [], 0, create("b")) is None
    for _ in range(2):
        assert found.find(1011, 0.1, [], 0, create("b")) is None
    assert found.find(1011, 0.1, [], 0, None) is None
    for _ in range(4):
        assert found.find(1006, 0.1, [], 0, create("b")) is None
    assert found.find(1006, 0.1, [], 0, create("b")).item == create("b")
    assert found.leaves_out(create("b")) and not found.leaves_out(create("a"))
    found.clear()
    assert not found.leaves_out(create("b"))


def test_a_session_that_was_sent_nothing_blames_nothing():
    found = Undeliverable()
    assert found.find(1009, 0.1, [], 0, None) is None
    assert found.find(1009, 0.1, [create("a")], 5000, None) == Culprit(APPEND, 5000)
    raw = {"type": "response.create", "event_id": "evt_1", "response": {"instructions": "x" * 9000}}
    assert found.find(1009, 0.1, [create("a"), raw], 5000, None).kind == "response.create"
    assert found.leaves_out(raw)
