"""Arbitrary values through the relay's rules, both ways: none raises. ``WAVTOOLS_FUZZ_VALUES`` is their number."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.datastructures import Headers

from realtime.protocol.beta import BetaTranslator
from realtime.relay import Policy
from realtime.relay.addresses import client_address
from realtime.relay.client_rules import ClientRules, Refusal, Violation
from realtime.relay.policy import LOOPBACK, LimitPolicy, SessionPolicy
from realtime.relay.server_tools import ServerTools
from realtime.relay.turns import Turns
from tests.relay_spy import server_rules_that_hide

EXAMPLES = int(os.environ.get("WAVTOOLS_FUZZ_VALUES", "400"))
FUZZ = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

KEYS = st.sampled_from(
    [
        *("type", "event_id", "item", "item_id", "previous_item_id", "session", "response", "error", "param"),
        *("audio", "input", "output", "content", "role", "name", "call_id", "id", "voice", "tools", "status"),
        *(
            "instructions",
            "tool_choice",
            "turn_detection",
            "format",
            "modalities",
            "output_modalities",
            "model",
        ),
        *("expires_at", "transcription", "part", "image_url", "arguments"),
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(
        ["message", "function_call", "user", "assistant", "realtime", "mcp_call", "lookup", "\ud800"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=6), inner, max_size=5)
    ),
    max_leaves=20,
)


def written(event: object) -> bytes:
    """JSON text as a careless writer makes it: with NaN, infinities, lone surrogates."""
    return json.dumps(event).encode()


@FUZZ
@given(
    st.sampled_from(sorted(Policy().clients.events)) | JSON,
    st.dictionaries(KEYS, JSON, max_size=5),
    st.booleans(),
)
def test_no_json_value_of_a_client_raises(kind, fields, beta):
    fields_allowed = Policy().clients.session_fields | {"tools", "tool_choice", "instructions"}
    limits = LimitPolicy(messages_per_second=1e9, refusals_per_minute=1e9)
    policy = Policy(
        limits=limits,
        clients=type(Policy().clients)(session_fields=fields_allowed, voices=("ash",)),
        session=SessionPolicy(tools=({"name": "lookup"},)),
    )
    rules = ClientRules(policy, "m", BetaTranslator() if beta else None)
    for event in ({**fields, "type": kind}, fields, kind):
        verdict, _ = rules.judge(written(event), 0.0)
        assert isinstance(verdict, (bytes, Refusal, Violation))
        if isinstance(verdict, Refusal):
            json.loads(verdict.event())
        elif isinstance(verdict, bytes):
            json.loads(verdict, parse_constant=pytest.fail)


@FUZZ
@given(
    st.sampled_from(sorted(Policy().clients.server_events)) | JSON,
    st.dictionaries(KEYS, JSON, max_size=5),
    st.booleans(),
)
def test_no_json_value_of_a_server_raises(kind, fields, beta):
    rules, turns = server_rules_that_hide(beta), Turns()
    tools = ServerTools({}, lambda event: None, lambda name, error: None)
    event = {**fields, "type": kind}
    # What JSON does not have may be dropped, by the last resort of the pipe.
    event = json.loads(json.dumps(event), parse_constant=lambda name: None)
    for _ in range(2):
        shown, seen, parsed = rules.filter(written(event))
        assert shown is None or b"BLUEBIRD" not in shown
        if seen and parsed:
            turns.server_said(seen, parsed, 0.0)
            tools.server_said(seen, parsed)


LATIN = st.characters(codec="latin-1", exclude_categories=["Cc"])
NOTATIONS = st.from_regex(r'[\[\]":0-9a-f.%=;, for]{0,40}', fullmatch=True)


@FUZZ
@given(st.text(LATIN, max_size=40) | NOTATIONS)
def test_no_text_of_a_proxy_raises(text):
    for name in ("X-Forwarded-For", "Forwarded"):
        assert client_address("127.0.0.1", Headers({name: text}), LOOPBACK)
