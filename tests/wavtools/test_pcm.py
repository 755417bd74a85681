"""Conversions are exact, refuse what they do not know, and write nothing when they refuse."""

from __future__ import annotations

import array
import math
import os
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import wavtools
from tests.conformance import both, load
from wavtools.pcm import (
    alaw_decode,
    alaw_encode,
    as_int16,
    available_kernel_sets,
    float32_to_pcm16,
    kernel_set,
    mix_to_mono,
    pcm16_to_float32,
    ulaw_decode,
    ulaw_encode,
)


def to_pcm16(value: float) -> int:
    """The rule in plain Python, whose floats are doubles."""
    if math.isnan(value):
        return 0
    value = max(-1.0, min(1.0, value))
    return math.trunc(value * (32768 if value < 0 else 32767))


@both("pcm")
def test_float32_to_pcm16_matches_the_original_bit_for_bit(folder: pathlib.Path) -> None:
    arrays = load(folder, "pcm").arrays
    np.testing.assert_array_equal(float32_to_pcm16(arrays["float_in"]), arrays["int16_out"])


@both("pcm")
def test_pcm16_to_float32_matches_the_original_bit_for_bit(folder: pathlib.Path) -> None:
    arrays = load(folder, "pcm").arrays
    np.testing.assert_array_equal(pcm16_to_float32(arrays["i16_in"]), arrays["float_out"])


@given(arrays(np.float32, st.integers(0, 70), elements=st.floats(width=32)))
def test_float32_to_pcm16_is_the_rule_for_any_float(x: np.ndarray) -> None:
    assert float32_to_pcm16(x).tolist() == [to_pcm16(float(value)) for value in x]


def test_float32_to_pcm16_truncates_the_exact_product_on_both_sides_of_every_step() -> None:
    # k / 32767 is no float for 0 < k < 32767: its product with 32767, rounded to a float, is k on both sides of it.
    steps = (np.arange(-32768, 32769) / 32767).astype(np.float32)
    x = np.concatenate([np.nextafter(steps, np.float32(-2)), steps, np.nextafter(steps, np.float32(2))])
    x = np.clip(x, -1, 1)
    exact = np.trunc(x.astype(np.float64) * np.where(x < 0, 32768, 32767))
    np.testing.assert_array_equal(float32_to_pcm16(x), exact)


@pytest.mark.parametrize("at", range(40))
def test_a_nan_is_zero_and_touches_no_other_sample(at: int) -> None:
    x = np.tile(np.array([np.inf, 3e38, 1, 0.3, -0.3, -1, -3e38, -np.inf], np.float32), 5)
    expected = float32_to_pcm16(x).tolist()
    assert expected[:8] == [32767, 32767, 32767, 9830, -9830, -32768, -32768, -32768]
    x[at] = np.nan if at % 2 else -np.nan
    expected[at] = 0
    assert float32_to_pcm16(x).tolist() == expected


@pytest.mark.parametrize("last", [0.5, np.nan])
def test_float32_to_pcm16_leaves_the_rounding_of_the_thread_as_it_was(last: float) -> None:
    ones, fives = np.ones(64), np.full(64, 5.0)
    float32_to_pcm16(np.append(np.full(63, 0.1, np.float32), np.float32(last)))
    assert set((ones / fives).tolist()) == {0.2}  # the nearest double lies above a fifth
    assert set((-ones / fives).tolist()) == {-0.2}


@pytest.mark.skipif(not os.environ.get("WAVTOOLS_SOAK"), reason="two minutes; make soak runs it")
@pytest.mark.timeout(1200)
def test_float32_to_pcm16_is_the_rule_for_every_float_there_is() -> None:
    with np.errstate(invalid="ignore"):
        for high in range(256):
            x = (np.arange(1 << 24, dtype=np.uint32) + np.uint32(high << 24)).view(np.float32)
            exact = np.clip(np.nan_to_num(x, nan=0.0).astype(np.float64), -1, 1)
            exact *= np.where(exact < 0, 32768, 32767)
            np.testing.assert_array_equal(float32_to_pcm16(x), exact.astype(np.int16))


