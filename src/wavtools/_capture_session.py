"""CaptureSession: what a recorder owns from begin() to end(): rings, delivery, chunks, stored audio, file, live spectrum.

It is the recorder's side of its device (a Stream), and stays when the device is replaced. Each device has a ring of its
own, because rate and channels may differ; the delivery empties one after the other.

Thread: fit() and leave() on control and supervisor threads, get_spectrum() and get_waveform() any.
"""

from __future__ import annotations

import dataclasses
import sys
import threading
from collections import deque
from collections.abc import Callable
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wavtools._audio_store import AudioStore
from wavtools._chunk_queue import ChunkQueue
from wavtools._delivery import Delivery
from wavtools._recorder_stats import RecorderStats
from wavtools._states import CaptureState, Seat
from wavtools.spectrum import Analyser

if TYPE_CHECKING:
    from wavtools._device_info import Kind
    from wavtools._echo_stage import EchoStage
    from wavtools._events import DeviceEvent
    from wavtools._recording_file import RecordingFile
    from wavtools._stream import Device

__all__ = ["CaptureSession"]

# A Python thread can be away for seconds when the machine is busy.
RING_SECONDS = 10
# Chunks wait for an iteration at least that long.
CHUNK_SECONDS = 60
FFT_SIZE = 8192
SMOOTHING = 0.1


