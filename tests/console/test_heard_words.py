"""Which word is heard: from known places exactly, between them by characters, whatever the server sends."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.heard_words import HeardWords
from console.sounding import Sounding

RATE = 24_000


def stream(*steps: tuple[int, str]) -> tuple[HeardWords, str]:
    """The words of an answer that came in *steps* of (samples, text), and its text."""
    words, samples, text = HeardWords(), 0, ""
    for more, piece in steps:
        samples, text = samples + more, text + piece
        words.grow(samples, text)
    words.grow(samples, text, complete=True)
    return words, text


def heard(words: HeardWords, text: str, samples: int) -> str:
    """The word at a position."""
    begin, end = words.word(samples, text)
    return text[begin:end]


# A word of one to twelve letters, and its length in samples: 60 ms to 1 s
spoken_words = st.lists(
    st.tuples(st.text("abcdefgh", min_size=1, max_size=12), st.integers(1_440, RATE)), min_size=1, max_size=40
)


@given(spoken_words, st.sampled_from(["{} ", " {}", "{}"]), st.integers(1, 4))
def test_where_each_word_comes_before_its_audio_every_word_is_heard_to_the_sample(spoken, form, chunks):
    steps = []
    for word, length in spoken:
        steps.append((0, form.format(word) if form != "{}" else f"{word}\n"))
        ends = np.linspace(0, length, chunks + 1).astype(int)
        steps += [(int(more), "") for more in np.diff(ends)]
    words, text = stream(*steps)
    at = 0
    for word, length in spoken:
        assert heard(words, text, at + 1) == word
        assert heard(words, text, at + length) == word
        at += length


@given(spoken_words)
def test_where_each_word_comes_after_its_audio_every_word_is_heard_to_the_sample(spoken):
    words, text = stream(*((length, f"{word} ") for word, length in spoken))
    at = 0
    for word, length in spoken:
        assert heard(words, text, at + 1) == word and heard(words, text, at + length) == word
        at += length


arrivals = st.lists(
    st.tuples(st.integers(0, 3 * RATE), st.text("ab \n\t漢e\u0301😀", max_size=30)), max_size=40
)


@given(arrivals, st.lists(st.integers(-5, 200 * RATE), min_size=2, max_size=20))
def test_whatever_arrives_words_light_up_in_order_and_all_of_them_in_the_end(steps, positions):
    words, text = stream(*steps)
    ends = [words.word(position, text)[1] for position in sorted(positions)]
    assert ends == sorted(ends)
    assert words.word(0, text) == (0, 0)
    total = sum(more for more, _ in steps)
    assert words.index(total + 1, text) == len(text)
    for position in positions:
        begin, end = words.word(position, text)
        assert 0 <= begin <= end <= len(text)
        assert not any(map(str.isspace, text[begin:end]))


@given(arrivals, st.integers(0, 200 * RATE))
def test_while_it_arrives_no_word_is_heard_that_has_not_come(steps, position):
    words, samples, text = HeardWords(), 0, ""
    for more, piece in steps:
        samples, text = samples + more, text + piece
        words.grow(samples, text)
        assert words.word(min(position, samples), text)[1] <= len(text)


@given(arrivals)
def test_places_are_saved_and_read_again(steps):
    words, text = stream(*steps)
    total = sum(more for more, _ in steps)
    again = HeardWords.from_json(words.as_json(), total, text, RATE)
    if again.as_json() == words.as_json():
        # Text that ran ahead tells no places that could be saved
        for position in range(0, total, max(total // 20, 1)):
            assert again.word(position, text)[1] <= len(text)


@pytest.mark.parametrize(
    "saved", [None, 5, [1, 2], [["x", "y"]], [[-1, 5]], [[1e300, 2]], [[10, 99], [5, 1]]]
)
def test_damaged_places_do_no_harm(saved):
    words = HeardWords.from_json(saved, 100, "one two", RATE)
    assert words.word(1, "one two") and words.index(101, "one two") == 7


def test_a_sentence_that_comes_before_its_audio_is_divided_by_characters():
    words, text = stream((0, "aaa bbb "), (6_000, ""), (0, "cc dd"), (8_000, ""))
    assert [heard(words, text, at) for at in (1, 3_000, 3_001, 6_001, 10_000, 10_001)] == [
        "aaa", "aaa", "bbb", "cc", "cc", "dd",
    ]  # fmt: skip


def test_text_that_runs_ahead_of_its_audio_is_divided_over_all_of_it():
    """Four seconds of speech, all of whose text had come with the first half second of it."""
    text = "one two three four five six seven eight nine ten"
    steps = [(0, text[:20]), (6_000, text[20:40]), (6_000, text[40:]), (84_000, "")]
    words, _ = stream(*steps)
    assert heard(words, text, 1) == "one"
    assert heard(words, text, 48_000) in ("five", "six")
    assert heard(words, text, 96_000) == "ten"


def test_before_the_end_is_known_the_usual_rate_of_speech_counts():
    words = HeardWords()
    text = "word " * 28
    words.grow(0, text)
    words.grow(2 * RATE, text)
    # 14 characters a second: two seconds of 112 characters
    assert 20 <= words.word(2 * RATE, text)[1] <= 40


def test_a_final_transcript_that_is_shorter_is_taken():
    words, text = stream((0, "one two three four"), (24_000, ""))
    words.grow(24_000, "one two", complete=True)
    assert heard(words, "one two", 24_000) == "two"
    assert text


def test_scripts_without_spaces_light_up_character_by_character():
    words, text = stream((0, "你好世界"), (4_000, ""))
    assert [heard(words, text, at) for at in (1, 1_001, 2_001, 4_000)] == list("你好世界")
    long = "x" * 100
    words, _ = stream((0, long), (10_000, ""))
    assert heard(words, long, 5_000) == "x"


def test_silence_takes_no_letters():
    """A second of silence, two words, a pause of a second after the first sentence, two words."""
    text = "aaaa bbbb. cccc dddd."
    loud, silent = np.full(RATE, 3_000, np.int16), np.zeros(RATE, np.int16)
    words = HeardWords()
    words.grow(0, text)
    for number, piece in enumerate((silent, loud, silent, loud, silent), 1):
        words.add_audio(piece)
        words.grow(number * RATE, text)
    words.grow(5 * RATE, text, complete=True)
    assert words.word(RATE - 480, text) == (0, 0)
    spoken = [heard(words, text, int(seconds * RATE)) for seconds in (1.1, 1.6, 2.5, 3.1, 3.7, 4.9)]
    assert spoken == ["aaaa", "bbbb.", "bbbb.", "cccc", "dddd.", "dddd."]


def test_a_word_whose_audio_begins_with_silence_lights_up_when_it_sounds():
    words, samples, text = HeardWords(), 0, ""
    for word in ("one", "two"):
        text += f" {word}"
        words.grow(samples, text)
        for piece in (np.zeros(12_000, np.int16), np.full(12_000, -32_768, np.int16)):
            words.add_audio(piece)
            samples += len(piece)
            words.grow(samples, text)
    assert [heard(words, text, at) for at in (1, 12_001, 30_000, 36_001)] == ["", "one", "one", "two"]


@given(st.lists(st.integers(0, 2_000), max_size=12), st.lists(st.booleans(), min_size=12, max_size=12))
def test_sounding_samples_are_counted_the_same_in_pieces_of_any_length(lengths, loud):
    pieces = [
        np.full(length, 5_000 if on else 0, np.int16) for length, on in zip(lengths, loud, strict=False)
    ]
    whole, parts = Sounding(), Sounding()
    for piece in pieces:
        parts.add(piece)
    if pieces:
        whole.add(np.concatenate(pieces))
    counts = [parts.count(at) for at in range(0, sum(lengths) + 2_000, 37)]
    assert counts == [whole.count(at) for at in range(0, sum(lengths) + 2_000, 37)]
    assert counts == sorted(counts)
    assert all(0 <= b - a <= 37 for a, b in itertools.pairwise(counts))


def test_digits_take_as_long_as_words():
    words, text = stream((0, "is 19.4 or"), (17_000, ""))
    # Two letters, three digits and a point, two letters
    assert [heard(words, text, at) for at in (2_000, 2_001, 15_000, 15_001)] == ["is", "19.4", "19.4", "or"]
