"""RealtimeClient: turns of text and of audio, and how they are interrupted."""

from __future__ import annotations

import asyncio
import base64
import threading

import numpy as np
import pytest

from tests import wire_turns as turns
from tests.client_bench import MANUAL, Bench, connected
from tests.waiting import Log

# Text turns


async def test_a_text_turn(client, server):
    peer = await connected(client, server)
    log = Log(client)
    item_id = client.send_user_message_content([{"type": "text", "text": "How are you?"}])
    create = await peer.expect("conversation.item.create")
    assert create["item"] == {
        "id": item_id,
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "How are you?"}],
    }
    await peer.expect("response.create")
    await peer.say(*turns.echo(create), *turns.text_answer("Very well, thanks.", previous=item_id))
    await log.until("timings")
    user, answer = client.conversation.get_items()
    assert (user.role, user.status, user.formatted.text) == ("user", "completed", "How are you?")
    assert (answer.role, answer.status, answer.formatted.text) == (
        "assistant",
        "completed",
        "Very well, thanks.",
    )
    text = "".join(event.delta.text for event in log.of("conversation.updated") if event.delta is not None)
    assert text == "Very well, thanks."
    assert [event.item.id for event in log.of("conversation.item.appended")] == [item_id, "item_answer"]
    assert [event.item.id for event in log.of("conversation.item.completed")] == [item_id, "item_answer"]
    assert client.usage["total_tokens"] == 30 and client.rate_limits["tokens"].remaining == 970
    assert log.of("timings")[0].latency >= 0
    assert not log.of("error")


async def test_the_callers_content_is_not_changed(client, server):
    await connected(client, server)
    content = [{"type": "text", "text": "x"}]
    client.send_user_message_content(content)
    assert content == [{"type": "text", "text": "x"}]


async def test_a_failed_response_is_told(client, server):
    peer = await connected(client, server)
    log = Log(client)
    details = {
        "type": "failed",
        "error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "pay"},
    }
    await peer.say(*turns.response_created(), *turns.response_done(status="failed", details=details))
    failed = await log.until("response.failed")
    assert (failed.response_id, failed.code, failed.message) == ("resp_1", "insufficient_quota", "pay")


# Audio turns


async def test_a_manual_audio_turn(client, server):
    peer = await connected(client, server, **MANUAL)
    log = Log(client)
    spoken = turns.tone(24_000)
    for start in range(0, 24_000, 2_400):
        assert client.append_input_audio(spoken[start : start + 2_400])
    client.create_response()
    await peer.expect("response.create")
    assert peer.types() == ["session.update"] + ["input_audio_buffer.append"] * 10 + [
        "input_audio_buffer.commit",
        "response.create",
    ]
    sent = b"".join(base64.b64decode(e["audio"]) for e in peer.of_type("input_audio_buffer.append"))
    assert sent == spoken.tobytes()
    answer = turns.tone(9_600, 5_000)
    await peer.say(
        *turns.committed(), *turns.audio_answer("It is noon.", answer), *turns.transcription("What time?")
    )
    await log.until("usage", 2)
    user, item = client.conversation.get_items()
    np.testing.assert_array_equal(user.formatted.audio, spoken)
    assert user.formatted.transcript == "What time?"
    np.testing.assert_array_equal(item.formatted.audio, answer)
    assert item.formatted.transcript == "It is noon."
    heard = [e.delta.audio for e in log.of("conversation.updated") if e.delta and e.delta.audio is not None]
    np.testing.assert_array_equal(np.concatenate(heard), answer)
    assert not log.of("error")


async def test_under_vad_the_users_audio_is_what_the_server_heard(client, server):
    peer = await connected(client, server)
    log = Log(client)
    spoken = turns.tone(48_000)
    client.append_input_audio(spoken)
    await peer.expect("input_audio_buffer.append")
    await peer.say(*turns.speech(start_ms=203, end_ms=1207))
    await log.until("conversation.item.completed")
    (user,) = client.conversation.get_items()
    np.testing.assert_array_equal(user.formatted.audio, spoken[203 * 24 : 1207 * 24])
    interrupted = log.of("conversation.interrupted")[0]
    assert (interrupted.item_id, interrupted.audio_start_ms) == ("item_user", 203)
    assert not interrupted.response_active