@dataclasses.dataclass(frozen=True)
class Counters:
    """What happened on all devices of a session."""

    dropped: int = 0
    callbacks: int = 0
    worst_lateness_seconds: float = 0.0
    lateness: tuple[int, ...] = ()

    def plus(self, state: CaptureState) -> Counters:
        """These and those of one device's ring."""
        return Counters(
            self.dropped + state.dropped,
            self.callbacks + state.callbacks,
            max(self.worst_lateness_seconds, state.worst_lateness_seconds),
            tuple(map(sum, zip_longest(self.lateness, state.lateness(), fillvalue=0))),
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
    file : RecordingFile, optional
        Gets all recorded audio.
    stage : EchoStage, optional
        Takes the echo out.

    Attributes
    ----------
    channels : int or None
        As given; after the first fit(), those of the device. A later native device is opened with as many.
    sample_rate : int
        As given.
    chunks : ChunkQueue
        For iteration.
    store, delivery
        Made by the first fit().
    """

    kind: Kind = "capture"
    outputs = 1
    store: AudioStore
    delivery: Delivery

    def __init__(
        self,
        sample_rate: int,
        channels: int | None,
        keep_frames: int | None,
        file: RecordingFile | None = None,
        stage: EchoStage | None = None,
    ) -> None:
        self.channels = channels
        self.stage = stage
        self.file = file
        self.chunks = ChunkQueue(
            None if keep_frames is None else max(keep_frames, CHUNK_SECONDS * sample_rate)
        )
        self.sample_rate = sample_rate
        self._keep_frames = keep_frames
        # The ring of the present device.
        self._state: CaptureState | None = None
        # Of the devices before.
        self._counted = Counters()
        # The newest captured audio, with the number of frames before each block. Without a lock, as a signal handler may
        # interrupt get_spectrum() and wait for the delivery thread.
        self._heard: deque[tuple[int, NDArray[np.float32]]] = deque()
        self._heard_frames = 0
        # Guards what follows.
        self._lock = threading.RLock()
        self._analyser = Analyser(FFT_SIZE, SMOOTHING)
        self._analysed_frames = 0
        self._spectrum: NDArray[np.float32] | None = None

    @property
    def last_callback_ns(self) -> int:
        """Time of the last callback by now_ns(); 0 before the first."""
        return self._state.last_callback_ns if self._state is not None else 0

    @property
    def slips(self) -> int:
        """Callbacks of the present device that were so late that a device of 30 ms runs dry."""
        return self._state.slips if self._state is not None else 0

    @property
    def room(self) -> int:
        """Frames that the ring can take now; 0 while the file is far behind."""
        if self._state is None:
            return 0
        if self.delivery.failed:
            # Nobody will make room: let the callback drop and count.
            return sys.maxsize
        return self._state.writable if self.file is None or self.file.has_room else 0

    @property
    def counters(self) -> Counters:
        """Of all devices, until now."""
        return self._counted if self._state is None else self._counted.plus(self._state)

    def fit(
        self, seat: Seat, sample_rate: int, channels: int, lost_seconds: float | None, duplex: bool
    ) -> None:
        """Make a ring for a device and put it into the device's seat."""
        if self.stage is not None and self._state is None and not (self.stage.has_reference or duplex):
            raise ValueError(
                "an echo canceller needs to know what is played: pass reference=player, or give recorder and player "
                "the same DuplexDevice"
            )
        state = CaptureState(RING_SECONDS * sample_rate, channels + duplex, sample_rate)
        if self._state is None:
            # A device that opens with another number than was asked for is mixed, or repeated.
            self.channels = self.channels or channels
            self.store = AudioStore(self.channels, self._keep_frames)
            if self.stage is not None:
                self.stage.set_channels(self.channels)
            self.delivery = Delivery(
                state,
                sample_rate,
                self.sample_rate,
                self._keep,
                self._hear,
                duplex,
                self.channels,
                seat,
                self.stage,
            )
        else:
            self.delivery.change_device(state, sample_rate, duplex, seat)
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

    def telling(self, on_event: Callable[[DeviceEvent], None]) -> Callable[[DeviceEvent], None]:
        """A callback for device events: it passes them on, and tells the echo stage when the system moved the stream."""
        stage = self.stage
        if stage is None:
            return on_event

        def tell(event: DeviceEvent) -> None:
            if event.kind == "rerouted":
                stage.rerouted()
            on_event(event)

        return tell

    def begin_file(self) -> None:
        """Replace what the file held, now that the device is open. Raises OSError, and the file is then as it was."""
        if self.file is not None:
            assert self.channels is not None
            self.file.start(self.channels)

    def close(self) -> None:
        """End the delivery thread and the iteration of chunks, and finish the file."""
        if self._state is not None:
            self.delivery.close()
        self.chunks.close()
        if self.stage is not None:
            self.stage.close()
        if self.file is not None:
            self.file.close()

    def stats(self, device: Device | None) -> RecorderStats:
        """The counters until now; *device* is the one that is open."""
        counters, file = self.counters, self.file
        return RecorderStats(
            frames_captured=self.delivery.captured,
            frames_dropped=counters.dropped,
            callbacks=counters.callbacks,
            worst_lateness_seconds=counters.worst_lateness_seconds,
            realtime_priority=device.realtime_priority if device else None,
            latency_seconds=device.latency_seconds if device else 0.0,
            callback_errors=self.delivery.callback_errors,
            chunks_dropped=self.chunks.dropped,
            frames_written=file.frames_written if file is not None else 0,
            frames_unwritten=file.frames_unwritten if file is not None else 0,
            callback_lateness=counters.lateness,
        )

    def get_spectrum(self) -> NDArray[np.float32]:
        """The spectrum of the newest audio, in decibels, smoothed from call to call."""
        with self._lock:
            if self._analyse() or self._spectrum is None:
                self._spectrum = self._analyser.float_frequency_data()
            return self._spectrum

    def get_waveform(self) -> NDArray[np.float32]:
        """The newest FFT_SIZE samples."""
        with self._lock:
            if self._analyse():
                # Let the next get_spectrum() see what was heard.
                self._spectrum = None
            return self._analyser.float_time_domain_data()

    def _analyse(self) -> bool:
        """Give the analyser what was heard since the last call, with the lock held; True if there was something."""
        heard = [one for one in self._snapshot() if one[0] >= self._analysed_frames]
        for before, mono in heard:
            self._analyser.push(mono)
            self._analysed_frames = before + len(mono)
        return bool(heard)

    def _snapshot(self) -> tuple[tuple[int, NDArray[np.float32]], ...]:
        while True:
            try:
                return tuple(self._heard)
            except RuntimeError:  # a block came meanwhile
                continue

    def _keep(self, block: NDArray[np.int16], cleared: int) -> None:
        """Store a block without its first frames, which were cleared, and write all of it. Delivery thread."""
        self.store.add(block[cleared:])
        if self.file is not None:
            self.file.add(block)

    def _hear(self, mono: NDArray[np.float32]) -> None:
        """Keep as much as the analyser looks at. Delivery thread."""
        if not len(mono):
            return
        self._heard.append((self._heard_frames, mono))
        self._heard_frames += len(mono)
        while self._heard_frames - self._heard[0][0] - len(self._heard[0][1]) >= FFT_SIZE:
            self._heard.popleft()
