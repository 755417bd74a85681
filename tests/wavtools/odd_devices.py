"""Devices for tests of use_device: one that holds audio as a real one does, one that does not start.

Thread: the test's.
"""

from __future__ import annotations

import numpy as np

from wavtools import DeviceError, OfflineDevice

RATE = 24_000
HELD = 720


def ramp(count: int, start: int = 1) -> np.ndarray:
    return (np.arange(start, start + count) % 30_000).astype(np.int16)


class HoldingDevice:
    """An OfflineDevice that says it holds the last 30 ms, as a real one does."""

    def __init__(self, rate: int = RATE) -> None:
        self.offline = OfflineDevice(rate)

    def attach(self, stream, on_event):
        device = self.offline.attach(stream, on_event)
        device.latency_seconds = HELD / RATE
        return device

    def render(self, frames: int) -> np.ndarray:
        return self.offline.render(frames)


class BrokenDevice:
    """A device that opens and does not start."""

    def __init__(self) -> None:
        self.closed = False

    def attach(self, stream, on_event):
        self.sample_rate, self.channels = RATE, 1
        self.latency_seconds, self.realtime_priority = 0.0, None
        return self

    def start(self, old=None):
        raise DeviceError("cannot start")

    def close(self):
        self.closed = True
