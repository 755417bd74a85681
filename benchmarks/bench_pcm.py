"""Conversions against NumPy, miniaudio's converter, a plain copy, audioop and plain Python."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import miniaudio
import numpy as np
import pytest

from benchmarks.case import Case
from wavtools import pcm

SIZES = (480, 24_000)  # 20 ms and 1 s at 24 kHz


def plain_python(samples: list[float]) -> list[int]:
    """The rule of float32_to_pcm16."""
    return [math.trunc(max(-1.0, min(1.0, x)) * (32768 if x < 0 else 32767)) for x in samples]


def miniaudio_convert(target: Any, target_format: int, source: Any, source_format: int, count: int) -> None:
    ffi, lib = miniaudio.ffi, miniaudio.lib
    lib.ma_pcm_convert(
        *(ffi.from_buffer(target), target_format, ffi.from_buffer(source), source_format, count),
        lib.ma_dither_mode_none,
    )


def conversions(count: int) -> Iterator[Case]:
    rng = np.random.default_rng(0)
    floats = rng.uniform(-1, 1, count).astype(np.float32)
    samples, listed = pcm.float32_to_pcm16(floats), floats.tolist()
    int16_out, float_out = np.empty(count, np.int16), np.empty(count, np.float32)
    s16, f32 = miniaudio.lib.ma_format_s16, miniaudio.lib.ma_format_f32
    assert plain_python(listed) == samples.tolist()

    group = f"float32 to PCM16, {count} samples"
    yield Case(group, "wavtools", lambda: pcm.float32_to_pcm16(floats))
    yield Case(group, "wavtools, out=", lambda: pcm.float32_to_pcm16(floats, out=int16_out))
    yield Case(group, "NumPy", lambda: (np.clip(floats, -1, 1) * 32767).astype(np.int16))
    yield Case(group, "ma_pcm_convert", lambda: miniaudio_convert(int16_out, s16, floats, f32, count))
    yield Case(group, "copy of the input", floats.copy)
    yield Case(group, "plain Python", lambda: plain_python(listed))

    group = f"PCM16 to float32, {count} samples"
    yield Case(group, "wavtools", lambda: pcm.pcm16_to_float32(samples))
    yield Case(group, "wavtools, out=", lambda: pcm.pcm16_to_float32(samples, out=float_out))
    yield Case(group, "NumPy", lambda: samples.astype(np.float32) / 32768)
    yield Case(group, "ma_pcm_convert", lambda: miniaudio_convert(float_out, f32, samples, s16, count))
    yield Case(group, "copy of the output", float_out.copy)


def g711(count: int) -> Iterator[Case]:
    samples = np.random.default_rng(0).integers(-32768, 32768, count).astype(np.int16)
    codes = pcm.ulaw_encode(samples)
    sample_bytes, code_bytes = samples.tobytes(), codes.tobytes()
    table = pcm.ulaw_encode(np.arange(-32768, 32768).astype(np.int16))
    decode_table = pcm.ulaw_decode(np.arange(256, dtype=np.uint8))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            import audioop
    except ImportError:  # Python 3.13 and later
        audioop = None

    group = f"G.711 mu-law encode, {count} samples"
    yield Case(group, "wavtools", lambda: pcm.ulaw_encode(samples))
    if audioop:
        yield Case(group, "audioop", lambda: audioop.lin2ulaw(sample_bytes, 2))
    yield Case(group, "NumPy table", lambda: table[samples.astype(np.int32) + 32768])
    group = f"G.711 mu-law decode, {count} samples"
    yield Case(group, "wavtools", lambda: pcm.ulaw_decode(codes))
    if audioop:
        yield Case(group, "audioop", lambda: audioop.ulaw2lin(code_bytes, 2))
    yield Case(group, "NumPy table", lambda: decode_table[codes])


def mixing(count: int) -> Iterator[Case]:
    stereo = np.random.default_rng(0).uniform(-1, 1, (count, 2)).astype(np.float32)
    group = f"stereo to mono, {count} frames of float32"
    yield Case(group, "wavtools", lambda: pcm.mix_to_mono(stereo))
    yield Case(group, "NumPy", lambda: stereo.mean(axis=1))


def cases() -> list[Case]:
    return [case for make in (conversions, g711, mixing) for count in SIZES for case in make(count)]


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.group}: {case.name}")
def test_pcm(benchmark: Any, case: Case) -> None:
    benchmark.group = case.group
    benchmark(case.run)
