"""Codec: JSON and base64 work alike with the fast libraries and with the standard library."""

from __future__ import annotations

import importlib.util
import sys

import pytest

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


@pytest.mark.parametrize("text", ["%%%%", "AAA", "AA\nAA", "ÄÄÄÄ", "A" * 5])
def test_what_is_no_base64_is_a_value_error(library, text):
    with pytest.raises(ValueError):
        codec.b64decode(text)


def test_without_the_fast_libraries_the_standard_library_serves(monkeypatch):
    monkeypatch.setitem(sys.modules, "orjson", None)
    monkeypatch.setitem(sys.modules, "pybase64", None)
    spec = importlib.util.spec_from_file_location("codec_without_libraries", codec.__file__)
    bare = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bare)
    assert bare.orjson is None and bare.pybase64 is None
    assert bare.loads(bare.dumps({"a": 1})) == {"a": 1} and bare.b64decode(bare.b64encode(b"x")) == b"x"
