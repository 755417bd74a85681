"""Responses: options, out-of-band ones, limits, usage, cancels, faults, on a server without models."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from realtime.offline.models.clips import clip_samples
from realtime.offline.replies.rules import LONG_ANSWER
from tests.offline_probe import Probe, open_probe, order

TOOL = {"type": "function", "name": "roll_dice", "parameters": {"type": "object", "properties": {}}}


def typed(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


async def said(probe: Probe, text: str, **response: Any) -> str:
    done = await probe.say_text(text, output_modalities=["text"], **response)
    return str(done["output"][0]["content"][0]["text"])


async def test_metadata_is_echoed(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        response = await probe.say_text("Hi.", output_modalities=["text"], metadata={"topic": "t"})
        assert probe.of("response.created")[0]["response"]["metadata"] == {"topic": "t"}
    assert response["metadata"] == {"topic": "t"}


@pytest.mark.parametrize(
    ("response", "code", "param"),
    [
        ({"metadata": {str(i): "" for i in range(17)}}, "object_above_max_properties", "response.metadata"),
        ({"metadata": {"k": "v" * 513}}, "string_above_max_length", "response.metadata.k"),
        ({"max_output_tokens": 0}, "integer_below_min_value", "response.max_output_tokens"),
        ({"max_output_tokens": 4097}, "integer_above_max_value", "response.max_output_tokens"),
        ({"conversation": "mine"}, "invalid_value", "response.conversation"),
        ({"input": [{"type": "item_reference", "id": "nobody"}]}, "invalid_value", "response.input[0].id"),
        ({"temperature": 0.8}, "unknown_parameter", "response.temperature"),
        ({"output_modalities": ["audio", "text"]}, "invalid_value", "response.output_modalities"),
    ],
    ids=str,
)
async def test_bad_response_options_are_refused(
    offline_url: str, response: dict[str, Any], code: str, param: str
) -> None:
    async with open_probe(offline_url) as probe:
        await probe.send("response.create", response=response)
        error = await probe.error()
        assert (error["code"], error["param"]) == (code, param)
        assert not probe.of("response.created")


async def test_out_of_band_response_leaves_the_conversation_alone(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        seen = len(probe.events)
        options = {
            "conversation": "none",
            "input": [typed("The sky is blue.")],
            "output_modalities": ["text"],
            "metadata": {"purpose": "aside"},
        }
        await probe.send("response.create", response=options)
        done = (await probe.until("response.done"))["response"]
        await probe.settled()
        assert not any(e["type"].startswith("conversation.") for e in probe.events[seen:])
        await probe.send("conversation.item.retrieve", item_id=done["output"][0]["id"])
        assert (await probe.error())["code"] == "item_retrieve_invalid_item_id"
    assert done["conversation_id"] is None
    assert done["metadata"] == {"purpose": "aside"}
    assert done["output"][0]["content"][0]["text"] == "You said: The sky is blue."


async def test_out_of_band_responses_run_beside_the_active_one(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.send("response.create")
        for number in range(3):
            aside = {
                "conversation": "none",
                "input": [typed(f"Number {number}.")],
                "output_modalities": ["text"],
                "metadata": {"number": str(number)},
            }
            await probe.send("response.create", response=aside)
        for _ in range(4):
            await probe.until("response.done")
        done = {str(e["response"]["metadata"]): e["response"] for e in probe.of("response.done")}
    assert len(done) == 4
    assert all(response["status"] == "completed" for response in done.values())


async def test_empty_input_means_an_empty_context(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await said(probe, "The sky is blue.")
        await probe.send("response.create", response={"input": [], "output_modalities": ["text"]})
        done = (await probe.until("response.done"))["response"]
    assert done["output"][0]["content"][0]["text"] == "Hello! How can I help you?"


async def test_item_reference_puts_that_item_into_the_context(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        item = {**typed("First."), "id": "first"}
        await probe.ask("conversation.item.create", "conversation.item.done", item=item)
        await probe.ask("conversation.item.create", "conversation.item.done", item=typed("Second."))
        reference = {"type": "item_reference", "id": "first"}
        options = {"input": [reference], "output_modalities": ["text"]}
        await probe.send("response.create", response=options)
        done = (await probe.until("response.done"))["response"]
    assert done["output"][0]["content"][0]["text"] == "You said: First."


async def test_instructions_of_one_response_can_say_what_to_say(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        assert await said(probe, "Hm.", instructions='Say exactly: "Good day!"') == "Good day!"


@pytest.mark.parametrize("limit", [1, 5, 20])
async def test_max_output_tokens_ends_the_response_incomplete(offline_url: str, limit: int) -> None:
    async with open_probe(offline_url) as probe:
        response = await probe.say_text(
            "Tell me a story.", output_modalities=["text"], max_output_tokens=limit
        )
        text = "".join(event["delta"] for event in probe.of("response.output_text.delta"))
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert response["usage"]["output_tokens"] <= limit
    assert LONG_ANSWER.startswith(text)


async def test_max_output_tokens_cuts_audio_too(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        response = await probe.say_text("Hello.", max_output_tokens=33)
        seconds = len(probe.speech()) / 24_000
    assert response["status"] == "incomplete"
    assert 0.5 <= seconds <= 33 / 20
    assert response["output"][0]["status"] == "incomplete"


@pytest.mark.parametrize(
    ("choice", "text", "kinds"),
    [
        ("none", "Please roll dice.", ["message"]),
        ("auto", "Please roll dice.", ["function_call"]),
        ("auto", "Hello.", ["message"]),
        ("required", "Hello.", ["function_call"]),
        ({"type": "function", "name": "roll_dice"}, "Hello.", ["function_call"]),
    ],
    ids=str,
)
async def test_tool_choice(offline_url: str, choice: Any, text: str, kinds: list[str]) -> None:
    async with open_probe(offline_url) as probe:
        response = await probe.say_text(text, output_modalities=["text"], tools=[TOOL], tool_choice=choice)
    assert [item["type"] for item in response["output"]] == kinds


async def test_tool_output_before_response_done_is_accepted(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.update(tools=[TOOL], output_modalities=["text"])
        await probe.send("conversation.item.create", item=typed("Roll dice!"))
        await probe.send("response.create")
        call = await probe.until("response.function_call_arguments.done")
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "4"}
        await probe.send("conversation.item.create", item=output)
        await probe.until("response.done")
        await probe.send("response.create")
        done = (await probe.until("response.done"))["response"]
    assert done["output"][0]["content"][0]["text"] == "The roll dice tool says: 4."


async def test_voice_is_fixed_once_audio_was_spoken(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.update(audio={"output": {"voice": "marin"}})
        await probe.say_text("Hello.")
        session = {"type": "realtime", "instructions": "new", "audio": {"output": {"voice": "cedar"}}}
        await probe.send("session.update", session=session)
        assert (await probe.error())["code"] == "cannot_update_voice"
        kept = await probe.update(audio={"output": {"voice": "marin", "speed": 1.2}})
    assert kept["instructions"] != "new"
    assert kept["audio"]["output"]["speed"] == 1.2


async def test_updates_merge_by_key(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.update(audio={"output": {"voice": "ash", "speed": 0.9}}, instructions="Be brief.")
        detection = {"type": "server_vad", "threshold": 0.9, "silence_duration_ms": 700}
        await probe.update(audio={"input": {"turn_detection": detection}})
        session = await probe.update(
            audio={
                "output": {"format": {"type": "audio/pcmu"}},
                "input": {"turn_detection": {"type": "server_vad", "threshold": 0.4}},
            },
            tools=[TOOL],
        )
        cleared = await probe.update(tools=[], instructions="")
    assert session["instructions"] == "Be brief."
    assert session["audio"]["output"] == {"voice": "ash", "speed": 0.9, "format": {"type": "audio/pcmu"}}
    found = session["audio"]["input"]["turn_detection"]
    # turn_detection is replaced as a whole.
    assert (found["threshold"], found["silence_duration_ms"]) == (0.4, 200)
    assert (cleared["tools"], cleared["instructions"]) == ([], "")


async def test_refused_update_changes_nothing(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        before = probe.events[0]["session"]
        session = {"type": "realtime", "instructions": "new", "audio": {"output": {"vioce": "ash"}}}
        await probe.send("session.update", session=session, event_id="e1")
        error = await probe.error()
        after = await probe.update()
    assert (error["code"], error["param"]) == ("unknown_parameter", "session.audio.output.vioce")
    assert after == before


async def test_cancel_by_id_and_late_cancel(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        aside = {"conversation": "none", "input": [typed("Tell me a story.")], "metadata": {"n": "1"}}
        await probe.send("response.create", response=aside)
        wanted = (await probe.until("response.created"))["response"]["id"]
        await probe.send("response.cancel", response_id=wanted)
        await probe.until("response.done")
        await probe.send("response.cancel", response_id=wanted, event_id="late")
        error = await probe.error()
    assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "late")


async def test_client_that_reads_nothing_stops_only_itself(offline_url: str) -> None:
    async with open_probe(offline_url, max_queue=1) as stuck, open_probe(offline_url) as probe:
        for _ in range(40):
            await stuck.send("response.create", response={"conversation": "none"})
        response = await asyncio.wait_for(probe.say_text("Hello."), 20)
        assert response["status"] == "completed"
        # It receives everything in the end.
        while len(stuck.of("response.done")) + len(stuck.of("error")) < 40:
            await stuck.next()
    finished = stuck.of("response.done")
    assert len(stuck.speech()) == len(finished) * len(clip_samples("answer"))


async def test_deleted_item_is_gone_from_the_context(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.ask(
            "conversation.item.create", "conversation.item.done", item={**typed("Keep."), "id": "a"}
        )
        await probe.ask(
            "conversation.item.create", "conversation.item.done", item={**typed("Drop."), "id": "b"}
        )
        await probe.ask("conversation.item.delete", "conversation.item.deleted", item_id="b")
        await probe.send("response.create", response={"output_modalities": ["text"]})
        done = (await probe.until("response.done"))["response"]
    assert done["output"][0]["content"][0]["text"] == "You said: Keep."


async def test_audio_in_an_item_is_heard(offline_url: str) -> None:
    audio = base64.b64encode(clip_samples("hello").astype("<i2").tobytes()).decode()
    item = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": audio}]}
    async with open_probe(offline_url) as probe:
        added = await probe.ask("conversation.item.create", "conversation.item.added", item=item)
        assert added["item"]["content"] == [{"type": "input_audio"}]
        await probe.send("response.create", response={"output_modalities": ["text"]})
        done = (await probe.until("response.done"))["response"]
    assert done["output"][0]["content"][0]["text"] == "You said: (speech, 2.0 s)"


# --- faults ----------------------------------------------------------------------------------------------


async def test_faults_can_be_set_by_a_control_event(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        answer = await probe.ask("offline.faults", "offline.faults", faults={"odd_audio": True})
        assert answer["faults"]["odd_audio"] is True
        await probe.send("offline.faults", faults={"no_such_fault": 1})
        assert (await probe.error())["param"] == "faults.no_such_fault"


async def test_drop_cuts_the_connection_without_a_close_frame(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.send("offline.faults", faults={"drop_at": 5})
        await probe.send("response.create")
        with pytest.raises(Exception, match="no close frame"):
            while True:
                await probe.next()
        # session.created, the confirmation, four events.
        assert len(probe.events) == 1 + 1 + 4
        assert probe.connection.close_code == 1006


async def test_doubled_missing_and_unknown_events(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        faults = {
            "doubled": ["conversation.item.added"],
            "missing": ["response.content_part.added", "response.content_part.done"],
            "unknown_events": True,
        }
        await probe.send("offline.faults", faults=faults)
        await probe.say_text("Hello.", output_modalities=["text"])
        await probe.until("rate_limits.updated")
    assert len(probe.of("conversation.item.added")) == 4
    assert not probe.of("response.content_part.added")
    assert len(probe.of("offline.unknown")) > 10


async def test_odd_audio_and_oversized_frame(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.send("offline.faults", faults={"odd_audio": True, "oversized_bytes": 3_000_000})
        await probe.say_text("Hello.")
    assert all(len(base64.b64decode(e["delta"])) % 2 for e in probe.of("response.output_audio.delta"))
    assert len(probe.of("offline.unknown")[0]["padding"]) == 3_000_000


@pytest.mark.parametrize(
    ("faults", "status", "details"),
    [
        (
            {"failed": "rate_limit_exceeded"},
            "failed",
            {
                "type": "failed",
                "error": {
                    "type": "rate_limit_exceeded",
                    "code": "rate_limit_exceeded",
                    "message": "A failure on request.",
                },
            },
        ),
        (
            {"incomplete": "content_filter"},
            "incomplete",
            {"type": "incomplete", "reason": "content_filter"},
        ),
    ],
    ids=["failed", "incomplete"],
)
async def test_failed_and_incomplete_responses(
    offline_url: str, faults: dict[str, str], status: str, details: dict[str, Any]
) -> None:
    async with open_probe(offline_url) as probe:
        await probe.send("offline.faults", faults=faults)
        response = await probe.say_text("Tell me a story.")
        assert (response["status"], response["status_details"]) == (status, details)
        await probe.send("offline.faults", faults={})
        assert (await probe.say_text("Hello."))["status"] == "completed"


@pytest.mark.parametrize("first", [True, False], ids=["early", "late"])
async def test_transcription_before_its_item_or_after_the_response(offline_url: str, first: bool) -> None:
    async with open_probe(offline_url) as probe:
        await probe.update(audio={"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}})
        faults = {"transcription_first": True} if first else {"transcription_delay_s": 0.5}
        await probe.ask("offline.faults", "offline.faults", faults=faults)
        seen = len(probe.events)
        await probe.append(clip_samples("hello"))
        await probe.send("input_audio_buffer.commit")
        await probe.send("response.create", response={"output_modalities": ["text"]})
        completed = "conversation.item.input_audio_transcription.completed"
        await probe.until(completed)
        if first:
            await probe.until("response.done")
        types = order(probe.events[seen:])
        item_id = probe.of("input_audio_buffer.committed")[0]["item_id"]
        added = [e["type"] for e in probe.events if e.get("item", {}).get("id") == item_id]
    assert added == ["conversation.item.added", "conversation.item.done"]
    if first:
        assert types.index(completed) < types.index("conversation.item.added")
    else:
        assert types.index(completed) > types.index("response.done")


async def test_slow_reader_keeps_order(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.ask("offline.faults", "offline.faults", faults={"slow_reader_s": 0.05})
        for number in range(5):
            await probe.send("conversation.item.create", item={**typed("x"), "id": f"i{number}"})
        events = await probe.settled()
    ids = [event["item"]["id"] for event in events if event["type"] == "conversation.item.added"]
    assert ids == [f"i{number}" for number in range(5)]
