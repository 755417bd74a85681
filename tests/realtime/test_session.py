"""Session: frames in, sends and events out; 3000 disturbed recordings; what refusals do; no key anywhere."""

from __future__ import annotations

import asyncio
import json
import logging
import random

import numpy as np
import pytest

from realtime import RealtimeClient
from realtime.client import turn_taking as module
from tests import wire_turns as turns
from tests.canary import KEY
from tests.client_bench import Bench
from tests.wire_recordings import disturb, recordings
from tests.wire_server import ScriptedServer, created

RECORDINGS = recordings()


async def test_3000_disturbed_recordings_raise_nothing_and_the_next_turn_works():
    rng = random.Random(20261122)
    names = list(RECORDINGS)
    escaped: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: escaped.append(context))
    calls: list[int] = []
    for number in range(3_000):
        bench = Bench(turn_detection=None)
        bench.client.add_tool({"name": "look"}, look := _Look(calls))
        bench.client.append_input_audio(turns.tone(12_000))
        bench.client.create_response()
        await bench.sent()
        for event in disturb(RECORDINGS[rng.choice(names)], rng):
            bench.say(event)
        if number % 50 == 0:
            await asyncio.sleep(0.002)
        # A clean turn: the user's text is sent, and its answer arrives whole. A response whose end was lost is
        # given up after a while.
        item_id = bench.client.send_user_message_content("and now?")
        bench.turns.response_event(0.0)
        bench.turns._check_stall()
        create = next(event for event in await bench.sent() if event.get("item", {}).get("id") == item_id)
        bench.say(
            *turns.echo(create), *turns.audio_answer("a clean turn", turns.tone(480), "clean", "resp_clean")
        )
        answer = bench.client.conversation.get_item("clean")
        assert (answer.status, answer.formatted.transcript) == ("completed", "a clean turn")
        np.testing.assert_array_equal(answer.formatted.audio, turns.tone(480))
        assert bench.client.conversation.get_item(item_id).status == "completed"
        assert not bench.turns.response_active or bench.turns._sequencer.active != "resp_clean"
        assert {event.source for event in bench.of("error")} <= {"wire", "server", "tool"}
        assert look.most_at_once <= 2
        bench.turns.stop()
    await asyncio.sleep(0.01)
    assert not escaped


class _Look:
    """A tool that counts its calls."""

    def __init__(self, calls: list[int]) -> None:
        self.calls = calls
        self.most_at_once = 0

    async def __call__(self, **arguments: object) -> str:
        self.calls.append(1)
        return "seen"


@pytest.mark.parametrize("name", RECORDINGS)
async def test_a_recording_drives_the_client_to_the_right_sends(name):
    bench = Bench()
    bench.client.add_tool({"name": "look"}, lambda **arguments: "seen")
    await bench.sent()
    bench.say(*RECORDINGS[name])
    for _ in range(100):
        if not bench.turns.toolbox.running:
            break
        await asyncio.sleep(0.005)
    types = [(event["type"], event.get("item", {}).get("output")) for event in await bench.sent()]
    output, ask = ("conversation.item.create", "seen"), ("response.create", None)
    expected = {"function call": [output, ask], "two calls": [output, output, ask]}
    assert types == expected.get(name, [])
    assert not bench.of("error")
    assert len(bench.of("response.failed")) == (name == "failed")


async def test_a_response_outside_the_conversation_leaves_no_items():
    bench = Bench()
    bench.client.create_response(conversation="none", metadata={"topic": "x"})
    (create,) = await bench.sent()
    assert create["response"] == {"conversation": "none", "metadata": {"topic": "x"}}
    answer = turns.text_answer("aside", "item_aside", "resp_aside")
    answer[0]["response"]["conversation_id"] = None
    bench.say(*answer)
    assert bench.client.conversation.get_items() == []
    bench.client.create_response()
    assert [event["type"] for event in await bench.sent()] == ["response.create"]


