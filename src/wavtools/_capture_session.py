"""CaptureSession: what a recorder owns from begin() to end(): capture rings, delivery, stored audio, live spectrum.

It is the recorder's side of its device (a Stream), and stays when the device is replaced. Each device has a ring of its
own, because rate and channels may differ; the delivery empties one after the other.

Thread: fit() and leave() on control and supervisor threads, get_spectrum() and get_waveform() any.
"""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wavtools._audio_store import AudioStore
from wavtools._delivery import Delivery
from wavtools._states import CaptureState, Seat
from wavtools.spectrum import Analyser

if TYPE_CHECKING:
    from wavtools._device import Kind

__all__ = ["CaptureSession"]

# A Python thread can be away for seconds when the machine is busy.
RING_SECONDS = 10
FFT_SIZE = 8192
SMOOTHING = 0.1


@dataclasses.dataclass(frozen=True)
class Counters:
    """What happened on all devices of a session."""

    dropped: int = 0
    callbacks: int = 0
    worst_lateness_seconds: float = 0.0

    def plus(self, state: CaptureState) -> Counters:
        """These and those of one device's ring."""
        return Counters(
            self.dropped + state.dropped,
            self.callbacks + state.callbacks,
            max(self.worst_lateness_seconds, state.worst_lateness_seconds),
        )


class CaptureSession:
    """One recording session.

    Parameters
    ----------
    sample_rate : int
        Hz, of the recorded audio.
    channels : int, optional
        Channels to capture; as many as the device has when not given.
    keep_frames : int, optional
        Most frames to store; all of them when not given.

    Attributes
    ----------
    channels : int or None
        As given; after the first fit(), those of the device. A later native device is opened with as many.
    store, delivery
        Made by the first fit().
    """

    kind: Kind = "capture"
    store: AudioStore
    delivery: Delivery

    def __init__(self, sample_rate: int, channels: int | None, keep_frames: int | None) -> None:
        self.channels = channels
        self._sample_rate = sample_rate
        self._keep_frames = keep_frames
        # The ring of the present device.
        self._state: CaptureState | None = None
        # Of the devices before.
        self._counted = Counters()
        # Guards what follows.
        self._lock = threading.Lock()
        self._analyser = Analyser(FFT_SIZE, SMOOTHING)
        self._analysed = False
        self._spectrum: NDArray[np.float32] | None = None

    @property
    def last_callback_ns(self) -> int:
        """Time of the last callback by now_ns(); 0 before the first."""
        return self._state.last_callback_ns if self._state is not None else 0

    @property
    def room(self) -> int:
        """Frames that the ring can take now."""
        return self._state.writable if self._state is not None else 0

    @property
    def counters(self) -> Counters:
        """Of all devices, until now."""
        return self._counted if self._state is None else self._counted.plus(self._state)

    def fit(
        self, seat: Seat, sample_rate: int, channels: int, lost_seconds: float | None, duplex: bool
    ) -> None:
        """Make a ring for a device and put it into the device's seat."""
        state = CaptureState(RING_SECONDS * sample_rate, channels + duplex, sample_rate)
        if self._state is None:
            # A device that opens with another number than was asked for is mixed, or repeated.
            self.channels = self.channels or channels
            self.store = AudioStore(self.channels, self._keep_frames)
            self.delivery = Delivery(
                state, sample_rate, self._sample_rate, self.store.add, self._analyse, duplex, self.channels
            )
        else:
            self.delivery.change_device(state, sample_rate, duplex)
            self._counted = self._counted.plus(self._state)
        self._state = state
        seat.take_capture(state)

    def leave(self, seat: Seat) -> None:
        """Take the ring out of the seat."""
        seat.take_capture(None)

    def wake(self) -> None:
        """Wake the delivery thread: frames were captured."""
        if self._state is not None:
            self.delivery.wake()

    def close(self) -> None:
        """End the delivery thread."""
        if self._state is not None:
            self.delivery.close()

    def get_spectrum(self) -> NDArray[np.float32]:
        """The spectrum of the newest audio, in decibels, smoothed from call to call."""
        with self._lock:
            if self._spectrum is None or self._analysed:
                self._spectrum = self._analyser.float_frequency_data()
                self._analysed = False
            return self._spectrum

    def get_waveform(self) -> NDArray[np.float32]:
        """The newest FFT_SIZE samples."""
        with self._lock:
            return self._analyser.float_time_domain_data()

    def _analyse(self, mono: NDArray[np.float32]) -> None:
        """Delivery thread."""
        with self._lock:
            self._analyser.push(mono)
            self._analysed = True
