"""OfflineDevice: a microphone and a speaker without hardware and without a clock.

It calls the very same compiled callbacks as a real device, as often as the caller says, as Web Audio's
OfflineAudioContext does. Use it to test programs, and to run audio through them faster than real time.

Thread: render() and capture() from any thread, one at a time each.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wavtools._callbacks import CaptureState, PlaybackState
from wavtools.errors import StateError

if TYPE_CHECKING:
    from wavtools._supervisor import Stream

__all__ = ["OfflineDevice"]

PERIODS_PER_SECOND = 100  # 10 ms periods, as a real device is asked for
CAPTURE_WAIT_SECONDS = 5.0


class OfflineDevice:
    """A device for WavRecorder and WavStreamPlayer that runs when you call it.

    Give one object as ``device=`` to a recorder, a player, or one of each.

    Parameters
    ----------
    sample_rate : int, 8000..192000 Hz
        The rate the device runs at; recorder and player convert to and from it.
    channels : int, 1..8
        Of both directions.

    Raises
    ------
    ValueError   sample_rate or channels out of range
    """

    def __init__(self, sample_rate: int = 48_000, channels: int = 1) -> None:
        if not 8_000 <= sample_rate <= 192_000:
            raise ValueError(f"sample_rate is {sample_rate} Hz; an OfflineDevice runs at 8000 to 192000 Hz")
        if not 1 <= channels <= 8:
            raise ValueError(f"channels is {channels}; an OfflineDevice has 1 to 8")
        self.sample_rate = sample_rate
        self.channels = channels
        self._output: PlaybackState | None = None
        self._input: CaptureState | None = None
        self._input_wake: Callable[[], None] = _nothing
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"OfflineDevice(sample_rate={self.sample_rate}, channels={self.channels})"

    def render(self, frames: int) -> NDArray[np.int16]:
        """Pull what the player sends to the speaker.

        Parameters
        ----------
        frames : int, 0 or more
            Device frames, at the device's rate.

        Returns
        -------
        int16, shape (frames,), or (frames, channels) with two or more channels (each the same): the queued audio,
        then silence; all silence when no player is connected.

        Thread: any, one at a time. Returns at once, however long the audio.
        """
        if frames < 0:
            raise ValueError(f"frames is {frames}; it must be 0 or more")
        out = np.zeros(frames, np.int16)
        period = self.sample_rate // PERIODS_PER_SECOND
        with self._lock:
            if self._output is not None:
                for start in range(0, frames, period):
                    self._output.run_callback(out[start : start + period])
        if self.channels == 1:
            return out
        return np.repeat(out[:, np.newaxis], self.channels, axis=1)

    def capture(self, x: Any) -> None:
        """Push microphone frames, as if they had been spoken into the device.

        Parameters
        ----------
        x : int16, shape (frames,) for one channel, or (frames, channels)
            At the device's rate. A 1-D array given to a device with several channels goes to each of them.

        Waits for the recorder when its ring is full, so nothing is lost however much is pushed. Frames pushed while
        no recorder has begun go nowhere, as with a real microphone.

        Raises
        ------
        TypeError    not int16
        ValueError   wrong number of channels

        Thread: any, one at a time.
        """
        samples = np.frombuffer(x, np.int16) if isinstance(x, (bytes, bytearray)) else np.asarray(x)
        if samples.dtype != np.int16:
            raise TypeError(
                f"x is {samples.dtype}, a device takes int16; convert with wavtools.pcm.float32_to_pcm16"
            )
        if samples.ndim == 1:
            samples = np.repeat(samples[:, np.newaxis], self.channels, axis=1)
        if samples.ndim != 2 or samples.shape[1] != self.channels:
            raise ValueError(
                f"x has shape {samples.shape}, expected (frames,) or (frames, {self.channels}) for {self!r}"
            )
        frames = samples.astype(np.float32) / np.float32(32768)
        period = self.sample_rate // PERIODS_PER_SECOND
        with self._lock:
            for start in range(0, len(frames), period):
                state = self._input
                if state is None:
                    return
                chunk = frames[start : start + period]
                self._wait_for_room(state, len(chunk))
                state.run_callback(chunk)
            self._input_wake()

    def _wait_for_room(self, state: CaptureState, frames: int) -> None:
        """Let the delivery thread catch up; what it cannot take in time is dropped and counted by the callback."""
        deadline = time.monotonic() + CAPTURE_WAIT_SECONDS
        while state.writable < frames and self._input is state and time.monotonic() < deadline:
            self._input_wake()
            time.sleep(0.001)

    def _open(self, stream: Stream) -> _Attachment:
        """Attach a recorder's or a player's stream; what open_stream calls."""
        with self._lock:
            state = stream.fit(self.sample_rate, self.channels, None)
            if isinstance(state, PlaybackState):
                if self._output is not None:
                    raise StateError(f"{self!r} already has a player; call its .disconnect() first")
                self._output = state
                return _Attachment(self, self._detach_output)
            if self._input is not None:
                raise StateError(f"{self!r} already has a recorder; call its .end() first")
            self._input, self._input_wake = state, stream.wake
            return _Attachment(self, self._detach_input)

    def _detach_output(self) -> None:
        with self._lock:
            self._output = None

    def _detach_input(self) -> None:
        self._input = None  # without the lock: capture() may be waiting for this very recorder
        self._input_wake = _nothing


class _Attachment:
    """One direction of an OfflineDevice, open."""

    latency_seconds = 0.0
    realtime_priority: bool | None = None

    def __init__(self, device: OfflineDevice, detach: Callable[[], None]) -> None:
        self.sample_rate = device.sample_rate
        self.channels = device.channels
        self.close = detach

    def start(self) -> None:
        """Nothing runs by itself here."""


def _nothing() -> None:
    return None
