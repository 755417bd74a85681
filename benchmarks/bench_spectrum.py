"""The FFT against FFTW (patient), SciPy and NumPy; a fresh spectrum in bands against the same in SciPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyfftw
import pytest
import scipy.fft
import scipy.signal

from benchmarks.case import Case
from wavtools import bands
from wavtools.analysis import AudioAnalysis
from wavtools.spectrum import Analyser, RealFFT, rfft

SIZES = tuple(2**k for k in range(8, 16))
RATE = 24_000


def transforms(size: int) -> Iterator[Case]:
    x = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    fft = RealFFT(size)
    fft.samples[:] = x
    aligned, bins = pyfftw.empty_aligned(size, "float32"), pyfftw.empty_aligned(size // 2 + 1, "complex64")
    plan = pyfftw.FFTW(aligned, bins, flags=("FFTW_PATIENT",))
    aligned[:] = x
    plan()
    assert np.abs(bins - fft.execute()).max() < 1e-5 * np.abs(bins).max()
    group = f"real FFT of {size} float32"
    yield Case(group, "wavtools", fft.execute)  # planned, with its own arrays, as FFTW's
    yield Case(group, "FFTW (patient)", plan.execute)
    yield Case(group, "wavtools, rfft", lambda: rfft(x))
    yield Case(group, "scipy.fft", lambda: scipy.fft.rfft(x))
    yield Case(group, "numpy.fft", lambda: np.fft.rfft(x))


def fresh_bands(samples: np.ndarray) -> Callable[[], Any]:
    """128 new samples, then the voice bands of the newest 8192."""
    analyser = Analyser()
    analyser.push(np.tile(samples, 64))

    def run() -> Any:
        analyser.push(samples)
        return AudioAnalysis.get_frequencies(analyser.float_frequency_data(), RATE, "voice")

    return run


def scipy_bands(samples: np.ndarray) -> Callable[[], Any]:
    """The same with NumPy and SciPy; all tables are made before."""
    window = scipy.signal.get_window("blackman", 8_192).astype(np.float32)
    frequencies = bands.bin_frequencies(4_096, RATE)
    note = np.searchsorted(np.array(bands.VOICE_FREQUENCIES), frequencies, side="left") - 1
    inside = note >= 0
    recent, state = np.tile(samples, 64), np.zeros(4_096)

    def run() -> Any:
        nonlocal recent, state
        recent = np.concatenate([recent[128:], samples])
        magnitudes = np.abs(scipy.fft.rfft(recent * window))[:4_096] / 8_192
        state = 0.1 * state + 0.9 * magnitudes
        decibels = 20 * np.log10(state)
        loudest = np.full(72, -100.0)
        np.maximum.at(loudest, note[inside], decibels[inside])
        return np.clip((loudest + 100) / 70, 0, 1).astype(np.float32)

    return run


def spectra() -> Iterator[Case]:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 128).astype(np.float32)
    ours, chain = fresh_bands(samples), scipy_bands(samples)
    for _ in range(50):
        got, expected = ours().values, chain()
    np.testing.assert_allclose(got, expected, atol=1e-4)
    group = 'a fresh get_frequencies("voice")'
    yield Case(group, "wavtools", ours)
    yield Case(group, "NumPy and SciPy", chain)


def cases() -> list[Case]:
    return [*(case for size in SIZES for case in transforms(size)), *spectra()]


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.group}: {case.name}")
def test_spectrum(benchmark: Any, case: Case) -> None:
    benchmark.group = case.group
    benchmark(case.run)
