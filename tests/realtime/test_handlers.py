"""Handlers and tools of a connected client: whatever they raise, the client hears the next event and answers it."""

from __future__ import annotations

import asyncio

import pytest

from tests import wire_turns as turns
from tests.client_bench import connected
from tests.waiting import Log, until


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class Broken:
    """A handler without a text, which cannot be compared either."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, event):
        raise self.error

    def __str__(self):
        raise RuntimeError("no text")

    def __eq__(self, other):
        raise RuntimeError("not to be compared")

    __hash__ = __repr__ = __str__


ERRORS = {
    "Exception": ValueError("wrong"),
    "CancelledError": asyncio.CancelledError(),
    "GeneratorExit": GeneratorExit(),
    "StopIteration": StopIteration(),
    "Unprintable": Unprintable(),
    "RecursionError": RecursionError(),
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
async def test_a_handler_that_raises_anything_leaves_the_client_hearing(client, server, error):
    for name in (
        "conversation.updated",
        "server.*",
        "realtime.event",
        "client.*",
        "conversation.item.appended",
    ):
        client.on(name, Broken(error))
    log = Log(client, "error", "conversation.item.completed")
    peer = await connected(client, server)
    await peer.say(*turns.user_text("hello", "item_1"), *turns.user_text("again", "item_2"))
    await log.until("conversation.item.completed", 2)
    assert client.is_connected()
    assert all(type(error).__name__ in event.message for event in log.of("error"))
    client.create_response()
    await peer.expect("response.create")


async def test_a_handler_that_cannot_be_compared_lets_others_be_removed(client):
    client.on("app.x", Broken(ValueError()))
    client.on("app.x", print)
    client.off("app.x", print)
    with pytest.raises(ValueError, match="not registered"):
        client.off("app.x", print)


async def test_a_failing_error_handler_is_not_called_for_its_own_failure(client, server, caplog):
    seen: list = []

    @client.on("error")
    def fails(event):
        seen.append(event)
        raise Unprintable

    client.on("conversation.updated", Broken(ValueError()))
    peer = await connected(client, server)
    await peer.say(*turns.user_text("hello", "item_1"))
    await until(lambda: client.conversation.get_item("item_1") is not None)
    assert seen and all(event.type == "ValueError" for event in seen)
    assert "the handler of 'error' raised Unprintable" in caplog.text


async def test_a_dropped_event_is_counted_in_the_stats(client, server):
    client.on("app.x", lambda event: asyncio.Event().wait())
    log = Log(client, "error")
    await connected(client, server)
    for number in range(1_010):
        client.emit("app.x", number)
    assert client.stats.handler_events_dropped == 10
    assert [event.type for event in log.of("error")] == ["TimeoutError"]


async def test_timings_of_an_earlier_connection_are_no_part_of_the_next_one(client, server):
    log = Log(client, "timings")
    for number in (1, 2):
        await client.connect()
        peer = await server.wait_for_peers(number)
        await peer.say(*turns.audio_answer("yes", turns.tone(480), "item_1", "resp_1"))
        await log.until("timings", number)
        await client.disconnect()
    first, second = log.of("timings")
    assert second.first_audio > first.done
