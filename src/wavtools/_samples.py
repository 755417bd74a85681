"""Sample data in: which buffers count as int16 samples; the rule itself is compiled, in wavtools.pcm.

Thread: any; pure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavtools._sample_advice import MAX_CHANNELS
from wavtools.pcm import as_int16

__all__ = ["as_int16", "as_int16_frames", "check_shape"]


def as_int16_frames(x: Any, name: str) -> NDArray[np.int16]:
    """*x* as an int16 array of shape (frames,) or (frames, channels).

    Arrays of int16 may have any memory layout; everything else is taken as by as_int16(), and raises the same.
    """
    if isinstance(x, memoryview):
        x = np.asarray(x)
    if not isinstance(x, np.ndarray) or x.dtype != np.int16:
        return as_int16(x, name)
    check_shape(x.shape, name)
    return x


def check_shape(shape: tuple[int, ...], name: str) -> None:
    """Raise ValueError unless *shape* is (frames,) or (frames, channels)."""
    if len(shape) not in (1, 2):
        raise ValueError(
            f"{name} has shape {shape}; (frames,) or (frames, channels) is needed: pass {name}.reshape(-1, channels)"
        )
    if len(shape) == 2 and shape[0] <= MAX_CHANNELS < shape[1]:
        raise ValueError(
            f"{name} has shape {shape}, which looks like (channels, frames); (frames, channels) is needed: pass {name}.T"
        )
