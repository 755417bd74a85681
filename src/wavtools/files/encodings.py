"""Encodings: how a file stores one sample, and its conversion to the types that NumPy holds.

Full scale is the whole width of the stored word: a file of 20 valid bits in three bytes fills the upper 20.

Thread: any; pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from wavtools.pcm import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["DTYPES", "Encoding", "read_samples", "sample_type", "to_int16", "write_samples"]

# What samples can be read as.
DTYPES = ("int16", "int32", "float32", "float64")
# Samples that are converted at a time: their intermediate values stay in the processor's cache.
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Encoding:
    """How one sample is stored.

    Attributes
    ----------
    kind : str
        "int" (two's complement), "unsigned", "float", "ulaw" or "alaw".
    sample_bytes : int
        Bytes of one sample: 1 to 4 for integers, 4 or 8 for floats, 1 for G.711.
    big_endian : bool
    valid_bits : int
        Bits that carry sound; the others are zero.
    """

    kind: Literal["int", "unsigned", "float", "ulaw", "alaw"]
    sample_bytes: int
    big_endian: bool = False
    valid_bits: int = 0

    def __str__(self) -> str:
        if self.kind in ("ulaw", "alaw"):
            return "G.711 mu-law" if self.kind == "ulaw" else "G.711 A-law"
        bits = self.valid_bits or 8 * self.sample_bytes
        return f"{'float' if self.kind == 'float' else 'PCM'} of {bits} bits"

    @property
    def is_narrow(self) -> bool:
        """True if int16 holds every value of the encoding."""
        return self.kind != "float" and self.sample_bytes <= 2


def sample_type(dtype: DTypeLike) -> np.dtype[Any]:
    """*dtype* as one of `DTYPES`. Raises ValueError for another one."""
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        wanted = np.dtype("O")
    if wanted.name not in DTYPES:
        raise ValueError(f"dtype is {dtype!r}; samples are read as one of {', '.join(DTYPES)}")
    return wanted


def read_samples(data: Buffer, encoding: Encoding, dtype: DTypeLike) -> NDArray[Any]:
    """Convert stored samples.

    Parameters
    ----------
    data : bytes-like
        Whole samples.
    encoding : Encoding
    dtype : one of `DTYPES`

    Returns
    -------
    array of *dtype*, shape (samples,)
        Integers as they are or shifted to the new width, int16 rounded to the nearest; floats with full scale 1.0.
        Floats become integers by their full scale of 2**15 or 2**31, rounded to the nearest; what is beyond is clamped,
        NaN becomes 0. A view of *data* (read-only if that is) where nothing is converted.
    """
    wanted = np.dtype(dtype)
    stored = memoryview(data).cast("B")
    order = ">" if encoding.big_endian else "<"
    if encoding.kind == "float":
        plain: NDArray[Any] = np.frombuffer(stored, f"{order}f{encoding.sample_bytes}")
    elif encoding.kind == "int" and encoding.sample_bytes in (2, 4):
        plain = np.frombuffer(stored, f"{order}i{encoding.sample_bytes}")
    else:
        plain = np.empty(0, "V1")
    if plain.dtype == wanted:
        return plain
    count = len(stored) // encoding.sample_bytes
    result = np.empty(count, wanted)
    for start in range(0, count, _BLOCK):
        end = min(start + _BLOCK, count)
        block = stored[start * encoding.sample_bytes : end * encoding.sample_bytes]
        result[start:end] = _convert(block, encoding, wanted)
    return result


def _convert(data: memoryview, encoding: Encoding, wanted: np.dtype[Any]) -> NDArray[Any]:
    order = ">" if encoding.big_endian else "<"
    if encoding.kind == "float":
        return _from_float(np.frombuffer(data, f"{order}f{encoding.sample_bytes}"), wanted)
    if encoding.is_narrow:
        short = _as_int16(data, encoding)
        if wanted == np.int16:
            return short
        wide = short.astype(np.int32) << 16
    else:
        wide = _as_int32(data, encoding)
        if wanted == np.int16:
            # Rounded to the nearest; the largest values would round to 32768.
            rounded: NDArray[np.int16] = np.minimum(((wide >> 15) + 1) >> 1, 32767).astype(np.int16)
            return rounded
    if wanted == np.int32:
        return wide
    scaled: NDArray[Any] = np.multiply(wide, wanted.type(2.0**-31), dtype=wanted, casting="unsafe")
    return scaled


def _as_int16(data: memoryview, encoding: Encoding) -> NDArray[np.int16]:
    if encoding.kind == "ulaw":
        return ulaw_decode(data)
    if encoding.kind == "alaw":
        return alaw_decode(data)
    if encoding.sample_bytes == 2:
        return np.frombuffer(data, ">i2" if encoding.big_endian else "<i2").astype(np.int16)
    if encoding.kind == "unsigned":
        centred = np.frombuffer(data, np.uint8).astype(np.int16) - np.int16(128)
    else:
        centred = np.frombuffer(data, np.int8).astype(np.int16)
    shifted: NDArray[np.int16] = centred << 8
    return shifted


def _as_int32(data: memoryview, encoding: Encoding) -> NDArray[np.int32]:
    """Integers of three or four bytes, with their highest bit in the highest of int32."""
    if encoding.sample_bytes == 4:
        return np.frombuffer(data, ">i4" if encoding.big_endian else "<i4").astype(np.int32)
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    # In the order of the file; the byte without data is the lowest.
    wide[:, slice(0, 3) if encoding.big_endian else slice(1, 4)] = np.frombuffer(data, np.uint8).reshape(
        -1, 3
    )
    return wide.view(">i4" if encoding.big_endian else "<i4").reshape(-1).astype(np.int32, copy=False)


def _from_float(values: NDArray[Any], wanted: np.dtype[Any]) -> NDArray[Any]:
    # A value beyond the range of float32 is beyond full scale too.
    with np.errstate(over="ignore", invalid="ignore"):
        if wanted.kind == "f":
            return values.astype(wanted)
        return _to_integer(values, wanted)


def _to_integer(values: NDArray[Any], wanted: np.dtype[Any]) -> NDArray[Any]:
    """Floats as integers of full scale; what is beyond is clamped, NaN becomes 0."""
    limits = np.iinfo(wanted)
    scaled = np.rint(values.astype(np.float64) * -float(limits.min))
    clamped: NDArray[Any] = np.nan_to_num(np.clip(scaled, limits.min, limits.max), nan=0.0).astype(wanted)
    return clamped


def to_int16(values: NDArray[np.float32]) -> NDArray[np.int16]:
    """Floats of full scale 1.0 as int16 by ``rint(x * 32768)``, clamped: the inverse of division by 32768."""
    flat = np.ascontiguousarray(values).reshape(-1)
    samples = read_samples(flat.astype("<f4", copy=False).data, Encoding("float", 4), np.int16)
    return samples.reshape(values.shape)


def write_samples(samples: NDArray[Any], encoding: Encoding) -> bytes:
    """Samples (int16, int32 or floats, shape (samples,)) as a little-endian file stores them; the inverse of `read_samples`.

    To a narrower integer they are rounded to the nearest and clamped.
    """
    if encoding.kind == "float":
        # int16 and int32 have full scale 2**15 and 2**31.
        scale = 1.0 if samples.dtype.kind == "f" else -1.0 / np.iinfo(samples.dtype).min
        return (samples * scale).astype(f"<f{encoding.sample_bytes}").tobytes()
    if encoding.is_narrow:
        short = _as_integers(samples, np.dtype(np.int16))
        if encoding.kind == "ulaw":
            return ulaw_encode(short).tobytes()
        if encoding.kind == "alaw":
            return alaw_encode(short).tobytes()
        if encoding.sample_bytes == 2:
            return short.astype("<i2", copy=False).tobytes()
        centred: NDArray[np.int32] = np.minimum((short.astype(np.int32) + 128) >> 8, 127)
        return (centred + 128).astype(np.uint8).tobytes()
    wide = _as_integers(samples, np.dtype(np.int32))
    if encoding.sample_bytes == 4:
        return wide.astype("<i4", copy=False).tobytes()
    rounded: NDArray[np.int32] = np.minimum(((wide >> 7) + 1) >> 1, (1 << 23) - 1)
    return rounded.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def _as_integers(samples: NDArray[Any], wanted: np.dtype[Any]) -> NDArray[Any]:
    if samples.dtype == wanted:
        return np.ascontiguousarray(samples)
    if samples.dtype.kind == "f":
        return _to_integer(samples, wanted)
    if wanted == np.int32:
        return samples.astype(np.int32) << 16
    narrow: NDArray[np.int16] = np.minimum(((samples >> 15) + 1) >> 1, 32767).astype(np.int16)
    return narrow
