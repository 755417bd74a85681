"""Bands have the original's values, and a recording's spectra are taken at the original's times."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

from tests.conformance import both, load
from wavtools.analysis import AudioAnalysis
from wavtools.spectrum import Analyser


@both("frequencies")
def test_values_frequencies_and_labels_are_exact(folder: pathlib.Path) -> None:
    vectors = load(folder, "frequencies")
    for case in vectors.facts["cases"]:
        key = f"case{case['case']:02d}"
        arguments = case["min_decibels"], case["max_decibels"]
        db = vectors.arrays[f"{key}_fft"]
        for kind in ("frequency", "music", "voice"):
            got = AudioAnalysis.get_frequencies(db, case["sample_rate"], kind, *arguments)  # type: ignore[arg-type]
            assert got.values.dtype == np.float32
            np.testing.assert_array_equal(got.values, vectors.arrays[f"{key}_{kind}_values"])
        got = AudioAnalysis.get_frequencies(db, case["sample_rate"], "frequency", *arguments)
        np.testing.assert_array_equal(got.frequencies, vectors.arrays[f"{key}_frequencies"])
        assert list(got.labels[: len(case["labels"])]) == case["labels"]
        assert len(got.labels) == len(db)


@both("analyser")
def test_values_of_live_spectra_are_chromiums(folder: pathlib.Path) -> None:
    vectors = load(folder, "analyser")
    for signal in vectors.facts["signals"]:
        key = f"sig{signal['signal']:02d}"
        for kind in ("music", "voice"):
            for db, expected in zip(
                vectors.arrays[f"{key}_fft"], vectors.arrays[f"{key}_{kind}"], strict=True
            ):
                got = AudioAnalysis.get_frequencies(db, signal["sample_rate"], kind)  # type: ignore[arg-type]
                np.testing.assert_allclose(got.values, expected, rtol=0, atol=1e-6)


@both("analysis_buffer")
def test_a_recordings_spectra_are_the_originals(folder: pathlib.Path) -> None:
    vectors, signals = load(folder, "analysis_buffer"), load(folder, "analyser").arrays
    for signal in vectors.facts:
        key = f"sig{signal['signal']:02d}"
        analysis = AudioAnalysis(np.ascontiguousarray(signals[f"{key}_pcm"].T), signal["sample_rate"])
        assert analysis.duration == signal["duration"]
        count = signal["snapshots"]
        for index, expected in zip(
            vectors.arrays[f"{key}_stored_index"], vectors.arrays[f"{key}_fft"], strict=True
        ):
            # Limits that undo the scaling show the decibels themselves.
            middle = (index + 0.5) / count * analysis.duration
            got = analysis.get_frequencies_at(middle, "frequency", -100, 0).values * 100.0 - 100
            loud = expected > -60
            np.testing.assert_allclose(got[loud], expected[loud], rtol=0, atol=0.001)
        for kind in ("music", "voice"):
            times, values = vectors.arrays[f"{key}_seek_times"], vectors.arrays[f"{key}_seek_{kind}"]
            for seconds, expected in zip(times, values, strict=True):
                got = analysis.get_frequencies_at(seconds, kind).values  # type: ignore[arg-type]
                np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
def test_spectra_are_taken_at_whole_quanta_60_times_a_second(rate: int) -> None:
    signal = np.random.default_rng(rate).uniform(-1, 1, rate // 3 + 17).astype(np.float32)
    analysis = AudioAnalysis(signal, rate)
    analyser, position = Analyser(), 0
    count = len([i for i in range(1, 60) if i / 60 < len(signal) / rate])
    for index in range(count):
        end = -(-((index + 1) * rate) // (60 * 128)) * 128
        analyser.push(np.pad(signal[position:end], (0, max(0, end - max(position, len(signal))))))
        position = end
        expected = AudioAnalysis.get_frequencies(analyser.float_frequency_data(), rate).values
        got = analysis.get_frequencies_at((index + 0.5) / count * analysis.duration).values
        np.testing.assert_array_equal(got, expected)


def test_times_outside_give_the_nearest_spectrum() -> None:
    signal = np.random.default_rng(0).uniform(-1, 1, 24_000).astype(np.float32)
    analysis = AudioAnalysis(signal, 24_000)
    first, last = (analysis.get_frequencies_at(t).values for t in (0.0, 1.0))
    np.testing.assert_array_equal(analysis.get_frequencies_at(-5).values, first)
    np.testing.assert_array_equal(analysis.get_frequencies_at(5).values, last)


@pytest.mark.parametrize("frames", [0, 1, 400])
def test_a_recording_too_short_for_a_spectrum_is_silent(frames: int) -> None:
    analysis = AudioAnalysis(np.ones(frames, np.int16), 24_000)
    assert not analysis.get_frequencies_at(0.0, "voice").values.any()


def test_an_unknown_type_is_frequency_as_in_the_original() -> None:
    db = np.array([-50, -60], np.float32)
    got = AudioAnalysis.get_frequencies(db, 24_000, "other")  # type: ignore[arg-type]
    assert got.labels == ("0.00 Hz", "6000.00 Hz")


def test_a_spectrum_of_two_dimensions_is_refused() -> None:
    with pytest.raises(ValueError, match="2 dimensions"):
        AudioAnalysis.get_frequencies(np.zeros((2, 2), np.float32), 24_000)
