"""OfflineDevice: a microphone and a speaker without hardware and without a clock.

It runs the same compiled callbacks as a real device, but only when the program says so, as Web Audio's OfflineAudioContext
does. Use it to test programs, and to run audio through them faster than real time.

Thread: render() and capture() from any thread, one at a time each.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from wavtools._arguments import integer
from wavtools._callbacks import StandIn
from wavtools._process import require_home
from wavtools._samples import as_int16_frames
from wavtools.errors import StateError

if TYPE_CHECKING:
    from wavtools._events import DeviceEvent
    from wavtools._stream import Device, Stream

__all__ = ["OfflineDevice"]

# Periods of 10 ms, as a real device is asked for.
PERIODS_PER_SECOND = 100
CAPTURE_WAIT_SECONDS = 5.0


class OfflineDevice:
    """A device for WavRecorder and WavStreamPlayer that runs when you call it.

    Give one object as ``device=`` to a recorder, a player, or one of each.

    Parameters
    ----------
    sample_rate : int
        Hz, 8000 to 192000: the rate of the device. Recorder and player convert from and to it.
    channels : int
        1 to 8, of both directions.
    duplex : bool
        True for one clock for both directions, run by exchange(). The recorder's chunks then have ``played``, as with a
        DuplexDevice. Without it, use render() and capture().

    Raises
    ------
    ValueError
        sample_rate or channels out of range
    """

    def __init__(self, sample_rate: int = 48_000, channels: int = 1, *, duplex: bool = False) -> None:
        self.sample_rate = integer(
            sample_rate, "sample_rate", 8_000, 192_000, "an OfflineDevice runs at 8000 to 192000 Hz"
        )
        self.channels = integer(channels, "channels", 1, 8, "an OfflineDevice has 1 to 8")
        self._duplex = duplex
        self._stand_in = StandIn(self.channels, self.channels)
        self._output: Stream | None = None
        self._input: Stream | None = None
        # One render() and one capture() at a time.
        self._render_lock = threading.Lock()
        self._capture_lock = threading.Lock()
        # Held around each callback, and while a stream takes or leaves its seat. A signal handler that ends a recorder may
        # take it again between two callbacks.
        self._callback_lock = threading.RLock()
        # The process whose recorder or player is attached; a forked child has a copy, with locks that may be held.
        self._home = 0

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("an OfflineDevice cannot be copied or pickled; make another one where it is needed")

    def __repr__(self) -> str:
        duplex = ", duplex=True" if self._duplex else ""
        return f"OfflineDevice(sample_rate={self.sample_rate}, channels={self.channels}{duplex})"

    def render(self, frames: int) -> NDArray[np.int16]:
        """Pull what the player sends to the speaker.

        Thread: any, one at a time. Does not wait for a clock, however long the audio is.

        Parameters
        ----------
        frames : int
            Device frames, at the device's rate; 0 or more.

        Returns
        -------
        numpy.ndarray
            int16, shape (frames,), or (frames, channels) with two or more channels: the queued audio, then silence. All
            silence when no player is connected. Which channel of the player goes where: see WavStreamPlayer.

        Raises
        ------
        ValueError
            frames below 0
        StateError
            a duplex device
        """
        frames = integer(frames, "frames", 0, None, "it must be 0 or more")
        self._require(duplex=False)
        out = np.zeros((frames, self.channels), np.int16)
        period = self.sample_rate // PERIODS_PER_SECOND
        with self._render_lock:
            for start in range(0, frames, period):
                with self._callback_lock:
                    self._stand_in.play(out[start : start + period])
        return out[:, 0] if self.channels == 1 else out

    def capture(self, x: Any) -> None:
        """Push microphone frames, as if they had been spoken into the device.

        Waits for the recorder when its ring is full, so that nothing is lost. Frames pushed while no recorder has begun
        are dropped, as with a real microphone.

        Thread: any, one at a time.

        Parameters
        ----------
        x : int16 array or bytes
            Shape (frames,) or (frames, channels), at the device's rate. A device with several channels takes an array of
            shape (frames,) for each of them.

        Raises
        ------
        TypeError
            samples that are not int16
        ValueError
            a wrong number of channels
        StateError
            a duplex device
        """
        self._require(duplex=False)
        frames = self._frames(x)
        period = self.sample_rate // PERIODS_PER_SECOND
        with self._capture_lock:
            for start in range(0, len(frames), period):
                chunk = frames[start : start + period]
                self._wait_for_room(len(chunk))
                with self._callback_lock:
                    self._stand_in.capture(chunk)
        self._wake()

    def exchange(self, x: Any) -> NDArray[np.int16]:
        """Push microphone frames and pull as many for the speaker, on one clock. Only with duplex=True.

        Thread: any, one at a time.

        Parameters
        ----------
        x : int16 array or bytes
            As for capture().

        Returns
        -------
        numpy.ndarray
            As from render().

        Raises
        ------
        TypeError
            samples that are not int16
        ValueError
            a wrong number of channels
        StateError
            not a duplex device
        """
        self._require(duplex=True)
        frames = self._frames(x)
        out = np.zeros((len(frames), self.channels), np.int16)
        period = self.sample_rate // PERIODS_PER_SECOND
        with self._capture_lock, self._render_lock:
            for start in range(0, len(frames), period):
                chunk = frames[start : start + period]
                self._wait_for_room(len(chunk))
                with self._callback_lock:
                    self._stand_in.duplex(chunk, out[start : start + period])
        self._wake()
        return out[:, 0] if self.channels == 1 else out

    def _require(self, *, duplex: bool) -> None:
        require_home(self._home, "device")
        if duplex and not self._duplex:
            raise StateError("this device has no common clock; make it with OfflineDevice(duplex=True)")
        if self._duplex and not duplex:
            raise StateError("the two directions of a duplex device run together; call .exchange()")

    def _frames(self, x: Any) -> NDArray[np.float32]:
        """int16 frames as the float32 (frames, channels) that a device captures."""
        samples = as_int16_frames(x, "x")
        if samples.ndim == 1:
            samples = np.repeat(samples[:, np.newaxis], self.channels, axis=1)
        if samples.shape[1] != self.channels:
            raise ValueError(
                f"x has shape {samples.shape}, expected (frames,) or (frames, {self.channels}) for {self!r}"
            )
        return np.ascontiguousarray(samples.astype(np.float32) / np.float32(32768))

    def _wait_for_room(self, frames: int) -> None:
        """Let the delivery thread catch up. What it cannot take in time, the callback drops and counts."""
        deadline = time.monotonic() + CAPTURE_WAIT_SECONDS
        while (stream := self._input) is not None and stream.room < frames and time.monotonic() < deadline:
            stream.wake()
            time.sleep(0.001)

    def _wake(self) -> None:
        stream = self._input
        if stream is not None:
            stream.wake()

    def attach(self, stream: Stream, on_event: Callable[[DeviceEvent], None]) -> Device:
        """Open the device for a recorder's or player's stream; they call this, through ``device=``."""
        require_home(self._home, "device")
        with self._callback_lock:
            self._home = os.getpid()
            if stream.kind == "capture":
                if self._input is not None:
                    raise StateError(f"{self!r} already has a recorder; call its .end() first")
                self._input = stream
            else:
                if self._output is not None:
                    raise StateError(f"{self!r} already has a player; call its .disconnect() first")
                self._output = stream
        return _Attachment(self, stream)

    def _seat(self, stream: Stream, lost_seconds: float | None) -> None:
        with self._callback_lock:
            stream.fit(self._stand_in.seat, self.sample_rate, self.channels, lost_seconds, self._duplex)

    def _detach(self, stream: Stream) -> None:
        # Without the locks of capture() and render(): capture() may be waiting for this very recorder. Frames that come
        # later are dropped.
        with self._callback_lock:
            stream.leave(self._stand_in.seat)
            if self._input is stream:
                self._input = None
            if self._output is stream:
                self._output = None
            if self._input is self._output is None:
                self._home = 0


class _Attachment:
    """One direction of an OfflineDevice: the Device of one recorder or player."""

    latency_seconds = 0.0
    realtime_priority: bool | None = None

    def __init__(self, device: OfflineDevice, stream: Stream) -> None:
        self.sample_rate = device.sample_rate
        self.channels = device.channels
        self._device = device
        self._stream = stream
        self._closed = False

    def start(self, old: Device | None = None) -> None:
        """Seat the stream. Nothing runs by itself here."""
        lost_seconds = None
        if old is not None:
            lost_seconds = old.latency_seconds
            old.close()
        self._device._seat(self._stream, lost_seconds)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._device._detach(self._stream)
