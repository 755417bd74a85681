"""Configuration: what is set goes to the server once, in its dialect, and to every later session."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from realtime import RealtimeClient
from tests import wire_turns as turns
from tests.client_bench import Bench, connected
from tests.wire_server import ScriptedServer, created

PCM = {"type": "audio/pcm", "rate": 24000}


async def test_only_what_was_set_is_sent_and_null_differs_from_not_given(client, server):
    client.update_session(instructions="Be kind.")
    client.update_session(voice="marin", turn_detection=None)
    client.update_session(input_audio_transcription={"model": "gpt-transcribe"})
    await client.connect()
    update = await server.peer.expect("session.update")
    assert update["session"] == {
        "type": "realtime",
        "instructions": "Be kind.",
        "audio": {
            "input": {"format": PCM, "turn_detection": None, "transcription": {"model": "gpt-transcribe"}},
            "output": {"format": PCM, "voice": "marin"},
        },
    }
    assert client.get_turn_detection_type() is None


async def test_nothing_set_sends_no_session_update(client, server):
    await client.connect()
    client.append_input_audio(np.zeros(480, np.int16))
    await server.peer.expect("input_audio_buffer.append")
    assert server.peer.types() == ["input_audio_buffer.append"]
    assert client.get_turn_detection_type() == "server_vad"


async def test_turn_detection_by_name(client, server):
    peer = await connected(client, server)
    client.update_session(turn_detection="server_vad")
    update = await peer.expect("session.update")
    assert update["session"]["audio"]["input"] == {"turn_detection": {"type": "server_vad"}}
    assert client.get_turn_detection_type() == "server_vad"
    assert client.get_turn_detection() == {"type": "server_vad"} and client.server_interrupts()
    with pytest.raises(ValueError, match="turn_detection"):
        client.update_session(turn_detection="telepathy")


async def test_tools_set_as_a_whole_are_answered_by_the_application():
    bench = Bench(tools=[{"type": "function", "name": "mine"}])
    assert bench.prelude[0]["session"]["tools"] == [{"type": "function", "name": "mine"}]
    bench.say(*turns.function_call("mine", "{}"))
    assert not bench.turns.toolbox.running and await bench.sent() == []
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


@pytest.mark.parametrize(
    ("created", "sent"),
    [
        (
            {"type": "session.created", "session": {"type": "transcription", "audio": {"input": {}}}},
            {
                "type": "session.update",
                "session": {
                    "type": "transcription",
                    "audio": {
                        "input": {
                            "format": PCM,
                            "turn_detection": None,
                            "transcription": {"model": "whisper-1"},
                        }
                    },
                },
            },
        ),
        (
            {"type": "transcription_session.created", "session": {"input_audio_format": "pcm16"}},
            {
                "type": "transcription_session.update",
                "session": {
                    "turn_detection": None,
                    "input_audio_transcription": {"model": "whisper-1"},
                    "input_audio_format": "pcm16",
                },
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
    formats = {"input_audio_format": "pcm16", "output_audio_format": "pcm16"}
    assert event["session"] == {"voice": "ash", "temperature": 0.7, **formats}
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


async def test_a_refused_change_of_format_goes_back_to_the_servers():
    bench = Bench()
    bench.client.update_session(input_audio_format="g711_ulaw")
    (update,) = await bench.sent()
    assert bench.client.conversation.input_format.sample_rate == 8_000
    bench.say(turns.error("no", "invalid_value", update["event_id"]))
    assert bench.client.conversation.input_format.sample_rate == 24_000


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


@pytest.mark.parametrize(
    ("allowed", "sent"),
    [
        (["type", "audio"], {"type", "audio"}),
        (["audio", 5, None, ["instructions"]], {"type", "audio"}),
        (None, {"type", "audio", "instructions", "tools"}),
        ("audio", {"type", "audio", "instructions", "tools"}),
    ],
)
async def test_a_session_is_told_only_what_its_relay_allows_and_the_rest_is_an_error_once(allowed, sent):
    async def script(peer):
        await peer.say({**created(), "allowed_session_fields": allowed})
        await peer.listen()

    told = []
    async with ScriptedServer(script) as server:
        client = RealtimeClient(api_key="", url=server.url, instructions="Be kind.", voice="marin")
        client.update_session(tools=[{"type": "function", "name": "f", "parameters": {"type": "object"}}])
        client.on("error", told.append)
        await client.connect()
        update = await (await server.wait_for_peers(1)).expect("session.update")
        assert update["session"].keys() == sent
        server.peer.drop()
        again = await (await server.wait_for_peers(2)).expect("session.update")
        assert again["session"].keys() == sent
        await client.disconnect()
    assert [event.code for event in told] == (["not_allowed"] if len(sent) == 2 else [])
