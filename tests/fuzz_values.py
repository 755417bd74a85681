"""Values for property tests: any JSON that a server may send, and any object that an application may pass.

WAVTOOLS_FUZZ_VALUES sets how many values a property test tries (default 4 000, a few seconds); `make soak` tries a
million.
"""

from __future__ import annotations

import asyncio
import copy
import datetime
import enum
import math
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.wire_recordings import recordings

__all__ = ["BAD", "JSON", "OBJECTS", "ODD", "SERVER_EVENTS", "VALUES_IN_EXAMPLE", "every_change", "many"]

VALUES = int(os.environ.get("WAVTOOLS_FUZZ_VALUES", "4000"))
VALUES_IN_EXAMPLE = 10

# Texts that mean something in the protocol, or that break something elsewhere.
WORDS = [
    "",
    "root",
    "none",
    "completed",
    "incomplete",
    "failed",
    "cancelled",
    "in_progress",
    "assistant",
    "user",
    "message",
    "function_call",
    "mcp_call",
    "text",
    "audio",
    "input_audio",
    "audio/pcm",
    "audio/pcmu",
    "pcm16",
    "server_vad",
    "conversation_already_has_active_response",
    "input_audio_buffer_commit_empty",
    "session_expired",
    "resp_1",
    "item_answer",
    "item_user",
    "AAAA",
    "AAA\n=",
    "\ud83d",
    "\x1b[31m",
    "日本語",
]
NUMBERS = [0, -1, 1, 1.5, -0.0, 2**31, 2**63, 2**64, 10**40, 10**400, 1e308, math.inf, -math.inf, math.nan]

_SCALARS = (
    st.none()
    | st.booleans()
    | st.sampled_from(NUMBERS)
    | st.integers()
    | st.sampled_from(WORDS)
    | st.text(max_size=8)
)
KEYS = [
    "id type role status content text transcript audio delta error message code event_id item item_id response",
    "response_id output output_index content_index session input format rate turn_detection usage segments name",
    "call_id arguments previous_item_id conversation_id audio_end_ms status_details tools expires_at rate_limits",
]
_KEYS = st.sampled_from(" ".join(KEYS).split()) | st.text(max_size=6)
JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=8,
) | st.sampled_from([60, 600]).map(lambda levels: nested(levels))


def nested(levels: int) -> Any:
    """Lists and objects in turns."""
    value: Any = "deep"
    for level in range(levels):
        value = [value] if level % 2 else {"item": value}
    return value


EVENTS = [event for recording in recordings().values() for event in recording]
EVENTS += [
    {
        "type": "error",
        "error": {"type": "invalid_request_error", "code": "x", "message": "no", "event_id": "e"},
    },
    {"type": "rate_limits.updated", "rate_limits": [{"name": "tokens", "limit": 1, "remaining": 1}]},
    {
        "type": "session.updated",
        "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}},
    },
    {"type": "session.created", "session": {"modalities": ["text"], "input_audio_format": "pcm16"}},
    {
        "type": "conversation.item.created",
        "item": {"id": "i", "role": "assistant", "content": [{"type": "text"}]},
    },
]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside of *value*."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[tuple[Any, ...]] = [path] if path else []
    for key, part in parts:
        found += _places(part, (*path, key))
    return found


def _shape(value: Any) -> Any:
    """Equal for two events that differ in their values alone."""
    if isinstance(value, dict):
        return [value.get("type"), *([key, _shape(part)] for key, part in value.items())]
    return [_shape(part) for part in value] if isinstance(value, list) else None


# One of each shape.
EVENTS = list({str(_shape(event)): event for event in EVENTS}.values())
PLACES = [_places(event) for event in EVENTS]


# One of each kind, for the tests that try every place.
BAD = [
    None,
    True,
    "",
    "x",
    0,
    -1,
    1.5,
    10**400,
    math.inf,
    math.nan,
    [],
    [[]],
    ["x"],
    {},
    {"type": []},
    nested(600),
]


def every_change() -> Iterator[Any]:
    """Every event with every value of `BAD` at every place."""
    for index, places in enumerate(PLACES):
        for number in range(len(places)):
            for value in BAD:
                yield _changed(index, [(number, value)])


def _changed(index: int, changes: list[tuple[int, Any]]) -> Any:
    event = copy.deepcopy(EVENTS[index])
    changed: list[tuple[Any, ...]] = []
    for number, value in changes:
        path = PLACES[index][number % len(PLACES[index])]
        # Values are shared by many events: no later change may write into one.
        if any(path[: len(earlier)] == earlier for earlier in changed):
            continue
        changed.append(path)
        holder = event
        try:
            for key in path[:-1]:
                holder = holder[key]
            holder[path[-1]] = value
        except (TypeError, KeyError, IndexError):
            # An earlier change has removed the place.
            continue
    return event


# Real events with any value at any place, real events, and anything else.
SERVER_EVENTS = (
    st.builds(
        _changed,
        st.integers(0, len(EVENTS) - 1),
        st.lists(st.tuples(st.integers(0, 200), st.sampled_from(BAD) | JSON), max_size=2),
    )
    | st.builds(
        lambda kind, fields: {**fields, "type": kind["type"]},
        st.sampled_from(EVENTS),
        st.dictionaries(_KEYS, JSON),
    )
    | JSON
)


class Voice(str, enum.Enum):
    """An enumeration of texts, as applications have them."""

    ALLOY = "alloy"


class Broken:
    """An object that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError

    __str__ = __repr__


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.append({"item": circle})
    return circle


ODD = [
    Path("x"),
    Path,
    object(),
    Broken(),
    b"bytes",
    bytearray(b"x"),
    {1, 2},
    Voice.ALLOY,
    Decimal("1.5"),
    datetime.datetime(2026, 11, 28),
    asyncio.CancelledError(),
    _circle(),
    nested(99),
    nested(600),
    nested(50_000),
    np.int16(3),
    np.zeros(4, np.int16),
    np.zeros((2, 2)),
    np.array([object()]),
    {1: 2, None: 3},
    {("a", "b"): 1},
    range(3),
    iter([1]),
    lambda: None,
    1j,
    "\ud800",
    "x" * 100_000,
]
OBJECTS = (
    st.recursive(
        # By number: Hypothesis shows the elements of a list, which some of these do not survive.
        _SCALARS | st.integers(0, len(ODD) - 1).map(lambda number: ODD[number]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.tuples(inner)
            | st.dictionaries(_KEYS, inner, max_size=4)
            | st.dictionaries(st.integers() | st.none(), inner, max_size=1)
        ),
        max_leaves=8,
    )
    | JSON
)


def many(test: Any) -> Any:
    """Run a property test with as many examples as WAVTOOLS_FUZZ_VALUES asks for, `VALUES_IN_EXAMPLE` values each."""
    return settings(
        max_examples=max(VALUES // VALUES_IN_EXAMPLE, 1),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )(test)
