"""Samples of the types that people hold (int16, int32, floats of full scale 1.0), as int16 frames.

Thread: any; pure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavtools._sample_advice import converter
from wavtools._samples import as_int16, check_shape
from wavtools.files.encodings import Encoding, read_samples

__all__ = ["as_frames", "as_samples", "as_typed"]

# By the kind and width of a NumPy type: how such samples are stored.
_ENCODINGS = {"f4": Encoding("float", 4), "f8": Encoding("float", 8), "i4": Encoding("int", 4)}


def as_samples(x: Any, name: str) -> NDArray[Any]:
    """*x* as an array of samples of shape (frames,) or (frames, channels), not converted; see `as_typed`.

    Raises as `as_typed`, and ValueError for another shape, or (channels, frames).
    """
    samples = as_typed(x, name)
    check_shape(samples.shape, name)
    return samples


def as_typed(x: Any, name: str) -> NDArray[Any]:
    """*x* as an array of samples of any shape, not converted.

    Parameters
    ----------
    x : array, or a buffer such as bytes, bytearray or array.array
        int16, int32, float16, float32 or float64. Bytes are int16.
    name : str
        What errors call it.

    Returns
    -------
    array of int16, int32, float32 or float64
        Of the same shape; float16 becomes float32.

    Raises
    ------
    TypeError
        samples of another type; the message says what to write instead
    ValueError
        an odd number of bytes, or the bytes of an audio file
    """
    if isinstance(x, (bytes, bytearray)):
        return as_int16(x, name)
    if isinstance(x, (list, tuple)):
        raise TypeError(f"{name} is a {type(x).__name__}, not an array; {converter(x, name, 'float32')}")
    try:
        # A buffer of raw bytes has no type: as_int16 takes it as int16.
        held = memoryview(x) if not hasattr(x, "__array__") else None
    except (TypeError, ValueError, BufferError):
        return as_int16(x, name)
    if held is not None and held.format in ("B", "b", "c"):
        return as_int16(x, name)
    samples: NDArray[Any] = np.asarray(x)
    form = samples.dtype.newbyteorder("=").str[1:]
    if form not in ("i2", "i4", "f2", "f4", "f8"):
        raise TypeError(
            f"{name} holds {samples.dtype}; int16, int32 or floats are needed: {_advice(samples, name)}"
        )
    return samples.astype("f4" if form == "f2" else form, copy=False)


def _advice(samples: NDArray[Any], name: str) -> str:
    if samples.dtype.kind in "iuf":
        return converter(samples, name, "float32")
    return "take .real" if samples.dtype.kind == "c" else "pass an array of samples"


def as_frames(x: Any, name: str) -> NDArray[np.int16]:
    """*x* as int16 of the same shape: (frames,) or (frames, channels).

    Wider integers are rounded to the nearest; floats become ``rint(x * 32768)``, clamped, and NaN 0. int16 arrays come back
    as they are. Raises as `as_samples`.
    """
    samples = as_samples(x, name)
    if samples.dtype == np.int16:
        return samples
    encoding = _ENCODINGS[samples.dtype.str[1:]]
    flat = np.ascontiguousarray(samples, samples.dtype.newbyteorder("<")).reshape(-1)
    return read_samples(flat.data, encoding, np.int16).reshape(samples.shape)
