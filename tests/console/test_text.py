"""No control byte reaches a terminal, wherever the text was cut into deltas."""

from __future__ import annotations

import functools
import unicodedata

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from console.text import Cleaner, clean, one_line

NASTY = [
    "\x1b]52;c;ZXZpbA==\x07", "\x1b[2J", "\x9b31m", "\x1bP+q\x1b\\", "\x1b[?1049h", "\u202egnp.exe", "\u2066", "\r",
    "\x00", "\x7f", "\x85", "\ud83d", "\ude00", "\U000e0041", "ordinary", "é", "漢字", "👩‍👩‍👧", "\n", "\t",
]  # fmt: skip
RNG = np.random.default_rng(8)
BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@functools.cache
def is_harmless(character: str) -> bool:
    return character in "\n\t" or (
        unicodedata.category(character) not in ("Cc", "Cs") and character not in BIDI
    )


def harmless(text: str) -> bool:
    # A lone surrogate would raise
    text.encode("utf-8")
    return all(map(is_harmless, text))


def test_a_hundred_thousand_fuzzed_strings_put_out_not_one_control_byte():
    picks, lengths = RNG.integers(0, len(NASTY), (100_000, 7)).tolist(), RNG.integers(1, 8, 100_000).tolist()
    for pick, length in zip(picks, lengths, strict=True):
        text = "".join(NASTY[i] for i in pick[:length])
        shown = clean(text)
        assert harmless(shown), repr(text)
        assert "\x1b" not in shown and "\n" not in one_line(text)


@given(st.lists(st.one_of(st.sampled_from(NASTY), st.text(st.characters(), max_size=5))))
def test_deltas_joined_equal_the_whole_cleaned_wherever_it_was_cut(pieces):
    cleaner = Cleaner()
    fed = "".join(cleaner.feed(piece) for piece in pieces) + cleaner.end()
    assert fed == clean("".join(pieces))
    assert harmless(fed)


def test_a_surrogate_pair_split_over_two_deltas_is_the_character():
    cleaner = Cleaner()
    assert cleaner.feed("a\ud83d") == "a"
    assert cleaner.feed("\ude00b") == "😀b"


def test_clean_keeps_newlines_tabs_and_joined_emoji():
    assert clean("a\nb\tc 👩‍👩‍👧 漢字") == "a\nb\tc 👩‍👩‍👧 漢字"


def test_one_line_is_one_line_and_limits_are_kept():
    assert one_line("a\nb\tc") == "a b c"
    assert clean("abcdef", 3) == "abc…"
