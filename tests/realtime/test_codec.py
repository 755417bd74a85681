"""Codec: JSON and base64 work alike with the fast libraries and with the standard library."""

from __future__ import annotations

import importlib.util
import math
import sys
from unittest.mock import patch

import pybase64
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.protocol import codec


@pytest.fixture(params=["fast", "standard"])
def library(request, monkeypatch):
    if request.param == "standard":
        monkeypatch.setattr(codec, "orjson", None)
        monkeypatch.setattr(codec, "pybase64", None)
    return request.param


def test_json_goes_there_and_back(library):
    value = {"a": [1, 2.5, None, True, "ü"], "b": {}}
    assert codec.loads(codec.dumps(value)) == value
    assert codec.loads(b'{"a":1}') == {"a": 1}


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "nul", b"\xff", b'"\xff"'])
def test_what_is_no_json_is_a_value_error(library, text):
    with pytest.raises(ValueError):
        codec.loads(text)


def test_what_json_cannot_hold_is_a_type_error(library):
    with pytest.raises(TypeError):
        codec.dumps({"a": object()})


def test_lone_surrogates_and_large_integers_are_written(library):
    assert codec.dumps("\ud800") == '"\\ud800"' and codec.dumps(10**30) == str(10**30)


def test_base64_goes_there_and_back(library):
    import numpy as np

    samples = np.arange(-3, 4, dtype=np.int16)
    assert codec.b64decode(codec.b64encode(samples)) == samples.tobytes()
    assert codec.b64encode(b"") == "" and codec.b64decode("") == b""


@pytest.mark.parametrize(
    "text",
    ["%%%%", "ÄÄÄÄ", "A" * 5, "A", "=", "AA=A", "AA==AA==", "AAAA=", "AA-_", "A\ud800AA", "\0AAA"],
)
def test_what_is_no_base64_is_a_value_error(library, text):
    with pytest.raises(ValueError):
        codec.b64decode(text)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("AAEC\r\nAwQF\r\n", b"\0\1\2\3\4\5"),
        (" AA\tEC ", b"\0\1\2"),
        ("AAE", b"\0\1"),
        ("AA", b"\0"),
        ("AA =\n=", b"\0"),
        ("AAE=\f", b"\0\1"),
        ("\n", b""),
    ],
)
def test_base64_with_line_breaks_or_without_padding_is_read_as_atob_reads_it(library, text, data):
    assert codec.b64decode(text) == data


@given(st.text(alphabet="Az09+/= \n\r\t-_", max_size=12))
def test_both_libraries_read_the_same_base64(text):
    found = []
    for fast in (pybase64, None):
        with patch.object(codec, "pybase64", fast):
            try:
                found.append(codec.b64decode(text))
            except ValueError:
                found.append(None)
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":-Infinity}', {"a": -math.inf}),
        (b'{"a":"\\ud83d"}', {"a": "\ud83d"}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        ('{"a":1e999}', {"a": math.inf}),
    ],
)
def test_what_the_fast_parser_refuses_and_the_standard_one_reads_is_read(library, text, value):
    assert codec.loads(text) == value


def test_nesting_is_bounded_at_the_same_level_with_both_libraries(library):
    def nested(levels: int) -> str:
        return '{"a":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"

    assert codec.loads(nested(codec.MAX_LEVELS))
    for levels in (codec.MAX_LEVELS + 1, 600, 5000):
        with pytest.raises(ValueError, match="nested"):
            codec.loads(nested(levels))
    with pytest.raises(ValueError):
        codec.loads("[" * 200 + "]" * 200)
    assert codec.loads(nested(600), prune=True) == codec.loads(nested(codec.MAX_LEVELS + 1), prune=True)
    assert codec.dumps(codec.loads(nested(600), prune=True)).count("[") == codec.MAX_LEVELS


def test_no_number_is_written_as_null(library):
    assert codec.dumps({"a": [math.nan, math.inf, 1]}) == '{"a":[null,null,1]}'
    # The standard library writes this one: orjson takes no integer of that size.
    assert codec.dumps([math.nan, 10**30]) == f"[null,{10**30}]"


def test_a_value_that_contains_itself_is_a_value_error(library):
    value: list = []
    value.append(value)
    with pytest.raises(ValueError):
        codec.dumps(value)
    for _ in range(5000):
        value = [value]
    with pytest.raises(ValueError):
        codec.dumps(value)


def test_without_the_fast_libraries_the_standard_library_serves(monkeypatch):
    monkeypatch.setitem(sys.modules, "orjson", None)
    monkeypatch.setitem(sys.modules, "pybase64", None)
    spec = importlib.util.spec_from_file_location("codec_without_libraries", codec.__file__)
    bare = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bare)
    assert bare.orjson is None and bare.pybase64 is None
    assert bare.loads(bare.dumps({"a": 1})) == {"a": 1} and bare.b64decode(bare.b64encode(b"x")) == b"x"