async def test_too_little_audio_is_not_committed(client, server):
    peer = await connected(client, server, **MANUAL)
    client.append_input_audio(np.zeros(2399, np.int16))
    client.create_response()
    await peer.expect("response.create")
    assert "input_audio_buffer.commit" not in peer.types()


async def test_under_vad_create_response_commits_nothing(client, server):
    peer = await connected(client, server, turn_detection="server_vad")
    client.append_input_audio(np.zeros(24_000, np.int16))
    client.create_response()
    await peer.expect("response.create")
    assert "input_audio_buffer.commit" not in peer.types()


async def test_audio_may_come_from_any_thread(client, server):
    peer = await connected(client, server, **MANUAL)
    spoken = turns.tone(24_000)

    def speak() -> None:
        for start in range(0, 24_000, 240):
            client.append_input_audio(spoken[start : start + 240].tobytes())

    thread = threading.Thread(target=speak)
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0.001)
    client.create_response()
    await peer.expect("response.create")
    sent = b"".join(base64.b64decode(e["audio"]) for e in peer.of_type("input_audio_buffer.append"))
    assert sent == spoken.tobytes()


async def test_a_file_may_be_put_in_one_go(client, server):
    peer = await connected(client, server, **MANUAL)
    spoken = turns.tone(24_000 * 20)
    for start in range(0, len(spoken), 2_400):
        client.append_input_audio(spoken[start : start + 2_400])
    client.create_response()
    await peer.expect("response.create")
    sent = b"".join(base64.b64decode(e["audio"]) for e in peer.of_type("input_audio_buffer.append"))
    assert sent == spoken.tobytes() and client.stats.input_samples_dropped == 0


async def test_a_long_array_is_sent_in_pieces(client, server):
    peer = await connected(client, server, **MANUAL)
    assert client.append_input_audio(np.zeros(0, np.int16))
    client.append_input_audio(np.zeros(500_000, np.int16))
    client.create_response()
    await peer.expect("response.create")
    assert len(peer.of_type("input_audio_buffer.append")) == 3


@pytest.mark.parametrize(
    ("audio", "error", "words"),
    [
        (np.zeros(4, np.float32), TypeError, "float32_to_pcm16"),
        (np.zeros(4, np.int32), TypeError, "int16"),
        (np.zeros((4, 2), np.int16), ValueError, "mono"),
        (np.zeros(8, np.int16)[::2], TypeError, "contiguous"),
        (b"123", ValueError, "3 bytes"),
        ([1, 2], TypeError, "list"),
    ],
)
async def test_audio_that_is_not_int16_is_refused_by_name(client, audio, error, words):
    await client.connect()
    with pytest.raises(error, match=words):
        client.append_input_audio(audio)


# Interrupting


async def test_a_manual_interrupt_cancels_and_truncates(client, server):
    peer = await connected(client, server, **MANUAL)
    log = Log(client)
    audio = turns.tone(24_000)
    await peer.say(
        *turns.audio_begin(), turns.transcript_delta("one two three four"), turns.audio_delta(audio)
    )
    await log.until("conversation.updated", 5)
    item = client.cancel_response("item_answer", 12_011)
    cancel = await peer.expect("response.cancel")
    assert cancel["response_id"] == "resp_1"
    truncate = await peer.expect("conversation.item.truncate")
    assert (truncate["item_id"], truncate["content_index"], truncate["audio_end_ms"]) == (
        "item_answer",
        0,
        500,
    )
    assert len(item.formatted.audio) == 12_011 and item.truncated
    assert item.formatted.transcript == "one two three four" and item.heard_transcript == "one two"
    before = len(log.events)
    await peer.say(turns.audio_delta(audio), turns.transcript_delta(" five"))
    await peer.say(
        *turns.audio_end(
            "one two three four five", status="cancelled", details={"reason": "client_cancelled"}
        )
    )
    await log.until("conversation.item.incomplete")
    late = [event.delta for name, event in log.events[before:] if name == "conversation.updated"]
    assert all(delta is None for delta in late)
    assert len(item.formatted.audio) == 12_011
    client.cancel_response("item_answer", 12_011)
    client.append_input_audio(np.zeros(240, np.int16))
    await peer.expect("input_audio_buffer.append")
    assert peer.types().count("response.cancel") == peer.types().count("conversation.item.truncate") == 1


