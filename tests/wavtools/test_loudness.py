"""Loudness is that of BS.1770-4: of pyloudnorm within 0.1 LU, and of the EBU's test signals."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from wavtools.loudness import LoudnessMeter, integrated, k_weighting, true_peak_db


def tone(db: float, seconds: float, rate: int = 48_000, hz: float = 1_000, channels: int = 2) -> np.ndarray:
    """A sine whose peak is *db* dBFS, the same in all channels."""
    sine = 10 ** (db / 20) * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    return np.repeat(sine[:, np.newaxis], channels, axis=1).astype(np.float32)


def measured(x: np.ndarray, rate: int = 48_000, **options) -> LoudnessMeter:
    meter = LoudnessMeter(rate, x.shape[1] if x.ndim == 2 else 1, **options)
    meter.push(x)
    return meter


def test_the_filter_at_48_khz_is_the_standards() -> None:
    shelf, highpass = k_weighting(48_000)
    b, a = [1.53512485958697, -2.69169618940638, 1.19839281085285], [1, -1.69065929318241, 0.73248077421585]
    np.testing.assert_allclose(shelf, [*b, *a], rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        highpass, [1, -2, 1, 1, -1.99004745483398, 0.99007225036621], rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(
    ("rate", "error"), [(8_000, 0.31), (16_000, 0.08), (24_000, 0.04), (44_100, 0.01), (192_000, 0.01)]
)
def test_the_filter_has_the_same_response_at_every_rate(rate: int, error: float) -> None:
    hz = np.geomspace(20, 0.4 * min(rate, 16_000), 300)
    got, expected = (
        20 * np.log10(np.abs(scipy.signal.sosfreqz(k_weighting(r), hz, fs=r)[1])) for r in (rate, 48_000)
    )
    assert np.abs(got - expected).max() < error


SIGNALS = {
    "white": lambda rng, n, rate: rng.standard_normal(n),
    "brown": lambda rng, n, rate: np.cumsum(rng.standard_normal(n)),
    "997 Hz": lambda rng, n, rate: np.sin(2 * np.pi * 997 * np.arange(n) / rate),
    "60 Hz": lambda rng, n, rate: np.sin(2 * np.pi * 60 * np.arange(n) / rate),
    "with pauses": lambda rng, n, rate: rng.standard_normal(n) * (np.arange(n) % (2 * rate) < rate),
}


@pytest.mark.parametrize("rate", [48_000, 44_100, 24_000, 16_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", SIGNALS)
def test_loudness_is_pyloudnorms_within_a_tenth_of_a_unit(name: str, channels: int, rate: int) -> None:
    pyloudnorm = pytest.importorskip("pyloudnorm")
    rng = np.random.default_rng(0)
    x = np.stack([SIGNALS[name](rng, 8 * rate, rate) for _ in range(channels)], axis=1)
    x = (0.5 * x / np.abs(x).max()).astype(np.float32)
    expected = pyloudnorm.Meter(rate).integrated_loudness(x.astype(np.float64))
    assert integrated(x, rate) == pytest.approx(expected, abs=0.1)


# EBU Tech 3341: (peak in dBFS, seconds) of stereo sines of 1000 Hz, and the loudness that a meter must show.
EBU_3341 = {
    1: ([(-23, 20)], -23),
    2: ([(-33, 20)], -33),
    3: ([(-36, 10), (-23, 60), (-36, 10)], -23),
    4: ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
    5: ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
}


@pytest.mark.parametrize("rate", [48_000, 16_000])
@pytest.mark.parametrize("case", EBU_3341)
def test_the_ebus_sines_have_their_loudness(case: int, rate: int) -> None:
    parts, expected = EBU_3341[case]
    x = np.concatenate([tone(db, seconds, rate) for db, seconds in parts])
    meter = measured(x, rate, true_peak=False)
    assert meter.integrated == pytest.approx(expected, abs=0.1)
    if case <= 2:
        assert meter.momentary == pytest.approx(expected, abs=0.1)
        assert meter.short_term == pytest.approx(expected, abs=0.1)


def test_the_ebus_five_channel_sine_has_its_loudness() -> None:
    """Case 6: -28 dBFS left and right, -24 in the centre, -30 in the surrounds; in 5.1 with a loud LFE, too."""
    x = np.concatenate([tone(db, 20, channels=1) for db in (-28, -28, -24, -30, -30)], axis=1)
    assert integrated(x, 48_000) == pytest.approx(-23, abs=0.1)
    with_lfe = np.insert(x, 3, 0.5, axis=1)
    assert integrated(with_lfe, 48_000) == integrated(x, 48_000)


# EBU Tech 3342: stereo sines of 20 s each, and the loudness range that a meter must show.
@pytest.mark.parametrize(
    ("peaks", "expected"),
    [((-20, -30), 10), ((-20, -15), 5), ((-40, -20), 20), ((-50, -35, -20, -35, -50), 15)],
)
def test_the_ebus_ranges_are_found(peaks: tuple[float, ...], expected: float) -> None:
    x = np.concatenate([tone(db, 20) for db in peaks])
    assert measured(x, true_peak=False).loudness_range == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    ("divisor", "phase", "amplitude", "expected"),
    [(4, 0, 0.5, -6), (4, 45, 0.5, -6), (6, 60, 0.5, -6), (8, 67.5, 0.5, -6), (4, 45, 1.41, 3)],
)
def test_the_ebus_true_peaks_are_found(divisor, phase, amplitude, expected) -> None:
    """Tech 3341, cases 15 to 19: within +0.2 and -0.4 dB."""
    n = np.arange(9_600)
    fade = np.minimum(1, np.minimum(n, n[::-1]) / 480)
    x = (fade * amplitude * np.sin(2 * np.pi * n / divisor + np.radians(phase))).astype(np.float32)
    assert -0.4 <= true_peak_db(x, 48_000) - expected <= 0.2
    assert true_peak_db(np.stack([x * 0, x], axis=1), 16_000) == true_peak_db(x, 16_000)


def test_the_last_samples_count_in_the_true_peak() -> None:
    x = np.zeros(1_000, np.float32)
    x[-1] = 0.5
    assert true_peak_db(x, 48_000) >= 20 * np.log10(0.5) - 0.01
    assert true_peak_db(np.zeros(99, np.int16), 8_000) == -np.inf
    assert np.isnan(measured(x, true_peak=False).true_peak_db)


def test_short_or_silent_signals_have_no_loudness() -> None:
    for x in (np.zeros(48_000, np.int16), np.zeros(0, np.int16), tone(0, 0.39, channels=1)):
        meter = measured(x)
        assert meter.integrated == -np.inf
        assert meter.loudness_range == 0.0
    assert measured(tone(-80, 5)).integrated == -np.inf


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(0, 5_000), max_size=20), st.sampled_from([8_000, 11_025, 44_100]), st.integers(1, 2)
)
def test_any_chunking_gives_the_same_results(sizes: list[int], rate: int, channels: int) -> None:
    x = np.random.default_rng(0).integers(-32768, 32768, (sum(sizes), channels)).astype(np.int16)
    whole, parts, floats = (LoudnessMeter(rate, channels) for _ in range(3))
    whole.push(x)
    floats.push((x / 32768).astype(np.float32))
    for part in np.split(x, np.cumsum(sizes)):
        parts.push(part)
    results = {
        (m.momentary, m.short_term, m.integrated, m.loudness_range, m.true_peak_db)
        for m in (whole, parts, floats)
    }
    assert len(results) == 1


def test_nan_and_infinity_count_as_silence() -> None:
    x = tone(-20, 2, channels=1)
    x[5_000], x[9_000] = np.nan, np.inf
    meter = measured(x)
    assert meter.integrated == pytest.approx(-20 - 3.01, abs=0.1)
    assert meter.true_peak_db < 0


def test_reset_starts_again() -> None:
    meter, fresh = measured(tone(-10, 3)), measured(tone(-30, 3))
    meter.reset()
    meter.push(tone(-30, 3))
    assert (meter.integrated, meter.true_peak_db) == (fresh.integrated, fresh.true_peak_db)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: LoudnessMeter(100), ValueError, "sample_rate is 100"),
        (lambda: LoudnessMeter(48_000, 9), ValueError, "channels is 9"),
        (
            lambda: LoudnessMeter(48_000, 2, weights=[1]),
            ValueError,
            "weights has 1 values, expected one for each of 2",
        ),
        (lambda: LoudnessMeter(48_000, weights=[-1]), ValueError, "a weight is -1"),
        (lambda: integrated(np.zeros(9), 48_000), TypeError, "int16 or float32"),
        (lambda: LoudnessMeter(48_000, 2).push(np.zeros(9, np.int16)), ValueError, "expected 2 channels"),
        (lambda: LoudnessMeter(48_000, 2).push(b"123456"), ValueError, "whole frames"),
    ],
)
def test_a_wrong_argument_is_refused(make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
