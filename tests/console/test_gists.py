"""Gists: what an event says in a few words, for every kind of event in both dialects."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.event_book import EventBook
from console.gists import KNOWN, MAX_GIST_CHARS, gist
from realtime.protocol.event_types import CLIENT_EVENTS, SERVER_EVENTS
from tests.fuzz_values import JSON

AUDIO = base64.b64encode(bytes(range(256)) * 40).decode()
KEYS = (
    "sk-proj-abcdef1234567890",
    "ek_68ac0123456789abcdef",
    "Bearer abc.def.ghi",
    "eyJhbGciOiJIUzI1NiJ9.e30.x",
)
SPOKEN = {
    "id": "item_1",
    "type": "message",
    "role": "user",
    "content": [{"type": "input_audio", "transcript": "Hi"}],
}
CALL = {"type": "function_call", "name": "set_memory", "arguments": '{"key": "name", "value": "Ada"}'}
DONE = {"status": "completed", "usage": {"total_tokens": 1188}}
FAILED = {"status": "failed", "status_details": {"error": {"code": "quota", "message": "no money"}}}
CUT_SHORT = {"status": "incomplete", "status_details": {"reason": "max_output_tokens"}}
GA_SESSION = {
    "type": "realtime",
    "model": "gpt-realtime",
    "audio": {"output": {"voice": "marin"}, "input": {"turn_detection": {"type": "server_vad"}}},
    "tools": [{"name": "a"}, {"name": "b"}],
}
BETA_SESSION = {"model": "gpt-4o", "voice": "alloy", "turn_detection": None}


def event(kind: str, **fields: object) -> dict[str, object]:
    return {"type": kind, **fields}


EXAMPLES = [
    (
        event("response.function_call_arguments.done", **{k: CALL[k] for k in ("name", "arguments")}),
        "set_memory(name=Ada)",
    ),
    (
        event("response.function_call_arguments.done", arguments='{"city": "Paris", "days": 3}'),
        "(city=Paris, days=3)",
    ),
    (event("response.done", response=DONE), "completed, 1 188 tokens"),
    (event("response.done", response=FAILED), "failed, no money"),
    (event("response.done", response=CUT_SHORT), "incomplete, max_output_tokens"),
    (event("session.created", session=GA_SESSION), "gpt-realtime, marin, server_vad, 2 tools"),
    (event("session.updated", session=BETA_SESSION), "gpt-4o, alloy, manual"),
    (
        event("session.update", session={"instructions": "Be short.", "voice": "echo"}),
        "instructions 9 characters, voice echo",
    ),
    (event("session.update", session={"audio": {"input": {"turn_detection": None}}}), "manual"),
    (
        event("session.update", session={"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}}),
        "vad semantic_vad",
    ),
    (
        event("error", error={"type": "invalid_request_error", "code": "bad", "message": "No\nway"}),
        "bad: No way",
    ),
    (event("error", source="tool", message="it raised"), "it raised"),
    (event("conversation.item.create", item=SPOKEN), 'user: "Hi"'),
    (event("conversation.item.created", item=CALL), "set_memory(name=Ada)"),
    (event("conversation.item.done", item={"type": "function_call_output", "output": "19 C"}), "output 19 C"),
    (event("conversation.item.truncate", audio_end_ms=4312), "at 4.31 s"),
    (event("input_audio_buffer.speech_started", audio_start_ms=1200), "at 1.20 s"),
    (
        event("input_audio_buffer.timeout_triggered", audio_start_ms=0, audio_end_ms=6000),
        "at 0.00 s to 6.00 s",
    ),
    (event("response.output_audio_transcript.delta", delta=" mild"), '"mild"'),
    (event("response.audio_transcript.done", transcript="It is mild."), '"It is mild."'),
    (event("response.text.delta", delta="Yes"), '"Yes"'),
    (
        event("rate_limits.updated", rate_limits=[{"name": "tokens", "limit": 9, "remaining": 7}]),
        "tokens 7/9",
    ),
    (event("conversation.item.input_audio_transcription.completed", transcript="Hello"), '"Hello"'),
    (event("conversation.item.input_audio_transcription.failed", error={"message": "noise"}), "noise"),
    (
        event("response.create", response={"conversation": "none", "instructions": "Sum up"}),
        'conversation none, "Sum up"',
    ),
    (event("input_audio_buffer.dtmf_event_received", event="5"), "key 5"),
    (event("interrupted", offset=103488, track_id="item_1"), "heard 103 488 samples, item_1"),
    (event("first_sample", latency=0.321), "321 ms after the end of the turn"),
    (event("from.another.vendor", transcript="words"), "words"),
]


@pytest.mark.parametrize(("given_event", "expected"), EXAMPLES, ids=[str(e["type"]) for e, _ in EXAMPLES])
def test_a_folded_row_says_what_its_event_says(given_event, expected):
    assert gist(given_event) == expected


def test_every_kind_of_event_of_both_dialects_is_known():
    assert CLIENT_EVENTS | SERVER_EVENTS <= KNOWN


FIELDS = st.sampled_from(
    [
        "session",
        "item",
        "response",
        "error",
        "delta",
        "text",
        "transcript",
        "arguments",
        "name",
        "part",
        "rate_limits",
        "audio_end_ms",
        "audio_start_ms",
        "event",
        "audio",
        "item_id",
        "response_id",
        "message",
        "reason",
        "offset",
        "latency",
        "track_id",
        "conversation",
        "action",
        "heard",
        "device",
    ]
)
SECRETS = st.sampled_from(KEYS)
AUDIO_PARTS = st.builds(lambda start: AUDIO[start:], st.integers(0, 300))


@given(
    st.sampled_from(sorted(KNOWN)) | st.text(max_size=30),
    st.dictionaries(
        FIELDS, JSON | SECRETS | AUDIO_PARTS | st.dictionaries(FIELDS, JSON | SECRETS | AUDIO_PARTS)
    ),
)
def test_whatever_an_event_holds_its_gist_is_short_and_without_audio_and_keys(kind, fields):
    text = gist({**fields, "type": kind})
    assert isinstance(text, str) and len(text) <= MAX_GIST_CHARS
    assert text.isprintable() or not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text)
    assert AUDIO[300:340] not in text
    for key in KEYS:
        assert key not in text


@pytest.mark.parametrize("kind", sorted(KNOWN))
@pytest.mark.parametrize("key", KEYS)
def test_no_field_of_any_event_shows_a_key_or_audio(kind, key):
    secret = f"a {key}"
    deep = {
        **dict.fromkeys(
            ("name", "text", "transcript", "arguments", "id", "output", "message", "code"), secret
        ),
        "api_key": key,
        "audio": AUDIO,
        "type": "message",
        "role": secret,
        "status": secret,
        "reason": secret,
        "content": [{"type": "input_audio", "audio": AUDIO, "text": secret}],
        "voice": secret,
        "model": secret,
        "instructions": secret,
        "tools": [{"type": "mcp", "authorization": key}],
    }
    fields = ("session", "item", "response", "error", "part", "conversation")
    flat = (
        "text",
        "transcript",
        "arguments",
        "name",
        "item_id",
        "response_id",
        "track_id",
        "event",
        "action",
    )
    shown = gist(
        {
            **dict.fromkeys(fields, deep),
            **dict.fromkeys(flat, secret),
            "delta": AUDIO,
            "audio": AUDIO,
            "type": kind,
        }
    )
    assert key not in shown and key[:12] not in shown
    assert AUDIO[:20] not in shown
    # An argument whose name tells of a key is not shown at all
    call = {"name": "login", "arguments": json.dumps({"password": "hunter2", "user": "Ada"})}
    assert "hunter2" not in gist({**call, "type": kind, "item": {**call, "type": "function_call"}})


@pytest.mark.parametrize(
    "damaged", [None, 3, "x", [], {}, {"type": None}, {"type": ["a"]}, {"type": "error", "error": 10**5000}]
)
def test_what_is_no_event_has_no_gist(damaged):
    assert gist(damaged) == ""


def test_the_row_of_a_response_also_tells_its_cost():
    book = EventBook()
    row = book.add(1.0, "server", event("response.done", response=DONE))
    book.add(1.1, "server", event("rate_limits.updated", rate_limits=[]))
    before = book.revision
    book.price(0.003)
    assert row.gist == "completed, 1 188 tokens, 0.3 ct"
    assert book.revision > before
    # Told once
    book.price(0.5)
    assert row.gist.endswith("0.3 ct")


def test_the_filter_finds_what_the_gist_says():
    book = EventBook()
    book.add(1.0, "server", event("response.function_call_arguments.done", name="set_memory", arguments="{}"))
    book.add(1.1, "server", event("response.done", response=DONE))
    assert [row.type for row in book.matching("SET_MEMORY")] == ["response.function_call_arguments.done"]