async def test_under_vad_only_the_truncate_is_sent(client, server):
    peer = await connected(client, server, turn_detection="server_vad")
    log = Log(client)
    await peer.say(*turns.audio_begin(), turns.audio_delta(turns.tone(24_000)), *turns.speech("item_2")[:1])
    interrupted = await log.until("conversation.interrupted")
    assert interrupted.response_active and interrupted.will_cancel
    client.cancel_response("item_answer", 6_000)
    truncate = await peer.expect("conversation.item.truncate")
    assert truncate["audio_end_ms"] == 250
    assert "response.cancel" not in peer.types()


async def test_without_interrupt_response_the_client_cancels_under_vad(client, server):
    peer = await connected(client, server, turn_detection={"type": "server_vad", "interrupt_response": False})
    log = Log(client)
    await peer.say(*turns.audio_begin(), turns.audio_delta(turns.tone(2_400)))
    await log.until("conversation.updated", 4)
    client.cancel_response("item_answer", 0)
    await peer.expect("response.cancel")
    assert (await peer.expect("conversation.item.truncate"))["audio_end_ms"] == 0


async def test_a_finished_answer_heard_to_its_end_sends_nothing(client, server):
    peer = await connected(client, server, **MANUAL)
    log = Log(client)
    await peer.say(*turns.audio_answer("Done.", turns.tone(4_800)))
    await log.until("timings")
    client.cancel_response("item_answer", 4_800)
    client.cancel_response()
    client.cancel_response("item_unknown", 10)
    client.append_input_audio(np.zeros(240, np.int16))
    await peer.expect("input_audio_buffer.append")
    assert peer.types() == ["session.update", "input_audio_buffer.append"]


async def test_a_finished_answer_cut_while_it_plays_is_truncated_only(client, server):
    peer = await connected(client, server, **MANUAL)
    log = Log(client)
    await peer.say(*turns.audio_answer("Done and gone.", turns.tone(48_000)))
    await log.until("timings")
    client.cancel_response("item_answer", 24_000)
    assert (await peer.expect("conversation.item.truncate"))["audio_end_ms"] == 1000
    assert "response.cancel" not in peer.types()


async def test_an_answer_without_audio_yet_is_deleted_and_never_truncated(client, server):
    peer = await connected(client, server, **MANUAL)
    log = Log(client)
    await peer.say(*turns.audio_begin(), turns.transcript_delta("unheard"))
    await log.until("conversation.updated", 4)
    client.cancel_response("item_answer", 0)
    await peer.expect("response.cancel")
    assert (await peer.expect("conversation.item.delete"))["item_id"] == "item_answer"
    assert "conversation.item.truncate" not in peer.types()


async def test_only_answers_can_be_cancelled(client, server):
    peer = await connected(client, server)
    log = Log(client)
    await peer.say(*turns.user_text("mine"))
    await log.until("conversation.item.completed")
    with pytest.raises(ValueError, match="role 'user'"):
        client.cancel_response("item_user", 1)


async def test_a_first_sample_of_an_unknown_answer_emits_no_timings(client):
    log = Log(client, "timings")
    client.note_first_sample("item_unknown")
    assert not log.of("timings")


# Cancelling an answer as an answer