async def test_tools_set_as_a_whole_are_answered_by_the_application():
    bench = Bench(tools=[{"type": "function", "name": "mine"}])
    assert bench.prelude[0]["session"]["tools"] == [{"type": "function", "name": "mine"}]
    bench.say(*turns.function_call("mine", "{}"))
    await asyncio.sleep(0.01)
    assert await bench.sent() == []
    with pytest.raises(ValueError, match="already in the session's tools"):
        bench.client.add_tool({"name": "mine"}, print)
    bench.client.add_tool({"name": "other"}, print)
    with pytest.raises(ValueError, match="remove_tool"):
        bench.client.update_session(tools=[{"name": "other"}])
    (update,) = await bench.sent()
    assert [tool["name"] for tool in update["session"]["tools"]] == ["mine", "other"]
    bench.client.update_session(tools=[], voice="ash")
    (update,) = await bench.sent()
    assert [tool["name"] for tool in update["session"]["tools"]] == ["other"]
    bench.client.remove_tool("other")
    bench.client.create_response()
    update, create = await bench.sent()
    assert update["session"]["tools"] == [] and create["type"] == "response.create"
    bench.client.update_session(tools=[{"name": "a"}])
    (update,) = await bench.sent()
    assert update["session"]["tools"] == [{"name": "a"}]


async def test_a_tool_nobody_added_is_told_to_the_model():
    bench = Bench()
    bench.say(*turns.function_call("invented", "{}"))
    await asyncio.sleep(0.02)
    create, _ = await bench.sent()
    assert "has not been added" in create["item"]["output"] and bench.of("error")[0].source == "tool"


async def test_a_call_of_a_cancelled_answer_is_answered_and_nothing_is_asked():
    bench = Bench()
    release = asyncio.Event()

    async def slow():
        await release.wait()
        return "late"

    bench.client.add_tool({"name": "slow"}, slow)
    await bench.sent()
    bench.say(
        *turns.response_created(),
        *turns.call_begin("slow", "call_1", "item_1"),
        *turns.call_end("slow", "{}", "call_1", "item_1"),
        *turns.response_done(status="cancelled"),
    )
    release.set()
    await asyncio.sleep(0.02)
    assert [event["type"] for event in await bench.sent()] == ["conversation.item.create"]


async def test_while_the_user_speaks_the_servers_own_answer_will_do():
    bench = Bench()
    bench.client.add_tool({"name": "look"}, lambda: "seen")
    await bench.sent()
    bench.say(*turns.function_call("look", "{}"), *turns.speech("item_2")[:1])
    await asyncio.sleep(0.05)
    assert [event["type"] for event in await bench.sent()] == ["conversation.item.create"]
    bench.say(*turns.speech("item_2")[1:], *turns.text_answer("both", "i", "resp_2"))
    assert await bench.sent() == []


async def test_an_incomplete_call_is_not_made():
    bench = Bench()
    bench.client.add_tool({"name": "look"}, lambda: "seen")
    await bench.sent()
    bench.say(
        *turns.call_begin("look", "call_1", "item_1"),
        *turns.call_end("look", '{"x":', "call_1", "item_1", status="incomplete"),
    )
    assert not bench.turns.toolbox.running and await bench.sent() == []


@pytest.mark.parametrize(
    ("cause", "code", "message", "benign"),
    [
        (
            "conversation.item.truncate",
            "invalid_value",
            "Audio content of 10ms is already shorter than 20ms",
            True,
        ),
        ("conversation.item.delete", "item_not_found", "no such item", True),
        ("conversation.item.truncate", "unknown_parameter", "x", False),
        ("response.cancel", "response_cancel_not_active", "x", True),
        ("session.update", "cannot_update_voice", "x", False),
        (None, "input_audio_buffer_commit_empty", "x", True),
        (None, "session_expired", "x", True),
        (None, None, "Audio content of 10ms is already shorter than 20ms", True),
        (None, "item_truncate_invalid_item_id", "x", True),
        (None, "server_error", "x", False),
    ],
)
async def test_races_are_told_apart_from_errors(cause, code, message, benign):
    bench = Bench()
    seen: list[str] = []
    bench.client.on("error.benign", lambda event: seen.append(event.message))
    event_id = None
    if cause is not None:
        fields = {"session": {}} if cause == "session.update" else {}
        event_id = bench.client.send(cause, fields)
        await bench.sent()
    bench.say(turns.error(message, code, event_id))
    assert (seen == [message]) == benign and bool(bench.of("error")) != benign
    if not benign:
        assert bench.of("error")[0].caused_by == cause and str(bench.of("error")[0]) == message


async def test_an_error_without_a_body_is_still_told():
    bench = Bench()
    bench.say({"type": "error", "error": "overloaded"}, {"type": "error"})
    assert [event.message for event in bench.of("error")] == ["overloaded", "None"]


