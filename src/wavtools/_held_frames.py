"""How much audio an open device may hold, read from miniaudio's struct of it.

pyminiaudio does not declare those fields of ma_device. They lie in one run whose inner layout is the same on every
platform, so the run is found by what is known of it; where it is not found exactly once, the answer is None.

Thread: control threads, after a device was initialised.
"""

from __future__ import annotations

import struct
from typing import Any

from wavtools._miniaudio import ffi

__all__ = ["held_seconds"]

# format, channels, channel map, and the same of the device itself with its rate, then period size and periods.
_RUN = struct.Struct("=II254x2xIII254x2xII")
_FORMATS = range(1, 6)
_CHANNELS = range(1, 255)
_RATES = range(1_000, 768_001)
_PERIOD_FRAMES = range(1, 1_000_001)
_PERIODS = range(1, 65)


def held_seconds(device: Any, format: int) -> float | None:
    """Period size times number of periods of a device of one direction.

    Parameters
    ----------
    device : ma_device *
    format : int
        The ma_format that its callback was opened with.

    Returns
    -------
    float or None
        Seconds; None where the struct has another layout.
    """
    memory = bytes(ffi.buffer(device))
    found = []
    for start in range(0, len(memory) - _RUN.size + 1, 4):
        ours, channels, theirs, device_channels, rate, frames, periods = _RUN.unpack_from(memory, start)
        if (
            ours == format
            and channels in _CHANNELS
            and theirs in _FORMATS
            and device_channels in _CHANNELS
            and rate in _RATES
            and frames in _PERIOD_FRAMES
            and periods in _PERIODS
        ):
            found.append(frames * periods / rate)
    return found[0] if len(found) == 1 else None
