"""The protocol as a client sees it, on a server without models: order of events, items, responses, errors."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect

from realtime.offline import OfflineServer, SessionOptions, choose_voice
from realtime.offline.models.clips import STANDIN_TEXT, clip_samples
from realtime.offline.replies.rules import Call, Context, Say
from tests.offline_probe import open_probe, order, silence

USER_ITEM = ["conversation.item.added", "conversation.item.done"]
TEXT_MESSAGE = [
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
]
SPOKEN_MESSAGE = [
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
]
FUNCTION_CALL = [
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "conversation.item.done",
    "response.output_item.done",
]
END = ["response.done", "rate_limits.updated"]

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {
            "lat": {"type": "number"},
            "lng": {"type": "number"},
            "location": {"type": "string"},
        },
    },
}
MEMORY = {
    "type": "function",
    "name": "set_memory",
    "parameters": {
        "type": "object",
        "properties": {"key": {"type": "string"}, "value": {"type": "string"}},
    },
}


def message(text: str, role: str = "user", **fields: Any) -> dict[str, Any]:
    part = {"type": "output_text" if role == "assistant" else "input_text", "text": text}
    return {"type": "message", "role": role, "content": [part], **fields}


async def test_session_created_comes_first_and_is_complete(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        session = probe.events[0]["session"]
    assert session["type"] == "realtime"
    assert session["id"].startswith("sess_")
    assert session["model"] == "gpt-realtime-2.1"
    assert session["output_modalities"] == ["audio"]
    assert session["tools"] == []
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 200,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }


async def test_text_turn_order(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.update(output_modalities=["text"])
        seen = len(probe.events)
        response = await probe.say_text("The cat is on the mat.")
        await probe.until("rate_limits.updated")
        assert order(probe.events[seen:]) == [*USER_ITEM, "response.created", *TEXT_MESSAGE, *END]
    assert response["status"] == "completed"
    assert response["output"][0]["content"] == [
        {"type": "output_text", "text": "You said: The cat is on the mat."}
    ]
    deltas = "".join(event["delta"] for event in probe.of("response.output_text.delta"))
    assert deltas == probe.of("response.output_text.done")[0]["text"] == "You said: The cat is on the mat."
    created = probe.of("response.created")[0]["response"]
    assert (created["status"], created["output"], created["usage"]) == ("in_progress", [], None)


async def test_function_call_turn_order_and_arguments(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.update(output_modalities=["text"], tools=[WEATHER])
        seen = len(probe.events)
        response = await probe.say_text("What is the weather in Paris?")
        await probe.until("rate_limits.updated")
        assert order(probe.events[seen:]) == [*USER_ITEM, "response.created", *FUNCTION_CALL, *END]
        call = response["output"][0]
        assert json.loads(call["arguments"]) == {"lat": 48.86, "lng": 2.35, "location": "Paris"}
        done = probe.of("response.function_call_arguments.done")[0]
        assert (done["name"], done["call_id"]) == ("get_weather", call["call_id"])

        output = {"location": "Paris", "temperature": {"value": 12.5}, "wind_speed": {"value": 8}}
        item = {"type": "function_call_output", "call_id": call["call_id"], "output": json.dumps(output)}
        await probe.send("conversation.item.create", item=item)
        await probe.send("response.create")
        answer = (await probe.until("response.done"))["response"]
    assert answer["output"][0]["content"][0]["text"] == (
        "In Paris the temperature is 12.5 degrees and the wind speed is 8 kilometers per hour."
    )


async def test_two_tools_in_one_turn_make_two_calls(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.update(tools=[WEATHER, MEMORY])
        seen = len(probe.events)
        response = await probe.say_text("Remember that my name is Ann, and what is the weather in Rome?")
        await probe.until("rate_limits.updated")
        expected = [*USER_ITEM, "response.created", *FUNCTION_CALL, *FUNCTION_CALL, *END]
        assert order(probe.events[seen:]) == expected
    calls = {call["name"]: json.loads(call["arguments"]) for call in response["output"]}
    assert calls == {
        "get_weather": {"lat": 41.9, "lng": 12.5, "location": "Rome"},
        "set_memory": {"key": "name", "value": "Ann"},
    }


async def test_manual_audio_turn_order(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.update(audio={"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}})
        seen = len(probe.events)
        await probe.append(clip_samples("hello"))
        await probe.send("input_audio_buffer.commit")
        await probe.until("conversation.item.input_audio_transcription.completed")
        await probe.send("response.create")
        await probe.until("rate_limits.updated")
        assert order(probe.events[seen:]) == [
            "input_audio_buffer.committed",
            *USER_ITEM,
            "conversation.item.input_audio_transcription.delta",
            "conversation.item.input_audio_transcription.completed",
            "response.created",
            *SPOKEN_MESSAGE,
            *END,
        ]
        transcript = probe.of("conversation.item.input_audio_transcription.completed")[0]["transcript"]
        assert transcript == "(speech, 2.0 s)"
        np.testing.assert_array_equal(probe.speech(), clip_samples("answer"))
        spoken = probe.of("response.output_audio_transcript.done")[0]["transcript"]
    assert spoken == STANDIN_TEXT


async def test_server_vad_turn_order_and_clock(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        lead = silence(1.0)
        await probe.append(np.concatenate([lead, clip_samples("weather"), silence(1.0)]))
        await probe.until("rate_limits.updated")
        assert order(probe.events[1:]) == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            *USER_ITEM,
            "response.created",
            *SPOKEN_MESSAGE,
            *END,
        ]
        started = probe.of("input_audio_buffer.speech_started")[0]
        stopped = probe.of("input_audio_buffer.speech_stopped")[0]
        item = probe.of("conversation.item.added")[0]["item"]
        assert started["item_id"] == stopped["item_id"] == item["id"]
        # The clip has 0.3 s of silence before its first word; the prefix padding takes 0.3 s back.
        assert 900 <= started["audio_start_ms"] <= 1200
        assert stopped["audio_end_ms"] > started["audio_start_ms"] + 1200

        await probe.send("conversation.item.retrieve", item_id=item["id"])
        kept = (await probe.until("conversation.item.retrieved"))["item"]["content"][0]["audio"]
    first, last = started["audio_start_ms"] * 24 - 24_000, stopped["audio_end_ms"] * 24 - 24_000
    sent = np.concatenate([clip_samples("weather"), silence(1.0)])[max(first, 0) : last]
    heard = np.frombuffer(base64.b64decode(kept), "<i2")
    assert len(heard) == (stopped["audio_end_ms"] - started["audio_start_ms"]) * 24
    np.testing.assert_array_equal(heard[len(heard) - len(sent) :], sent)


async def test_a_second_turn_is_found_after_the_first(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        for _ in range(2):
            await probe.append(np.concatenate([clip_samples("hello"), silence(1.0)]))
            await probe.until("response.done")
        starts = [event["audio_start_ms"] for event in probe.of("input_audio_buffer.speech_started")]
        ends = [event["audio_end_ms"] for event in probe.of("input_audio_buffer.speech_stopped")]
    assert len(starts) == len(ends) == 2
    assert starts[0] < ends[0] <= starts[1] < ends[1]


async def test_create_response_false_gives_turn_events_only(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        detection = {"type": "server_vad", "create_response": False, "interrupt_response": False}
        await probe.update(audio={"input": {"turn_detection": detection}})
        await probe.append(np.concatenate([clip_samples("hello"), silence(1.0)]))
        events = await probe.settled()
    assert order(events[2:]) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        *USER_ITEM,
    ]


async def test_usage_counts_the_whole_conversation(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.update(output_modalities=["text"])
        first = (await probe.say_text("One two three four five six seven eight nine ten."))["usage"]
        second = (await probe.say_text("Again."))["usage"]
    assert first["total_tokens"] == first["input_tokens"] + first["output_tokens"]
    assert second["input_tokens"] > first["input_tokens"]
    assert second["input_token_details"]["cached_tokens"] <= second["input_tokens"]


class HeldReply:
    """A replier that ends only when the test lets it."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()

    async def reply(self, context: Context) -> AsyncGenerator[Say | Call, None]:
        yield Say("One moment.")
        await self.may_end.wait()


