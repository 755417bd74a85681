"""How an answer ended: an event for every end that is not "completed", and no wait without an end."""

from __future__ import annotations

import asyncio

import pytest

from realtime import AnswerError, RealtimeError, ResponseEndedEvent, ResponseFailedEvent
from tests import wire_turns as turns
from tests.client_bench import Bench, connected, make
from tests.waiting import Log, until
from tests.wire_server import ScriptedServer


def done(status: object, details: object = None) -> list[dict]:
    return turns.response_done(status=status, details=details)[:1]


@pytest.mark.parametrize(
    ("status", "details", "reason", "words"),
    [
        ("incomplete", {"type": "incomplete", "reason": "max_output_tokens"}, "max_output_tokens", "tokens"),
        ("incomplete", {"reason": "content_filter"}, "content_filter", "content filter"),
        ("incomplete", None, None, "no reason"),
        ("cancelled", {"reason": "turn_detected"}, "turn_detected", "began to speak"),
        ("cancelled", {"reason": "client_cancelled"}, "client_cancelled", "application"),
        ("failed", {"error": {"type": "server_error", "code": "busy", "message": "later"}}, "busy", "later"),
        ("failed", {"error": {"type": "server_error"}}, "server_error", "server_error"),
        ("failed", "broken", None, "no reason"),
        ("expired", {"reason": ["x"]}, None, "expired"),
    ],
)
async def test_every_end_that_is_not_completed_has_an_event_with_status_and_reason(
    status, details, reason, words
):
    bench = Bench()
    log = Log(bench.client, "response.ended", "response.failed")
    bench.say(*turns.response_created(), *done(status, details))
    ended = log.of("response.ended")[0]
    assert (ended.status, ended.reason, ended.response_id) == (status, reason, "resp_1")
    assert words in str(ended) and isinstance(ended, ResponseEndedEvent)
    assert log.of("response.failed") == ([ended] if status == "failed" else [])
    assert isinstance(ended, ResponseFailedEvent) == (status == "failed")


@pytest.mark.parametrize("status", ["completed", None, 5, ["failed"]])
async def test_a_complete_answer_has_no_such_event(status):
    bench = Bench()
    log = Log(bench.client, "response.ended", "response.failed")
    bench.say(*turns.response_created(), *done(status))
    assert not log.events


async def test_an_end_that_nobody_listens_for_is_logged(caplog):
    bench = Bench()
    bench.client.off("response.failed")
    bench.say(*done("incomplete", {"reason": "max_output_tokens"}), *done("cancelled"), *done("failed"))
    assert [record.message[:22] for record in caplog.records] == [
        "the answer was cut off",
        "the server gave no rea",
    ]


@pytest.mark.parametrize("wait", ["wait_for_next_item", "wait_for_next_completed_item"])
@pytest.mark.parametrize(
    ("status", "details", "code"),
    [
        (
            "failed",
            {"error": {"type": "quota", "code": "insufficient_quota", "message": "pay"}},
            "insufficient_quota",
        ),
        ("incomplete", {"reason": "content_filter"}, None),
        ("cancelled", {"reason": "client_cancelled"}, None),
    ],
)
async def test_a_wait_for_an_answer_that_will_not_come_raises(client, server, wait, status, details, code):
    peer = await connected(client, server)
    client.create_response()
    await peer.expect("response.create")
    waiting = asyncio.ensure_future(getattr(client, wait)())
    other = asyncio.ensure_future(client.wait_for_next("usage"))
    await asyncio.sleep(0)
    await peer.say(*turns.response_created(), *done(status, details))
    with pytest.raises(AnswerError) as caught:
        await asyncio.wait_for(waiting, 5)
    error = caught.value
    assert (error.status, error.code) == (status, code) and isinstance(error, RealtimeError)
    assert error.reason == (code or details["reason"])
    assert (await asyncio.wait_for(other, 5)).response_id == "resp_1"


async def test_a_wait_goes_on_when_the_users_turn_ended_the_answer(client, server):
    peer = await connected(client, server)
    waiting = asyncio.ensure_future(client.wait_for_next_item())
    await asyncio.sleep(0)
    await peer.say(*turns.response_created(), *done("cancelled", {"reason": "turn_detected"}))
    await peer.say(*turns.user_text("so"))
    assert (await asyncio.wait_for(waiting, 5)).id == "item_user"


async def test_a_wait_gets_the_item_of_an_answer_that_was_cut_off(client, server):
    peer = await connected(client, server)
    waiting = asyncio.ensure_future(client.wait_for_next_completed_item())
    await asyncio.sleep(0)
    await peer.say(*turns.audio_begin(), *turns.audio_end("and th", status="incomplete"))
    item = await asyncio.wait_for(waiting, 5)
    assert (item.status, item.formatted.transcript) == ("incomplete", "and th")


async def test_a_wait_for_the_answer_to_a_refused_request_raises(client, server):
    peer = await connected(client, server)
    client.create_response(max_output_tokens=-1)
    create = await peer.expect("response.create")
    waiting = asyncio.ensure_future(client.wait_for_next_item())
    await asyncio.sleep(0)
    await peer.say(turns.error("too small", "integer_below_min_value", create["event_id"]))
    with pytest.raises(AnswerError, match="too small"):
        await asyncio.wait_for(waiting, 5)


async def test_a_wait_for_an_answer_lost_with_the_connection_raises():
    async with ScriptedServer() as server, make(server) as client:
        client.create_response()
        await server.peer.expect("response.create")
        waiting = asyncio.ensure_future(client.wait_for_next_item())
        await asyncio.sleep(0)
        server.peer.drop()
        with pytest.raises(AnswerError) as caught:
            await asyncio.wait_for(waiting, 5)
        assert caught.value.reason == "connection_lost"
        await until(client.is_connected)


async def test_the_end_of_a_response_outside_the_conversation_ends_no_wait():
    bench = Bench()
    log = Log(bench.client, "response.ended")
    bench.client.create_response(conversation="none")
    created = turns.response_created("resp_aside")[0]
    created["response"]["conversation_id"] = None
    waiting = asyncio.ensure_future(bench.client.wait_for_next_item())
    await asyncio.sleep(0)
    bench.say(created, *turns.response_done("resp_aside", status="failed"))
    await asyncio.sleep(0)
    assert not waiting.done() and log.of("response.ended")
    waiting.cancel()


def test_an_answer_error_says_why():
    assert (
        str(AnswerError("incomplete", "content_filter")) == "the answer ended as 'incomplete': content_filter"
    )
    assert str(AnswerError("failed")) == "the answer ended as 'failed'"
