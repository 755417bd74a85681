"""The test signal: quiet sweeps at known frames over a quieter tone, and how to find both in a recording.

The sweeps tell delay and drift, the tone tells gaps.

Thread: any; pure.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PERIOD_SECONDS", "RATE", "Arrivals", "find_sweeps", "make_signal", "tone_level"]

RATE = 48_000
# From the start of a sweep to the next one.
PERIOD_SECONDS = 0.5
PERIOD = round(PERIOD_SECONDS * RATE)
SWEEP = round(0.06 * RATE)
SWEEP_DB, TONE_DB = -20.0, -38.0
# A whole number of periods in 10 ms; between the frequencies of mains hum and those of the sweep's strongest part.
TONE_HZ = 400
# The correlation of noise reaches about 5 times its root mean square.
CLEAR = 9.0


@dataclass(frozen=True)
class Arrivals:
    """Sweeps that were found in a recording.

    Attributes
    ----------
    numbers : int array, shape (n,)
        Which sweeps, from 0.
    frames : float64 array, shape (n,)
        Where each begins in the recording, to a fraction of a frame.
    clearness : float
        Median of the peaks over the root mean square of the correlation; 0 without arrivals. Noise reaches 5.
    """

    numbers: NDArray[np.intp]
    frames: NDArray[np.float64]
    clearness: float


@functools.cache
def sweep() -> NDArray[np.float64]:
    """A sweep from 800 to 8000 Hz under a Hann window, float64 of full scale 1."""
    t = np.arange(SWEEP) / RATE
    length = SWEEP / RATE
    phase = 2 * np.pi * (800 * t + (8_000 - 800) * t**2 / (2 * length))
    shaped: NDArray[np.float64] = np.sin(phase) * np.hanning(SWEEP)
    return shaped


def make_signal(seconds: float) -> NDArray[np.int16]:
    """The signal: int16 at RATE; sweep k begins at frame k * PERIOD."""
    count = max(2, round(seconds / PERIOD_SECONDS))
    frames = np.arange(count * PERIOD)
    signal = 10 ** (TONE_DB / 20) * np.sin(2 * np.pi * TONE_HZ * frames / RATE)
    for k in range(count):
        signal[k * PERIOD : k * PERIOD + SWEEP] += 10 ** (SWEEP_DB / 20) * sweep()
    return np.round(32767 * signal).astype(np.int16)


def find_sweeps(recorded: NDArray[np.int16], first: float | None = None) -> Arrivals:
    """Find the sweeps in a recording.

    Parameters
    ----------
    recorded : int16, shape (frames,)
    first : float, optional
        Frame where sweep 0 is about; found when not given.
    """
    nothing = Arrivals(np.zeros(0, np.intp), np.zeros(0), 0.0)
    if len(recorded) < PERIOD:
        return nothing
    match = _correlation(recorded.astype(np.float64))
    noise = float(np.sqrt(np.mean(match**2)))
    if not noise or not np.isfinite(noise):
        return nothing
    if first is None:
        first = _first(match, noise)
        if first is None:
            return nothing
    numbers: list[int] = []
    frames: list[float] = []
    peaks: list[float] = []
    for k in range(int((len(match) - first) / PERIOD) + 1):
        # A gap moves everything behind it: each sweep is looked for around where the last one led to expect it.
        expected = first + k * PERIOD if not frames else frames[-1] + (k - numbers[-1]) * PERIOD
        start = max(0, round(expected - PERIOD / 2))
        window = match[start : start + PERIOD]
        if len(window) < SWEEP:
            break
        at = int(np.argmax(window))
        if window[at] > CLEAR * noise:
            numbers.append(k)
            frames.append(start + at + _fraction(match, start + at))
            peaks.append(float(window[at]) / noise)
    clearness = float(np.median(peaks)) if peaks else 0.0
    return Arrivals(np.array(numbers, np.intp), np.array(frames), clearness)


def _first(match: NDArray[np.float64], noise: float) -> float | None:
    """Where the first sweep is: the earliest clear peak, if it is the strongest of its period."""
    clear = np.flatnonzero(match > max(CLEAR * noise, 0.4 * float(match.max())))
    if not len(clear):
        return None
    start = int(clear[0])
    return float(start + int(np.argmax(match[start : start + SWEEP])))


def _correlation(recorded: NDArray[np.float64]) -> NDArray[np.float64]:
    """The envelope of the correlation with the sweep: its peak does not move with the phase of what is heard."""
    size = 1 << (len(recorded) + SWEEP - 1).bit_length()
    spectrum = np.fft.rfft(recorded, size) * np.conj(np.fft.rfft(sweep(), size))
    # The analytic signal: positive frequencies only.
    full = np.zeros(size, np.complex128)
    full[: len(spectrum)] = spectrum
    full[1 : size // 2] *= 2
    envelope: NDArray[np.float64] = np.abs(np.fft.ifft(full))
    return envelope[: len(recorded) - SWEEP + 1]


def _fraction(match: NDArray[np.float64], at: int) -> float:
    """Where between frames the peak at *at* is, -0.5 to 0.5: the top of a parabola through three values."""
    if not 0 < at < len(match) - 1:
        return 0.0
    before, top, after = match[at - 1 : at + 2]
    curve = before - 2 * top + after
    return float(np.clip(0.5 * (before - after) / curve, -0.5, 0.5)) if curve < 0 else 0.0


def tone_level(recorded: NDArray[np.int16]) -> NDArray[np.float64]:
    """Amplitude of the tone in each 5 ms of a recording, full scale 1; float64, shape (frames // 240,)."""
    step = RATE // 200
    count = len(recorded) // step
    frames = np.arange(count * step)
    turned = recorded[: count * step] / 32768.0 * np.exp(-2j * np.pi * TONE_HZ * frames / RATE)
    level: NDArray[np.float64] = 2 * np.abs(turned.reshape(count, step).mean(axis=1))
    return level
