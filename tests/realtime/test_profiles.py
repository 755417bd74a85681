"""Profiles: what each vendor's server gets and says, in GA on our side."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime import RealtimeClient
from realtime.protocol.audio_format import PCM16, PCMU
from realtime.protocol.localai import UtteranceIds, is_localai, localai_session
from realtime.protocol.profiles import DIALECTS, PROFILES, profile_named, profile_of_host, profile_shown
from realtime.protocol.request_secrets import is_secret_name, secrets_in

EXAMPLES = int(os.environ.get("WAVTOOLS_FUZZ_VALUES", "300"))
# Seconds; the long form takes as long as it takes.
pytestmark = pytest.mark.timeout(max(120, EXAMPLES // 50))
GA = {
    "type": "realtime",
    "output_modalities": ["audio"],
    "instructions": "x",
    "tools": [{"type": "function", "name": "look", "parameters": {}}],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "turn_detection": {"type": "server_vad", "threshold": 0.5, "create_response": False},
            "transcription": {"model": "m", "language": "en"},
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "ara"},
    },
}


def sent(name: str, session: dict) -> dict:
    return PROFILES[name].outbound({"type": "session.update", "session": session})["session"]


def test_a_dialect_is_named_or_refused():
    assert profile_named("auto") is None
    assert [profile_named(name).name for name in DIALECTS[1:]] == list(PROFILES)
    with pytest.raises(
        ValueError, match="'auto', 'ga', 'beta', 'localai', 'xai', 'elevenlabs', 'qwen', not 'klingon'"
    ):
        RealtimeClient(dialect="klingon")


def test_hosts_below_a_vendors_are_the_vendors():
    assert profile_of_host("API.X.AI.").name == "xai" and profile_of_host("x.ai").name == "xai"
    assert profile_of_host("ws-1.cn-beijing.maas.aliyuncs.com").name == "qwen"
    assert profile_of_host("notx.ai") is None and profile_of_host("127.0.0.1") is None


def test_the_first_event_shows_ga_and_beta():
    assert profile_shown({"session": {"type": "realtime"}}).name == "ga"
    assert profile_shown({"session": {"modalities": []}}).name == "beta"
    assert profile_shown({"session": {}}) is None and profile_shown({}) is None


def test_xai_has_voice_and_turn_detection_at_the_top_and_no_text_output():
    session = sent("xai", GA)
    assert session["voice"] == "ara" and session["turn_detection"]["type"] == "server_vad"
    assert session["audio"] == {
        "input": {key: GA["audio"]["input"][key] for key in ("format", "transcription")},
        "output": {"format": GA["audio"]["output"]["format"]},
    }
    assert "output_modalities" not in session
    assert sent("xai", {"audio": {"input": {"turn_detection": None}}}) == {
        "type": "realtime",
        "turn_detection": None,
    }
    create = {"type": "response.create", "response": {"output_modalities": ["text"], "instructions": "x"}}
    assert PROFILES["xai"].outbound(create)["response"] == {"instructions": "x"}
    for event in ({"type": "response.create"}, {"type": "input_audio_buffer.commit"}):
        assert PROFILES["xai"].outbound(event) == event
    (created,) = PROFILES["xai"].inbound(
        {"type": "session.created", "session": {"voice": "eve", "turn_detection": None}}
    )
    assert created["session"]["audio"] == {"output": {"voice": "eve"}, "input": {"turn_detection": None}}


def test_elevenlabs_has_one_turn_detection_a_language_and_an_output_format_without_a_rate():
    session = sent("elevenlabs", {**GA, "model": "eleven_realtime_v1_max", "max_output_tokens": 100})
    assert session["audio"]["input"]["turn_detection"] == {"type": "semantic_vad", "create_response": False}
    assert session["audio"]["input"]["transcription"] == {"language": "en"}
    assert session["audio"]["output"]["format"] == {"type": "audio/pcm"}
    assert session["max_output_tokens"] == 1024
    plain = sent("elevenlabs", {"model": "eleven_realtime_v1_mini", "max_output_tokens": 100})
    assert plain["max_output_tokens"] == 100 and "audio" not in plain
    kept = {
        "audio": {
            "input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}, "transcription": None}
        }
    }
    assert sent("elevenlabs", kept)["audio"] == kept["audio"]
    assert sent("elevenlabs", {"audio": {"input": {"transcription": {"model": "m"}}}})["audio"] == {
        "input": {"transcription": {}}
    }
    manual = {"audio": {"input": {"turn_detection": None}}}
    assert sent("elevenlabs", manual) == {"type": "realtime"}
    assert PROFILES["elevenlabs"].outbound({"type": "response.create"}) == {"type": "response.create"}


def test_qwen_is_flat_with_nested_tools_and_its_own_pcm():
    session = sent("qwen", GA)
    assert session["input_audio_format"] == session["output_audio_format"] == "pcm"
    assert session["tools"] == [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    odd = [{"type": "mcp"}, "x", session["tools"][0]]
    assert sent("qwen", {"tools": odd})["tools"] == odd
    assert sent("qwen", {"audio": {"input": {"format": {"type": "x"}}}})["input_audio_format"] == "pcm"
    assert PROFILES["qwen"].outbound({"type": "response.create"}) == {"type": "response.create"}
    (updated,) = PROFILES["qwen"].inbound({"type": "session.updated", "session": {**session, "tools": odd}})
    assert updated["session"]["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 16_000}
    assert updated["session"]["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert updated["session"]["tools"][2] == {"type": "function", "name": "look", "parameters": {}}
    (updated,) = PROFILES["qwen"].inbound(
        {"type": "session.updated", "session": {"input_audio_format": "opus"}}
    )
    assert updated["session"]["audio"]["input"]["format"] == "opus"
    assert (
        PROFILES["qwen"].inbound({"type": "response.audio.delta"})[0]["type"] == "response.output_audio.delta"
    )


def test_a_fixed_rate_of_pcm_goes_before_the_stated_one():
    in_force = PROFILES["qwen"].format_in_force
    assert in_force("input", PCM16).sample_rate == 16_000 and in_force("output", PCM16).sample_rate == 24_000
    assert in_force("input", PCMU) is PCMU and PROFILES["ga"].format_in_force("input", PCM16) is PCM16


# LocalAI


def test_the_three_ids_of_an_utterance_become_one():
    inbound = UtteranceIds(PROFILES["ga"].inbound).inbound
    item = {"id": "Y", "role": "user", "content": [{"type": "input_audio"}]}
    transcript = {"type": "conversation.item.input_audio_transcription.completed", "item_id": "Z"}
    assert inbound({"type": "input_audio_buffer.committed", "item_id": "X"})[0]["item_id"] == "X"
    other = {
        "type": "conversation.item.added",
        "item": {"id": "T", "role": "user", "content": [{"type": "input_text"}]},
    }
    assert inbound(other)[0]["item"]["id"] == "T"
    assert inbound(transcript)[0]["item_id"] == "X"
    assert inbound({"type": "conversation.item.added", "item": item})[0]["item"]["id"] == "X"
    assert inbound({"type": "conversation.item.done", "item": item})[0]["item"]["id"] == "X"
    assert inbound(transcript)[0]["item_id"] == "Z"
    for odd in ({"type": 5}, {"type": "x", "item": 5}, {"type": "x", "item": {"id": []}}):
        assert inbound(odd) == (odd,)


def test_localai_is_known_by_its_placeholders_and_names():
    for event in (
        {"type": "error", "error": {"event_id": "event_TODO"}},
        {"event_id": "event_TODO"},
        {"previous_item_id": "TODO"},
        {"type": "localai.sound"},
    ):
        assert is_localai(event)
    assert not is_localai({"type": ["localai."], "event_id": 5, "error": []})
    assert localai_session(PROFILES["ga"]).commit_answers and not PROFILES["ga"].commit_answers


# Secrets


def test_names_of_secrets():
    for name in (
        "xi-api-key",
        "X-Goog-Api-Key",
        "AUTHORIZATION",
        "clientSecret",
        "sig",
        "x-auth",
        "set-cookie",
    ):
        assert is_secret_name(name)
    for name in ("accept", "user-agent", "model", "intent", "signal"):
        assert not is_secret_name(name)
    assert secrets_in({"A": "b"}, [("c", "d")], ["realtime"], ("me", "")) == []


# Any value


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
keys = st.sampled_from(
    [
        "type",
        "role",
        "content",
        "id",
        "item",
        "session",
        "response",
        "audio",
        "input",
        "output",
        "format",
        "turn_detection",
        "transcription",
        "voice",
        "tools",
        "function",
        "name",
        "rate",
        "model",
        "max_output_tokens",
        "output_modalities",
        "modalities",
        "input_audio_format",
        "item_id",
        "error",
        "event_id",
    ]
)
words = st.sampled_from(
    ["audio/pcm", "server_vad", "semantic_vad", "assistant", "function", "eleven_realtime_v1_max"]
)
values = st.recursive(
    leaves | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
server_types = st.sampled_from(
    [
        "session.created",
        "session.updated",
        "conversation.item.added",
        "conversation.item.created",
        "response.done",
        "input_audio_buffer.committed",
        "conversation.item.input_audio_transcription.delta",
    ]
)
client_types = st.sampled_from(
    ["session.update", "response.create", "conversation.item.create", "response.cancel"]
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    name=st.sampled_from(list(PROFILES)),
    kind=server_types | values,
    fields=st.dictionaries(keys, values, max_size=5),
)
def test_inbound_takes_any_value(name, kind, fields):
    profile = PROFILES[name]
    for session in (profile, localai_session(profile)):
        assert session.inbound({**fields, "type": kind})
    is_localai({**fields, "type": kind})


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    name=st.sampled_from(list(PROFILES)), kind=client_types, fields=st.dictionaries(keys, values, max_size=5)
)
def test_outbound_takes_any_value(name, kind, fields):
    assert PROFILES[name].outbound({**fields, "type": kind})["type"] == kind
