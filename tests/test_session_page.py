"""docs/session.md lists every field of a session with the values that the client and the offline server take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from realtime import RealtimeClient
from realtime.protocol.session_keywords import SESSION_KEYWORDS
from tools.session_reference import PAGE, fields, filled, rows

TEXT = PAGE.read_text(encoding="utf-8")
TABLE = dict(re.findall(r"^\| `([\w.\[\]]+)` \| ([^|]+) \|", TEXT, re.M))
# Fields that make a value complete, beside the one that is tried.
COMPLETE: dict[str, list[dict[str, Any]]] = {
    "turn_detection": [{"type": "server_vad"}, {"type": "semantic_vad"}],
    "truncation": [{"type": "retention_ratio", "retention_ratio": 0.5}],
    "tool_choice": [{"type": "function", "name": "f"}, {"type": "mcp", "server_label": "s"}],
    "input_audio_format": [{"type": "audio/pcm"}, {"type": "audio/pcmu"}],
    "output_audio_format": [{"type": "audio/pcm"}, {"type": "audio/pcmu"}],
}


def test_the_page_has_the_values_of_the_schema():
    assert filled(TEXT) == TEXT, "run: python tools/session_reference.py"


def test_every_field_and_every_keyword_has_a_row():
    assert [place for place in rows() if place not in TABLE] == []
    assert [word for word in SESSION_KEYWORDS if f"`{word}" not in TEXT] == []


def test_no_row_is_of_a_field_that_does_not_exist():
    assert set(TABLE) <= set(rows())


def sessions(place: str, value: Any) -> Iterator[dict[str, Any]]:
    """Session keywords in which *value* stands at *place*."""
    keyword, _, inner = place.partition(".")
    if not inner:
        yield {keyword: value}
        yield {keyword: [value]}
        return
    for whole in COMPLETE.get(keyword, [{}]):
        yield {keyword: {**whole, inner: value}}


def takes(place: str, value: Any) -> bool:
    """True if the client takes *value* at *place*."""
    for session in sessions(place, value):
        try:
            RealtimeClient("", "ws://127.0.0.1:1", **session)
        except (TypeError, ValueError):
            continue
        return True
    return False


SIMPLE = [place for place in TABLE if place.count(".") < 2 and "[]" not in place]
CHOICES = [place for place in SIMPLE if TABLE[place].startswith(('`"', 'list: `"')) and place != "voice"]
NUMBERS = [place for place in SIMPLE if "number from" in TABLE[place] and place != "max_output_tokens"]


@pytest.mark.parametrize("place", [place for place in CHOICES if place not in ("type", "tool_choice.type")])
def test_the_client_takes_each_word_of_the_table_and_no_other(place):
    for value in re.findall(r'`"([^"]+)"`', TABLE[place]):
        assert takes(place, value), value
    assert not takes(place, "something else")


@pytest.mark.parametrize("place", NUMBERS)
def test_the_client_takes_the_numbers_of_the_table_and_no_other(place):
    least, most = (float(text) for text in re.findall(r"from ([\d.]+) to ([\d.]+)", TABLE[place])[0])
    if TABLE[place].startswith("whole"):
        least, most = int(least), int(most)
    assert takes(place, least) and takes(place, most)
    assert not takes(place, least - 1) and not takes(place, most + 1)


def test_a_field_that_the_schema_gets_is_noticed():
    from realtime.protocol.schema import integer, nullable, record

    found = dict(fields(nullable(record({"depth": integer(1, 9)})), "new"))
    assert found == {"new.depth": "whole number from 1 to 9"}
    assert filled("| `speed` | anything | how fast |\n").startswith(
        f"| `speed` | {rows()['speed']} | how fast"
    )
