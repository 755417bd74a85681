"""The limiter never clips, the delay is exact, and changes do not click."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavtools.gain import Gain, apply_gain

VALUES = st.one_of(
    st.floats(width=32),  # NaN, infinity and denormals, too
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 3e38, -3e38, np.inf, -np.inf, np.nan]),
)


def noise(frames: int, peak: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-peak, peak, frames).astype(np.float32)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(VALUES, max_size=300),
    st.floats(-120, 60),
    st.floats(-60, 0),
    st.sampled_from([0.1, 1.0, 5.0]),
    st.sampled_from([0, 1, 80, 10_000]),
)
def test_no_input_passes_the_ceiling(values, db, ceiling_db, lookahead, release) -> None:
    gain = Gain(db, 8_000, ceiling_db=ceiling_db, lookahead_ms=lookahead, release_ms=release)
    x = np.array(values, np.float32)
    out = np.concatenate([gain.process(x), gain.flush()])
    assert len(out) == len(x) + gain.delay_frames
    assert np.isfinite(out).all()
    assert (np.abs(out) <= np.float32(10 ** (ceiling_db / 20))).all()


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(-32768, 32767), max_size=300), st.floats(-20, 60), st.floats(-60, 0))
def test_no_int16_passes_the_ceiling_either(values, db, ceiling_db) -> None:
    gain = Gain(db, 8_000, ceiling_db=ceiling_db)
    out = np.concatenate([gain.process(np.array(values, np.int16)), gain.flush()])
    assert (np.abs(out.astype(int)) <= 32768 * 10 ** (ceiling_db / 20)).all()


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize(("milliseconds", "frames"), [(0.1, 2), (5, 120), (12.3, 295)])
def test_the_delay_is_exact_and_0_db_passes_samples_through(dtype, milliseconds, frames) -> None:
    x = noise(3_000, 0.98) if dtype == np.float32 else (noise(3_000) * 32_000).astype(np.int16)
    gain = Gain(0, 24_000, lookahead_ms=milliseconds)
    assert gain.delay_frames == frames
    out = np.concatenate([gain.process(x), gain.flush()])
    assert out.dtype == dtype
    assert not out[:frames].any()
    np.testing.assert_array_equal(out[frames:], x)


def test_without_a_limiter_there_is_no_delay_and_int16_is_clamped() -> None:
    gain = Gain(20, 24_000, limiter=False)
    assert gain.delay_frames == 0
    assert gain.process(np.array([1, -2, 4_000, -4_000], np.int16)).tolist() == [10, -20, 32_767, -32_768]
    assert gain.flush().tolist() == []
    np.testing.assert_allclose(gain.process(np.array([0.5, -2], np.float32)), [5, -20], rtol=1e-6)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 400), max_size=20), st.booleans(), st.booleans(), st.integers(1, 3))
def test_any_chunking_gives_the_same_bits(sizes, as_int16, limiter, channels) -> None:
    x = noise(sum(sizes) * channels, 1.0).reshape(-1, channels)
    x = (x * 32767).astype(np.int16) if as_int16 else x
    whole, parts = (Gain(9, 16_000, channels, limiter=limiter, release_ms=5) for _ in range(2))
    expected = np.concatenate([whole.process(x), whole.flush().reshape(-1, channels)])
    made = [parts.process(part) for part in np.split(x, np.cumsum(sizes))]
    got = np.concatenate([*made, parts.flush().reshape(-1, channels)])
    np.testing.assert_array_equal(got, expected)


def test_all_channels_get_the_gain_of_the_loudest() -> None:
    x = np.stack([noise(8_000, 4.0), noise(8_000, 0.1, 1)], axis=1)
    out = apply_gain(x, 0, 24_000)
    alone = apply_gain(x[:, :1], 0, 24_000)
    np.testing.assert_array_equal(out[:, :1], alone)
    factor = out[:, 0].astype(np.float64) / x[:, 0]
    heard = np.abs(x[:, 0]) > 0.01
    np.testing.assert_allclose(out[heard, 1], (x[:, 1] * factor)[heard], rtol=0, atol=1e-6)


def test_limiting_is_smooth_and_ends() -> None:
    sine = 0.5 * np.sin(2 * np.pi * 100 / 24_000 * np.arange(72_000))
    loud = sine.copy()
    loud[10_000:12_000] *= 4
    out = apply_gain(loud.astype(np.float32), 0, 24_000)
    assert np.abs(out).max() <= 0.9886
    # The factor on samples that are not near zero moves by at most 1 / 120 per frame.
    heard = np.abs(loud) > 0.2
    factor = np.interp(np.arange(len(loud)), np.flatnonzero(heard), out[heard] / loud[heard])
    assert np.abs(np.diff(factor)).max() < 1 / 120
    np.testing.assert_array_equal(out[-12_000:], sine[-12_000:].astype(np.float32))


@pytest.mark.parametrize("limiter", [True, False])
def test_a_change_of_the_gain_takes_20_ms_without_a_click(limiter: bool) -> None:
    gain = Gain(0, 24_000, limiter=limiter)
    one = np.full(480, 0.5, np.float32)
    first = gain.process(one)
    gain.db = -20
    assert gain.db == -20
    out = np.concatenate([first, gain.process(one), gain.process(one), gain.flush()])[gain.delay_frames :]
    np.testing.assert_array_equal(out[:481], 0.5)
    np.testing.assert_allclose(np.diff(out[480:961]), -0.45 / 480, rtol=0, atol=1e-7)
    np.testing.assert_allclose(out[960:], 0.05, rtol=1e-6)


def test_out_receives_the_result() -> None:
    x, gain, other = noise(100), Gain(6), Gain(6)
    out = np.empty(100, np.float32)
    assert gain.process(x, out) is out
    np.testing.assert_array_equal(out, other.process(x))
    with pytest.raises(ValueError, match="overlaps"):
        gain.process(out, out)


@pytest.mark.parametrize("shape", [(100,), (100, 1), (100, 2)])
def test_apply_gain_keeps_the_shape_and_is_not_late(shape: tuple[int, ...]) -> None:
    x = noise(int(np.prod(shape)), 0.4).reshape(shape)
    out = apply_gain(x, 6, 24_000)
    assert out.shape == shape
    np.testing.assert_allclose(out, x * 10 ** (6 / 20), rtol=1e-6)
    np.testing.assert_array_equal(apply_gain(b"\1\0\2\0", 0), [1, 2])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Gain(61), ValueError, "db is 61; -120 to 60 dB"),
        (lambda: Gain("loud"), TypeError, "db must be a number"),
        (lambda: Gain(float("nan")), ValueError, "db is nan"),
        (lambda: Gain(0, 100), ValueError, "sample_rate is 100"),
        (lambda: Gain(0, 24_000, 0), ValueError, "channels is 0"),
        (lambda: Gain(0, ceiling_db=1), ValueError, "ceiling_db is 1"),
        (lambda: Gain(0, lookahead_ms=0), ValueError, "lookahead_ms is 0"),
        (lambda: Gain(0, release_ms=-1), ValueError, "release_ms is -1"),
        (lambda: Gain(0).process(np.zeros(3)), TypeError, "int16 or float32"),
        (lambda: Gain(0).process(np.zeros((3, 2), np.int16)), ValueError, r"shape \(3, 2\)"),
        (lambda: Gain(0, channels=2).process(np.zeros(4, np.int16)), ValueError, r"expected \(frames, 2\)"),
        (lambda: Gain(0, channels=2).process(b"123456"), ValueError, "whole frames of 2"),
    ],
)
def test_a_wrong_argument_is_refused(make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_change_of_dtype_is_refused_until_the_signal_ends() -> None:
    gain = Gain(0)
    gain.process(noise(10))
    with pytest.raises(ValueError, match="began as float32"):
        gain.process(b"1234")
    gain.flush()
    assert gain.process(b"1234").dtype == np.int16


def test_a_refused_gain_leaves_the_old_one() -> None:
    gain = Gain(3)
    with pytest.raises(ValueError, match="db is 99"):
        gain.db = 99
    assert gain.db == 3
    assert gain.process(noise(10)).shape == (10,)
