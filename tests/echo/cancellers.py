"""Echo cancellers by name: ours, those of others, and half-duplex as a canceller, for tests and benchmarks.

Names: "none", "half-duplex", "native", "webrtc", "livekit". The last is a peer for the benchmark alone.

Thread: any; a canceller is used by one thread at a time.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NAMES", "HalfDuplex", "Livekit", "Passing", "available", "make_canceller"]

NAMES = ("none", "half-duplex", "native", "webrtc", "livekit")
# Half-duplex: the microphone stays closed for so long after the last sound of the player.
HANG_SECONDS = 0.4
# Samples below this, of 32768, are silence of the player.
SILENT = 32

Int16Array = NDArray[np.int16]


class Passing:
    """No canceller: the microphone as it is, with the interface of one."""

    name = "none"
    delay_frames = 0
    erle_db = 0.0
    path_delay_seconds: float | None = None

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.frame = sample_rate // 100

    def process(self, near: Int16Array, played: Int16Array) -> Int16Array:
        """*near* itself."""
        return near.copy()

    def reset(self) -> None:
        """Do nothing."""


class HalfDuplex(Passing):
    """Silence while something is played, and HANG_SECONDS longer."""

    name = "half-duplex"

    def __init__(self, sample_rate: int) -> None:
        super().__init__(sample_rate)
        self._closed = 0

    def process(self, near: Int16Array, played: Int16Array) -> Int16Array:
        """*near*, or zeros."""
        if len(played) and np.abs(played.astype(np.int32)).max() > SILENT:
            self._closed = int(HANG_SECONDS * self.sample_rate)
        out = near.copy()
        out[: self._closed] = 0
        self._closed = max(0, self._closed - len(near))
        return out


class Livekit(Passing):
    """The AudioProcessingModule of the package livekit: AEC3 in a wheel of 30 MB."""

    name = "livekit"

    def __init__(self, sample_rate: int) -> None:
        super().__init__(sample_rate)
        # Measured: a sine comes out that much later.
        self.delay_frames = round(0.0093 * sample_rate)
        self.reset()

    def process(self, near: Int16Array, played: Int16Array) -> Int16Array:
        """The cleaned *near*; it takes 10 ms at a time."""
        from livekit import rtc

        out = np.empty_like(near)
        for start in range(0, len(near), self.frame):
            part = slice(start, start + self.frame)
            far = rtc.AudioFrame(played[part].tobytes(), self.sample_rate, 1, self.frame)
            mine = rtc.AudioFrame(near[part].tobytes(), self.sample_rate, 1, self.frame)
            self._module.process_reverse_stream(far)
            self._module.set_stream_delay_ms(0)
            self._module.process_stream(mine)
            out[part] = np.frombuffer(bytes(mine.data.cast("B")), np.int16)
        return out

    def reset(self) -> None:
        """A new module: it has no reset of its own."""
        from livekit import rtc

        self._module = rtc.AudioProcessingModule(echo_cancellation=True)


def available(name: str) -> bool:
    """True if *name* can be made here."""
    needs = {"webrtc": "pywebrtc_audio", "livekit": "livekit", "native": "wavtools.echo"}.get(name)
    return needs is None or importlib.util.find_spec(needs) is not None


def make_canceller(name: str, sample_rate: int) -> Any:
    """A wavtools.EchoCanceller by its name."""
    own = {"none": Passing, "half-duplex": HalfDuplex, "livekit": Livekit}
    if name in own:
        return own[name](sample_rate)
    from wavtools import echo_canceller

    return echo_canceller(name, sample_rate)
