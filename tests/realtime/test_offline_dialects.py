"""Admission and dialects: keys, models, subprotocols, close codes; the beta shape; transcription sessions."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from realtime.offline import OfflineServer, choose_voice, start_server_process
from realtime.offline.models.clips import clip_samples
from tests.offline_probe import MODEL_QUERY, Probe, open_probe, order, silence

BETA = {"OpenAI-Beta": "realtime=v1"}
KEY = "sk-test-0123456789"


@pytest.fixture(scope="module")
def strict_url() -> Any:
    """A server that requires a key and speaks GA only."""
    os.environ["OFFLINE_TEST_KEY"] = KEY
    try:
        arguments = ("--voice", "standin", "--dialect", "ga", "--key-env", "OFFLINE_TEST_KEY")
        with start_server_process(*arguments) as server:
            yield server.url
    finally:
        del os.environ["OFFLINE_TEST_KEY"]


async def refusal(url: str, target: str = MODEL_QUERY, **options: Any) -> tuple[dict[str, Any], int, str]:
    """The error event, close code and reason of a connection that is refused."""
    async with connect(url + target, **options) as connection:
        event = json.loads(await asyncio.wait_for(connection.recv(), 10))
        assert event["type"] == "error"
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(connection.recv(), 10)
        assert connection.close_code is not None
        return event["error"], connection.close_code, connection.close_reason or ""


async def test_wrong_key_is_let_in_told_and_closed_with_3000(strict_url: str) -> None:
    headers = {"Authorization": "Bearer sk-wrong"}
    error, code, reason = await refusal(strict_url, additional_headers=headers)
    assert (error["code"], code, reason) == ("invalid_api_key", 3000, "invalid_request_error.invalid_api_key")
    assert "sk-wrong" not in json.dumps(error)


async def test_no_key_is_closed_with_3000(strict_url: str) -> None:
    error, code, reason = await refusal(strict_url)
    assert (error["type"], code, reason) == ("invalid_request_error", 3000, "invalid_request_error")


async def test_key_by_header_or_subprotocol_is_accepted(strict_url: str) -> None:
    async with open_probe(strict_url, additional_headers={"Authorization": f"Bearer {KEY}"}):
        pass
    protocols = ["realtime", f"openai-insecure-api-key.{KEY}"]
    async with open_probe(strict_url, subprotocols=protocols) as probe:
        assert probe.connection.subprotocol == "realtime"


async def test_beta_header_or_subprotocol_is_refused_by_a_ga_server(strict_url: str) -> None:
    authorised = {"Authorization": f"Bearer {KEY}"}
    expected = ("beta_api_shape_disabled", 4000, "invalid_request_error.beta_api_shape_disabled")
    error, code, reason = await refusal(strict_url, additional_headers=BETA | authorised)
    assert (error["code"], code, reason) == expected
    protocols = ["realtime", f"openai-insecure-api-key.{KEY}", "openai-beta.realtime-v1"]
    error, code, reason = await refusal(strict_url, subprotocols=protocols)
    assert (error["code"], code, reason) == expected


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/v1/realtime", "missing_model"),
        ("/v1/realtime?model=", "missing_model"),
        ("/v1/realtime?model=no-such-model", "invalid_model"),
    ],
)
async def test_bad_model_is_closed_with_4000(offline_url: str, target: str, code: str) -> None:
    error, close_code, reason = await refusal(offline_url, target)
    assert (error["code"], close_code, reason) == (code, 4000, f"invalid_request_error.{code}")


async def test_bare_address_needs_no_model(offline_url: str) -> None:
    async with open_probe(offline_url, "") as probe:
        assert probe.events[0]["session"]["model"] == "gpt-realtime-2.1"


async def test_keys_are_not_logged_even_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    canary = "sk-canary-0123456789"
    caplog.set_level(logging.DEBUG)
    # Only the server's log is tested.
    logging.getLogger("websockets.client").setLevel(logging.INFO)
    said: list[str] = []
    server = OfflineServer(voice=choose_voice("standin"), key=canary, log=said.append)
    async with server:
        async with open_probe(server.url, additional_headers={"Authorization": f"Bearer {canary}"}) as probe:
            await probe.say_text("Hello.", output_modalities=["text"])
        async with open_probe(server.url, subprotocols=["realtime", f"openai-insecure-api-key.{canary}"]):
            pass
        await refusal(server.url, additional_headers={"Authorization": f"Bearer {canary}x"})
    assert canary not in caplog.text + "".join(said)


async def test_expired_session_is_told_and_closed_with_1001(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.send("offline.faults", faults={"session_seconds": 0.2})
        assert (await probe.error())["code"] == "session_expired"
        with pytest.raises(ConnectionClosed):
            await probe.next()
        assert probe.connection.close_code == 1001
        assert "maximum duration" in (probe.connection.close_reason or "")


# --- beta ------------------------------------------------------------------------------------------------


@pytest.fixture
async def beta(offline_url: str) -> AsyncIterator[Probe]:
    async with open_probe(offline_url, additional_headers=BETA) as probe:
        assert (await probe.next())["type"] == "conversation.created"
        yield probe


async def test_beta_session_is_flat(beta: Probe) -> None:
    session = beta.events[0]["session"]
    assert session["modalities"] == ["text", "audio"]
    assert (session["input_audio_format"], session["output_audio_format"]) == ("pcm16", "pcm16")
    assert (session["voice"], session["temperature"]) == ("alloy", 0.8)
    assert session["turn_detection"]["type"] == "server_vad"
    assert session["max_response_output_tokens"] == "inf"
    assert not {"type", "audio", "output_modalities", "max_output_tokens"} & set(session)


async def test_beta_update_is_mapped_there_and_back(beta: Probe) -> None:
    session = {
        "modalities": ["text"],
        "voice": "echo",
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1"},
        "turn_detection": None,
        "temperature": 0.7,
        "max_response_output_tokens": 100,
        "tool_choice": "none",
    }
    updated = (await beta.ask("session.update", "session.updated", session=session))["session"]
    assert updated["input_audio_transcription"]["model"] == "whisper-1"
    del session["input_audio_transcription"]
    assert {name: updated[name] for name in session} == session


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"type": "realtime"}, "unknown_parameter", "session.type"),
        ({"audio": {}}, "unknown_parameter", "session.audio"),
        ({"voice": "nobody"}, "invalid_value", "session.voice"),
        ({"temperature": 2}, "decimal_above_max_value", "session.temperature"),
        ({"input_audio_format": "mp3"}, "invalid_value", "session.input_audio_format"),
        (
            {"turn_detection": {"type": "server_vad", "threshold": 7}},
            "decimal_above_max_value",
            "session.turn_detection.threshold",
        ),
        ({"modalities": []}, "invalid_value", "session.modalities"),
    ],
    ids=str,
)
async def test_beta_errors_name_beta_parameters(
    beta: Probe, session: dict[str, Any], code: str, param: str
) -> None:
    await beta.send("session.update", session=session)
    error = await beta.error()
    assert (error["code"], error["param"]) == (code, param)


async def test_beta_audio_turn_order(beta: Probe) -> None:
    seen = len(beta.events)
    await beta.append(np.concatenate([clip_samples("hello"), silence(1.0)]))
    await beta.until("rate_limits.updated")
    assert order(beta.events[seen:]) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.created",
        "response.created",
        "response.output_item.added",
        "conversation.item.created",
        "response.content_part.added",
        "response.audio_transcript.delta",
        "response.audio.delta",
        "response.audio.done",
        "response.audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    done = beta.of("response.done")[0]["response"]
    assert done["output"][0]["content"][0]["type"] == "audio"
    assert done["modalities"] == ["text", "audio"]


async def test_beta_text_turn_uses_beta_content(beta: Probe) -> None:
    history = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Yes?"}]}
    created = await beta.ask("conversation.item.create", "conversation.item.created", item=history)
    assert created["item"]["content"] == [{"type": "text", "text": "Yes?"}]
    response = await beta.say_text("Good.", modalities=["text"], temperature=0.9)
    assert response["output"][0]["content"] == [{"type": "text", "text": "You said: Good."}]
    assert {"response.text.delta", "response.text.done"} <= {event["type"] for event in beta.events}


# --- transcription sessions -------------------------------------------------------------------------------


async def test_transcription_session_only_transcribes(offline_url: str) -> None:
    async with open_probe(offline_url, "/v1/realtime?intent=transcription") as probe:
        session = probe.events[0]["session"]
        assert (session["type"], session["object"]) == ("transcription", "realtime.transcription_session")
        assert "tools" not in session
        await probe.update(type="transcription", audio={"input": {"transcription": {"model": "whisper-1"}}})
        seen = len(probe.events)
        await probe.append(np.concatenate([clip_samples("hello"), silence(1.0)]))
        await probe.until("conversation.item.input_audio_transcription.completed")
        assert order((await probe.settled())[seen:]) == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "conversation.item.input_audio_transcription.delta",
            "conversation.item.input_audio_transcription.completed",
        ]
        await probe.send("response.create")
        assert (await probe.error())["code"] == "invalid_value"
        await probe.send("session.update", session={"type": "realtime"})
        assert (await probe.error())["param"] == "session.type"
        await probe.send("transcription_session.update", session={})
        assert (await probe.error())["code"] == "invalid_value"


async def test_beta_transcription_session_has_its_own_event_names(offline_url: str) -> None:
    async with connect(
        offline_url + "/v1/realtime?intent=transcription", additional_headers=BETA
    ) as connection:
        probe = Probe(connection)
        created = await probe.next()
        assert created["type"] == "transcription_session.created"
        session = {"input_audio_format": "pcm16", "input_audio_transcription": {"model": "whisper-1"}}
        updated = await probe.ask(
            "transcription_session.update", "transcription_session.updated", session=session
        )
    assert updated["session"]["input_audio_transcription"]["model"] == "whisper-1"


async def test_a_key_in_another_scheme_is_none(strict_url: str) -> None:
    _, code, _ = await refusal(strict_url, additional_headers={"Authorization": f"Basic {KEY}"})
    assert code == 3000


async def test_beta_frames_that_are_no_events_are_refused(beta: Probe) -> None:
    await beta.connection.send("[1]")
    assert (await beta.error())["type"] == "invalid_request_error"
    item = {"type": "message", "role": "assistant", "content": ["odd", {"type": 7}]}
    await beta.send("conversation.item.create", item=item)
    assert (await beta.error())["param"].startswith("item.content")


async def test_beta_objects_of_another_type_are_refused(beta: Probe) -> None:
    await beta.send("session.update", session=[])
    assert (await beta.error())["param"] == "session"


async def test_beta_input_of_one_response_uses_beta_content(beta: Probe) -> None:
    said = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Well."}]}
    asked = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Thanks a lot."}]}
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    await beta.send("response.create", response={"input": [said, call, asked], "modalities": ["text"]})
    done = (await beta.until("response.done"))["response"]
    assert done["output"][0]["content"] == [{"type": "text", "text": "You are welcome."}]
    await beta.send("response.create", response={"input": ["odd"]})
    assert (await beta.error())["param"] == "response.input[0]"


async def test_beta_calls_have_no_content(beta: Probe) -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    await beta.send("conversation.item.create", item=call)
    item = (await beta.until("conversation.item.created"))["item"]
    assert "content" not in item and item["object"] == "realtime.item"
