"""What goes out: JSON's own types are copied, anything else is refused at the call, by place and type."""

from __future__ import annotations

import asyncio
import datetime
import enum
import json
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.protocol import codec, outgoing
from realtime.protocol.outgoing import check, check_event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Voice(str, enum.Enum):
    ALLOY = "alloy"


class Level(enum.IntEnum):
    LOW = 1


@pytest.mark.parametrize(
    ("value", "copy"),
    [
        ((1, (2,)), [1, [2]]),
        (MappingProxyType({"a": {}}), {"a": {}}),
        (Voice.ALLOY, "alloy"),
        ({Voice.ALLOY: Level.LOW}, {"alloy": 1}),
        (np.float64(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.arange(3), [0, 1, 2]),
        (np.array([[True]]), [[True]]),
        (np.str_("x"), "x"),
        ("\ud800", "\ud800"),
        (10**30, 10**30),
        (True, True),
    ],
)
def test_values_become_those_of_json(value, copy):
    made = check(value, "item")
    assert made == copy and type(made) is type(copy)
    assert json.loads(json.dumps(made)) == made


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [0, Path("x")]}, r"session\.a\[1\] is of type \w*Path, which JSON cannot hold"),
        ({"a": Path}, r"session\.a is the class Path"),
        (object(), "session is of type object"),
        (b"x", "give base64 text"),
        ({"a": {1}}, "give a list"),
        (datetime.datetime.now(), "of type datetime"),
        (1j, "of type complex"),
        (asyncio.CancelledError(), "CancelledError"),
        ({1: "a"}, "a key in session is of type int; the keys of JSON are texts"),
        ({"a": {None: 1}}, r"a key in session\.a is of type NoneType"),
        (np.array(["2026-11-28"], "datetime64[D]"), "NumPy value of type datetime64"),
        (np.array([object()]), "NumPy value of type object"),
    ],
)
def test_what_json_cannot_hold_is_a_type_error_that_names_its_place(value, message):
    with pytest.raises(TypeError, match=message):
        check(value, "session")


def nested(levels: int) -> list:
    value: list = []
    for _ in range(levels - 1):
        value = [value]
    return value


def circle() -> dict:
    value: dict = {}
    value["me"] = [value]
    return value


def doubling() -> list:
    value: list = []
    for _ in range(60):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "item is nan"),
        ({"a": -float("inf")}, r"item\.a is -inf"),
        (np.array([np.nan]), r"item\[0\] is nan"),
        (10**400, "too large for JSON"),
        (nested(outgoing.MAX_DEPTH + 1), "nested more than 100 levels"),
        (nested(50_000), "nested more than 100 levels"),
        (circle(), r"item\.me\[0\] contains itself"),
        (doubling(), "more than 1,000,000 values"),
    ],
)
def test_what_is_too_deep_too_large_or_no_number_is_a_value_error(value, message):
    with pytest.raises(ValueError, match=message):
        check(value, "item")


def test_the_same_list_in_two_places_is_no_circle():
    part = ["x"]
    assert check([part, part, nested(outgoing.MAX_DEPTH - 1)], "item")[:2] == [part, part]


def test_a_later_change_of_the_value_changes_nothing():
    value = {"a": [1]}
    copy = check(value, "item")
    value["a"].append(Path())
    assert copy == {"a": [1]}


def test_an_event_over_the_limit_is_refused_with_its_size():
    with pytest.raises(ValueError, match=r"conversation\.item\.create has 15,728,\d\d\d bytes"):
        check_event({"type": "conversation.item.create", "item": {"text": "x" * outgoing.MAX_EVENT_BYTES}})
    assert check_event({"type": "x", "text": "ä"}) == {"type": "x", "text": "ä"}


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"type": 5}, "the type of an event is a text, not of type int"),
        ({"type": "session.update", "session": []}, "session.update needs session=, a dictionary"),
        ({"type": "conversation.item.create"}, "needs item="),
        (
            {"type": "conversation.item.create", "item": {"id": []}},
            "id in conversation.item.create is a text",
        ),
        ({"type": "response.create", "response": [1]}, "needs response="),
        ({"type": "input_audio_buffer.append", "audio": 5}, "needs audio=, base64 text; append_input_audio"),
        *(
            ({"type": "x", name: 5}, f"{name} in x is a text")
            for name in ("event_id", "item_id", "previous_item_id", "response_id")
        ),
    ],
)
def test_an_event_of_a_shape_that_nothing_could_take_is_a_type_error(event, message):
    with pytest.raises(TypeError, match=message):
        check_event(event)


@given(JSON)
def test_every_json_value_stays_as_it_is(value):
    assert check(value, "item") == value


@given(st.from_type(type).flatmap(st.from_type))
def test_any_value_of_python_is_copied_or_refused(value):
    try:
        copy = check(value, "item")
    except (TypeError, ValueError):
        return
    codec.dumps(copy)
