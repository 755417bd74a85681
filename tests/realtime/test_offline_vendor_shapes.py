"""What the vendor accepts and refuses in sessions, responses and items, as its SDK's types and other clients state it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.offline_probe import open_probe

TRANSCRIBING = "/v1/realtime?intent=transcription"
ASKED = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Thanks."}]}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}

RESPONSE_FIELDS = [
    "audio", "conversation", "input", "instructions", "max_output_tokens", "metadata", "output_modalities",
    "parallel_tool_calls", "prompt", "reasoning", "tool_choice", "tools",
]  # fmt: skip
SESSION_FIELDS = [
    "audio", "include", "instructions", "max_output_tokens", "output_modalities", "parallel_tool_calls", "prompt",
    "reasoning", "tool_choice", "tools", "tracing", "truncation",
]  # fmt: skip


@pytest.mark.parametrize("field", RESPONSE_FIELDS)
async def test_null_in_a_response_means_not_given(offline_url: str, field: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.update(output_modalities=["text"])
        assert (await probe.say_text("Thanks.", **{field: None}))["status"] == "completed"
        assert probe.of("response.output_text.done")[0]["text"] == "You are welcome."


async def test_null_in_the_output_of_a_response_means_not_given(offline_url: str) -> None:
    audio = {"output": {"format": None, "voice": None}}
    async with open_probe(offline_url) as probe:
        response = await probe.say_text("Thanks.", audio=audio, tools=[{"type": "function", "name": "f"}])
    assert response["audio"]["output"] == {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy"}


@pytest.mark.parametrize("field", SESSION_FIELDS)
async def test_null_in_a_session_changes_nothing_that_null_cannot_turn_off(
    offline_url: str, field: str
) -> None:
    async with open_probe(offline_url) as probe:
        before = probe.events[0]["session"]
        after = await probe.update(**{field: None})
        assert after.get(field) == before.get(field)


async def test_null_turns_off_what_can_be_off(offline_url: str) -> None:
    on = {"transcription": {"model": "whisper-1"}, "noise_reduction": {"type": "far_field"}}
    async with open_probe(offline_url) as probe:
        await probe.update(audio={"input": on})
        off = dict.fromkeys(["transcription", "noise_reduction", "turn_detection"])
        updated = (await probe.update(audio={"input": {**off, "format": None}, "output": None}))["audio"]
    assert updated["input"] == {**off, "format": {"type": "audio/pcm", "rate": 24000}}
    assert updated["output"]["voice"] == "alloy"


async def test_null_within_parts_of_a_session_means_their_defaults(offline_url: str) -> None:
    detection = {
        "type": "server_vad", "threshold": None, "prefix_padding_ms": None, "silence_duration_ms": None,
        "idle_timeout_ms": None, "create_response": None, "interrupt_response": None,
    }  # fmt: skip
    transcription = dict.fromkeys(["model", "language", "languages", "prompt", "keywords", "delay"])
    tool = {"type": "function", "name": "f", "description": None, "parameters": None}
    async with open_probe(offline_url) as probe:
        before = probe.events[0]["session"]["audio"]["input"]["turn_detection"]
        updated = await probe.update(
            audio={"input": {"turn_detection": detection, "transcription": transcription}}, tools=[tool]
        )
        assert updated["audio"]["input"]["turn_detection"] == before
        assert updated["audio"]["input"]["transcription"]["model"] == "whisper-1"
        output = {"format": None, "voice": None, "speed": None}
        assert (await probe.update(audio={"output": output}))["audio"] == updated["audio"]


@pytest.mark.parametrize(
    ("item", "fields"),
    [
        (ASKED, ["id", "object", "status", "phase"]),
        (CALL, ["id", "object", "status", "call_id"]),
        ({"type": "function_call_output", "call_id": "c1", "output": "1"}, ["id", "object", "status"]),
    ],
    ids=["message", "function_call", "function_call_output"],
)
async def test_null_in_an_item_means_not_given(
    offline_url: str, item: dict[str, Any], fields: list[str]
) -> None:
    async with open_probe(offline_url) as probe:
        await probe.ask("conversation.item.create", "conversation.item.done", item=CALL)
        nulls = {"item": item | dict.fromkeys(fields), "previous_item_id": None, "event_id": None}
        created = (await probe.ask("conversation.item.create", "conversation.item.done", **nulls))["item"]
    assert created["id"] and created["status"] == "completed"
    assert created.get("call_id", "made by the server")


@pytest.mark.parametrize(
    ("event", "param"),
    [
        ({"type": "session.update", "session": None}, "session"),
        ({"type": "session.update", "session": {"type": None}}, "session.type"),
        ({"type": "input_audio_buffer.append", "audio": None}, "audio"),
        ({"type": "conversation.item.create", "item": None}, "item"),
        ({"type": "conversation.item.create", "item": ASKED | {"content": None}}, "item.content"),
        ({"type": "conversation.item.create", "item": CALL | {"arguments": None}}, "item.arguments"),
        ({"type": "conversation.item.delete", "item_id": None}, "item_id"),
        ({"type": None}, "type"),
    ],
    ids=str,
)
async def test_null_for_a_required_field_is_refused(
    offline_url: str, event: dict[str, Any], param: str
) -> None:
    async with open_probe(offline_url) as probe:
        await probe.send(event.pop("type"), **event)
        error = await probe.error()
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


async def test_null_in_beta_fields_means_not_given(offline_url: str) -> None:
    fields = ["modalities", "voice", "output_audio_format", "max_response_output_tokens", "temperature"]
    async with open_probe(offline_url, additional_headers={"OpenAI-Beta": "realtime=v1"}) as probe:
        await probe.next()
        session = dict.fromkeys([*fields, "input_audio_format", "tools"])
        updated = (await probe.ask("session.update", "session.updated", session=session))["session"]
        assert updated == probe.events[0]["session"]
        response = await probe.say_text("Thanks.", **dict.fromkeys(fields))
    assert response["modalities"] == ["text", "audio"]


async def test_noise_reduction_by_strength_alone_keeps_the_rest(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:

        async def reduce(**fields: Any) -> Any:
            updated = await probe.update(audio={"input": {"noise_reduction": fields}})
            return updated["audio"]["input"]["noise_reduction"]

        assert await reduce(strength=0.5) == {"strength": 0.5}
        assert await reduce(type="near_field") == {"type": "near_field", "strength": 0.5}
        assert await reduce(strength=0.25) == {"type": "near_field", "strength": 0.25}
        await probe.update(audio={"input": {"noise_reduction": None}})
        assert await reduce(type="far_field") == {"type": "far_field", "strength": 1.0}
        await probe.send(
            "session.update",
            session={"type": "realtime", "audio": {"input": {"noise_reduction": {"strength": 2}}}},
        )
        assert (await probe.error())["param"] == "session.audio.input.noise_reduction.strength"


@pytest.mark.parametrize("kind", ["server_vad", "semantic_vad"])
async def test_turn_detection_may_name_the_version_of_its_model(offline_url: str, kind: str) -> None:
    async with open_probe(offline_url) as probe:
        detection = {"type": kind, "model_version": "v2"}
        updated = await probe.update(audio={"input": {"turn_detection": detection}})
    assert updated["audio"]["input"]["turn_detection"]["model_version"] == "v2"


@pytest.mark.parametrize("model", ["gpt-live-transcribe", "gpt-realtime-whisper"])
async def test_transcription_models_that_stream_have_no_turn_detection(offline_url: str, model: str) -> None:
    async with open_probe(offline_url, TRANSCRIBING) as probe:
        audio_input: dict[str, Any] = {"transcription": {"model": model}}
        updated = await probe.update(type="transcription", audio={"input": audio_input})
        assert updated["audio"]["input"]["turn_detection"] is None
        audio_input = {"turn_detection": {"type": "server_vad"}}
        for fields in ({}, {"transcription": {"model": model}}):
            session = {"type": "transcription", "audio": {"input": audio_input | fields}}
            await probe.send("session.update", session=session)
            error = await probe.error()
            assert error["message"] == "Turn detection is not supported for this transcription model."
            assert error["param"] == "session.audio.input.turn_detection"
        audio_input["transcription"] = {"model": "whisper-1"}
        updated = await probe.update(type="transcription", audio={"input": audio_input})
    assert updated["audio"]["input"]["turn_detection"]["type"] == "server_vad"


MCP_ITEMS = [
    {"type": "mcp_approval_request", "server_label": "s", "name": "f", "arguments": "{}"},
    {
        "type": "mcp_list_tools",
        "server_label": "s",
        "tools": [
            {"name": "f", "input_schema": {"type": "object"}, "description": None, "annotations": None}
        ],
    },
    {
        "type": "mcp_call",
        "server_label": "s",
        "name": "f",
        "arguments": "{}",
        "approval_request_id": None,
        "output": None,
        "error": {"type": "http_error", "code": 500, "message": "no"},
    },
    {"type": "mcp_approval_response", "approval_request_id": "a", "approve": True, "reason": None},
]


@pytest.mark.parametrize("item", MCP_ITEMS, ids=lambda item: item["type"])
async def test_items_of_mcp_are_taken_and_the_conversation_goes_on(
    offline_url: str, item: dict[str, Any]
) -> None:
    async with open_probe(offline_url) as probe:
        created = (await probe.ask("conversation.item.create", "conversation.item.done", item=item))["item"]
        assert created["type"] == item["type"]
        assert (await probe.say_text("Thanks.", output_modalities=["text"]))["status"] == "completed"


async def test_everything_a_response_may_state_is_taken(offline_url: str) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "high"}
    asked = {
        "type": "message",
        "role": "user",
        "phase": "final_answer",
        "content": [image, {"type": "input_text", "text": "Thanks."}],
    }
    metadata = {"k" * 64: "v" * 512} | {f"k{i}": "v" for i in range(15)}
    options = {
        "conversation": "none",
        "input": [asked],
        "instructions": "",
        "max_output_tokens": 4096,
        "metadata": metadata,
        "output_modalities": ["text"],
        "parallel_tool_calls": False,
        "prompt": {"id": "p", "version": "1", "variables": {"a": "b"}},
        "reasoning": {"effort": "xhigh"},
        "tool_choice": "required",
        "tools": [
            {
                "type": "mcp",
                "server_label": "s",
                "server_url": "https://example.com",
                "require_approval": {"never": {"read_only": True}},
                "allowed_tools": {"tool_names": ["f"]},
                "headers": {"a": "b"},
                "defer_loading": True,
                "allowed_callers": ["direct"],
            }
        ],
    }
    async with open_probe(offline_url) as probe:
        await probe.send("response.create", response=options)
        response = (await probe.until("response.done"))["response"]
    assert (response["status"], response["metadata"]) == ("completed", metadata)


async def test_the_tools_of_an_mcp_server_are_listed_once_and_without_success(offline_url: str) -> None:
    tools = [
        {"type": "mcp", "server_label": "search", "server_url": "https://mcp.test"},
        {"type": "function", "name": "f"},
    ]
    async with open_probe(offline_url) as probe:
        await probe.update(tools=tools)
        await probe.update(tools=tools)
        await probe.settled()
        [failed] = probe.of("mcp_list_tools.failed")
        [listed] = probe.of("conversation.item.done")
        assert (await probe.say_text("Thanks.", output_modalities=["text"]))["status"] == "completed"
    assert (listed["item"]["type"], listed["item"]["server_label"]) == ("mcp_list_tools", "search")
    assert failed["item_id"] == listed["item"]["id"]


async def test_an_approval_rule_is_one_of_the_vendors(offline_url: str) -> None:
    tool = {"type": "mcp", "server_label": "s", "server_url": "https://x.test", "require_approval": "maybe"}
    async with open_probe(offline_url) as probe:
        await probe.send("session.update", session={"type": "realtime", "tools": [tool]})
        error = await probe.error()
    assert (error["code"], error["param"]) == ("invalid_value", "session.tools[0].require_approval")