async def test_second_response_is_refused_while_one_is_active() -> None:
    replier = HeldReply()
    server = OfflineServer(voice=choose_voice("standin"), replier=replier, log=lambda line: None)
    async with server, open_probe(server.url) as probe:
        await probe.update(output_modalities=["text"])
        await probe.send("response.create", event_id="a")
        await probe.send("response.create", event_id="b")
        error = await probe.error()
        active = probe.of("response.created")[0]["response"]["id"]
        replier.may_end.set()
        await probe.until("response.done")
    assert error["code"] == "conversation_already_has_active_response"
    assert error["event_id"] == "b"
    assert active in error["message"]


async def test_cancel_ends_the_response_with_all_done_events(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.send("response.create")
        await probe.until("response.created")
        await probe.send("response.cancel")
        response = (await probe.until("response.done"))["response"]
        await probe.settled()
        opened = {e["item"]["id"] for e in probe.of("response.output_item.added")}
        closed = {e["item"]["id"] for e in probe.of("response.output_item.done")}
    # It may have ended before the cancel arrived.
    if response["status"] != "completed":
        assert response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert opened == closed


async def test_cancelled_turn_order_is_strict() -> None:
    deltas = ("response.output_audio.delta", "response.output_audio_transcript.delta")
    opened = [name for name in SPOKEN_MESSAGE if name not in deltas]
    # At pace 1 an answer of three seconds takes one second after the head start: time to cancel it.
    options = SessionOptions(pace=1.0)
    server = OfflineServer(voice=choose_voice("standin"), options=options, log=lambda line: None)
    async with server, open_probe(server.url) as probe:
        await probe.send("response.create")
        await probe.until("response.output_audio.delta")
        await probe.send("response.cancel")
        done = (await probe.until("response.done"))["response"]
        await probe.until("rate_limits.updated")
        types = order(probe.events[1:], *deltas)
        spoken = probe.speech()
        await probe.send("response.cancel")
        assert (await probe.error())["code"] == "response_cancel_not_active"
    assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert types == ["response.created", *opened, *END]
    assert [item["status"] for item in done["output"]] == ["incomplete"]
    assert 0 < len(spoken) < len(clip_samples("answer"))


async def test_out_of_band_turn_order(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        seen = len(probe.events)
        aside = {"conversation": "none", "input": [message("Hi.")], "output_modalities": ["text"]}
        await probe.send("response.create", response=aside)
        await probe.until("rate_limits.updated")
        types = order(probe.events[seen:])
    kept = [name for name in TEXT_MESSAGE if not name.startswith("conversation.")]
    assert types == ["response.created", *kept, *END]


async def test_items_are_inserted_where_the_client_says(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        added = "conversation.item.added"
        create = "conversation.item.create"
        await probe.ask(create, added, item=message("a", id="a"))
        await probe.ask(create, added, item=message("b", id="b"))
        first = await probe.ask(create, added, item=message("c", id="c"), previous_item_id="root")
        middle = await probe.ask(create, added, item=message("d", id="d"), previous_item_id="a")
        await probe.send(create, item=message("e", id="e"), previous_item_id="nobody")
        unknown = await probe.error()
        last = await probe.ask(create, added, item=message("f", id="f"))
        await probe.send("conversation.item.retrieve", item_id="e")
        nothing = await probe.error()
    assert first["previous_item_id"] is None
    assert middle["previous_item_id"] == "a"
    assert last["previous_item_id"] == "b"
    assert unknown["code"] == "item_create_invalid_previous_item_id"
    assert nothing["code"] == "item_retrieve_invalid_item_id"


async def test_truncate_rules(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.update(audio={"output": {"voice": "marin"}})
        await probe.send("response.create")
        done = (await probe.until("response.done"))["response"]
        item_id = done["output"][0]["id"]
        spoken_ms = len(probe.speech()) // 24

        async def truncate(ms: int, which: str = item_id) -> None:
            await probe.send("conversation.item.truncate", item_id=which, content_index=0, audio_end_ms=ms)

        await truncate(spoken_ms + 1)
        too_long = await probe.error()
        await truncate(500)
        truncated = await probe.until("conversation.item.truncated")
        await truncate(501)
        again = await probe.error()
        await truncate(0, "nobody")
        unknown = await probe.error()
        await probe.ask("conversation.item.create", "conversation.item.added", item=message("a", id="a"))
        await truncate(0, "a")
        not_audio = await probe.error()
        await probe.send("conversation.item.retrieve", item_id=item_id)
        kept = (await probe.until("conversation.item.retrieved"))["item"]
    assert too_long["message"] == (
        f"Audio content of {spoken_ms}ms is already shorter than {spoken_ms + 1}ms"
    )
    assert (truncated["item_id"], truncated["content_index"], truncated["audio_end_ms"]) == (item_id, 0, 500)
    assert again["code"] == "invalid_value"
    assert unknown["code"] == "item_truncate_invalid_item_id"
    assert not_audio["code"] == "unsupported_content_type"
    assert kept["content"][0]["transcript"] is None


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({"type": "no.such"}, "invalid_value", "type"),
        ({}, "missing_required_parameter", "type"),
        ({"type": 3}, "invalid_value", "type"),
        ({"type": "response.create", "extra": 1}, "unknown_parameter", "extra"),
        ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "AAA"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "AA A="}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "AAAA\nAAAA\nAA"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "AA=="}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": 7}, "invalid_type", "audio"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
        ({"type": "response.cancel"}, "response_cancel_not_active", None),
        ({"type": "session.update", "session": {}}, "missing_required_parameter", "session.type"),
        (
            {"type": "session.update", "session": {"type": "realtime", "temperature": 0.8}},
            "unknown_parameter",
            "session.temperature",
        ),
        (
            {
                "type": "session.update",
                "session": {
                    "type": "realtime",
                    "audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}},
                },
            },
            "integer_below_min_value",
            "session.audio.input.format.rate",
        ),
        (
            {
                "type": "session.update",
                "session": {"type": "realtime", "output_modalities": ["text", "audio"]},
            },
            "invalid_value",
            "session.output_modalities",
        ),
        (
            {"type": "conversation.item.delete", "item_id": "nobody"},
            "item_delete_invalid_item_id",
            None,
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "output_text", "text": "x"}],
                },
            },
            "invalid_value",
            "item.content[0].type",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "function_call_output", "call_id": "nobody", "output": ""},
            },
            "invalid_tool_call_id",
            "item.call_id",
        ),
    ],
    ids=str,
)
async def test_bad_event_is_answered_by_its_code_and_the_session_lives(
    offline_url: str, event: dict[str, Any], code: str, param: str | None
) -> None:
    async with open_probe(offline_url) as probe:
        await probe.connection.send(json.dumps({**event, "event_id": "mine"}))
        error = await probe.error()
        assert (error["code"], error["param"], error["event_id"]) == (code, param, "mine")
        assert (await probe.update(instructions="still here"))["instructions"] == "still here"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        ("[]", "invalid_event"),
        ("null", "invalid_event"),
        (b"\x00\x01", "invalid_event"),
    ],
    ids=["half", "deep", "array", "null", "binary"],
)
async def test_frame_that_is_no_event_is_refused(offline_url: str, frame: str | bytes, code: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.connection.send(frame)
        assert (await probe.error())["code"] == code
        await probe.update()


async def test_other_paths_are_not_found(offline_url: str) -> None:
    with pytest.raises(Exception, match="404"):
        async with connect(f"{offline_url}/v1/chat/completions"):
            pass