async def test_a_refused_commit_gives_its_audio_to_the_next_turn():
    bench = Bench(turn_detection=None)
    bench.client.append_input_audio(turns.tone(4_800))
    bench.client.commit_input_audio()
    commit = (await bench.sent())[-1]
    bench.say(turns.error("x", "input_audio_buffer_commit_empty", commit["event_id"]))
    bench.client.append_input_audio(turns.tone(4_800, 4_800))
    bench.client.commit_input_audio()
    await bench.sent()
    bench.say(*turns.committed())
    np.testing.assert_array_equal(bench.client.conversation.get_items()[0].formatted.audio, turns.tone(9_600))


async def test_a_refused_request_is_dropped_and_the_next_one_goes():
    bench = Bench()
    bench.client.create_response(instructions="x" * 10)
    (create,) = await bench.sent()
    bench.client.create_response()
    assert await bench.sent() == []
    bench.say(turns.error("bad", "invalid_value", create["event_id"]))
    assert [event["type"] for event in await bench.sent()] == ["response.create"]


async def test_a_refused_item_is_not_sent_again():
    bench = Bench()
    bench.client.create_item({"type": "message", "role": "user", "content": []}, previous_item_id="root")
    (create,) = await bench.sent()
    assert create["previous_item_id"] == "root" and bench.session._unconfirmed
    bench.say(turns.error("bad", "invalid_value", create["event_id"]))
    assert not bench.session._unconfirmed


async def test_a_response_whose_end_was_lost_is_given_up(monkeypatch):
    monkeypatch.setattr(module, "RESPONSE_STALL", 0.05)
    bench = Bench()
    bench.say(*turns.response_created())
    bench.client.create_response()
    assert await bench.sent() == []
    await asyncio.sleep(0.03)
    bench.say(turns.audio_delta(turns.tone(24)))  # it lives
    await asyncio.sleep(0.04)
    assert await bench.sent() == []
    await asyncio.sleep(0.1)
    assert [event["type"] for event in await bench.sent()] == ["response.create"]


async def test_errors_nobody_listens_for_are_logged(caplog):
    bench = Bench()
    bench.client.off("error")
    bench.say(turns.error("trouble", "server_error"))
    assert "trouble" in caplog.text
    bench.client.on("error", lambda event: 1 / 0)
    bench.say(turns.error("more", "server_error"))  # told once, not for ever
    assert "ZeroDivisionError" in caplog.text


async def test_a_failed_transcription_is_an_error_and_its_usage_an_event():
    bench = Bench()
    failed = {
        "type": "conversation.item.input_audio_transcription.failed",
        "item_id": "item_user",
        "content_index": 0,
    }
    bench.say(*turns.committed(), {**failed, "error": {"code": "audio_unintelligible", "message": "what?"}})
    assert bench.of("error")[0].code == "audio_unintelligible"
    assert bench.client.conversation.get_items()[0].content[0]["transcription_error"]["message"] == "what?"
    bench.say({**failed, "error": None}, *turns.transcription("ok"))
    assert [event.source for event in bench.of("usage")] == ["transcription"]


