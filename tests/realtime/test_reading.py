"""Safe reading: any JSON value in, a value of the promised type out, never an exception."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.protocol.audio_format import PCMA, PCMU, AudioFormat
from realtime.protocol.reading import branch, dict_of, list_of, ms_of, output_format_of, text_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(["audio", "input", "output", "format", "type", "rate"]) | st.text(max_size=8),
            children | st.sampled_from(["pcm16", "audio/pcm", "audio/pcmu"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(JSON)
def test_any_value_can_be_read(value):
    assert text_of(value) is None or text_of(value) is value
    assert (dict_of(value) is value) == isinstance(value, dict) and isinstance(dict_of(value), dict)
    assert (list_of(value) is value) == isinstance(value, list) and isinstance(list_of(value), list)
    assert ms_of(value) is None or 0 <= ms_of(value) < 1e12
    assert isinstance(branch(value, "output"), dict)
    assert isinstance(output_format_of(value), (AudioFormat, type(None)))


@settings(deadline=None)
@given(JSON)
def test_any_value_can_stand_where_a_session_keeps_its_formats(value):
    for session in ({"audio": value}, {"audio": {"output": value}}, {"audio": {"output": {"format": value}}}):
        assert isinstance(branch(session, "output"), dict)
        assert isinstance(output_format_of(session), (AudioFormat, type(None)))


@pytest.mark.parametrize("value", [True, -1, 1e12, 10**400, float("nan"), float("inf"), "5", None])
def test_milliseconds_must_be_plausible(value):
    assert ms_of(value) is None


def test_fields_that_are_there_are_read():
    session = {"audio": {"input": {"format": {"type": "audio/pcma"}}, "output": {"format": "g711_ulaw"}}}
    assert branch(session, "input") is session["audio"]["input"]
    assert output_format_of(session) is PCMU and output_format_of({}) is None
    assert output_format_of({"audio": {"output": session["audio"]["input"]}}) is PCMA
    assert output_format_of({"audio": {"output": {"format": {"type": "audio/pcm", "rate": True}}}}) is None
    assert (ms_of(0), ms_of(2.5), text_of("x"), list_of([1]), dict_of({"a": 1})) == (
        0,
        2.5,
        "x",
        [1],
        {"a": 1},
    )
