"""Verbs: what a page may ask, and that nothing else does anything."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.errors import UserError
from console.web.verbs import MAX_FRAME_CHARS, VERBS, read_frame

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def refused(frame) -> str:
    with pytest.raises(UserError) as error:
        read_frame(frame)
    return str(error.value)


def test_each_verb_is_read_with_its_arguments():
    for name, verb in VERBS.items():
        arguments = {argument: 1 if kind is int else "x" for argument, kind in verb.arguments.items()}
        assert read_frame(json.dumps({"verb": name, **arguments, "ask": 3})) == (name, arguments, 3)
        assert read_frame(json.dumps({"verb": name, **arguments})) == (name, arguments, None)


def test_an_unknown_verb_is_answered_with_the_known_ones():
    assert "known: connect" in refused('{"verb": "use_key"}')
    assert "known: connect" in refused('{"verb": ["talk"]}')


def test_no_verb_takes_a_key():
    assert not any("key" in name for verb in VERBS.values() for name in verb.arguments)


def test_an_argument_is_missing_unknown_or_wrong():
    assert refused('{"verb": "text"}') == "text takes text"
    assert refused('{"verb": "talk", "now": 1}') == "talk takes no argument"
    assert "whole number" in refused('{"verb": "payload", "number": -1}')
    assert "whole number" in refused('{"verb": "payload", "number": true}')
    assert "whole number" in refused('{"verb": "payload", "number": 1.5}')
    assert "whole number" in refused('{"verb": "talk", "ask": "1"}')
    assert "at most" in refused(json.dumps({"verb": "text", "text": "x" * 40_000}))
    assert "at most" in refused('{"verb": "text", "text": 1}')


def test_a_frame_is_one_object_of_bounded_size():
    assert "JSON object" in refused("[]")
    assert "JSON object" in refused("{")
    assert "JSON object" in refused("[" * 60_000)
    assert "not bytes" in refused(b"{}")
    assert "at most" in refused(" " * (MAX_FRAME_CHARS + 1))


@given(JSON)
def test_any_json_is_read_or_refused(value):
    try:
        name, arguments, _ = read_frame(json.dumps(value))
    except UserError:
        return
    assert set(arguments) == set(VERBS[name].arguments)


@given(
    st.sampled_from(sorted(VERBS)),
    st.dictionaries(st.sampled_from(["text", "id", "number", "ask", "mode", "captured"]), JSON),
)
def test_any_argument_is_read_or_refused(name, arguments):
    try:
        read_frame(json.dumps({"verb": name, **arguments}))
    except UserError as error:
        assert len(str(error)) < 500
