"""`RealtimeClient.ask`: every question gets its own answer, and every answer has an end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

import wavtools
from realtime import AnswerError, RealtimeClient, StateError
from tests import wire_turns as turns
from tests.client_bench import Bench, make
from tests.waiting import until
from tests.wire_server import ScriptedServer


async def asked(bench: Bench, question: object = "hi", **parameters: object):
    """The answer, and the request that was sent for it."""
    answer = bench.client.ask(question, **parameters)
    return answer, [event for event in await bench.sent() if event["type"] == "response.create"][-1]


async def ended(answer, seconds: float = 5.0):
    return await asyncio.wait_for(answer, seconds)


async def test_an_answer_is_a_value():
    bench = Bench()
    answer, request = await asked(bench, "how are you?", instructions="be brief")
    assert request["response"] == {"instructions": "be brief"}
    assert not answer.done and answer.text == "" and len(answer.audio) == 0 and answer.file is None
    assert (answer.sample_rate, answer.usage, answer.timings) == (24_000, {}, None)
    bench.say(*turns.text_answer("very well"))
    assert await ended(answer) is answer
    assert (answer.text, answer.transcript, str(answer), answer.status) == (
        "very well",
        "",
        "very well",
        "completed",
    )
    assert [item.id for item in answer.items] == ["item_answer"] and answer.usage["total_tokens"] == 30
    assert answer.usage.input_token_details.text_tokens == 20
    assert answer.timings.response_id == "resp_1"
    assert repr(answer) == "<Answer completed, 1 items, 'very well'>"


async def test_a_spoken_answer_has_its_words_and_its_samples():
    bench = Bench()
    answer, _ = await asked(bench)
    samples = turns.tone(4_800)
    bench.say(*turns.audio_begin(), turns.audio_delta(samples), *turns.audio_end("well"))
    await ended(answer)
    assert str(answer) == answer.transcript == "well" and answer.text == ""
    assert np.array_equal(answer.audio, samples) and answer.file.sample_rate == answer.sample_rate == 24_000


async def test_its_pieces_come_one_by_one():
    bench = Bench()
    answer, _ = await asked(bench)
    pieces: list[str] = []

    async def read() -> None:
        async for piece in answer:
            pieces.append(str(piece))

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(0)
    for event in turns.text_answer("one two three"):
        bench.say(event)
        await asyncio.sleep(0)
    await ended(reading)
    assert "".join(pieces) == "one two three" and len(pieces) == 4


async def test_pieces_raise_how_the_answer_failed_after_what_had_come():
    bench = Bench()
    answer, _ = await asked(bench)
    bench.say(*turns.text_answer("well")[:5])
    error = {"error": {"code": "insufficient_quota", "message": "no money left"}}
    bench.say(*turns.response_done(status="failed", details=error))
    pieces = []
    with pytest.raises(AnswerError, match="no money left"):
        async for piece in answer:
            pieces.append(str(piece))
    assert "".join(pieces) == "well"


@pytest.mark.parametrize(
    ("status", "details", "reason"),
    [
        ("failed", {"error": {"code": "insufficient_quota", "message": "pay"}}, "insufficient_quota"),
        ("incomplete", {"reason": "max_output_tokens"}, "max_output_tokens"),
        ("expired", None, None),
    ],
)
async def test_an_answer_that_failed_raises_at_once(status, details, reason):
    bench = Bench()
    answer, _ = await asked(bench)
    bench.say(*turns.response_created(), *turns.response_done(status=status, details=details))
    with pytest.raises(AnswerError) as caught:
        await ended(answer)
    assert (caught.value.status, caught.value.reason, answer.status) == (status, reason, status)
    assert answer.error is caught.value


async def test_an_answer_that_the_user_interrupted_is_what_was_said():
    bench = Bench()
    answer, _ = await asked(bench)
    bench.say(*turns.audio_begin(), turns.audio_delta(turns.tone(480)))
    bench.say(*turns.response_done(status="cancelled", details={"reason": "turn_detected"}))
    await ended(answer)
    assert answer.status == "cancelled" and len(answer.audio) == 480


async def test_a_refused_request_raises():
    bench = Bench()
    answer, request = await asked(bench, max_output_tokens=-1)
    bench.say(turns.error("too small", "integer_below_min_value", request["event_id"]))
    with pytest.raises(AnswerError, match="too small"):
        await ended(answer)


async def test_a_refused_question_raises_and_its_answer_is_cancelled():
    bench = Bench()
    answer = bench.client.ask("hi")
    create, _ = await bench.sent()
    bench.say(turns.error("bad content", "invalid_value", create["event_id"]))
    with pytest.raises(AnswerError, match="bad content"):
        await ended(answer)
    assert [event["type"] for event in await bench.sent()] == ["response.cancel"]


async def test_another_refused_event_ends_no_answer():
    bench = Bench()
    answer, _ = await asked(bench)
    bench.client.send("conversation.item.create", item={"id": "item_x", "type": "message", "role": "user"})
    [create] = await bench.sent()
    bench.say(turns.error("bad", "invalid_value", create["event_id"]))
    bench.say(*turns.text_answer("yes"))
    assert str(await ended(answer)) == "yes"


async def test_each_of_two_questions_gets_its_own_answer_in_turn():
    bench = Bench()
    first, request = await asked(bench, "one")
    second = bench.client.ask("two")
    assert not await bench.sent()
    bench.say(*turns.text_answer("first"))
    await asyncio.sleep(0)
    question, request = await bench.sent()
    assert question["item"]["content"][0]["text"] == "two" and request["type"] == "response.create"
    bench.say(*turns.text_answer("second", "item_2", "resp_2"))
    assert [str(await ended(one)) for one in (first, second)] == ["first", "second"]


async def test_a_question_during_another_answer_waits_for_its_own():
    bench = Bench()
    bench.say(*turns.text_answer("unasked")[:4])
    answer = bench.client.ask("hi")
    assert [event["type"] for event in await bench.sent()] == ["conversation.item.create"]
    bench.say(*turns.text_answer("unasked")[4:])
    [request] = await bench.sent()
    assert request["type"] == "response.create"
    bench.say(*turns.text_answer("asked", "item_2", "resp_2"))
    assert str(await ended(answer)) == "asked" and len(answer.items) == 1


async def test_an_answer_that_the_server_began_by_itself_is_not_the_questions():
    bench = Bench()
    answer, request = await asked(bench)
    bench.say(*turns.text_answer("unasked")[:4])
    busy = "conversation_already_has_active_response"
    bench.say(turns.error("busy", busy, request["event_id"]))
    bench.say(*turns.text_answer("unasked")[4:])
    [again] = await bench.sent()
    assert again["type"] == "response.create" and not answer.done and not answer.items
    bench.say(*turns.text_answer("asked", "item_2", "resp_2"))
    assert str(await ended(answer)) == "asked"


async def test_the_answer_after_a_tool_belongs_to_the_question():
    bench = Bench()
    bench.client.add_tool({"name": "now", "parameters": {"type": "object"}}, lambda: "noon")
    answer, _ = await asked(bench)
    bench.say(*turns.function_call("now", "{}"))
    await bench.tools_end()
    assert not answer.done
    assert [event["type"] for event in await bench.sent()][-1] == "response.create"
    bench.say(*turns.text_answer("it is noon", "item_2", "resp_2"))
    await ended(answer)
    assert str(answer) == "it is noon" and answer.usage["total_tokens"] == 60
    assert [item.type for item in answer.items] == ["function_call", "message"]


async def test_calls_that_the_application_handles_itself_end_the_answer():
    bench = Bench(tools=[{"type": "function", "name": "mine"}])
    answer, _ = await asked(bench)
    bench.say(*turns.function_call("mine", "{}"))
    assert [item.name for item in (await ended(answer)).items] == ["mine"]


async def test_cancel_response_ends_the_answer():
    bench = Bench()
    answer, _ = await asked(bench)
    bench.client.cancel_response()
    bench.say(*turns.response_created(), *turns.response_done(status="cancelled"))
    assert (await ended(answer)).status == "cancelled"


async def test_cancel_response_ends_a_question_whose_request_waits():
    bench = Bench()
    bench.say(*turns.response_created("resp_0"))
    answer = bench.client.ask("hi")
    bench.client.cancel_response()
    assert (await ended(answer)).status == "cancelled"


async def test_a_cancelled_wait_cancels_the_answer():
    bench = Bench()
    answer, _ = await asked(bench)
    waiting = asyncio.ensure_future(ended(answer))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert answer.status == "cancelled"
    assert [event["type"] for event in await bench.sent()] == ["response.cancel"]
    answer.cancel()
    assert not await bench.sent()


async def test_a_cancelled_reading_cancels_the_answer():
    bench = Bench()
    answer, _ = await asked(bench)

    async def read() -> None:
        async for _ in answer:
            pass

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert answer.status == "cancelled"


async def test_a_question_that_waits_can_be_cancelled_unsent():
    bench = Bench()
    first, _ = await asked(bench, "one")
    second = bench.client.ask("two")
    second.cancel()
    assert (await ended(second)).status == "cancelled" and not await bench.sent()
    bench.say(*turns.text_answer("first"))
    assert str(await ended(first)) == "first"
    await asyncio.sleep(0)
    assert not await bench.sent() and bench.turns.follower is None


async def test_a_timeout_cancels_the_answer_and_raises():
    bench = Bench()
    answer, _ = await asked(bench, timeout=0.01)
    with pytest.raises(TimeoutError, match="within 0.01 s"):
        await ended(answer)
    assert [event["type"] for event in await bench.sent()] == ["response.cancel"]


async def test_a_timeout_of_an_answer_that_came_does_nothing():
    bench = Bench()
    answer, _ = await asked(bench, timeout=0.02)
    bench.say(*turns.text_answer("yes"))
    await asyncio.sleep(0.05)
    assert str(await ended(answer)) == "yes"


async def test_a_question_that_waits_is_answered_after_a_lost_one():
    async with ScriptedServer() as server, make(server) as client:
        lost, kept = client.ask("one"), client.ask("two")
        await server.peer.expect("response.create")
        server.peer.drop()
        with pytest.raises(AnswerError) as caught:
            await ended(lost)
        assert caught.value.reason == "connection_lost"
        peer = await server.wait_for_peers(2)
        await peer.expect("response.create")
        await peer.say(*turns.text_answer("second"))
        assert str(await ended(kept)) == "second"


async def test_an_answer_lost_in_its_middle_raises():
    async with ScriptedServer() as server, make(server) as client:
        answer = client.ask("hi")
        await server.peer.expect("response.create")
        await server.peer.say(*turns.text_answer("well")[:5])
        await until(lambda: answer.text)
        server.peer.drop()
        with pytest.raises(AnswerError) as caught:
            await ended(answer)
        assert caught.value.reason == "connection_lost"
        await until(client.is_connected)


async def test_questions_of_a_connection_that_ends_raise():
    async with ScriptedServer() as server, make(server) as client:
        answers = client.ask("one"), client.ask("two")
        await server.peer.expect("response.create")
        await client.disconnect()
        for answer in answers:
            with pytest.raises(AnswerError, match="closed"):
                await ended(answer)


async def test_a_question_that_was_not_sent_yet_is_answered_by_the_next_session():
    bench = Bench()
    answer = bench.client.ask("hi")
    bench.session.lost(1006, "", False)
    await asyncio.sleep(0)
    assert not answer.done


async def test_an_answer_goes_on_after_a_tool_that_outlives_the_connection():
    bench = Bench()
    go = asyncio.Event()

    async def slow() -> str:
        await go.wait()
        return "noon"

    bench.client.add_tool({"name": "now", "parameters": {"type": "object"}}, slow)
    answer, _ = await asked(bench)
    bench.say(*turns.function_call("now", "{}"))
    bench.session.lost(1006, "", False)
    assert not answer.done
    go.set()
    await bench.tools_end()
    bench.say(*turns.text_answer("it is noon", "item_2", "resp_2"))
    assert str(await ended(answer)) == "it is noon"


async def test_a_stalled_answer_raises(monkeypatch):
    bench = Bench()
    answer, _ = await asked(bench)
    bench.say(*turns.response_created())
    bench.turns._sequencer.stalled()
    bench.turns.request_next()
    with pytest.raises(AnswerError, match="nothing more"):
        await ended(answer)


async def test_what_comes_after_an_answer_does_not_belong_to_it():
    bench = Bench()
    answer, _ = await asked(bench)
    bench.client.create_response(conversation="none")
    [aside] = await bench.sent()
    bench.say(*turns.text_answer("mine"), *turns.text_answer("unasked", "item_2", "resp_2"))
    bench.say(turns.error("no", "invalid_value", aside["event_id"]))
    bench.client.cancel_response()
    bench.session.lost(1006, "", False)
    assert str(await ended(answer)) == "mine" and len(answer.items) == 1
    assert bench.turns.follower is None


async def test_answers_to_others_do_not_belong_to_it():
    bench = Bench()
    bench.client.create_response(conversation="none")
    [aside] = await bench.sent()
    answer, _ = await asked(bench)
    created = turns.response_created("resp_aside")[0]
    created["response"]["conversation_id"] = None
    bench.say(created, *turns.response_done("resp_aside"))
    bench.client.create_response(conversation="none")
    [aside] = await bench.sent()
    bench.say(turns.error("no", "invalid_value", aside["event_id"]))
    assert not answer.done
    bench.say(*turns.text_answer("mine"))
    assert str(await ended(answer)) == "mine" and answer.usage["total_tokens"] == 30


async def test_a_response_without_an_id_or_usage_answers_too():
    bench = Bench()
    answer, _ = await asked(bench)
    events = turns.text_answer("well")
    for event in events:
        event.pop("response_id", None)
        if "response" in event:
            del event["response"]["id"]
            event["response"]["usage"] = None
    bench.say(*events)
    assert str(await ended(answer)) == "well" and answer.usage == {}


async def test_an_answer_that_is_cancelled_in_its_middle_ends_with_its_response():
    bench = Bench()
    answer, _ = await asked(bench)
    bench.say(*turns.text_answer("well")[:5])
    bench.client.cancel_response()
    assert not answer.done
    cancelled = turns.response_done(status="cancelled")
    cancelled[0]["response"]["usage"] = {"total_tokens": "many", "input_tokens": 3}
    bench.say(*cancelled)
    assert (await ended(answer)).status == "cancelled" and answer.usage == {"input_tokens": 3}


@pytest.mark.parametrize("manual", [True, False])
async def test_samples_and_recordings_and_files_are_spoken(manual, tmp_path: Path):
    bench = Bench(**({"turn_detection": None} if manual else {}))
    path = tmp_path / "question.wav"
    stereo = np.repeat(turns.tone(16_000)[:, np.newaxis], 2, axis=1)
    wavtools.save(path, stereo, 16_000)
    for question, samples in (
        (turns.tone(4_800), 4_800),
        (turns.tone(3), 2_400),
        (turns.tone(4_800).tobytes(), 4_800),
        (wavtools.load(path), 24_000),
        (wavtools.load(path, "int32"), 24_000),
        (path, 24_000),
        (wavtools.read_wav(path.read_bytes()), 24_000),
    ):
        bench.client.ask(question)
        sent = await bench.sent()
        if manual:
            assert [event["type"] for event in sent[-2:]] == ["input_audio_buffer.commit", "response.create"]
            heard = sum(len(event["audio"]) for event in sent[:-2]) // 4 * 3 // 2
        else:
            [part] = sent[0]["item"]["content"]
            heard = len(part["audio"]) // 4 * 3 // 2
        assert abs(heard - samples) <= 2
        bench.client.cancel_response()
        bench.say(*turns.response_created(), *turns.response_done(status="cancelled"))
        await asyncio.sleep(0)
        await bench.sent()


async def test_parts_of_a_message_are_a_question_too():
    bench = Bench()
    bench.client.ask(
        [{"type": "text", "text": "what is it?"}, {"type": "input_image", "image_url": "data:,"}]
    )
    item = (await bench.sent())[0]["item"]
    assert [part["type"] for part in item["content"]] == ["input_text", "input_image"]
    bench = Bench()
    bench.client.ask({"type": "input_audio", "audio": turns.tone(480)})
    assert (await bench.sent())[0]["item"]["content"][0]["type"] == "input_audio"


async def test_without_a_question_the_answer_is_to_what_was_said():
    bench = Bench(turn_detection=None)
    bench.client.append_input_audio(turns.tone(4_800))
    bench.client.ask()
    types = [event["type"] for event in await bench.sent()]
    assert types == ["input_audio_buffer.append", "input_audio_buffer.commit", "response.create"]
    bench = Bench()
    bench.client.ask()
    assert [event["type"] for event in await bench.sent()] == ["response.create"]


@pytest.mark.parametrize("question", [5, object(), ["text"], {1, 2}, np.zeros(4, np.float32), b"odd"])
async def test_a_question_of_another_kind_raises_and_sends_nothing(question):
    bench = Bench()
    with pytest.raises((TypeError, ValueError)):
        bench.client.ask(question)
    assert not await bench.sent() and bench.turns.follower is None


async def test_mistakes_are_told_at_the_call():
    bench = Bench()
    with pytest.raises(ValueError, match="create_response"):
        bench.client.ask("hi", conversation="none")
    with pytest.raises(TypeError):
        bench.client.ask("hi", metadata=object())
    with pytest.raises((TypeError, ValueError)):
        bench.client.ask("hi", timeout=-1)
    assert not await bench.sent()
    with pytest.raises(StateError, match="connect"):
        RealtimeClient(api_key="", url="ws://127.0.0.1:1").ask("hi")


def test_outside_of_the_event_loop_it_says_what_to_do():
    async def bench() -> Bench:
        return Bench()

    client = asyncio.run(bench()).client
    with pytest.raises(StateError, match=r"realtime\.talk"):
        client.ask("hi")
