"""Conversions against NumPy, miniaudio's converter, a plain copy, audioop and plain Python."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from functools import partial
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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            import audioop
    except ImportError:  # Python 3.13 and later
        audioop = None
    samples = np.random.default_rng(0).integers(-32768, 32768, count).astype(np.int16)
    sample_bytes = samples.tobytes()
    for law, short in (("mu-law", "ulaw"), ("A-law", "alaw")):
        yield from g711_law(law, getattr(pcm, f"{short}_encode"), getattr(pcm, f"{short}_decode"), samples)
        if audioop:
            codes = getattr(pcm, f"{short}_encode")(sample_bytes).tobytes()
            to_codes, to_samples = getattr(audioop, f"lin2{short}"), getattr(audioop, f"{short}2lin")
            assert to_codes(sample_bytes, 2) == codes
            encode, decode = g711_groups(law, count)
            yield Case(encode, "audioop", partial(to_codes, sample_bytes, 2))
            yield Case(decode, "audioop", partial(to_samples, codes, 2))


def g711_groups(law: str, count: int) -> tuple[str, str]:
    return f"G.711 {law} encode, {count} samples", f"G.711 {law} decode, {count} samples"


def g711_law(
    law: str, encode: Callable[..., Any], decode: Callable[..., Any], samples: np.ndarray
) -> Iterator[Case]:
    """Ours, and a table in NumPy."""
    codes = encode(samples)
    table = encode(np.arange(-32768, 32768).astype(np.int16))
    decode_table = decode(np.arange(256, dtype=np.uint8))
    encode_group, decode_group = g711_groups(law, len(samples))
    yield Case(encode_group, "wavtools", partial(encode, samples))
    yield Case(encode_group, "NumPy table", lambda: table[samples.astype(np.int32) + 32768])
    yield Case(decode_group, "wavtools", partial(decode, codes))
    yield Case(decode_group, "NumPy table", lambda: decode_table[codes])


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
