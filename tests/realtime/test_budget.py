"""What a client costs, and its budget: nothing is asked for beyond it, and what runs ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from realtime import BudgetError, RealtimeClient, prices
from realtime.client.meter import MAX_REMEMBERED, Meter
from tests import wire_turns as turns
from tests.client_bench import MANUAL, Bench
from tests.waiting import Log, until
from tests.wire_server import session_object

# Of the answers in `wire_turns`: 20 text tokens read, 4 written, 6 spoken, by gpt-realtime-2.1.
ANSWER = (20 * 4 + 4 * 24 + 6 * 64) / 1e6
HEARD = {"audio": {"input": {"transcription": {"model": "gpt-live-transcribe"}, "turn_detection": None}}}


@pytest.fixture(autouse=True)
def forgotten_prices() -> Iterator[None]:
    yield
    prices.set_prices(None)


def kinds(events: list[dict]) -> list[str]:
    return [event["type"] for event in events]


async def test_a_usage_and_an_answer_have_their_cost():
    bench = Bench()
    assert bench.client.cost == 0.0 and bench.client.budget is None
    answer = bench.client.ask("hi")
    assert answer.cost is None and answer.model is None
    await bench.sent()
    bench.say(*turns.text_answer("well"))
    await answer
    [event] = bench.of("usage")
    assert event.model == answer.model == "gpt-realtime-2.1"
    assert event.cost == pytest.approx(ANSWER) and answer.cost == pytest.approx(ANSWER)
    assert bench.client.cost == pytest.approx(ANSWER)


async def test_transcriptions_are_billed_beside_the_responses():
    bench = Bench(turn_detection=None, input_audio_transcription="gpt-live-transcribe")
    bench.say({"type": "session.updated", "session": session_object(**HEARD)})
    words = turns.transcription("hello")
    for event in words:
        if event["type"].endswith("completed"):
            event["usage"] = {"type": "duration", "seconds": 60}
    bench.say(*turns.committed(), *words, *turns.text_answer("well"))
    heard, answered = bench.of("usage")
    assert (heard.source, heard.model, heard.cost) == ("transcription", "gpt-live-transcribe", 0.017)
    cost = bench.client.cost
    assert (cost.transcriptions, cost.responses) == (0.017, pytest.approx(ANSWER))
    assert cost == pytest.approx(heard.cost + answered.cost) and bench.client.usage["total_tokens"] == 30


async def test_without_a_known_price_the_cost_is_none():
    bench = Bench(budget=1.0)
    bench.say({"type": "session.updated", "session": session_object(model="mine")})
    bench.say(*turns.text_answer("well"), *turns.text_answer("and", "item_2", "resp_2"))
    assert bench.client.cost is None and bench.of("usage")[0].cost is None
    [error] = bench.of("error")
    assert error.code == "price_unknown" and "mine" in error.message and "set_prices" in error.message
    bench.client.create_response()
    prices.set_prices({"mine": {"text_in": 1.0}})
    assert bench.client.cost == pytest.approx(40 / 1e6)


async def test_at_the_limit_the_client_stops_asking_and_says_so_once():
    bench = Bench(**MANUAL, budget=ANSWER * 1.5)
    log = Log(bench.client, "budget.reached")
    client = bench.client
    first = client.ask("one")
    await bench.sent()
    bench.say(*turns.text_answer("well"))
    await first
    assert not log.events
    second = client.ask("two")
    await bench.sent()
    bench.say(*turns.text_answer("well", "item_2", "resp_2"))
    await second
    [event] = log.of("budget.reached")
    assert event.cost == pytest.approx(2 * ANSWER) and event.budget == client.budget == ANSWER * 1.5
    for call in (
        client.create_response,
        lambda: client.ask("three"),
        lambda: client.send_user_message_content("three"),
        lambda: client.send("response.create"),
        lambda: client.create_response(conversation="none"),
    ):
        with pytest.raises(BudgetError, match=r"the budget of \$0.0008 is spent .* client.budget") as caught:
            call()
        assert caught.value.cost == pytest.approx(2 * ANSWER) and caught.value.budget == client.budget
    assert not await bench.sent() and len(log.events) == 1


async def test_what_waits_its_turn_when_the_budget_is_spent_is_told():
    bench = Bench(budget=ANSWER / 2)
    first, second = bench.client.ask("one"), bench.client.ask("two")
    await bench.sent()
    bench.say(*turns.response_created())
    bench.client.create_response(instructions="more")
    bench.say(*turns.text_answer("well")[1:])
    assert str(await first) == "well"
    with pytest.raises(BudgetError):
        await asyncio.wait_for(second, 5)
    assert "response.create" not in kinds(await bench.sent()) and bench.turns.idle


async def test_a_question_that_waits_behind_a_response_is_told_too():
    bench = Bench(budget=ANSWER / 2)
    bench.say(*turns.response_created())
    answer = bench.client.ask("what?")
    bench.say(*turns.text_answer("well")[1:])
    with pytest.raises(BudgetError):
        await asyncio.wait_for(answer, 5)
    assert answer.status == "failed" and "response.create" not in kinds(await bench.sent())


async def test_the_output_of_a_tool_is_sent_and_nothing_is_asked_for_it():
    bench = Bench(budget=ANSWER / 2)
    bench.client.add_tool({"name": "look"}, lambda: "a cat")
    answer = bench.client.ask("look!")
    await bench.sent()
    bench.say(*turns.function_call("look", "{}"))
    await bench.tools_end()
    sent = await bench.sent()
    assert "a cat" in str(sent) and "response.create" not in kinds(sent)
    with pytest.raises(BudgetError):
        await asyncio.wait_for(answer, 5)


async def test_a_server_that_answers_by_itself_is_told_to_stop_and_told_to_go_on():
    bench = Bench(turn_detection="server_vad", budget=ANSWER)
    await bench.sent()
    bench.say(*turns.text_answer("well"))
    [update] = await bench.sent()
    detection = update["session"]["audio"]["input"]["turn_detection"]
    assert update["type"] == "session.update" and detection["create_response"] is False
    assert detection["type"] == "server_vad"
    bench.client.budget = 1.0
    [update] = await bench.sent()
    assert "create_response" not in update["session"]["audio"]["input"]["turn_detection"]
    bench.client.create_response()
    assert kinds(await bench.sent()) == ["response.create"]


async def test_a_budget_can_be_set_and_lifted_at_any_time():
    bench = Bench(**MANUAL)
    bench.say(*turns.text_answer("well"))
    bench.client.budget = ANSWER / 2
    with pytest.raises(BudgetError):
        bench.client.create_response()
    bench.client.budget = ANSWER / 3
    with pytest.raises(BudgetError):
        bench.client.create_response()
    bench.client.budget = None
    assert bench.client.budget is None and bench.client.create_response()
    await asyncio.to_thread(setattr, bench.client, "budget", 2.0)
    assert bench.client.budget == 2.0


@pytest.mark.parametrize("wrong", [-1, "1", float("nan"), []])
def test_a_wrong_budget_is_refused(wrong):
    with pytest.raises(ValueError, match="budget must be 0 or more"):
        RealtimeClient(api_key="", budget=wrong)
    client = RealtimeClient(api_key="")
    with pytest.raises(ValueError, match="budget must be 0 or more"):
        client.budget = wrong
    assert client.budget is None


async def test_the_part_of_the_context_that_is_used():
    bench = Bench()
    assert bench.client.context_used is None and bench.client.context_tokens is None
    bench.say(*turns.text_answer("well"))
    assert bench.client.context_tokens == 30 and bench.client.context_used == 30 / 128_000
    bench.say({"type": "session.updated", "session": session_object(model="mine")})
    assert bench.client.context_used is None and bench.client.context_tokens == 30


def test_a_new_conversation_has_an_empty_context():
    meter = Meter()
    meter.note_context({"input_tokens": 5, "output_tokens": None})
    assert meter.context_tokens == 5
    meter.note_context({"input_tokens": "many"})
    meter.note_context(None)
    assert meter.context_tokens == 5
    meter.forget()
    assert meter.context_tokens is None


def test_a_server_that_names_ever_new_models_fills_no_memory():
    meter = Meter()
    for number in range(MAX_REMEMBERED + 10):
        meter.add_to_model(f"m{number}", "response", {"input_tokens": 1})
    assert len(meter.by_model) <= MAX_REMEMBERED + 1
    assert meter.by_model[None, "response"] == {"input_tokens": 10}


def test_counts_of_another_shape_than_before_are_ignored():
    meter = Meter()
    meter.add_to_model("m", "response", {"a": 1, "b": {"c": 1}})
    meter.add_to_model("m", "response", {"a": {"c": 1}, "b": 5, "d": "x"})
    assert meter.by_model["m", "response"] == {"a": 1, "b": {"c": 1}}


async def test_a_budget_holds_against_the_offline_server(offline_url: str):
    async with RealtimeClient(
        api_key="", url=offline_url, turn_detection=None, output_modalities=["text"]
    ) as client:
        log = Log(client, "budget.reached", "usage")
        answer = await client.ask("hello")
        assert 0 < answer.cost == client.cost and client.context_used > 0
        client.budget = client.cost * 1.01
        await client.ask("hello again")
        await until(lambda: log.of("budget.reached"))
        with pytest.raises(BudgetError):
            client.ask("one more")
        assert client.cost == pytest.approx(sum(event.cost for event in log.of("usage")))