async def test_g711_is_spoken_both_ways():
    bench = Bench(input_audio_format="g711_ulaw", output_audio_format="g711_alaw", turn_detection=None)
    (update,) = bench.prelude
    assert update["session"]["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert (bench.client.input_sample_rate, bench.client.output_sample_rate) == (8_000, 8_000)
    from wavtools import pcm

    spoken = turns.tone(1_600)
    bench.client.append_input_audio(spoken)
    bench.client.create_response()
    append, commit, _ = await bench.sent()
    assert turns.b64(spoken) != append["audio"] and commit["type"] == "input_audio_buffer.commit"
    import base64

    np.testing.assert_array_equal(
        np.frombuffer(base64.b64decode(append["audio"]), np.uint8), pcm.ulaw_encode(spoken)
    )
    bench.client.append_input_audio(spoken[:799])
    bench.client.commit_input_audio()
    assert len(await bench.sent()) == 1  # 99.9 ms are not committed
    session = {"type": "realtime", "audio": update["session"]["audio"]}
    answer = base64.b64encode(pcm.alaw_encode(turns.tone(8_000))).decode()
    bench.say(
        {"type": "session.updated", "session": session},
        *turns.audio_begin(),
        turns.audio_delta(spoken, encoded=answer),
    )
    item = bench.client.conversation.get_items()[0]
    np.testing.assert_array_equal(item.formatted.audio, pcm.alaw_decode(pcm.alaw_encode(turns.tone(8_000))))
    bench.client.cancel_response(item.id, 4_004)
    assert (await bench.sent())[-1]["audio_end_ms"] == 500


async def test_a_refused_change_of_format_goes_back_to_the_servers():
    bench = Bench()
    bench.client.update_session(input_audio_format="g711_ulaw")
    (update,) = await bench.sent()
    assert bench.client.conversation.input_format.sample_rate == 8_000
    bench.say(turns.error("no", "invalid_value", update["event_id"]))
    assert bench.client.conversation.input_format.sample_rate == 24_000


async def test_audio_in_a_message_is_kept_with_the_item():
    bench = Bench()
    item_id = bench.client.send_user_message_content(
        [{"type": "input_audio", "audio": turns.tone(2_400)}, {"type": "input_audio", "audio": "AAAA"}]
    )
    create = (await bench.sent())[0]
    assert create["item"]["content"][0]["audio"] == turns.b64(turns.tone(2_400))
    bench.say(*turns.echo(create))
    item = bench.client.conversation.get_item(item_id)
    np.testing.assert_array_equal(item.formatted.audio, turns.tone(2_400))
    assert "audio" not in item.content[0]
    assert bench.client.send_user_message_content([]) is None
    assert [event["type"] for event in await bench.sent()] == []  # a request waits already


async def test_send_takes_any_event_and_refuses_what_json_cannot_hold():
    bench = Bench()
    bench.client.send("conversation.item.create", {"item": {"type": "message"}})
    bench.client.send("response.create")
    bench.client.send("conversation.item.retrieve", item_id="x")
    bench.client.clear_input_audio()
    create, retrieve, clear = [event for event in await bench.sent() if event["type"] != "response.create"]
    assert create["item"]["id"] and retrieve["item_id"] == "x" and clear["type"] == "input_audio_buffer.clear"
    with pytest.raises(TypeError):
        bench.client.send("x", {"y": object()})


@pytest.mark.parametrize(
    ("created", "sent"),
    [
        (
            {"type": "session.created", "session": {"type": "transcription", "audio": {"input": {}}}},
            {
                "type": "session.update",
                "session": {
                    "type": "transcription",
                    "audio": {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}},
                },
            },
        ),
        (
            {"type": "transcription_session.created", "session": {"input_audio_format": "pcm16"}},
            {
                "type": "transcription_session.update",
                "session": {"turn_detection": None, "input_audio_transcription": {"model": "whisper-1"}},
            },
        ),
    ],
)
async def test_a_transcription_session_is_configured_as_one(created, sent):
    """A server refuses an update that names the other kind of session."""
    bench = Bench(turn_detection=None, input_audio_transcription="whisper-1")
    bench.prelude = bench.session.begin(created, resumed=False)
    _frame, event = bench.session.encode(bench.prelude[0])
    assert {key: event[key] for key in sent} == sent
    assert bench.client.session.type == "transcription"


async def test_a_beta_server_is_found_by_its_session_and_spoken_to_in_beta():
    bench = Bench(voice="ash", temperature=0.7)
    beta = {
        "type": "session.created",
        "session": {"modalities": ["text", "audio"], "input_audio_format": "pcm16", "turn_detection": None},
    }
    bench.prelude = bench.session.begin(beta, resumed=False)
    _frame, event = bench.session.encode(bench.prelude[0])
    assert event["session"] == {"voice": "ash", "temperature": 0.7}
    assert bench.client.get_turn_detection_type() is None
    bench.say(
        {"type": "response.created", "response": {"id": "r", "object": "realtime.response"}},
        {
            "type": "conversation.item.created",
            "item": {
                "id": "i",
                "type": "message",
                "role": "assistant",
                "status": "in_progress",
                "content": [],
            },
        },
        {
            "type": "response.audio_transcript.delta",
            "response_id": "r",
            "item_id": "i",
            "content_index": 0,
            "delta": "hi",
        },
        {
            "type": "response.audio.delta",
            "response_id": "r",
            "item_id": "i",
            "content_index": 0,
            "delta": turns.b64(turns.tone(240)),
        },
        {
            "type": "response.output_item.done",
            "response_id": "r",
            "item": {
                "id": "i",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "audio", "transcript": "hi"}],
            },
        },
    )
    (item,) = bench.client.conversation.get_items()
    assert (item.status, item.formatted.transcript, len(item.formatted.audio)) == ("completed", "hi", 240)
    assert item.content[0]["type"] == "output_audio"


@pytest.mark.parametrize("session", [None, 5, {}, {"audio": 5}, {"audio": {"input": []}}])
async def test_a_session_object_that_is_none_breaks_nothing(session):
    bench = Bench()
    bench.session.begin({"type": "session.created", "session": session}, resumed=True)
    bench.say({"type": "session.updated", "session": session})
    assert bench.client.get_turn_detection_type() is None