def test_every_pcm16_value_survives_the_way_to_float32_and_back() -> None:
    every = np.arange(-32768, 32768).astype(np.int16)
    # x / 32768 x 32767 truncates to one less above zero: that is the original's rule, not a loss of ours.
    back = float32_to_pcm16(pcm16_to_float32(every))
    np.testing.assert_array_equal(back, np.where(every > 0, every - 1, every))


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 31, 33, 480, 24_001, 16_384, 16_385])
@pytest.mark.parametrize("offset", [0, 1, 3])
def test_any_size_and_alignment(count: int, offset: int) -> None:
    rng = np.random.default_rng(count)
    x = rng.uniform(-1.2, 1.2, count + offset).astype(np.float32)[offset:]
    assert float32_to_pcm16(x).tolist() == [to_pcm16(float(value)) for value in x]
    pcm = rng.integers(-32768, 32768, count + offset).astype(np.int16)[offset:]
    np.testing.assert_array_equal(pcm16_to_float32(pcm), pcm / np.float32(32768))


def test_shape_is_kept() -> None:
    x = np.zeros((5, 2), np.float32)
    assert float32_to_pcm16(x).shape == (5, 2)
    assert pcm16_to_float32(np.zeros((3, 4, 2), np.int16)).shape == (3, 4, 2)


BUFFERS = [bytes, bytearray, memoryview, lambda data: array.array("h", data)]


@pytest.mark.parametrize("make", [*BUFFERS, lambda data: np.frombuffer(data, np.int8).reshape(2, -1)])
def test_int16_samples_of_any_buffer_are_a_view_of_its_memory(make: type) -> None:
    pcm = np.array([-32768, -1, 0, 1, 32767, 7], np.int16)
    buffer = make(pcm.tobytes())
    got = as_int16(buffer)
    assert (got.dtype, got.shape) == (np.int16, (6,))
    np.testing.assert_array_equal(got, pcm)
    assert np.shares_memory(got, np.frombuffer(buffer, np.uint8))


def test_an_int16_array_is_its_own_samples() -> None:
    pcm = np.arange(8, dtype=np.int16)
    assert as_int16(pcm) is pcm
    assert as_int16(pcm[2:5]).tolist() == [2, 3, 4]
    assert as_int16(memoryview(pcm)[::1]).tolist() == pcm.tolist()


