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

    Parameters
    ----------
    x : C-contiguous buffer
        Of int16, or of bytes, which are taken as little-endian int16 (the API's pcm16).
    name : str
        What the caller calls it, for error texts.

    Returns
    -------
    numpy.ndarray
        int16, shape (n,)

    Raises
    ------
    TypeError
        another item type (the message names the converter), or memory that is not C-contiguous
    ValueError
        an odd number of bytes, or more than one dimension
    """
    # The usual case first: NumPy's buffer export takes longer than queueing the samples.
    if type(x) is np.ndarray and x.dtype == np.int16 and x.ndim == 1 and x.flags.c_contiguous:
        return x
    samples = _read_buffer(x, name)
    if samples.ndim != 1:
        raise ValueError(f"{name} has shape {samples.shape}; mono samples of shape (n,) are needed")
    return samples


def as_int16_frames(x: Any, name: str) -> NDArray[np.int16]:
    """*x* as an int16 array of shape (frames,) or (frames, channels); arrays may have any memory layout.

    Otherwise as as_int16().
    """
    samples = x if isinstance(x, np.ndarray) and x.dtype == np.int16 else _read_buffer(x, name)
    if samples.ndim not in (1, 2):
        raise ValueError(f"{name} has shape {samples.shape}; (frames,) or (frames, channels) is needed")
    return samples


def _read_buffer(x: Any, name: str) -> NDArray[np.int16]:
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
    # frombuffer() refuses an empty buffer.
    samples = np.frombuffer(view, np.int16) if view.nbytes else np.empty(0, np.int16)
    return samples.reshape(view.shape)
