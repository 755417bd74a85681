"""What a tool returns, as text: the same whichever JSON library is installed."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import types
import uuid

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.errors import ToolError
from realtime.protocol import codec
from realtime.tools.results import text_of_result, to_json


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Label(str, enum.Enum):
    GOOD = "good"


@dataclasses.dataclass
class Place:
    name: str
    when: datetime.date


class Text(str):
    pass


class Number(float):
    pass


class Count(int):
    pass


Point = collections.namedtuple("Point", "x y")
RESULTS = [
    ("as it is", "as it is"),
    (Text("a"), "a"),
    (Label.GOOD, '"good"'),
    (Colour.RED, '"red"'),
    ({Colour.RED: Level.HIGH}, '{"red":3}'),
    (Place("Zürich", datetime.date(2026, 1, 2)), '{"name":"Zürich","when":"2026-01-02"}'),
    (datetime.datetime(2026, 1, 2, 3, 4, 5), '"2026-01-02T03:04:05"'),
    (datetime.time(3, 4), '"03:04:00"'),
    (datetime.timedelta(minutes=1), "60.0"),
    (pathlib.PurePosixPath("a/b"), '"a/b"'),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ([uuid.UUID(int=1)], '["00000000-0000-0000-0000-000000000001"]'),
    (decimal.Decimal("1.50"), "1.50"),
    (b"text", '"text"'),
    (b"\xff\x00", '"/wA="'),
    (bytearray(b"a"), '"a"'),
    (memoryview(b"a"), '"a"'),
    (np.arange(3), "[0,1,2]"),
    (np.float32(0.5), "0.5"),
    (np.bool_(True), "true"),
    (np.datetime64("2026-01-02"), '"2026-01-02"'),
    (np.array([[1.0, math.nan]]), "[[1.0,null]]"),
    (array.array("h", [1, 2]), "[1,2]"),
    ({1: "a", None: "b", False: "c", 1.5: "d"}, '{"1":"a","null":"b","false":"c","1.5":"d"}'),
    ({"x"}, '["x"]'),
    (range(3), "[0,1,2]"),
    ({"a": 1}.keys(), '["a"]'),
    (collections.deque([1]), "[1]"),
    (collections.OrderedDict(a=1), '{"a":1}'),
    (types.MappingProxyType({"a": 1}), '{"a":1}'),
    (Point(1, 2), '{"x":1,"y":2}'),
    ((1, [None]), "[1,[null]]"),
    (math.nan, "null"),
    ([Number(0.5), Level.HIGH, Count(2)], "[0.5,3,2]"),
    (Number("inf"), "null"),
    (1e16, "1e+16"),
    (2**70, str(2**70)),
    ("\ud800", "\ud800"),
    (types.SimpleNamespace(__attrs_attrs__=[types.SimpleNamespace(name="a")], a=5), '{"a":5}'),
    (types.SimpleNamespace(tolist=lambda: [1]), "[1]"),
]


@pytest.fixture(params=["orjson", "json"])
def library(request, monkeypatch):
    """Each of the two JSON libraries."""
    if request.param == "json":
        monkeypatch.setattr(codec, "orjson", None)


@pytest.mark.parametrize(("result", "text"), RESULTS)
def test_a_result_is_the_same_whichever_json_library_is_installed(library, result, text):
    assert text_of_result(result) == text


def test_pydantic_objects_are_written_by_their_fields(library):
    pydantic = pytest.importorskip("pydantic")

    class Order(pydantic.BaseModel):
        dish: str
        at: datetime.date

    assert (
        to_json([Order(dish="soup", at=datetime.date(2026, 1, 2))]) == '[{"dish":"soup","at":"2026-01-02"}]'
    )


def endless():
    inside: list = []
    inside.append(inside)
    return inside


def doubling():
    value: list = []
    for _ in range(60):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (object(), "a object, which JSON cannot hold: return text"),
        (Place, "a type, which JSON cannot hold"),
        (1j, "a complex, which"),
        (np.complex64(1j), "a complex, which"),
        (np.longdouble(1), "a longdouble, which"),
        ({(1, 2): 3}, "has a tuple as a key"),
        (endless(), "contains itself"),
        (doubling(), "has more than 1048576 parts"),
        (np.zeros(2 << 20), "an array of 16777216 bytes"),
        ("x" * (2 << 20), "2097152 characters"),
        (types.SimpleNamespace(model_dump=lambda: 5), "a SimpleNamespace, which"),
    ],
)
def test_a_result_that_cannot_be_sent_is_named(result, words):
    with pytest.raises(ToolError, match=words):
        text_of_result(result)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
    )
)
def test_any_nested_result_is_valid_json(value):
    json.loads(to_json(value))