@pytest.mark.parametrize("empty", [b"", array.array("h"), np.zeros(0, np.int16), np.zeros((0, 2), np.uint8)])
def test_no_samples_are_an_empty_array(empty: object) -> None:
    got = as_int16(empty)
    assert (got.dtype, got.shape) == (np.int16, (0,))


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.zeros(2, np.float32), TypeError, "audio must be a buffer of int16 .*float32_to_pcm16"),
        (np.zeros(2), TypeError, "not float64 array"),
        (array.array("f", [0.0]), TypeError, "not array"),
        (np.zeros(2, np.uint16), TypeError, "not uint16 array"),
        (np.zeros(2, ">i2"), TypeError, "not >i2 array"),
        (np.zeros(2, "M8[s]"), TypeError, "audio must be a buffer of int16"),
        ([1, 2], TypeError, "not list"),
        ("12", TypeError, "not str"),
        (None, TypeError, "not NoneType"),
        (
            np.arange(8, dtype=np.int16)[::2],
            TypeError,
            r"not C-contiguous; pass numpy.ascontiguousarray\(audio\)",
        ),
        (memoryview(bytes(8))[::2], TypeError, "not C-contiguous"),
        (b"123", ValueError, "audio holds 3 bytes, an odd number"),
        (np.zeros((4, 1), np.int16), ValueError, r"audio has shape \(4, 1\); mono"),
        (np.int16(3), ValueError, r"audio has shape \(\)"),
    ],
)
def test_what_is_not_mono_int16_is_refused(value: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        as_int16(value, "audio")


@pytest.mark.parametrize("make", BUFFERS)
def test_any_buffer_of_int16_is_accepted(make: type) -> None:
    pcm = np.array([-32768, -1, 0, 1, 32767], np.int16)
    np.testing.assert_array_equal(pcm16_to_float32(make(pcm.tobytes())), pcm / np.float32(32768))


def test_a_read_only_input_is_accepted() -> None:
    x = np.zeros(9, np.float32)
    x.flags.writeable = False
    assert float32_to_pcm16(x).tolist() == [0] * 9


def test_out_receives_the_result_and_is_returned() -> None:
    x = np.linspace(-1, 1, 11, dtype=np.float32)
    out = np.empty(11, np.int16)
    assert float32_to_pcm16(x, out=out) is out
    np.testing.assert_array_equal(out, float32_to_pcm16(x))
    floats = np.empty(11, np.float32)
    assert pcm16_to_float32(out, out=floats) is floats
    np.testing.assert_array_equal(floats, pcm16_to_float32(out))


@pytest.mark.parametrize("x", [np.zeros(4), np.zeros(4, np.int16), b"1234", [0.0], 1.0, None, "1234"])
def test_float32_to_pcm16_refuses_other_samples(x: object) -> None:
    with pytest.raises(TypeError, match="x must be a buffer of float32"):
        float32_to_pcm16(x)  # type: ignore[call-overload]


@pytest.mark.parametrize("x", [np.zeros(4), np.zeros(4, np.int32), np.zeros(4, ">i2"), [0], None])
def test_pcm16_to_float32_refuses_other_samples(x: object) -> None:
    with pytest.raises(TypeError, match="x must be a buffer of int16"):
        pcm16_to_float32(x)  # type: ignore[call-overload]


def test_float32_given_as_int16_names_the_converter() -> None:
    with pytest.raises(TypeError, match="float32_to_pcm16"):
        pcm16_to_float32(np.zeros(4, np.float32))


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="3 bytes"):
        pcm16_to_float32(b"123")


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.full(4, 7, np.int16), ValueError, "holds 4 samples, expected 5"),
        (np.full(6, 7, np.int16), ValueError, "holds 6 samples, expected 5"),
        (np.full(5, 7, np.float32), TypeError, "int16, not float32"),
        (np.full(10, 7, np.int16)[::2], ValueError, "contiguous"),
        (np.frombuffer(b"\7\7" * 5, np.int16), TypeError, "writable"),
    ],
)
def test_a_refused_out_is_not_written(out: np.ndarray, error: type[Exception], message: str) -> None:
    before = out.copy()
    with pytest.raises(error, match=message):
        float32_to_pcm16(np.ones(5, np.float32), out=out)
    np.testing.assert_array_equal(out, before)


def test_overlapping_memory_is_refused() -> None:
    memory = np.full(8, 0.5, np.float32)
    with pytest.raises(ValueError, match="overlaps"):
        float32_to_pcm16(memory, out=memory.view(np.int16)[:8])
    np.testing.assert_array_equal(memory, np.full(8, 0.5))


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_mono_is_the_mean_of_the_channels(channels: int) -> None:
    x = np.random.default_rng(channels).uniform(-1, 1, (1001, channels)).astype(np.float32)
    expected = x.astype(np.float64).sum(axis=1) / channels
    np.testing.assert_array_equal(mix_to_mono(x), expected.astype(np.float32))


def test_mono_of_int16_rounds_to_the_nearest_and_halves_away_from_zero() -> None:
    x = np.array([[1, 2], [-1, -2], [32767, 32767], [-32768, -32768], [32767, -32768], [5, 5]], np.int16)
    assert mix_to_mono(x).tolist() == [2, -2, 32767, -32768, -1, 5]


