"""Captured frames as int16: conversion, the mean of their channels, and another number of channels.

Thread: any; pure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["mean_of_channels", "to_int16", "with_channels"]

Samples = NDArray[np.int16]


def to_int16(frames: NDArray[np.float32]) -> Samples:
    """Nearest int16 with full scale 32768, so that int16 from a device arrives bit for bit. NaN gives 0."""
    scaled = np.rint(np.nan_to_num(frames) * np.float32(32768))
    pcm: Samples = np.clip(scaled, -32768, 32767).astype(np.int16)
    return pcm


def mean_of_channels(raw: Samples) -> Samples:
    """Arithmetic mean of the channels, rounded half to even."""
    mean: Samples = np.rint(raw.mean(axis=1)).astype(np.int16)
    return mean


def with_channels(raw: Samples, channels: int, reference: bool) -> Samples:
    """Frames with *channels*, each the mean of the device's if that has another number, and the reference after them."""
    heard, played = (raw[:, :-1], raw[:, -1:]) if reference else (raw, raw[:, :0])
    if heard.shape[1] == channels:
        return raw
    mono = mean_of_channels(heard)[:, np.newaxis]
    return np.concatenate([mono] * channels + [played], axis=1)
