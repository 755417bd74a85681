"""Clients that speak beta, through the relay, in front of servers that speak GA."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.offline import OfflineServer
from realtime.protocol.beta import BetaTranslator, asks_for_beta, beta_param
from realtime.protocol.dialect import GA_NAMES, inbound
from realtime.protocol.redact import Redactor
from realtime.relay import Policy
from realtime.relay.server_rules import ServerRules
from tests.relay_spy import INSTRUCTIONS, PATH, join, receive, relay_to, spied
from tests.wire_server import created, session_object

BETA = {"additional_headers": {"OpenAI-Beta": "realtime=v1"}}
# What the reference client sends first
REFERENCE_SESSION = {
    "modalities": ["text", "audio"],
    "instructions": "",
    "voice": "verse",
    "input_audio_format": "pcm16",
    "output_audio_format": "g711_ulaw",
    "input_audio_transcription": None,
    "turn_detection": None,
    "tools": [],
    "tool_choice": "auto",
    "temperature": 0.7,
    "max_response_output_tokens": 4096,
}
ANSWER = {"id": "item_a", "type": "message", "role": "assistant", "status": "in_progress"}


async def send(socket: Any, kind: str, **fields: Any) -> None:
    await socket.send(json.dumps({"type": kind, **fields}))


async def test_a_beta_session_is_flat_and_its_update_arrives_in_ga():
    async with spied() as (relay, upstream), join(relay, **BETA) as socket:
        session = (await receive(socket, "session.created"))["session"]
        assert session["modalities"] == ["text", "audio"] and session["input_audio_format"] == "pcm16"
        assert session["voice"] == "alloy" and "audio" not in session and "type" not in session
        assert "idle_timeout_ms" not in session["turn_detection"]
        await send(socket, "session.update", event_id="mine", session=REFERENCE_SESSION)
        update = await upstream.peer.expect("session.update")
        assert update == {
            "type": "session.update",
            "event_id": "mine",
            "session": {
                "type": "realtime",
                "output_modalities": ["audio"],
                "max_output_tokens": 4096,
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 24000},
                        "transcription": None,
                        "turn_detection": None,
                    },
                    "output": {"format": {"type": "audio/pcmu"}, "voice": "verse"},
                },
            },
        }
        await upstream.peer.say({"type": "session.updated", "session": session_object()})
        assert (await receive(socket, "session.updated"))["session"]["temperature"] == 0.7


async def test_items_and_responses_of_a_beta_client_arrive_in_ga():
    async with spied() as (relay, upstream), join(relay, **BETA) as socket:
        await receive(socket, "session.created")
        said = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hello"}]}
        await send(socket, "conversation.item.create", item=said)
        item = (await upstream.peer.expect("conversation.item.create"))["item"]
        assert item["content"] == [{"type": "output_text", "text": "Hello"}]
        asked = {"modalities": ["text"], "temperature": 0.9, "max_response_output_tokens": 50}
        await send(socket, "response.create", response=asked)
        create = await upstream.peer.expect("response.create")
        assert create["response"] == {"output_modalities": ["text"], "max_output_tokens": 50}
        await send(socket, "response.create")
        assert await upstream.peer.expect("response.create") == {"type": "response.create"}


async def test_an_answer_of_a_ga_server_reaches_a_beta_client_under_the_names_of_beta():
    part = {"type": "output_audio", "transcript": ""}
    done = {**ANSWER, "status": "completed", "content": [{**part, "transcript": "Hi"}]}
    response = {"id": "resp_1", "output": [done], "output_modalities": ["audio"], "audio": {"output": {}}}
    events: list[dict[str, Any]] = [
        {"type": "response.output_item.added", "item": ANSWER},
        {"type": "conversation.item.added", "item": ANSWER, "previous_item_id": None},
        {"type": "response.content_part.added", "item_id": "item_a", "part": part},
        {"type": "response.output_audio.delta", "item_id": "item_a", "delta": "AAAA\nAAAA"},
        {"type": "response.output_audio_transcript.delta", "item_id": "item_a", "delta": "response.output_"},
        {"type": "response.output_audio.done", "item_id": "item_a"},
        {"type": "conversation.item.done", "item": done},
        {"type": "input_audio_buffer.timeout_triggered"},
        {"type": "response.done", "response": response},
        {"type": "error", "error": {"param": "session.audio.output.format.type", "message": "no"}},
    ]

    async def script(peer: Any) -> None:
        await peer.say(created())
        await peer.say(*({"event_id": f"event_{number}", **event} for number, event in enumerate(events)))
        await peer.listen()

    async with spied(script) as (relay, _), join(relay, **BETA) as socket:
        await receive(socket, "session.created")
        seen = [await receive(socket) for _ in range(8)]
    assert [event["type"] for event in seen] == [
        "response.output_item.added",
        "conversation.item.created",
        "response.content_part.added",
        "response.audio.delta",
        "response.audio_transcript.delta",
        "response.audio.done",
        "response.done",
        "error",
    ]
    assert seen[1]["item"]["content"] == [] and seen[2]["part"]["type"] == "audio"
    assert seen[3]["delta"] == "AAAA\nAAAA" and seen[4]["delta"] == "response.output_"
    assert seen[6]["response"]["output"][0]["content"][0]["type"] == "audio"
    assert seen[6]["response"]["modalities"] == ["text", "audio"]
    assert seen[7]["error"]["param"] == "session.output_audio_format"


async def test_a_server_that_speaks_beta_itself_is_understood_without_translation():
    flat = {"id": "sess_1", "modalities": ["text", "audio"], "turn_detection": None, "voice": "ash"}
    delta = {"type": "response.audio.delta", "item_id": "i", "delta": "AAAA"}

    async def script(peer: Any) -> None:
        await peer.say({"type": "session.created", "event_id": "e", "session": flat}, delta)
        await peer.listen()

    async with spied(script) as (relay, upstream), join(relay, **BETA) as socket:
        assert (await receive(socket, "session.created"))["session"] == flat
        assert await receive(socket) == delta
        await send(socket, "session.update", session={"voice": "verse"})
        assert (await upstream.peer.expect("session.update"))["session"] == {"voice": "verse"}


async def test_the_relays_own_settings_hold_for_beta_clients_and_stay_hidden():
    async with (
        spied(session={"instructions": INSTRUCTIONS}) as (relay, upstream),
        join(relay, **BETA) as socket,
    ):
        peer = await upstream.wait_for_peers(1)
        update = await peer.expect("session.update")
        assert update["session"] == {"type": "realtime", "instructions": INSTRUCTIONS}
        await peer.say({"type": "session.updated", "session": session_object(instructions=INSTRUCTIONS)})
        session = (await receive(socket, "session.created"))["session"]
        assert session["instructions"] == "" and session["output_audio_format"] == "pcm16"


async def test_a_beta_client_without_a_key_is_a_client_without_a_token():
    """The reference client writes null into the subprotocol if it has no key."""
    protocols = ["realtime", "openai-insecure-api-key.null", "openai-beta.realtime-v1"]
    async with spied() as (relay, _):
        path = f"{PATH}?model=gpt-4o-realtime-preview-2024-10-01"
        async with join(relay, path, subprotocols=protocols) as socket:
            await receive(socket, "session.created")


async def test_the_model_that_ended_with_beta_becomes_the_relays_model():
    clients = {"models": ("gpt-realtime-2.1",)}
    path = f"{PATH}?model=gpt-4o-realtime-preview-2024-10-01"
    async with spied(clients=clients) as (relay, upstream), join(relay, path, **BETA) as socket:
        await receive(socket, "session.created")
        assert "model=gpt-realtime-2.1" in upstream.peer.socket.request.path


async def test_a_beta_client_holds_a_turn_with_a_server_that_refuses_beta():
    async with OfflineServer(dialect="ga") as server, relay_to(server.url, key="") as relay:
        socket: Any
        async with join(relay, **BETA) as socket:
            await receive(socket, "session.created")
            await send(socket, "session.update", session={**REFERENCE_SESSION, "modalities": ["text"]})
            await receive(socket, "session.updated")
            said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Good."}]}
            await send(socket, "conversation.item.create", item=said)
            await send(socket, "response.create")
            assert (await receive(socket, "response.text.done"))["text"]
            done = (await receive(socket, "response.done"))["response"]
            assert done["status"] == "completed" and done["output"][0]["content"][0]["type"] == "text"


# --- the translation by itself

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "audio", "input", "output", "format", "content", "role", "voice"])
            | st.text(max_size=6),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FIELDS = st.dictionaries(
    st.sampled_from(["session", "response", "item", "part", "error", "delta", "param"]), JSON, max_size=4
)
KINDS = st.sampled_from(
    [
        *Policy().clients.server_events,
        *Policy().clients.events,
        "transcription_session.update",
    ]
)


@settings(max_examples=300, deadline=None)
@given(KINDS | JSON, FIELDS, st.sampled_from(["realtime", "transcription"]))
def test_no_value_makes_the_translation_raise_or_change_its_argument(kind, fields, session_kind):
    event = {**fields, "type": kind}
    before = json.dumps(event)
    translator = BetaTranslator(session_kind)
    translator.to_ga(event)
    translator.to_beta(event)
    assert json.dumps(event) == before


def test_every_event_name_of_ga_goes_to_beta_and_back():
    for beta, ga in GA_NAMES.items():
        if ga.startswith("response."):
            translated = BetaTranslator().to_beta({"type": ga})
            assert translated == {"type": beta}
            assert inbound(translated)[0]["type"] == ga


@pytest.mark.parametrize(
    ("ga", "beta"),
    [
        ("session.audio.output.voice", "session.voice"),
        ("session.audio.input.turn_detection.threshold", "session.turn_detection.threshold"),
        ("session.tools[0].name", "session.tools[0].name"),
        ("response.output_modalities[1]", "response.modalities[1]"),
        ("item.content", "item.content"),
    ],
)
def test_errors_name_the_parameters_of_beta(ga, beta):
    assert beta_param(ga) == beta


def test_beta_is_asked_for_by_header_or_subprotocol():
    assert asks_for_beta(["x, realtime=v1"], []) and asks_for_beta([], ["openai-beta.realtime-v1"])
    assert not asks_for_beta(["assistants=v2"], ["realtime"])


def test_a_policy_may_name_server_events_as_either_dialect_does():
    allowed = frozenset({"response.audio.delta"})
    policy = Policy(clients=type(Policy().clients)(server_events=allowed))
    rules = ServerRules(policy, Redactor([]), time.time(), BetaTranslator())
    shown, *_ = rules.filter(b'{"type":"response.output_audio.delta","delta":"AAAA"}')
    assert shown == b'{"type":"response.audio.delta","delta":"AAAA"}'
    rules = ServerRules(policy, Redactor([]), time.time())
    assert rules.filter(b'{"type":"response.output_audio.delta","delta":"AAAA"}')[0] is None
