"""Text cut where listening ended: words stay whole, and characters of every script do."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.conversation.text_cut import cut_text, join_text, without_lone_surrogates

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("text", "position", "heard"),
    [
        ("one two three", 1, ""),
        ("one two three", 3, "one"),
        ("one two three", 6, "one"),
        ("one\ttwo", 5, "one"),
        ("one two", 99, "one two"),
        ("今天天气很好我们去公园吧", 9, "今天天气很好我们去"),
        ("我喜欢 Python 编程语言因为它很简单", 14, "我喜欢 Python 编程语"),
        ("我喜欢 Python 编程", 6, "我喜欢"),
        ("我喜欢Python编程 好", 6, "我喜欢"),
        ("東京へ\u3000行きます", 6, "東京へ\u3000行き"),
        ("かき\u3099 く", 2, "か"),
        ("สวัสดีครับ ผมชื่อ", 5, "สวัส"),
        ("น\u0e33 น\u0e33", 1, ""),
        ("안녕하세요 반갑습니다", 4, "안녕하세"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", 5, "\u1112\u1161\u11ab"),
        ("नमस्ते दुनिया", 4, "नमस्"),
        ("cafe\u0301s", 4, "caf"),
        ("Hello!", 4, "Hell"),
        ("Привет мир", 8, "Привет"),
        (FAMILY + FAMILY + " x", 7, FAMILY),
        ("\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", 3, "\U0001f1e9\U0001f1ea"),
        ("\U0001f44d\U0001f3fd\U0001f44d\U0001f3fd", 3, "\U0001f44d\U0001f3fd"),
        ("\u2764\ufe0f\u2764\ufe0f", 3, "\u2764\ufe0f"),
        ("\ud83d\ude00\ud83d\ude00", 3, "\ud83d\ude00"),
        ("a" * 100, 75, "a" * 75),
        ("a " + "b" * 100, 75, "a " + "b" * 73),
        ("", 0, ""),
    ],
)
def test_a_text_is_cut_at_a_word_or_at_a_whole_character(text, position, heard):
    assert cut_text(text, position) == heard


@given(st.text(alphabet=st.characters(), max_size=60), st.integers(0, 70))
def test_any_text_is_cut_to_a_part_that_ends_before_no_mark(text, position):
    part = cut_text(text, position)
    assert text.startswith(part) and len(part) <= max(position, 0)
    rest = text[len(part) :]
    assert not part or not rest or unicodedata.category(rest[0])[0] != "M"


def test_a_surrogate_pair_cut_between_two_pieces_is_one_character_again():
    assert join_text("so \ud83d", "\ude00!") == "so \U0001f600!"
    assert join_text("a", "b") == "ab" and join_text("", "\ude00") == "\ude00"
    assert without_lone_surrogates("a\ud83d b\U0001f600") == "a\ufffd b\U0001f600"
