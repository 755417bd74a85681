"""The kernels against NumPy, SciPy and soxr, where these are installed: each on the same input, taking turns.

Thread: the caller's.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Kernel", "measure_kernels"]

ROUNDS = 15
ROUND_SECONDS = 0.01


@dataclass(frozen=True)
class Kernel:
    """One piece of work: microseconds by who does it; "wavtools" is ours."""

    work: str
    microseconds: dict[str, float]


def measure_kernels(tell: Callable[[float], None] = lambda share: None) -> list[Kernel]:
    """Measure all pieces of work."""
    found = []
    cases = _cases()
    for index, (work, ways) in enumerate(cases):
        found.append(Kernel(work, _measure(ways)))
        tell((index + 1) / len(cases))
    return found


def _cases() -> list[tuple[str, dict[str, Callable[[], Any]]]]:
    from wavtools.pcm import float32_to_pcm16, pcm16_to_float32
    from wavtools.resample import Resampler
    from wavtools.spectrum import rfft

    random = np.random.default_rng(0)
    floats = random.uniform(-0.9, 0.9, 480).astype(np.float32)
    ints = (floats * 32767).astype(np.int16)
    chunk = random.uniform(-0.5, 0.5, 480).astype(np.float32)
    block = random.uniform(-0.5, 0.5, 8192).astype(np.float32)
    ours = Resampler(48_000, 24_000)
    resampling: dict[str, Callable[[], Any]] = {"wavtools": lambda: ours.process(chunk)}
    spectrum: dict[str, Callable[[], Any]] = {
        "wavtools": lambda: rfft(block),
        "NumPy": lambda: np.fft.rfft(block),
    }
    if importlib.util.find_spec("soxr"):
        # Imported by name: type checkers do not know these packages.
        soxr = importlib.import_module("soxr")
        peer = soxr.ResampleStream(48_000, 24_000, 1, dtype="float32", quality="HQ")
        resampling["soxr HQ"] = lambda: peer.resample_chunk(chunk)
    if importlib.util.find_spec("scipy"):
        scipy_fft = importlib.import_module("scipy.fft")
        spectrum["SciPy"] = lambda: scipy_fft.rfft(block)
    return [
        (
            "float32 to PCM16, 480 samples",
            {
                "wavtools": lambda: float32_to_pcm16(floats),
                "NumPy": lambda: (np.clip(floats, -1, 1) * 32767).astype(np.int16),
            },
        ),
        (
            "PCM16 to float32, 480 samples",
            {
                "wavtools": lambda: pcm16_to_float32(ints),
                "NumPy": lambda: ints.astype(np.float32) / np.float32(32768),
            },
        ),
        ("resampling 48 to 24 kHz, 10 ms", resampling),
        ("real FFT of 8192", spectrum),
    ]


def _measure(ways: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """The median of rounds in which all ways take turns, in microseconds of processor time a call."""
    counts = {}
    for name, call in ways.items():
        call()
        begun, count = time.process_time(), 0
        while time.process_time() - begun < ROUND_SECONDS:
            call()
            count += 1
        counts[name] = count
    rounds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, call in ways.items():
            begun = time.process_time()
            for _ in range(counts[name]):
                call()
            rounds[name].append((time.process_time() - begun) / counts[name])
    return {name: 1e6 * float(np.median(values)) for name, values in rounds.items()}
