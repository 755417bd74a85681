"""Quality of a resampler, measured alike for all: passband, alias, image, noise, and delay."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import soxr

from wavtools.resample import Resampler, resample

Convert = Callable[[np.ndarray, int, int], np.ndarray]
AMPLITUDE = 0.5
RATE_PAIRS = [
    (48_000, 24_000),
    (24_000, 48_000),
    (44_100, 24_000),
    (24_000, 44_100),
    (16_000, 24_000),
    (8_000, 24_000),
]

RESAMPLERS: dict[str, Convert] = {
    **{
        f"wavtools {quality}": lambda x, a, b, quality=quality: resample(x, a, b, quality)  # type: ignore[misc]
        for quality in ("fast", "high", "best")
    },
    **{
        f"soxr {quality}": lambda x, a, b, quality=quality: soxr.resample(x, a, b, quality=quality)  # type: ignore[misc]
        for quality in ("LQ", "HQ", "VHQ")
    },
}


class Tone(NamedTuple):
    gain_db: float  # of the tone that fits best at the input's frequency
    rest_db: float  # all else, against the tone that went in


def tone(frequency: float, rate: int) -> np.ndarray:
    """A quarter of a second."""
    angle = 2 * np.pi * frequency * np.arange(rate // 4) / rate
    return (AMPLITUDE * np.sin(angle + 0.7)).astype(np.float32)


def measure(convert: Convert, in_rate: int, out_rate: int, frequency: float) -> Tone:
    """One tone through *convert*; the first and last eighth of the output are left out."""
    got = convert(tone(frequency, in_rate), in_rate, out_rate).astype(np.float64)
    got = got[len(got) // 8 : -len(got) // 8]
    # Nothing of a tone above the output's Nyquist frequency may come out.
    if frequency >= out_rate / 2:
        return Tone(-np.inf, decibels(np.sqrt(2 * np.mean(got**2)) / AMPLITUDE))
    angle = 2 * np.pi * frequency * np.arange(len(got)) / out_rate
    basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    fit = np.linalg.lstsq(basis, got, rcond=None)[0]
    rest = got - basis @ fit
    return Tone(decibels(np.hypot(*fit) / AMPLITUDE), decibels(np.sqrt(2 * np.mean(rest**2)) / AMPLITUDE))


def decibels(ratio: float) -> float:
    return float(20 * np.log10(max(ratio, 1e-15)))


class Quality(NamedTuple):
    ripple_db: float  # largest deviation of the gain up to 0.91 of the lower Nyquist frequency
    snr_db: float  # smallest, over the tones up to 0.8 of it
    worst_db: float  # largest alias (from its Nyquist frequency up) or image (of tones up to 0.91 of Nyquist)


def quality(convert: Convert, in_rate: int, out_rate: int) -> Quality:
    nyquist = min(in_rate, out_rate) / 2
    passed = {f: measure(convert, in_rate, out_rate, f * nyquist) for f in np.linspace(0.02, 0.91, 24)}
    ripple = max(abs(tone.gain_db) for tone in passed.values())
    snr = min(-tone.rest_db for f, tone in passed.items() if f <= 0.8)
    if out_rate < in_rate:
        above = np.concatenate(
            [np.linspace(1.002, 1.1, 12), np.linspace(1.15, in_rate / out_rate * 0.98, 12)]
        )
        worst = max(measure(convert, in_rate, out_rate, f * nyquist).rest_db for f in above)
    else:
        worst = max(tone.rest_db for tone in passed.values())
    return Quality(ripple, snr, worst)


def response(convert: Convert, in_rate: int, out_rate: int, fractions: np.ndarray) -> list[float]:
    """Gain in decibels at *fractions* of the lower Nyquist frequency; above it, what aliases."""
    nyquist = min(in_rate, out_rate) / 2
    tones = [measure(convert, in_rate, out_rate, f * nyquist) for f in fractions]
    return [tone.rest_db if np.isinf(tone.gain_db) else tone.gain_db for tone in tones]


def delays(name: str, in_rate: int, out_rate: int, chunk_ms: int = 10, chunks: int = 100) -> np.ndarray:
    """Milliseconds by which the output lags after each chunk: input time taken, less output time given."""
    frames = in_rate * chunk_ms // 1000
    chunk = np.zeros(frames, np.float32)
    if name.startswith("soxr"):
        take = soxr.ResampleStream(
            in_rate, out_rate, 1, dtype="float32", quality=name.split()[1]
        ).resample_chunk
    else:
        take = Resampler(in_rate, out_rate, quality=name.split()[1]).process  # type: ignore[arg-type]
    given = np.cumsum([len(take(chunk)) for _ in range(chunks)])
    return 1000 * (np.arange(1, chunks + 1) * frames / in_rate - given / out_rate)
