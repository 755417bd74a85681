"""Refused requests: each refusal takes back the request that it names, and nothing else."""

from __future__ import annotations

from tests import wire_turns as turns
from tests.client_bench import MANUAL, Bench
from tests.waiting import Log

ACTIVE = "conversation_already_has_active_response"


def outside(response_id: str) -> list[dict]:
    answer = turns.text_answer("aside", f"item_{response_id}", response_id)
    answer[0]["response"]["conversation_id"] = None
    return answer


async def test_a_refused_request_outside_the_conversation_hides_no_ordinary_answer():
    bench = Bench(**MANUAL)
    bench.client.create_response(conversation="none")
    (aside,) = await bench.sent()
    bench.say(turns.error("no", "invalid_value", aside["event_id"]))
    bench.client.create_response()
    await bench.sent()
    answer = turns.text_answer("heard")
    del answer[0]["response"]["conversation_id"]
    bench.say(*answer)
    assert [item.formatted.text for item in bench.client.conversation.get_items()] == ["heard"]


async def test_a_request_that_the_servers_own_turn_overtook_is_asked_again_after_it():
    bench = Bench()
    log = Log(bench.client, "error", "error.benign")
    bench.client.create_response(instructions="mine")
    (mine,) = await bench.sent()
    bench.say(*turns.response_created("resp_theirs"))
    bench.say(turns.error("active", ACTIVE, mine["event_id"]))
    assert await bench.sent() == []
    bench.say(*turns.response_done("resp_theirs"))
    (again,) = await bench.sent()
    assert again["response"] == {"instructions": "mine"} and again["event_id"] != mine["event_id"]
    bench.say(*turns.text_answer("mine", "item_mine", "resp_mine"))
    assert await bench.sent() == [] and log.names() == ["error.benign"]


async def test_a_refusal_of_the_ordinary_request_leaves_the_one_outside_alone():
    bench = Bench()
    bench.client.create_response(conversation="none")
    bench.client.create_response()
    aside, mine = await bench.sent()
    bench.say(turns.error("no", "invalid_value", mine["event_id"]), *outside("resp_aside"))
    assert bench.client.conversation.get_items() == [] and aside["event_id"] != mine["event_id"]
    bench.client.create_response()
    assert len(await bench.sent()) == 1


async def test_a_request_outside_that_one_server_refuses_meanwhile_is_asked_again():
    bench = Bench()
    bench.client.create_response()
    bench.client.create_response(conversation="none")
    _, aside = await bench.sent()
    bench.say(*turns.response_created(), turns.error("active", ACTIVE, aside["event_id"]))
    assert await bench.sent() == []
    bench.say(*turns.response_done())
    (again,) = await bench.sent()
    assert again["response"] == {"conversation": "none"}
    bench.say(*outside("resp_aside"))
    assert bench.client.conversation.get_items() == []


async def test_a_refusal_of_another_kind_of_event_with_that_code_takes_no_request_back():
    bench = Bench()
    bench.client.create_response()
    event_id = bench.client.send("response.cancel", response_id="resp_0")
    await bench.sent()
    bench.say(turns.error("x", ACTIVE, event_id))
    bench.client.create_response()
    assert await bench.sent() == [], "the first request is still under way"


async def test_a_cancellation_refused_before_the_response_began_is_sent_again():
    bench = Bench(**MANUAL)
    bench.client.create_response()
    bench.client.cancel_response()
    _, cancel = await bench.sent()
    bench.say(turns.error("nothing to cancel", "response_cancel_not_active", cancel["event_id"]))
    assert await bench.sent() == []
    bench.say(*turns.response_created())
    assert [event.get("response_id") for event in await bench.sent()] == ["resp_1"]


async def test_a_session_is_not_renewed_while_a_response_outside_is_being_made():
    bench = Bench()
    bench.client.create_response(conversation="none")
    await bench.sent()
    assert not bench.session.at_boundary(forced=True)
    bench.say(*outside("resp_aside"))
    assert bench.session.at_boundary(forced=True)
