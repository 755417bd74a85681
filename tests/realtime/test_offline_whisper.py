"""The parts of Whisper that need no model: window, mel filters, cuts, tokens; also interim words and sentences."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.offline.models.interfaces import ModelError
from realtime.offline.models.whisper import (
    LONGEST_SAMPLES,
    RATE_HZ,
    _read_vocabulary,
    decode_tokens,
    first_tokens,
    is_loop,
    log_mel,
    mel_filters,
    split_at_quiet,
    window_frames,
)
from realtime.offline.session.interim import InterimTranscript
from realtime.offline.session.outputs import LONGEST_SENTENCE, split_sentences


@pytest.mark.parametrize(
    ("seconds", "frames"), [(0, 1000), (9.0, 1000), (9.01, 1500), (14.0, 1500), (14.01, 3000), (29.0, 3000)]
)
def test_window_is_the_smallest_that_holds_the_utterance_and_a_second(seconds: float, frames: int) -> None:
    assert window_frames(round(seconds * RATE_HZ)) == frames


def test_mel_filters_have_equal_area_and_follow_slaneys_scale() -> None:
    filters = mel_filters(80)
    assert filters.shape == (80, 201)
    assert (filters >= 0).all()
    peaks = filters.argmax(axis=1) * 40.0  # Hz per bin
    assert (np.diff(peaks) >= 0).all()
    assert peaks[-1] == pytest.approx(7800, abs=200)
    # A triangle of area 1 sampled every 40 Hz; the wide ones are sampled well.
    np.testing.assert_allclose(filters[40:].sum(axis=1) * 40.0, 1.0, rtol=0.08)


def test_tone_lights_the_band_that_holds_it() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    filters = mel_filters(80)
    features = log_mel(tone, 1000, filters)
    assert features.shape == (80, 1000)
    assert features.dtype == np.float32
    # Bin 25 is 1 kHz.
    assert features[:, 50].argmax() == filters[:, 25].argmax()
    # The floor is 8 decades below the peak, divided by 4.
    assert features.max() - features.min() <= 2.0 + 1e-6


@given(st.integers(0, 4 * LONGEST_SAMPLES))
def test_long_audio_is_cut_without_losing_a_sample(length: int) -> None:
    pieces = split_at_quiet(np.zeros(length, np.float32), LONGEST_SAMPLES)
    assert sum(len(piece) for piece in pieces) == length
    assert all(len(piece) <= LONGEST_SAMPLES for piece in pieces)


def test_long_audio_is_cut_where_it_is_quiet() -> None:
    audio = np.ones(40 * RATE_HZ, np.float32)
    audio[25 * RATE_HZ : 26 * RATE_HZ] = 0.0
    first, _ = split_at_quiet(audio, LONGEST_SAMPLES)
    assert 25 * RATE_HZ <= len(first) <= 26 * RATE_HZ


def test_tokens_are_bytes_in_disguise() -> None:
    assert decode_tokens(["<|startoftranscript|>", "ĠHello", ",", "ĠcafÃ©", "<|endoftext|>"]) == "Hello, café"
    assert decode_tokens(["Ã"]) == "\N{REPLACEMENT CHARACTER}"


def test_loops_are_told_from_repeated_words() -> None:
    assert is_loop([7, 8, 1, 2, 3, 1, 2, 3, 1, 2, 3])
    assert is_loop([5] * 9)
    assert not is_loop([5] * 8)  # "no, no, no, no ..."
    assert not is_loop([1, 2, 3, 1, 2, 3])
    assert not is_loop([])


def test_interim_reports_what_two_recognitions_agree_on() -> None:
    interim = InterimTranscript()
    assert interim.push("What is") == ""
    assert interim.push("What is the weather") == "What is"
    assert interim.push("What is the wetter in") == " the"
    # It differs from the reported words.
    assert interim.push("What was the weather in") == ""
    assert interim.push("What is the weather in Paris") == ""
    assert interim.finish("What is the weather in Paris?") == [" weather", " in", " Paris?"]


def test_interim_that_was_wrong_leaves_the_last_word_to_completed() -> None:
    interim = InterimTranscript()
    interim.push("I scream now")
    interim.push("I scream now")
    assert interim.finish("Ice cream now") == []


@given(st.lists(st.text("ab ", max_size=12), max_size=8))
def test_interim_deltas_join_to_the_final_text_unless_it_changed(texts: list[str]) -> None:
    interim = InterimTranscript()
    reported = "".join(interim.push(text) for text in texts)
    final = texts[-1] if texts else ""
    joined = reported + "".join(interim.finish(final))
    if final.startswith(reported) and joined != reported:
        assert joined.rstrip() == final.rstrip()


@given(st.text("ab .,!?\n", max_size=2000))
def test_sentences_and_rest_join_to_the_text(text: str) -> None:
    sentences, rest = split_sentences(text)
    assert "".join(sentences) + rest == text
    assert len(rest) <= LONGEST_SENTENCE


def test_sentences_are_cut_after_their_end_mark() -> None:
    assert split_sentences('He said "Stop!" Then 3.5 went by. And') == (
        ['He said "Stop!" ', "Then 3.5 went by. "],
        "And",
    )


def test_a_sentence_without_end_is_cut_at_a_comma_or_a_space() -> None:
    text = "a" * 10 + ", " + "b" * 500
    assert split_sentences(text) == (["a" * 10 + ",", " " + "b" * 399], "b" * 101)
    words = "word " * 100
    assert all(sentence.endswith("word ") for sentence in split_sentences(words)[0])


def test_a_model_of_several_languages_is_told_which() -> None:
    assert first_tokens(False) == ["<|startoftranscript|>", "<|notimestamps|>"]
    assert first_tokens(True)[1:3] == ["<|en|>", "<|transcribe|>"]


def test_vocabularies_are_read_in_both_forms(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="it is not a CTranslate2 model"):
        _read_vocabulary(tmp_path)
    (tmp_path / "vocabulary.json").write_text(json.dumps(["a", "b"]))
    assert _read_vocabulary(tmp_path) == ["a", "b"]
    (tmp_path / "vocabulary.txt").write_text("c\nd\n")
    assert _read_vocabulary(tmp_path) == ["c", "d"]
