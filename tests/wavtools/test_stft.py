"""The spectrogram is SciPy's, and takes what people hold."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from wavtools.stft import spectrogram


def noise(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, frames).astype(np.float32)


def scipys(x: np.ndarray, rate: int, window: int, hop: int, fft_size: int) -> tuple[np.ndarray, ...]:
    """The amplitude of each bin, in double, as scipy.signal.spectrogram computes it, its times and frequencies."""
    hann = scipy.signal.get_window("hann", window)
    frequencies, times, values = scipy.signal.spectrogram(
        x.astype(np.float64),
        rate,
        hann,
        noverlap=window - hop,
        nfft=fft_size,
        detrend=False,
        scaling="spectrum",
        mode="complex",
    )
    amplitudes = np.abs(values).T * 2
    amplitudes[:, [0, -1]] /= 2
    return amplitudes, times, frequencies


@pytest.mark.parametrize("rate", [8_000, 24_000, 44_100])
@pytest.mark.parametrize(
    ("window", "hop", "fft_size"), [(1024, 256, 1024), (600, 240, 1024), (25, 7, 32), (400, 999, 4096)]
)
def test_levels_are_those_of_scipy_within_two_thousandths_of_a_decibel(rate, window, hop, fft_size) -> None:
    x = noise(window + 40 * hop)
    amplitudes, times, frequencies = scipys(x, rate, window, hop, fft_size)
    got = spectrogram(x, rate, window, hop, fft_size=fft_size, floor_db=-np.inf)
    assert got.decibels.dtype == np.float32
    assert got.decibels.shape == amplitudes.shape == (len(got.times), len(got.frequencies))
    np.testing.assert_allclose(got.times, times)
    np.testing.assert_allclose(got.frequencies, frequencies)
    np.testing.assert_allclose(10 ** (got.decibels / 20.0), amplitudes, rtol=0, atol=1e-7)
    heard = amplitudes > 1e-3
    assert heard.mean() > 0.7
    np.testing.assert_allclose(got.decibels[heard], 20 * np.log10(amplitudes[heard]), rtol=0, atol=0.002)


def test_levels_are_those_of_short_time_fft() -> None:
    x, hann = noise(10_000), scipy.signal.get_window("hann", 512)
    reference = scipy.signal.ShortTimeFFT(hann, 128, 24_000, scale_to="magnitude")
    first = 256 // 128
    values = np.abs(reference.stft(x.astype(np.float64), p0=first, p1=first + 70)).T * 2
    got = 10 ** (spectrogram(x, 24_000, 512, 128, floor_db=-np.inf).decibels[:70] / 20.0)
    np.testing.assert_allclose(got[:, 1:-1], values[:, 1:-1], rtol=0, atol=1e-7)


def test_a_full_scale_sine_and_a_constant_are_0_db() -> None:
    sine = np.sin(2 * np.pi * 64 / 1024 * np.arange(4096)).astype(np.float32)
    got = spectrogram(sine, 16_000)
    assert got.frequencies[got.decibels[3].argmax()] == 1_000
    np.testing.assert_allclose(got.decibels[:13].max(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(spectrogram(np.ones(1024, np.float32), 8_000).decibels[0, 0], 0, atol=1e-4)


@pytest.mark.parametrize(
    ("frames", "rows"), [(0, 0), (1, 1), (100, 1), (101, 2), (130, 2), (131, 3), (161, 4)]
)
def test_every_sample_is_in_a_window(frames: int, rows: int) -> None:
    x = np.zeros(frames, np.float32)
    assert spectrogram(x, 8_000, 100, 30).decibels.shape == (rows, 65)
    if frames:
        x[-1] = 1
        found = spectrogram(np.append(x, np.float32(1)), 8_000, 100, 30).decibels
        assert found.max() > -120


def test_silence_is_at_the_floor() -> None:
    assert (spectrogram(np.zeros(5_000, np.int16), 8_000).decibels == -120).all()
    assert (spectrogram(np.zeros(5_000, np.int16), 8_000, floor_db=-80).decibels == -80).all()
    assert np.isneginf(spectrogram(np.zeros(5_000, np.int16), 8_000, floor_db=-np.inf).decibels).all()


def test_nan_stays_in_its_windows() -> None:
    x = noise(4_096)
    x[1_000] = np.nan
    got = spectrogram(x, 8_000, 500, 500).decibels
    assert np.isnan(got).any(axis=1).tolist() == [False, False, True, *[False] * 6]


def test_int16_is_divided_by_32768_and_channels_are_averaged() -> None:
    stereo = np.random.default_rng(0).integers(-32768, 32768, (5_000, 2)).astype(np.int16)
    got = spectrogram(stereo, 24_000).decibels
    mono = (stereo.sum(axis=1) / 65536).astype(np.float32)
    np.testing.assert_array_equal(got, spectrogram(mono, 24_000).decibels)
    left = spectrogram(np.ascontiguousarray(stereo[:, 0]), 24_000).decibels
    np.testing.assert_array_equal(left, spectrogram(stereo[:, 0], 24_000).decibels)
    np.testing.assert_array_equal(left, spectrogram(stereo[:, 0].tobytes(), 24_000).decibels)


def test_out_receives_the_levels() -> None:
    x = noise(5_000)
    expected = spectrogram(x, 24_000)
    out = np.empty_like(expected.decibels)
    got = spectrogram(x, 24_000, out=out)
    assert got.decibels is out
    np.testing.assert_array_equal(out, expected.decibels)
    np.testing.assert_array_equal(got.times, expected.times)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"sample_rate": 100}, ValueError, "sample_rate is 100; 8000 to 192000 Hz"),
        ({"sample_rate": 8_000.5}, TypeError, "sample_rate must be an integer"),
        ({"window": 1}, ValueError, "window is 1"),
        ({"window": 40_000}, ValueError, "window is 40000"),
        ({"hop": 0}, ValueError, "hop is 0"),
        ({"fft_size": 1_000}, ValueError, "expected a power of two"),
        ({"fft_size": 512}, ValueError, "at least the window of 1024"),
        ({"out": np.empty(3, np.float32)}, ValueError, "out holds 3 samples, expected 8721"),
        ({"out": np.empty((17, 513))}, TypeError, "out must be a writable buffer of float32"),
        ({"x": np.zeros(9, complex)}, TypeError, "must be a buffer of int16 or float32"),
        ({"x": np.zeros((2, 3, 4), np.int16)}, ValueError, "3 dimensions"),
        ({"x": np.zeros((9, 0), np.int16)}, ValueError, "no channel"),
    ],
)
def test_a_wrong_argument_is_refused(arguments: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        spectrogram(**{"x": noise(5_000), "sample_rate": 24_000} | arguments)
