"""The resampler against python-soxr, libsamplerate, miniaudio's converter and SciPy: 10 ms chunks, and one call."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import miniaudio
import numpy as np
import pytest
import samplerate
import scipy.signal
import soxr

from benchmarks.case import Case
from wavtools.resample import Resampler, resample

PAIRS = [
    (48_000, 24_000),
    (24_000, 48_000),
    (44_100, 24_000),
    (24_000, 44_100),
    (16_000, 24_000),
    (8_000, 24_000),
]
CHUNK_MS = 10
WHOLE_SECONDS = 60


def noise(frames: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, frames).astype(np.float32)


def soxr_stream(in_rate: int, out_rate: int, chunk: np.ndarray) -> Callable[[], Any]:
    stream = soxr.ResampleStream(in_rate, out_rate, 1, dtype="float32", quality="HQ")
    return lambda: stream.resample_chunk(chunk)


def samplerate_stream(in_rate: int, out_rate: int, chunk: np.ndarray) -> Callable[[], Any]:
    stream = samplerate.Resampler("sinc_medium")
    return lambda: stream.process(chunk, out_rate / in_rate)


def miniaudio_whole(in_rate: int, out_rate: int, signal: np.ndarray) -> Callable[[], Any]:
    """miniaudio's own converter: linear interpolation with a low-pass of fourth order."""
    data, f32 = signal.tobytes(), miniaudio.SampleFormat.FLOAT32
    return lambda: miniaudio.convert_frames(f32, 1, in_rate, data, f32, 1, out_rate)


def streaming(in_rate: int, out_rate: int, milliseconds: int = CHUNK_MS) -> Iterator[Case]:
    chunk = noise(in_rate * milliseconds // 1000)
    group = f"stream {in_rate} -> {out_rate} Hz, chunks of {milliseconds} ms"
    for quality in ("high", "fast", "best"):
        stream = Resampler(in_rate, out_rate, quality=quality)  # type: ignore[arg-type]
        yield Case(group, f"wavtools {quality}", lambda stream=stream: stream.process(chunk))  # type: ignore[misc]
    yield Case(group, "soxr HQ", soxr_stream(in_rate, out_rate, chunk))
    yield Case(group, "libsamplerate medium", samplerate_stream(in_rate, out_rate, chunk))


def whole(in_rate: int, out_rate: int) -> Iterator[Case]:
    signal = noise(in_rate * WHOLE_SECONDS)
    divisor = math.gcd(in_rate, out_rate)
    group = f"one call, {in_rate} -> {out_rate} Hz, {WHOLE_SECONDS} s"
    yield Case(group, "wavtools high", lambda: resample(signal, in_rate, out_rate))
    yield Case(group, "soxr HQ", lambda: soxr.resample(signal, in_rate, out_rate, quality="HQ"))
    up, down = out_rate // divisor, in_rate // divisor
    yield Case(group, "scipy resample_poly", lambda: scipy.signal.resample_poly(signal, up, down))
    yield Case(group, "miniaudio (linear)", miniaudio_whole(in_rate, out_rate, signal))


def cases() -> list[Case]:
    return [case for make in (streaming, whole) for rates in PAIRS for case in make(*rates)]


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.group}: {case.name}")
def test_resample(benchmark: Any, case: Case) -> None:
    benchmark.group = case.group
    benchmark(case.run)
