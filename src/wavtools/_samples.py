"""Sample data in: decides what counts as int16 samples.

Thread: any; pure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_int16", "as_int16_frames"]


def as_int16(x: Any, name: str) -> NDArray[np.int16]:
    """*x* as a 1-D int16 array, without a copy where it is one.

    Accepts any C-contiguous buffer of int16, or of bytes (taken as little-endian int16, the API's pcm16).

    Raises
    ------
    TypeError
        another item type (the message names the converter), or memory that is not C-contiguous
    ValueError
        an odd number of bytes, or more than one dimension
    """
    if type(x) is np.ndarray and x.dtype == np.int16 and x.ndim == 1 and x.flags.c_contiguous:
        return x  # the usual case; NumPy's buffer export takes longer than queueing the samples
    try:
        view = memoryview(x)
    except TypeError:
        raise TypeError(
            f"{name} must be int16 samples (bytes, array or NumPy), not {type(x).__name__}"
        ) from None
    if not view.c_contiguous:
        raise TypeError(f"{name} is not contiguous; pass numpy.ascontiguousarray({name})")
    item = view.format.lstrip("@=<")
    if item in ("B", "b", "c"):
        if view.nbytes % 2:
            raise ValueError(
                f"{name} has {view.nbytes} bytes, an odd number; int16 samples have two bytes each"
            )
        return np.frombuffer(view, "<i2").astype(np.int16, copy=False)
    if item in ("f", "d"):
        raise TypeError(f"{name} holds floats; convert with wavtools.pcm.float32_to_pcm16 first")
    if item != "h":
        raise TypeError(f"{name} holds items of format {view.format!r}; int16 samples are needed")
    if view.ndim != 1:
        raise ValueError(f"{name} has shape {view.shape}; mono samples of shape (n,) are needed")
    return np.frombuffer(view, np.int16) if view.nbytes else np.empty(0, np.int16)


def as_int16_frames(x: Any, name: str) -> NDArray[np.int16]:
    """*x* as an int16 array of shape (frames,) or (frames, channels).

    Arrays of int16 may have any memory layout; everything else is taken as by as_int16(), and raises the same.
    """
    if isinstance(x, memoryview):
        x = np.asarray(x)
    if not isinstance(x, np.ndarray) or x.dtype != np.int16:
        return as_int16(x, name)
    if x.ndim not in (1, 2):
        raise ValueError(f"{name} has shape {x.shape}; (frames,) or (frames, channels) is needed")
    return x