def test_mono_of_one_channel_is_a_copy() -> None:
    x = np.arange(5, dtype=np.int16)
    mono = mix_to_mono(x)
    assert mono.tolist() == x.tolist()
    assert not np.shares_memory(mono, x)


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_mono_into_out_is_mono_and_out_itself(dtype: type) -> None:
    x = np.arange(60).reshape(20, 3).astype(dtype)
    out = np.full(20, 7, dtype)
    assert mix_to_mono(x, out=out) is out
    np.testing.assert_array_equal(out, mix_to_mono(x))


def test_mono_refuses_an_out_of_another_size_or_dtype_and_does_not_write_it() -> None:
    x = np.ones((20, 2), np.float32)
    for out, error in [
        (np.full(19, 7, np.float32), ValueError),
        (np.full(20, 7, np.int16), TypeError),
        (np.full(40, 7, np.float32), ValueError),
    ]:
        with pytest.raises(error, match="out"):
            mix_to_mono(x, out=out)
        assert (out == 7).all()
    with pytest.raises(ValueError, match="overlaps"):
        mix_to_mono(x, out=x.reshape(-1)[:20])
    assert (x == 1).all()


def test_mono_refuses_what_has_no_channels() -> None:
    with pytest.raises(ValueError, match="3 dimensions"):
        mix_to_mono(np.zeros((2, 2, 2), np.int16))
    with pytest.raises(ValueError, match="0 channels"):
        mix_to_mono(np.zeros((2, 0), np.int16))
    with pytest.raises(TypeError, match="int16 or float32"):
        mix_to_mono(np.zeros((2, 2)))  # type: ignore[type-var]


def test_strided_input_is_taken() -> None:
    stereo = np.random.default_rng(0).uniform(-1, 1, (101, 2)).astype(np.float32)
    np.testing.assert_array_equal(float32_to_pcm16(stereo[:, 1]), float32_to_pcm16(stereo)[:, 1])
    np.testing.assert_array_equal(float32_to_pcm16(stereo.T), float32_to_pcm16(stereo).T)
    np.testing.assert_array_equal(float32_to_pcm16(stereo[::-3]), float32_to_pcm16(stereo)[::-3])
    np.testing.assert_array_equal(mix_to_mono(stereo[::2]), mix_to_mono(stereo)[::2])


EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)
EVERY_CODE = np.arange(256, dtype=np.uint8)


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop left the standard library in Python 3.13")
def test_g711_is_audioops_for_every_sample_and_code() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop
    pcm, codes = EVERY_SAMPLE.tobytes(), EVERY_CODE.tobytes()
    assert ulaw_encode(pcm).tobytes() == audioop.lin2ulaw(pcm, 2)
    assert alaw_encode(pcm).tobytes() == audioop.lin2alaw(pcm, 2)
    assert ulaw_decode(codes).tobytes() == audioop.ulaw2lin(codes, 2)
    assert alaw_decode(codes).tobytes() == audioop.alaw2lin(codes, 2)


def test_g711_decodes_the_values_of_the_standards_tables() -> None:
    # G.711 tables 1a and 2a on a 16-bit scale: the first and last value of some segments.
    assert ulaw_decode(bytes([0xFF, 0xFE, 0xF0, 0xEF, 0x8F, 0x80])).tolist() == [0, 8, 120, 132, 16764, 32124]
    assert ulaw_decode(bytes([0x7F, 0x7E, 0x00])).tolist() == [0, -8, -32124]
    assert alaw_decode(bytes([0xD5, 0xD4, 0xC5, 0xAA])).tolist() == [8, 24, 264, 32256]
    assert alaw_decode(bytes([0x55, 0x54, 0x2A])).tolist() == [-8, -24, -32256]


def test_g711_codes_survive_decoding_and_encoding() -> None:
    np.testing.assert_array_equal(alaw_encode(alaw_decode(EVERY_CODE)), EVERY_CODE)
    minus_zero_became_zero = np.where(EVERY_CODE == 0x7F, 0xFF, EVERY_CODE)
    np.testing.assert_array_equal(ulaw_encode(ulaw_decode(EVERY_CODE)), minus_zero_became_zero)


