"""CaptureSession: what a recorder owns from begin() to end(): capture ring, delivery, stored audio, live spectrum.

It is the recorder's side of its device (a Stream), and stays when the device is replaced.

Thread: fit() and leave() on control and supervisor threads, get_spectrum() any.
"""

from __future__ import annotations

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
        As given; after the first fit(), those of the device. A later device is opened with as many.
    state, store, delivery
        Made by the first fit().
    """

    kind: Kind = "capture"
    state: CaptureState
    store: AudioStore
    delivery: Delivery

    def __init__(self, sample_rate: int, channels: int | None, keep_frames: int | None) -> None:
        self.channels = channels
        self._sample_rate = sample_rate
        self._keep_frames = keep_frames
        self._fitted = False
        # Guards what follows.
        self._lock = threading.Lock()
        self._analyser = Analyser(FFT_SIZE, SMOOTHING)
        self._analysed = False
        self._spectrum: NDArray[np.float32] | None = None

    @property
    def last_callback_ns(self) -> int:
        """Time of the last callback by now_ns(); 0 before the first."""
        return self.state.last_callback_ns if self._fitted else 0

    @property
    def room(self) -> int:
        """Frames that the ring can take now."""
        return self.state.writable if self._fitted else 0

    def fit(
        self, seat: Seat, sample_rate: int, channels: int, lost_seconds: float | None, duplex: bool
    ) -> None:
        """Prepare for a device and take its seat. A later device has as many channels as the first."""
        if self._fitted:
            self.state.set_rate(sample_rate)
            self.delivery.change_rate(sample_rate)
        else:
            self.channels = channels
            self.state = CaptureState(RING_SECONDS * sample_rate, channels + duplex, sample_rate)
            self.store = AudioStore(channels, self._keep_frames)
            self.delivery = Delivery(
                self.state, sample_rate, self._sample_rate, self.store.add, self._analyse, duplex
            )
            self._fitted = True
        seat.take_capture(self.state)

    def leave(self, seat: Seat) -> None:
        """Take the ring out of the seat."""
        seat.take_capture(None)

    def wake(self) -> None:
        """Wake the delivery thread: frames were captured."""
        if self._fitted:
            self.delivery.wake()

    def close(self) -> None:
        """End the delivery thread."""
        if self._fitted:
            self.delivery.close()

    def get_spectrum(self) -> NDArray[np.float32]:
        """The spectrum of the newest audio, in decibels, smoothed from call to call."""
        with self._lock:
            if self._spectrum is None or self._analysed:
                self._spectrum = self._analyser.float_frequency_data()
                self._analysed = False
            return self._spectrum

    def _analyse(self, mono: NDArray[np.float32]) -> None:
        """Delivery thread."""
        with self._lock:
            self._analyser.push(mono)
            self._analysed = True
