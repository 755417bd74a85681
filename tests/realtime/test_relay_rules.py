"""The relay's parts without I/O: rules both ways, tokens, buckets, turns, addresses."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.datastructures import Headers

from realtime.errors import ConfigurationError
from realtime.protocol.redact import Redactor
from realtime.relay import Policy, mint_token, verify_token
from realtime.relay.addresses import client_address
from realtime.relay.buckets import Bucket, Buckets
from realtime.relay.client_rules import APPEND, ClientRules, Refusal, Verdict, Violation
from realtime.relay.functions import import_function
from realtime.relay.journal import JsonLines
from realtime.relay.plain_append import is_plain_append
from realtime.relay.policy import LOOPBACK, LimitPolicy, SessionPolicy, is_loopback
from realtime.relay.server_rules import ServerRules
from realtime.relay.strict_json import parse
from realtime.relay.tokens import _encode, _key, _sign
from realtime.relay.turns import Turns

SECRET = "0123456789abcdef0123456789abcdef"
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=12), children, max_size=4)
    ),
    max_leaves=12,
)


def rules(policy: Policy | None = None) -> ClientRules:
    return ClientRules(
        policy or Policy(limits=LimitPolicy(refusals_per_minute=1e6, messages_per_second=1e6)), "m"
    )


def verdict_on(payload: bytes, now: float = 0.0) -> Verdict:
    return rules().judge(payload, now)[0]


# --- audio that is not parsed


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"input_audio_buffer.append","audio":"AAAA"}',
        '{"type": "input_audio_buffer.append", "audio": "AAAA"}',
        '{"event_id":"evt_1","type":"input_audio_buffer.append","audio":"AA=="}',
        '{"event_id":"evt.1","type":"input_audio_buffer.append","audio":"AA=="}',
        '{"type":"input_audio_buffer.append","event_id":"evt_1","audio":""}',
        '{"type": "input_audio_buffer.append", "audio": "AAAA", "event_id": "evt_1"}',
    ],
)
def test_audio_as_clients_send_it_is_not_parsed(text):
    assert is_plain_append(text.encode())
    assert parse(text.encode())["type"] == "input_audio_buffer.append"


FRAGMENTS = st.sampled_from(
    [
        *(b"{", b"}", b'"', b"\\", b",", b":", b" ", b"\n", b"\x00", b"\xff", b"[", b"]", b"AAAA", b"null"),
        b'"type"',
        b'"type":"input_audio_buffer.append"',
        b'"audio":"',
        b'"audio":"AAAA"',
        b'"event_id":"e1"',
        b'"type":"session.update"',
        b'{"type":"input_audio_buffer.append","audio":"',
        b'"session":{"instructions":"x"}',
    ]
)


@settings(max_examples=600, deadline=None)
@given(st.lists(FRAGMENTS, max_size=14).map(b"".join))
def test_audio_that_is_not_parsed_would_pass_if_parsed(payload):
    """is_plain_append accepts nothing that even a lenient parser (strict=False) could read differently."""
    if is_plain_append(payload):
        pairs = json.JSONDecoder(object_pairs_hook=list, strict=False).decode(payload.decode())
        event = dict(pairs)
        assert len(event) == len(pairs)
        assert event.keys() <= {"type", "audio", "event_id"}
        assert event["type"] == "input_audio_buffer.append" and isinstance(event["audio"], str)


def update(**session):
    return {"type": "session.update", "session": session}


def create(**item):
    return {"type": "conversation.item.create", "item": {"role": "user", **item}}


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        (update(audio="loud"), "invalid_value", "session.audio"),
        (update(audio={"output": "loud"}), "invalid_value", "session.audio"),
        (update(audio={"in": {}}), "unknown_parameter", "session.audio.in"),
        (create(type="mcp_call"), "not_allowed", "item.type"),
        (create(content="Hello"), "invalid_value", "item.content"),
        (create(content=["Hello"]), "invalid_value", "item.content"),
    ],
    ids=str,
)
def test_a_wrong_shape_is_refused_with_its_place(event, code, param):
    verdict = verdict_on(json.dumps(event).encode())
    assert (verdict.code, verdict.param) == (code, param)


def test_audio_in_an_unusual_form_is_parsed_and_passes():
    payload = b'{ "audio" : "AAAA" , "type" : "input_audio_buffer.append" }'
    assert not is_plain_append(payload)
    assert rules().judge(payload, 0.0) == (payload, APPEND)


# --- any input


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_message_raises_and_none_of_these_passes(payload):
    assert isinstance(verdict_on(payload), (Refusal, Violation))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(Policy().clients.events)), st.dictionaries(st.text(max_size=12), JSON, max_size=4)
)
def test_whatever_passes_holds_only_what_is_allowed(kind, fields):
    payload = json.dumps({**fields, "type": kind}).encode()
    verdict, judged = rules().judge(payload, 0.0)
    if isinstance(verdict, bytes):
        passed = json.loads(verdict)
        assert passed["type"] == judged == kind
        for place in ("session", "response"):
            assert not set(passed.get(place) or ()) & {"instructions", "tools", "prompt", "model", "input"}


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(Policy().clients.server_events)),
    st.dictionaries(st.text(max_size=12), JSON, max_size=4),
)
def test_no_event_of_the_server_raises_or_shows_the_instructions(kind, fields):
    policy = Policy(session=SessionPolicy(instructions="The secret is BLUEBIRD.", tools=({"name": "t"},)))
    session = {
        "instructions": "The secret is BLUEBIRD.",
        "tools": [{"name": "t"}, {"name": "u"}, 7],
        **fields,
    }
    event = {**fields, "type": kind, "session": session, "response": dict(session)}
    shown, *_ = ServerRules(policy, Redactor(["sk-secret"]), time.time()).filter(json.dumps(event).encode())
    if kind in ("session.created", "session.updated"):
        assert b"BLUEBIRD" not in json.dumps(json.loads(shown)["session"]).encode() or "BLUEBIRD" in str(
            fields
        )


def test_rates_by_type_refuse_and_recover():
    judge = rules(replace(Policy(), limits=LimitPolicy(rates={"response.create": 3.0}))).judge
    verdicts = [judge(b'{"type":"response.create"}', 0.0)[0] for _ in range(4)]
    assert [isinstance(verdict, bytes) for verdict in verdicts] == [True, True, True, False]
    assert verdicts[3].code == "rate_limit_exceeded"
    assert isinstance(judge(b'{"type":"response.create"}', 21.0)[0], bytes)


def test_a_refusal_names_the_event_that_caused_it():
    refusal = verdict_on(b'{"type":"nonsense","event_id":"mine"}')
    assert json.loads(refusal.event())["error"]["event_id"] == "mine"


# --- tokens


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1, max_size=60), st.integers(1, 10**6))
def test_a_minted_token_is_valid_until_it_expires(subject, seconds):
    token = mint_token(SECRET, subject, seconds, now=1000.0)
    assert verify_token([SECRET], token, now=1000.0).subject == subject
    assert verify_token(["x" * 32, SECRET], token, now=1000.0).subject == subject
    assert verify_token([SECRET], token, now=1001.0 + seconds) is None
    assert verify_token(["x" * 32], token, now=1000.0) is None


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 200), st.characters(codec="ascii"))
def test_a_token_with_any_character_changed_is_invalid(position, character):
    token = mint_token(SECRET, "alice", 60, now=0.0)
    position %= len(token)
    changed = token[:position] + character + token[position + 1 :]
    assert (verify_token([SECRET], changed, now=0.0) is not None) == (changed == token)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_an_invalid_token_and_no_error(text):
    assert verify_token([SECRET], text) is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("short", "a", 60), "5 bytes"), ((SECRET, "", 60), "characters"), ((SECRET, "a", 0), "seconds")],
)
def test_a_token_that_cannot_be_minted_says_why(arguments, says):
    with pytest.raises(ValueError, match=says):
        mint_token(*arguments)


# --- buckets, addresses, turns


def test_a_bucket_lets_through_its_burst_and_then_its_rate():
    bucket = Bucket(rate=2.0, burst=3.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(0.4) and bucket.has(0.6) and bucket.take(0.6) and not bucket.take(0.6)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_buckets_forget_the_least_recently_used():
    buckets = Buckets(1.0, 1.0, capacity=3)
    first = buckets.of("a")
    for key in ("b", "c", "a", "d"):
        buckets.of(key)
    assert len(buckets) == 3 and buckets.of("a") is first


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "6.6.6.6, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "6.6.6.6, 203.0.113.7, 127.0.0.1", "203.0.113.7"),
        ("198.51.100.2", "203.0.113.7", "198.51.100.2"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", None, "127.0.0.1"),
        ("::1", "2001:DB8::7", "2001:db8::7"),
    ],
)
def test_addresses_are_taken_from_trusted_proxies_alone(peer, forwarded, address):
    headers = Headers() if forwarded is None else Headers({"X-Forwarded-For": forwarded})
    assert client_address(peer, headers, LOOPBACK) == address


def test_a_turn_is_over_after_its_answer_and_a_moment_of_quiet():
    turns = Turns()
    turns.server_said(
        "session.created", {"session": {"audio": {"input": {"transcription": {"model": "x"}}}}}, 0.0
    )
    assert turns.between(1.0)
    turns.server_said("input_audio_buffer.speech_started", {}, 1.0)
    assert not turns.between(5.0)
    turns.server_said("input_audio_buffer.speech_stopped", {}, 5.0)
    turns.server_said("input_audio_buffer.committed", {"item_id": "u"}, 5.0)
    assert not turns.between(6.0)
    turns.server_said("response.created", {}, 6.0)
    turns.server_said("response.done", {"response": {"output": []}}, 7.0)
    assert not turns.between(8.0), "the user's transcript is still due"
    turns.server_said("conversation.item.input_audio_transcription.completed", {"item_id": "u"}, 8.0)
    assert not turns.between(8.2) and turns.between(8.6)
    turns.server_said("response.created", {}, 9.0)
    turns.server_said("response.done", {"response": {"output": [{"type": "function_call"}]}}, 9.0)
    assert not turns.between(12.0), "the client owes the tool's output"
    assert turns.between(40.0), "and does not owe it for ever"


def test_a_cleared_buffer_and_an_odd_session_delay_nothing():
    turns = Turns()
    turns.server_said("session.created", {"session": "odd"}, 0.0)
    turns.server_said("input_audio_buffer.speech_started", {}, 1.0)
    turns.appended = True
    assert not turns.between(3.0)
    turns.server_said("input_audio_buffer.cleared", {}, 3.0)
    assert turns.between(4.0) and not turns.appended


@pytest.mark.parametrize(("host", "is_one"), [("LocalHost.", True), ("[::1]", True), ("example.org", False)])
def test_a_loopback_is_recognized_by_name_and_address(host, is_one):
    assert is_loopback(host) is is_one


def test_a_peer_without_an_address_is_not_a_trusted_proxy():
    assert client_address("", Headers({"X-Forwarded-For": "203.0.113.7"}), LOOPBACK) == ""


@pytest.mark.parametrize(
    "payload",
    [
        b"no json",
        b"[1]",
        b'{"exp":2e9}',
        b'{"sub":"","exp":2e9}',
        b'{"sub":"a","exp":true}',
        b'{"sub":"a","exp":"later"}',
    ],
)
def test_a_valid_signature_alone_is_not_enough(payload):
    body = f"rt1.{_encode(payload)}"
    token = f"{body}.{_encode(_sign(_key(SECRET), body))}"
    assert verify_token([SECRET], token) is None


# --- server events


@pytest.mark.parametrize(
    "payload", [b"7", b'{"type":7}', b'{"type":["error"]}', b'{"type":"nonsense"}', b"no json"]
)
def test_a_message_without_an_allowed_type_is_dropped(payload):
    assert ServerRules(Policy(), Redactor([]), time.time()).filter(payload) == (None, "", {})


def test_a_session_that_is_not_an_object_passes_unchanged():
    policy = Policy(session=SessionPolicy(instructions="The secret is BLUEBIRD."))
    rules = ServerRules(policy, Redactor([]), time.time())
    shown, kind, _ = rules.filter(b'{"type":"session.updated","session":7}')
    assert kind == "session.updated" and json.loads(shown)["session"] == 7
    odd = b'{"type":"response.done","response":7}'
    assert rules.filter(odd) == (odd, "response.done", json.loads(odd))


def test_the_choice_of_an_injected_tool_is_hidden():
    policy = Policy(session=SessionPolicy(tools=({"type": "function", "name": "book_room"},)))
    rules = ServerRules(policy, Redactor([]), time.time())
    session = {"tools": [], "tool_choice": {"type": "function", "name": "book_room"}}
    shown, *_ = rules.filter(json.dumps({"type": "session.updated", "session": session}).encode())
    assert json.loads(shown)["session"]["tool_choice"] == "auto"


# --- functions of the deployer's


def test_functions_are_found_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "desk_of_this_test.py").write_text("def look_up(): return 12\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    assert import_function("desk_of_this_test:look_up")() == 12
    assert sys.path[0] == os.getcwd()  # noqa: PTH109 - sys.path holds strings
    assert import_function("desk_of_this_test:look_up")() == 12
    with pytest.raises(ConfigurationError, match="os:sep is not a function"):
        import_function("os:sep")


# --- the journal


def test_an_exception_is_logged_by_class_and_place_without_its_message():
    try:
        raise KeyError("sk-test-in-a-message")
    except KeyError:
        record = logging.LogRecord("realtime.relay", logging.ERROR, __file__, 1, "x", (), sys.exc_info())
    line = JsonLines().format(record)
    assert json.loads(line)["error"] == "KeyError"
    assert json.loads(line)["at"][0].startswith(__file__) and "sk-test" not in line


def test_a_new_session_says_which_fields_clients_may_set():
    rules = ServerRules(Policy(), Redactor([]), time.time())
    for kind, says in (("session.created", True), ("session.updated", False)):
        shown, *_ = rules.filter(json.dumps({"type": kind, "session": {}}).encode())
        allowed = json.loads(shown).get("allowed_session_fields")
        assert (allowed is not None) is says
    assert (
        "audio"
        in json.loads(rules.filter(b'{"type": "session.created", "session": {}}')[0])[
            "allowed_session_fields"
        ]
    )


# --- approval of calls of MCP servers


@pytest.mark.parametrize("allowed", [True, False])
def test_a_policy_lets_clients_approve_calls_of_mcp_servers(allowed):
    policy = Policy(session=SessionPolicy(tools=({"type": "mcp", "server_label": "files"},)))
    if allowed:
        types = policy.clients.item_types | {"mcp_approval_response"}
        policy = replace(policy, clients=replace(policy.clients, item_types=types))
    answer = {
        "id": "item_1",
        "type": "mcp_approval_response",
        "approval_request_id": "mcpr_1",
        "approve": True,
    }
    event = {"type": "conversation.item.create", "item": answer}
    verdict = rules(policy).judge(json.dumps(event).encode(), 0.0)[0]
    assert isinstance(verdict, Refusal) != allowed
    server_rules = ServerRules(policy, Redactor([]), time.time())
    for kind, shown in (("mcp_approval_request", allowed), ("mcp_call", False), ("mcp_list_tools", False)):
        item = {
            "id": f"item_{kind}",
            "type": kind,
            "server_label": "files",
            "name": "delete",
            "arguments": "{}",
        }
        done = {"type": "conversation.item.done", "previous_item_id": None, "item": item}
        assert (server_rules.filter(json.dumps(done).encode())[0] is not None) == shown
    event["item"]["role"] = "system"
    assert isinstance(rules(policy).judge(json.dumps(event).encode(), 0.0)[0], Refusal)