def test_g711_takes_the_code_of_the_nearest_value() -> None:
    # To within half a step of the segment, at most 4 %.
    for encode, decode in [(ulaw_encode, ulaw_decode), (alaw_encode, alaw_decode)]:
        error = np.abs(decode(encode(EVERY_SAMPLE)).astype(int) - EVERY_SAMPLE)
        assert (error <= np.maximum(np.abs(EVERY_SAMPLE.astype(int)) / 25, 19)).all()


def test_g711_keeps_shapes_and_writes_to_out() -> None:
    pcm = EVERY_SAMPLE.reshape(-1, 2)
    assert ulaw_encode(pcm).shape == pcm.shape
    codes, back = np.empty(65_536, np.uint8), np.empty(65_536, np.int16)
    assert alaw_encode(pcm, out=codes) is codes
    assert alaw_decode(codes, out=back) is back
    np.testing.assert_array_equal(back, alaw_decode(alaw_encode(EVERY_SAMPLE)))
    with pytest.raises(ValueError, match="holds 65536 samples, expected 2"):
        ulaw_encode(pcm[:1], out=codes)
    with pytest.raises(ValueError, match="overlaps"):
        ulaw_encode(back, out=back.view(np.uint8)[:65_536])
    with pytest.raises(TypeError, match="uint8, not int16"):
        ulaw_encode(pcm, out=back)
    with pytest.raises(TypeError, match="x must be a buffer of int16"):
        ulaw_encode(np.zeros(4, np.float32))
    with pytest.raises(TypeError, match="x must be a buffer of uint8"):
        ulaw_decode(pcm)


# What the kernels say about themselves, and a digest of all that they compute.
DIGEST = """
import hashlib, numpy as np
from wavtools import pcm, resample, spectrum
rng = np.random.default_rng(7)
x = np.concatenate([rng.standard_normal(9_001), [np.nan, np.inf, -np.inf, 1e-42, -0.0, 1, -1]]).astype(np.float32)
results = [pcm.float32_to_pcm16(x), pcm.mix_to_mono(x.reshape(-1, 2))]
x = x[:8_192]
results += [pcm.pcm16_to_float32(results[0])]
results += [spectrum.rfft(x[:n]) for n in (32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192)]
for rates in [(48_000, 24_000), (24_000, 44_100), (8_000, 24_000), (44_100, 44_101)]:
    for quality in ("fast", "high", "best"):
        results += [resample.resample(x, *rates, quality), resample.resample(results[0], *rates, quality)]
analyser = spectrum.Analyser()
analyser.push(x)
results.append(analyser.float_frequency_data())
print(pcm.kernel_set(), hashlib.sha256(b"".join(r.tobytes() for r in results)).hexdigest())
"""


def run_with_kernels(name: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "WAVTOOLS_KERNELS": name, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", DIGEST],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_kernel_set_gives_the_same_bits() -> None:
    digests = set()
    for name in available_kernel_sets():
        done = run_with_kernels(name)
        assert done.returncode == 0, done.stderr
        said, digest = done.stdout.split()
        assert said == name
        digests.add(digest)
    assert len(digests) == 1


def test_the_fastest_kernel_set_runs_unless_another_is_named() -> None:
    if os.environ.get("WAVTOOLS_KERNELS"):
        assert kernel_set() == os.environ["WAVTOOLS_KERNELS"]
    else:
        assert kernel_set() == available_kernel_sets()[-1]
    assert wavtools.kernel_set() == kernel_set()


def test_an_unknown_kernel_set_is_refused_at_import() -> None:
    done = run_with_kernels("avx1024")
    assert done.returncode == 1
    assert "ImportError: WAVTOOLS_KERNELS names no kernel set of this machine; it has base" in done.stderr
