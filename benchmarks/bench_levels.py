"""Levels, meters, voice activity and gain on chunks of 10 ms at 24 kHz, beside NumPy's level."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from benchmarks.case import Case
from wavtools import AudioChunk, Gain, LoudnessMeter, Meter, VoiceActivity

RATE = 24_000


def chunks() -> Iterator[Case]:
    x = np.random.default_rng(0).integers(-9_000, 9_000, RATE // 100).astype(np.int16)
    chunk, out = AudioChunk(mono=x, raw=x), np.empty_like(x)
    meter, loudness, peaks = Meter(RATE), LoudnessMeter(RATE, true_peak=False), LoudnessMeter(RATE)
    activity, gain = VoiceActivity(RATE), Gain(6, RATE)
    group = "a chunk of 10 ms at 24 kHz"
    yield Case(group, "wavtools, level_db", lambda: chunk.level_db)
    yield Case(group, "NumPy, level", lambda: 20 * np.log10(np.sqrt(np.mean((x / 32768) ** 2))))
    yield Case(group, "wavtools, Meter", lambda: meter.push(x))
    yield Case(group, "wavtools, LoudnessMeter", lambda: loudness.push(x))
    yield Case(group, "wavtools, LoudnessMeter with true peak", lambda: peaks.push(x))
    yield Case(group, "wavtools, VoiceActivity", lambda: activity.push(x))
    yield Case(group, "wavtools, Gain with limiter", lambda: gain.process(x, out))


@pytest.mark.parametrize("case", chunks(), ids=lambda case: f"{case.group}: {case.name}")
def test_levels(benchmark: Any, case: Case) -> None:
    benchmark.group = case.group
    benchmark(case.run)