def second_item(samples: int, item_id: str = "item_second", response_id: str = "resp_1") -> list[dict]:
    item = {"id": item_id, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    added = {
        "type": "response.output_item.added",
        "response_id": response_id,
        "output_index": 1,
        "item": item,
    }
    return [*turns.with_ids([added]), turns.audio_delta(turns.tone(samples), item_id, response_id)]


def passed_on(bench: Bench) -> list:
    """The audio that handlers get from now on."""
    pieces: list = []
    bench.client.on("conversation.updated", lambda event: pieces.append(event.delta and event.delta.audio))
    return pieces


@pytest.mark.parametrize("begun", ["asked for", "begun", "announced"])
async def test_an_answer_cancelled_before_its_first_delta_is_never_heard(begun):
    bench = Bench(**MANUAL)
    bench.client.create_response()
    known = {"asked for": 0, "begun": 1, "announced": 3}[begun]
    bench.say(*turns.audio_begin()[:known])
    bench.client.cancel_response()
    pieces = passed_on(bench)
    bench.say(*turns.audio_begin()[known:], turns.audio_delta(turns.tone(12_000)))
    bench.say(turns.transcript_delta("unheard"), *turns.audio_end("unheard", status="cancelled"))
    bench.say(turns.audio_delta(turns.tone(480)))
    assert not any(piece is not None for piece in pieces)
    sent = [event for event in await bench.sent() if event["type"].split(".")[0] != "session"]
    assert [event["type"] for event in sent] == [
        "response.create",
        "response.cancel",
        "conversation.item.truncate",
    ]
    assert sent[-1]["audio_end_ms"] == 0
    assert bench.client.conversation.get_item("item_answer").heard_transcript == ""
    bench.client.create_response()
    bench.say(*turns.audio_answer("heard", turns.tone(480), "item_next", "resp_2"))
    assert sum(len(piece) for piece in pieces if piece is not None) == 480


async def test_every_item_of_a_cancelled_answer_is_dropped():
    bench = Bench(**MANUAL)
    bench.say(*turns.audio_begin(), turns.audio_delta(turns.tone(4_800)))
    bench.client.cancel_response("item_answer", 2_400)
    pieces = passed_on(bench)
    bench.say(*second_item(4_800), turns.audio_delta(turns.tone(480)))
    third = {"id": "item_third", "type": "message", "role": "assistant", "status": "in_progress"}
    bench.say({"type": "response.output_item.added", "response_id": "resp_1", "item": third})
    bench.say(*turns.response_done(status="cancelled"))
    assert not any(piece is not None for piece in pieces)
    told = [
        (event["type"].rpartition(".")[2], event["item_id"], event.get("audio_end_ms"))
        for event in await bench.sent()
        if "item_id" in event
    ]
    assert told == [
        ("truncate", "item_answer", 100),
        ("truncate", "item_second", 0),
        ("delete", "item_third", None),
    ]


async def test_an_answer_whose_events_name_no_response_is_dropped_as_well():
    bench = Bench(**MANUAL)
    bench.say({"type": "response.created", "response": {}})
    bench.client.cancel_response()
    pieces = passed_on(bench)
    delta = {"type": "response.output_audio.delta", "item_id": "i", "delta": turns.b64(turns.tone(480))}
    bench.say(delta, {**delta, "item_id": "j"}, *turns.committed("mine"))
    assert not any(piece is not None for piece in pieces)
    bench.say({"type": "response.done", "response": {"status": "cancelled"}}, {**delta, "item_id": "k"})
    assert len(pieces[-1]) == 480
    assert bench.client.cancel_response("k", 240).audio_end_ms == 10


async def test_under_vad_an_answer_to_come_is_cancelled_when_it_begins():
    bench = Bench()
    bench.say(*turns.speech())
    bench.client.cancel_response()
    assert await bench.sent() == []
    bench.say(*turns.response_created())
    assert [event["response_id"] for event in await bench.sent()] == ["resp_1"]


async def test_stopping_the_answer_before_leaves_the_answer_to_come():
    bench = Bench(turn_detection={"type": "server_vad", "interrupt_response": False})
    bench.say(*turns.audio_answer("before", turns.tone(4_800)), *turns.speech("item_2"))
    bench.client.cancel_response("item_answer", 2_400)
    bench.say(*turns.audio_answer("after", turns.tone(480), "item_3", "resp_2"))
    assert "response.cancel" not in [event["type"] for event in await bench.sent()]
    assert len(bench.client.conversation.get_item("item_3").formatted.audio) == 480


async def test_a_cancelled_call_is_left_to_the_server():
    bench = Bench(**MANUAL)
    bench.say(*turns.response_created())
    bench.client.cancel_response()
    bench.say(*turns.call_begin("look", "call_1", "item_1"), *turns.response_done(status="cancelled"))
    assert [event["type"] for event in await bench.sent()][-1] == "response.cancel"


@pytest.mark.parametrize("count", [0.5 * 24_000, "12000", None, float("nan"), 1 + 2j])
async def test_a_sample_count_that_is_no_integer_changes_nothing(count):
    bench = Bench(**MANUAL)
    bench.say(*turns.audio_begin(), turns.audio_delta(turns.tone(24_000)))
    await bench.sent()
    item = bench.client.conversation.get_item("item_answer")
    with pytest.raises(ValueError, match="sample_count must be an integer"):
        bench.client.cancel_response("item_answer", count)
    with pytest.raises(ValueError, match="heard_samples must be an integer"):
        bench.client.conversation.interrupt("item_answer", count)
    assert await bench.sent() == [] and not item.interrupted and not item.truncated
    assert bench.client.cancel_response("item_answer", np.int32(12_000)).audio_end_ms == 500
