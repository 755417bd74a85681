"""Levels and meters: dBFS by the convention that a full-scale square wave has 0, and readings that no chunking changes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wavtools
from wavtools import AudioChunk, ConcurrencyError, levels, pcm
from wavtools.levels import Meter, peak_db, rms_db

FULL_SINE = np.sin(2 * np.pi * np.arange(48_000) / 48).astype(np.float32)


def noise(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-32768, 32768, frames).astype(np.int16)


def test_a_full_scale_square_wave_is_0_dbfs_and_a_sine_3_less() -> None:
    assert rms_db(np.full(100, -32768, np.int16)) == 0.0
    assert rms_db(FULL_SINE) == pytest.approx(-3.0103, abs=1e-4)
    assert peak_db(FULL_SINE) == pytest.approx(0.0, abs=1e-6)
    assert peak_db(np.array([5, -16384, 16383], np.int16)) == pytest.approx(-6.0206, abs=1e-4)
    assert rms_db(np.full(9, 10, np.float32)) == pytest.approx(20)


@pytest.mark.parametrize("x", [np.zeros(9, np.int16), np.zeros(0, np.float32), b""])
def test_silence_is_minus_infinity(x) -> None:
    assert rms_db(x) == peak_db(x) == -np.inf


@pytest.mark.parametrize("at", [0, 7, 8, 99])
def test_nan_is_nan(at: int) -> None:
    x = np.zeros(100, np.float32)
    x[at] = np.nan
    assert np.isnan(rms_db(x))
    assert np.isnan(peak_db(x))


@settings(deadline=None)
@given(st.integers(1, 3_000), st.integers(0, 100))
def test_levels_are_numpys(frames: int, seed: int) -> None:
    x = noise(frames, seed)
    floats = (x / 32768).astype(np.float32)
    level = 10 * np.log10(np.mean((x / 32768) ** 2))
    peak = 20 * np.log10(np.abs(x / 32768).max())
    np.testing.assert_allclose([rms_db(x), rms_db(x.tobytes()), rms_db(floats)], level, rtol=0, atol=1e-9)
    np.testing.assert_allclose([peak_db(x), peak_db(x.tobytes()), peak_db(floats)], peak, rtol=0, atol=1e-9)


def test_long_and_strided_arrays_are_measured_too() -> None:
    x = noise(200_000).reshape(-1, 2)
    assert rms_db(x[:, 0]) == rms_db(np.ascontiguousarray(x[:, 0]))
    assert rms_db(x) == pytest.approx(10 * np.log10(np.mean((x / 32768) ** 2)))


def test_a_chunk_has_a_level_and_a_peak() -> None:
    stereo = noise(480).reshape(-1, 2)
    chunk = AudioChunk(mono=pcm.mix_to_mono(stereo), raw=stereo)
    assert chunk.level_db == rms_db(stereo)
    assert chunk.peak_db == peak_db(stereo)


def test_the_recorder_does_not_load_levels_before_one_is_asked_for() -> None:
    code = (
        "import sys, wavtools.recorder; print(sorted(n for n in sys.modules if 'level' in n or 'voice' in n))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


MEASURE = """
import numpy as np
from wavtools import levels, loudness, gain, voice_activity
x = np.random.default_rng(0).normal(0, 0.3, 100_003).astype(np.float32)
x[40_000:60_000] *= 0.01
meter, loud = levels.Meter(24_000), loudness.LoudnessMeter(24_000)
meter.push(x)
loud.push(x)
print(levels.rms_db(x).hex(), levels.peak_db(x).hex(), meter.level_db.hex(), meter.peak_db.hex())
print(loud.integrated.hex(), loud.true_peak_db.hex(), voice_activity.speech_segments(x, 24_000))
print(hash(gain.apply_gain(x, 12).tobytes()))
print(hash(wavtools.spectrogram(x, 24_000).decibels.tobytes()))
"""


@pytest.mark.skipif(len(pcm.available_kernel_sets()) < 2, reason="this processor runs one kernel set")
def test_every_kernel_set_gives_the_same_bits() -> None:
    printed = set()
    for name in pcm.available_kernel_sets():
        done = subprocess.run(
            [sys.executable, "-c", "import wavtools\n" + MEASURE],
            env={**os.environ, "WAVTOOLS_KERNELS": name, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=True,
        )
        printed.add(done.stdout)
    assert len(printed) == 1, printed


def test_a_meter_rises_and_falls_with_its_time_constants() -> None:
    meter = Meter(24_000, attack_seconds=0.1, release_seconds=0.5)
    one, silent = np.ones(2_400, np.float32), np.zeros(12_000, np.float32)
    meter.push(one)
    assert 10 ** (meter.level_db / 10) == pytest.approx(1 - np.exp(-1))
    before = 10 ** (meter.level_db / 10)
    meter.push(silent)
    assert 10 ** (meter.level_db / 10) == pytest.approx(before * np.exp(-1))


def test_a_peak_is_held_then_falls_by_so_many_decibels_a_second() -> None:
    meter = Meter(8_000, hold_seconds=0.5, fall_db=30)
    meter.push(np.full(8, 0.5, np.float32))
    meter.push(np.zeros(4_000, np.float32))
    assert meter.peak_db == pytest.approx(-6.0206, abs=1e-3)
    meter.push(np.zeros(8_000, np.float32))
    assert meter.peak_db == pytest.approx(-36.0206, abs=1e-3)
    meter.push(np.full(8, 0.9, np.float32))
    assert meter.peak_db == pytest.approx(20 * np.log10(0.9), abs=1e-3)


def test_a_steady_signal_has_its_own_level_and_silence_none() -> None:
    meter = Meter(48_000, 2)
    assert meter.level_db == meter.peak_db == -np.inf
    meter.push(np.repeat(FULL_SINE, 2).reshape(-1, 2))
    assert meter.level_db == pytest.approx(-3.01, abs=0.2)
    meter.reset()
    assert meter.level_db == meter.peak_db == -np.inf


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 700), max_size=30), st.sampled_from([8_000, 24_000, 44_100]), st.booleans())
def test_any_chunking_gives_the_same_readings(sizes: list[int], rate: int, floats: bool) -> None:
    x = noise(sum(sizes))
    x = (x / 40_000).astype(np.float32) if floats else x
    whole, parts = Meter(rate), Meter(rate)
    whole.push(x)
    for part in np.split(x, np.cumsum(sizes)[:-1]) if sizes else []:
        parts.push(part)
    assert (whole.level_db, whole.peak_db) == (parts.level_db, parts.peak_db)


def test_int16_and_its_floats_read_the_same() -> None:
    x = noise(5_000)
    from_int16, from_floats = Meter(24_000), Meter(24_000)
    from_int16.push(x)
    from_floats.push((x / 32768).astype(np.float32))
    assert (from_int16.level_db, from_int16.peak_db) == (from_floats.level_db, from_floats.peak_db)


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_a_block_with_nan_or_infinity_is_left_out(odd: float) -> None:
    meter, other = Meter(24_000), Meter(24_000)
    x = np.full(2_400, 0.5, np.float32)
    meter.push(x)
    other.push(x)
    x[3] = odd
    meter.push(x)
    other.push(x[24:])
    assert (meter.level_db, meter.peak_db) == (other.level_db, other.peak_db)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Meter(1_000), ValueError, "sample_rate is 1000"),
        (lambda: Meter(24_000, 9), ValueError, "channels is 9"),
        (lambda: Meter(24_000, attack_seconds=-1), ValueError, "attack_seconds is -1"),
        (lambda: Meter(24_000, release_seconds="1"), TypeError, "release_seconds must be a number"),
        (lambda: Meter(24_000, fall_db=float("nan")), ValueError, "fall_db is nan"),
        (lambda: Meter(24_000, 2).push(np.zeros(3, np.int16)), ValueError, "whole frames of 2 channels"),
        (lambda: Meter(24_000).push(np.zeros(3)), TypeError, "int16 or float32"),
        (lambda: rms_db([1.0]), TypeError, "int16 or float32"),
        (lambda: peak_db(b"123"), ValueError, "odd number"),
    ],
)
def test_a_wrong_argument_is_refused(make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_the_names_are_at_the_top_level() -> None:
    assert wavtools.Meter is Meter
    assert wavtools.levels is levels


def test_a_second_thread_at_a_meter_is_turned_away_and_spoils_nothing() -> None:
    """Long chunks are measured without the GIL."""
    chunk = np.random.default_rng(2).uniform(-0.5, 0.5, 2_000_000).astype(np.float32)
    meter, pushed, refused = Meter(48_000), [], threading.Event()

    def push() -> None:
        while len(pushed) < 500 and not refused.is_set():
            try:
                meter.push(chunk)
                pushed.append(True)
            except ConcurrencyError:  # the other thread is using it
                pass

    worker = threading.Thread(target=push)
    worker.start()
    while worker.is_alive():
        try:
            # Empty: changes nothing if it is taken.
            meter.push(chunk[:0])
        except ConcurrencyError as error:
            assert "one for each signal" in str(error)
            refused.set()
    worker.join()
    assert refused.is_set()
    alone = Meter(48_000)
    for _ in pushed:
        alone.push(chunk)
    assert (meter.level_db, meter.peak_db) == (alone.level_db, alone.peak_db)
    meter.reset()
    assert meter.level_db == -np.inf
