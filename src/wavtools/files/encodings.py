"""Encodings: how a file stores one sample, and its conversion to the types that NumPy holds.

Full scale is the whole width of the stored word: a file of 20 valid bits in three bytes fills the upper 20.

Thread: any; pure. Long conversions release the GIL.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from wavtools._encodings import pack_int24, read_integers, round_floats
from wavtools.pcm import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["DTYPES", "Encoding", "convert", "read_samples", "sample_type", "to_int16", "write_samples"]

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
    def dtype(self) -> np.dtype[Any]:
        """NumPy's type of a stored sample, with its byte order; bytes if NumPy has none of full scale."""
        order = ">" if self.big_endian else "<"
        if self.kind == "float":
            return np.dtype(f"{order}f{self.sample_bytes}")
        if self.kind == "int" and self.sample_bytes in (2, 4):
            return np.dtype(f"{order}i{self.sample_bytes}")
        return np.dtype(f"V{self.sample_bytes}")

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


def convert(data: Buffer, encoding: Encoding, out: NDArray[Any]) -> None:
    """Convert stored samples into *out*.

    Integers are shifted to the new width, and rounded to the nearest where it is smaller; as floats they have full scale
    1.0. Floats become integers by their full scale of 2**15 or 2**31, rounded to the nearest; what is beyond is clamped,
    NaN becomes 0.

    Parameters
    ----------
    data : bytes-like
        ``len(out)`` samples.
    encoding : Encoding
    out : array of one of `DTYPES`, shape (samples,)
    """
    if encoding.kind in ("ulaw", "alaw"):
        decode = ulaw_decode if encoding.kind == "ulaw" else alaw_decode
        codes = memoryview(data)[: len(out)]
        if out.dtype == np.int16:
            decode(codes, out=out)
        else:
            read_integers(decode(codes).data, 2, True, sys.byteorder == "big", out)
    elif encoding.kind == "float":
        values: NDArray[Any] = np.frombuffer(memoryview(data), encoding.dtype, len(out))
        # A value beyond the range of float32 is beyond full scale too.
        with np.errstate(over="ignore", invalid="ignore"):
            if out.dtype.kind == "f":
                out[:] = values
            else:
                round_floats(values.astype(values.dtype.newbyteorder("="), copy=False), out)
    else:
        read_integers(data, encoding.sample_bytes, encoding.kind == "int", encoding.big_endian, out)


def read_samples(data: Buffer, encoding: Encoding, dtype: DTypeLike) -> NDArray[Any]:
    """Convert stored samples to a new array, as `convert`.

    Parameters
    ----------
    data : bytes-like
        Whole samples.
    encoding : Encoding
    dtype : one of `DTYPES`

    Returns
    -------
    array of *dtype*, shape (samples,)
        A view of *data* (read-only if that is) where nothing is converted.
    """
    wanted = np.dtype(dtype)
    stored = memoryview(data).cast("B")
    if encoding.dtype == wanted:
        return np.frombuffer(stored, wanted)
    width = encoding.sample_bytes
    result = np.empty(len(stored) // width, wanted)
    for start in range(0, len(result), _BLOCK):
        convert(stored[start * width :], encoding, result[start : start + _BLOCK])
    return result


def to_int16(values: NDArray[np.float32]) -> NDArray[np.int16]:
    """Floats of full scale 1.0 as int16 by ``rint(x * 32768)``, clamped: the inverse of division by 32768."""
    samples = np.empty(values.shape, np.int16)
    round_floats(np.ascontiguousarray(values).reshape(-1), samples.reshape(-1))
    return samples


def write_samples(samples: NDArray[Any], encoding: Encoding) -> bytearray | memoryview:
    """Samples (int16, int32 or floats, shape (samples,)) as a little-endian file stores them; the inverse of `read_samples`.

    To a narrower integer they are rounded to the nearest and clamped. A view of *samples* where nothing is converted.
    """
    stored: NDArray[Any]
    if encoding.kind == "float":
        # int16 and int32 have full scale 2**15 and 2**31.
        if samples.dtype.kind != "f":
            samples = samples * (-1.0 / np.iinfo(samples.dtype).min)
        with np.errstate(over="ignore", invalid="ignore"):
            stored = np.ascontiguousarray(samples, encoding.dtype)
    elif encoding.is_narrow:
        short = _as_integers(samples, np.dtype(np.int16))
        if encoding.kind == "ulaw":
            stored = ulaw_encode(short)
        elif encoding.kind == "alaw":
            stored = alaw_encode(short)
        elif encoding.sample_bytes == 2:
            stored = short.astype("<i2", copy=False)
        else:
            centred: NDArray[np.int32] = np.minimum((short.astype(np.int32) + 128) >> 8, 127)
            stored = (centred + 128).astype(np.uint8)
    else:
        wide = _as_integers(samples, np.dtype(np.int32))
        if encoding.sample_bytes == 3:
            return pack_int24(wide)
        stored = wide.astype("<i4", copy=False)
    return stored.view(np.uint8).data


def _as_integers(samples: NDArray[Any], wanted: np.dtype[Any]) -> NDArray[Any]:
    native = np.ascontiguousarray(samples, samples.dtype.newbyteorder("="))
    if native.dtype == wanted:
        return native
    result = np.empty(native.shape, wanted)
    if native.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            round_floats(
                native if native.dtype == np.float32 else native.astype(np.float64, copy=False), result
            )
    else:
        read_integers(native.data, native.dtype.itemsize, True, sys.byteorder == "big", result)
    return result