# The key


async def test_no_key_in_logs_events_exceptions_or_reprs_at_debug(caplog, capsys, monkeypatch):
    """The server echoes the key in every place it can, at DEBUG, through a reconnection, to the end."""
    caplog.set_level(logging.DEBUG)
    other_side = logging.getLogger("websockets.server")
    monkeypatch.setattr(other_side, "disabled", True)
    seen: list[object] = []

    async def echo(peer) -> None:
        header = peer.socket.request.headers["Authorization"]
        await peer.say({**created(), "note": header})
        await peer.say(turns.error(f"Incorrect API key provided: {KEY}", "invalid_api_key"))
        await peer.say_raw(f'{{"type":"error","error":{{"message":"{KEY}"')
        await peer.say_raw('{"type":"x.y","a":"\\u0073k-test-canary-0123456789"}')
        await peer.say(*turns.user_text(KEY), *turns.function_call("look", json.dumps({"key": KEY})))
        await asyncio.sleep(0.05)
        await peer.close(1011 if len(server.peers) == 1 else 4000, f"because of {KEY}")

    async with ScriptedServer(echo) as server:
        client = RealtimeClient(api_key=KEY, url=server.url + f"/?token={KEY}")
        client.on("*", seen.append)
        client.on("error", lambda event: 1 / 0)
        client.add_tool({"name": "look"}, lambda key: 1 / 0)

        await client.connect()
        await client.wait_for_next("close", timeout=10)
    text = caplog.text + repr(seen) + repr(client) + repr(vars(client)) + repr(vars(client._session))
    text += repr([vars(event) for event in seen if hasattr(event, "__dict__")])
    text += repr(list(client.conversation.get_items())) + "".join(capsys.readouterr())
    assert text.find(KEY) < 0, text[text.find(KEY) - 300 : text.find(KEY) + 50]
    assert "[key removed]" in text and "Authorization" in caplog.text


async def test_reports_of_any_shape_break_nothing():
    bench = Bench()
    limits: list[object] = []
    bench.client.on("rate_limits", lambda event: limits.append(event.rate_limits))
    bench.say(
        {"type": "rate_limits.updated", "rate_limits": 5},
        {"type": "rate_limits.updated", "rate_limits": [5, {"name": "tokens", "remaining": 1}, {"name": 3}]},
        {"type": "conversation.item.input_audio_transcription.completed", "item_id": "i", "transcript": "x"},
        {"type": "response.created", "response": 5},
        {"type": "response.created", "response": {"id": 5}},
        {"type": "response.done", "response": {"id": 5, "status": "failed", "usage": 3}},
        {
            "type": "response.done",
            "response": {"id": "r", "status": "failed", "status_details": {"error": 3}},
        },
        {"type": "response.done", "response": {"status": "cancelled"}},
    )
    assert list(limits[-1]) == ["tokens"] and bench.client.rate_limits["tokens"].remaining == 1
    assert [event.message for event in bench.of("response.failed")] == ["the server gave no reason"] * 2
    assert not bench.of("usage")


async def test_a_call_without_a_name_is_not_made():
    bench = Bench()
    bench.say(*turns.call_end("", "{}", "call_1", "item_1"))
    assert not bench.turns.toolbox.running


async def test_what_could_not_leave_waits_for_the_next_connection():
    bench = Bench()
    bench.client.send_user_message_content("hello")
    bench.client.append_input_audio(turns.tone(480))
    create, response, audio = [await bench.outbox.take() for _ in range(3)]
    for entry in (audio, response, create):
        bench.session.encode(entry)
        bench.session.put_back(entry)
    assert [event["type"] for event in await bench.sent()] == ["conversation.item.create", "response.create"]


async def test_the_last_turn_is_awaited_only_where_words_are_to_come():
    bench = Bench()
    session = {
        "type": "realtime",
        "audio": {"input": {"transcription": {"model": "x"}, "turn_detection": None}},
    }
    bench.say({"type": "session.updated", "session": session})
    assert bench.session.at_boundary(forced=False)
    bench.say(*turns.user_text("typed"), *turns.text_answer("fine"))
    assert bench.session.at_boundary(forced=False)
    bench.say({"type": "conversation.item.added", "item": {"id": "e", "type": "message", "role": "user"}})
    assert bench.session.at_boundary(forced=False)
    bench.say(*turns.committed("spoken"))
    assert not bench.session.at_boundary(forced=False) and bench.session.at_boundary(forced=True)
