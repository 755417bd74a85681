"""The compiled conversions give what NumPy computes, for every width, byte order and type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavtools._encodings import pack_int24, read_integers, round_floats
from wavtools.files.encodings import DTYPES, Encoding, read_samples, to_int16, write_samples

EDGES = [
    -(2**31),
    -(2**31) + 1,
    -(2**16) - 1,
    -(2**15) - 1,
    -(2**15),
    -1,
    0,
    1,
    2**15 - 1,
    2**15,
    2**23,
    2**31 - 1,
]


def stored(values: np.ndarray[Any, Any], width: int, signed: bool, big: bool) -> bytes:
    """The upper *width* bytes of int32 values, as a file holds them."""
    kept = (values.astype(np.int64) >> 8 * (4 - width)) + (0 if signed else 128)
    wide = kept.astype(">i8" if big else "<i8").view(np.uint8).reshape(-1, 8)
    return (wide[:, 8 - width :] if big else wide[:, :width]).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("width", "signed"), [(1, False), (1, True), (2, True), (3, True), (4, True)])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 12, 40_001])
def test_integers_of_every_width_are_read(
    width: int, signed: bool, big: bool, dtype: str, count: int
) -> None:
    values = np.random.default_rng(count).integers(-(2**31), 2**31, count).astype(np.int32)
    values[: len(EDGES)] = EDGES[:count]
    kept = values.astype(np.int64) >> 8 * (4 - width) << 8 * (4 - width)
    expected = {
        "int16": np.minimum(((kept >> 15) + 1) >> 1, 32767),
        "int32": kept,
        "float32": kept.astype(np.float32) / np.float32(2**31),
        "float64": kept / 2**31,
    }[dtype]
    out = np.empty(count, dtype)
    read_integers(stored(values, width, signed, big), width, signed, big, out)
    np.testing.assert_array_equal(out, expected)
    encoding = Encoding("int" if signed else "unsigned", width, big)
    np.testing.assert_array_equal(read_samples(stored(values, width, signed, big), encoding, dtype), expected)


@pytest.mark.parametrize("wanted", ["int16", "int32"])
@pytest.mark.parametrize("given_type", ["float32", "float64"])
def test_floats_are_rounded_to_the_nearest_and_clamped(given_type: str, wanted: str) -> None:
    scale = -float(np.iinfo(wanted).min)
    steps = np.array([0, 0.5, 1, 1.5, 2.5, -0.5, -1.5, -2.5, 100.49]) / scale
    extremes = [1, -1, 2, -2, np.inf, -np.inf, np.nan, 1e-40]
    values = np.concatenate([steps, extremes, np.linspace(-1.1, 1.1, 40_000)]).astype(given_type)
    out = np.empty(len(values), wanted)
    round_floats(values, out)
    scaled = np.clip(np.rint(values.astype(np.float64) * scale), -scale, scale - 1)
    np.testing.assert_array_equal(out, np.nan_to_num(scaled, nan=0).astype(wanted))


def test_int24_is_packed_with_rounding() -> None:
    values = np.array(EDGES, np.int32)
    rounded = np.minimum(((values.astype(np.int64) >> 7) + 1) >> 1, 2**23 - 1)
    assert pack_int24(values) == stored((rounded << 8).astype(np.int32), 3, True, False)
    assert pack_int24(np.empty(0, np.int32)) == b""


def test_arrays_that_do_not_fit_are_refused_and_nothing_is_written() -> None:
    out = np.full(4, 7, np.int16)
    with pytest.raises(ValueError, match="8 bytes; 12 are needed"):
        read_integers(bytes(8), 3, True, False, out)
    with pytest.raises(ValueError, match="sample_bytes is 5"):
        read_integers(bytes(40), 5, True, False, out)
    with pytest.raises(ValueError, match="x 3"):
        round_floats(np.zeros(3), out)
    for wrong in (np.zeros(4, np.int8), np.zeros(4, ">f4"), np.zeros(4, complex)):
        with pytest.raises(ValueError, match="another type"):
            read_integers(bytes(40), 2, True, False, wrong)
        with pytest.raises(ValueError, match="another type"):
            round_floats(wrong, out)
    with pytest.raises(ValueError, match="another type"):
        pack_int24(np.zeros(4))  # type: ignore[arg-type]
    assert out.tolist() == [7] * 4


ENCODINGS = [Encoding("int", width) for width in (2, 3, 4)] + [Encoding("float", width) for width in (4, 8)]


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=50), st.sampled_from(ENCODINGS))
def test_what_is_written_is_read_within_a_step(values: list[int], encoding: Encoding) -> None:
    samples = np.array(values, np.int32)
    got = read_samples(write_samples(samples, encoding), encoding, "float64")
    step = (
        2.0**-23
        if encoding.kind == "float" and encoding.sample_bytes == 4
        else 2.0 ** (1 - 8 * encoding.sample_bytes)
    )
    assert np.abs(got - samples / 2**31).max(initial=0) <= step


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("form", ["i2", "i4", "f2", "f4", "f8", "g"])
def test_samples_of_any_byte_order_are_written(form: str, order: str) -> None:
    values = np.array([0, 0.25, -0.5])
    samples = (values * (2 ** (8 * int(form[1]) - 1) if form[0] == "i" else 1)).astype(order + form)
    for encoding in (*ENCODINGS, Encoding("unsigned", 1)):
        assert read_samples(write_samples(samples, encoding), encoding, "float64").tolist() == values.tolist()


def test_to_int16_keeps_the_shape() -> None:
    values = np.array([[0.5, -0.5], [2, np.nan]], np.float32)
    assert to_int16(values).tolist() == to_int16(values.T).T.tolist() == [[16384, -16384], [32767, 0]]
