"""WavRecorder: record PCM16 from a microphone, in exact chunks, with exact pauses.

The device thread only fills a ring; a delivery thread (see _delivery.py) converts to the session rate and runs the
callback. This module is the state machine; _audio_store.py keeps what was recorded.

Thread: any; calls of several threads are taken one after another. begin() opens a device, pause() and end() finish
delivering; no other call waits.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from wavtools._audio_store import AudioStore
from wavtools._delivery import AudioChunk, Delivery
from wavtools._device_watch import DeviceWatch
from wavtools._states import CaptureState, Seat
from wavtools.analysis import AnalysisType, AudioAnalysis, Frequencies
from wavtools.decode import DecodedAudio, decode
from wavtools.errors import StateError
from wavtools.spectrum import Analyser
from wavtools.wav import WavFile, WavPacker

if TYPE_CHECKING:
    from wavtools._device import DeviceInfo, Kind
    from wavtools._events import DeviceEvent
    from wavtools._stream import Device
    from wavtools.duplex_device import DuplexDevice
    from wavtools.offline_device import OfflineDevice

__all__ = ["AudioChunk", "RecordedAudio", "RecorderStats", "WavRecorder"]

RING_SECONDS = 10  # a Python thread can be away for seconds when the machine is busy
FFT_SIZE = 8192
SMOOTHING = 0.1

Status = Literal["ended", "paused", "recording"]


@dataclasses.dataclass(frozen=True)
class RecordedAudio:
    """All audio since begin() or clear(), float32 in [-1, 1): the mean of the channels, and each channel."""

    mean_values: NDArray[np.float32]
    channels: list[NDArray[np.float32]]


@dataclasses.dataclass(frozen=True)
class RecorderStats:
    """Counters since begin(). Frames are the device's.

    ``frames_captured`` reached the ring, ``frames_dropped`` found it full. ``worst_lateness_seconds``: most that a
    callback came late. ``realtime_priority``: whether the device thread has it, None where that cannot be seen.
    """

    frames_captured: int
    frames_dropped: int
    callbacks: int
    worst_lateness_seconds: float
    realtime_priority: bool | None
    latency_seconds: float


class WavRecorder:
    """Recorder of PCM16 audio at a fixed session rate, from a device at any rate.

    Parameters
    ----------
    sample_rate : int, 8000..192000 Hz
        Rate of the chunks and files; the device runs at its own.
    device : None, str or OfflineDevice, optional
        The default input, an id or name (or part of one) from list_devices(), "null" for a silent clock, or an
        OfflineDevice.
    channels : int, 1..8, optional
        Channels to record; the device's own number when not given.
    keep_seconds : float, optional
        How much audio read(), save() and end() can give back: the newest that many seconds. All of it when not given,
        which is 2 bytes a sample without end.
    on_event : callable, optional
        Gets a DeviceEvent when the device is lost, restored, rerouted, suspended or resumed. Recording goes on by
        itself; what was said while no device was there is missing. Runs on a thread of its own.

    Raises
    ------
    ValueError   an argument out of range
    """

    def __init__(
        self,
        sample_rate: int = 24_000,
        *,
        device: str | OfflineDevice | DuplexDevice | None = None,
        channels: int | None = None,
        keep_seconds: float | None = None,
        on_event: Callable[[DeviceEvent], None] | None = None,
    ) -> None:
        if not 8_000 <= sample_rate <= 192_000:
            raise ValueError(f"sample_rate is {sample_rate} Hz; wavtools records 8000 to 192000 Hz")
        if channels is not None and not 1 <= channels <= 8:
            raise ValueError(f"channels is {channels}; wavtools records 1 to 8")
        if keep_seconds is not None and keep_seconds < 0:
            raise ValueError(f"keep_seconds is {keep_seconds}; it must be 0 or more")
        self.sample_rate = sample_rate
        self._device_spec = device
        self._channels_wanted = channels
        self._on_event = on_event
        self._keep_frames = None if keep_seconds is None else int(keep_seconds * sample_rate)
        self._control = threading.RLock()  # one control call at a time
        self._lock = threading.Lock()  # guards chunks and spectrum; never held around the user's code
        self._arrived = threading.Condition(self._lock)
        self._async_wakers: set[Callable[[], None]] = set()
        self._status: Status = "ended"
        self._delivered = True  # all of the last session is; iteration ends here, not when the status changes
        self._device: Device | None = None
        self._state: CaptureState | None = None
        self._delivery: Delivery | None = None
        self._watch: DeviceWatch | None = None
        self._start_afresh(1)

    def _start_afresh(self, channels: int) -> None:
        self._store = AudioStore(channels, self._keep_frames)
        self._chunks: deque[AudioChunk] = deque()
        self._analyser = Analyser(FFT_SIZE, SMOOTHING)
        self._analysed = False
        self._spectrum: NDArray[np.float32] | None = None

    def __repr__(self) -> str:
        return (
            f"WavRecorder(sample_rate={self.sample_rate}, device={self._device_spec!r}), {self._status},"
            f" {self._store.frames / self.sample_rate:.3f} s stored"
        )

    def __enter__(self) -> WavRecorder:
        self.begin()
        return self

    def __exit__(self, *exc: object) -> None:
        self.quit()

    def get_sample_rate(self) -> int:
        """The session rate in Hz."""
        return self.sample_rate

    def get_status(self) -> Status:
        """ "ended" (no session), "paused" or "recording"."""
        return self._status

    @staticmethod
    def list_devices() -> list[DeviceInfo]:
        """Input devices, the default one first. Raises DeviceError when no audio system answers."""
        from wavtools._device import list_devices

        return list_devices("capture")

    def listen_for_device_change(self, callback: Callable[[list[DeviceInfo]], None] | None) -> bool:
        """Call *callback* with the input devices: once at first, then whenever the set of them has changed.

        It runs on a watcher thread and replaces an earlier one; None ends the watching.
        """
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be callable or None, not {type(callback).__name__}")
        with self._control:
            if self._watch is not None:
                self._watch.close()
                self._watch = None
            if callback is not None:
                self._watch = DeviceWatch(self.list_devices, callback)
        return True

    # ------------------------------------------------------------------------------------------------- the session

    def begin(self, device: str | OfflineDevice | DuplexDevice | None = None) -> bool:
        """Open the microphone; the status is then "paused".

        Parameters
        ----------
        device : optional
            Instead of the one given to the constructor.

        Raises
        ------
        StateError    a session is running
        DeviceError   the device cannot be opened; the message says which, and what to try
        """
        from wavtools._stream import open_stream

        with self._control:
            if self._status != "ended":
                raise StateError("a session is running; call .end() first")
            spec = self._device_spec if device is None else device
            stream = _CaptureStream(self)
            opened = open_stream(spec, stream, self._on_event or _ignore)
            state, delivery = stream.state, stream.delivery
            assert state is not None and delivery is not None
            try:
                opened.start()
            except BaseException:
                opened.close()
                delivery.close()
                raise
            self._device, self._state, self._delivery = opened, state, delivery
            self._status = "paused"
            self._delivered = False
        return True

    def record(self, callback: Callable[[AudioChunk], Any] | None = None, chunk_size: int = 8192) -> bool:
        """Start recording, from the next frame captured on; the status is then "recording".

        Parameters
        ----------
        callback : callable, optional
            Gets an AudioChunk for every *chunk_size* samples of mono, on the delivery thread. One that raises is
            logged, and recording goes on. Without it, iterate over the recorder to get the chunks.
        chunk_size : int, 1 or more samples

        Raises
        ------
        StateError   no session, or recording already
        TypeError    callback not callable
        ValueError   chunk_size out of range
        """
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be callable, not {type(callback).__name__}")
        if chunk_size < 1:
            raise ValueError(f"chunk_size is {chunk_size} samples; it must be at least 1")
        with self._control:
            delivery = self._require_session()
            if self._status == "recording":
                raise StateError("already recording; call .pause() first")

            delivery.record(chunk_size, self._queue_chunk if callback is None else callback)
            self._status = "recording"
        return True

    def pause(self) -> bool:
        """Stop recording, deliver every sample captured before this call, then return; the status is "paused".

        The last, partial chunk is delivered too. From inside the callback it returns at once, and the rest is
        delivered after the callback.

        Raises
        ------
        StateError   no session, or not recording
        """
        with self._control:
            delivery = self._require_session()
            if self._status != "recording":
                raise StateError("not recording; call .record() first")
            done = delivery.pause()
            self._status = "paused"
        if not delivery.is_current_thread:
            done.wait()
        return True

    def clear(self) -> bool:
        """Drop all audio captured before this call from the store; recording, if it was on, goes on.

        Chunks are delivered as ever: only read(), save() and end() forget.

        Raises
        ------
        StateError   no session
        """
        with self._control:
            self._require_session().clear_store(self._store.clear)
        return True

    def read(self) -> RecordedAudio:
        """All audio stored so far, as float32.

        Raises
        ------
        StateError   no session
        """
        self._require_session()
        raw = self._store.read().astype(np.float32) / np.float32(32768)
        return RecordedAudio(
            mean_values=raw.mean(axis=1, dtype=np.float32) if raw.shape[1] > 1 else raw[:, 0].copy(),
            channels=[np.ascontiguousarray(raw[:, i]) for i in range(raw.shape[1])],
        )

    def save(self, force: bool = False) -> WavFile:
        """A WAV file of all audio stored so far, with the device's channels.

        Raises
        ------
        StateError   no session, or recording and not *force*
        """
        self._require_session()
        if self._status == "recording" and not force:
            raise StateError("recording; call .pause() first, or .save(force=True)")
        return self._wav()

    def end(self) -> WavFile:
        """Deliver what was captured, as pause() does, close the microphone, and return the WAV file.

        Raises
        ------
        StateError   no session
        """
        with self._control:
            delivery = self._require_session()
            if self._status == "recording":
                delivery.pause()
                self._status = "paused"
            device, self._device = self._device, None
            self._delivery = None
            self._status = "ended"
        if delivery.is_current_thread:
            delivery.drain()
        else:
            delivery.finished()
        if device is not None:
            device.close()
        delivery.close()
        with self._lock:
            self._delivered = True
            self._arrived.notify_all()
            wakers = list(self._async_wakers)
        for wake in wakers:
            wake()
        return self._wav()

    def quit(self) -> WavFile | None:
        """end(), if there is a session; never fails without one."""
        with self._control:
            return None if self._status == "ended" else self.end()

    # ------------------------------------------------------------------------------------------------ chunks and all

    def __iter__(self) -> Iterator[AudioChunk]:
        """The chunks of record() without a callback, across pauses, until end()."""
        while True:
            with self._arrived:
                while not self._chunks and not self._delivered:
                    self._arrived.wait(0.5)
                if not self._chunks:
                    return
                chunk = self._chunks.popleft()
            yield chunk

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        """The same for ``async for``. Cancel-safe: a chunk is taken off only when it is handed over."""
        import asyncio  # 30 ms that a synchronous program need not spend

        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()

        def wake() -> None:
            try:
                loop.call_soon_threadsafe(arrived.set)
            except RuntimeError:  # the loop has closed; nobody waits any more
                pass

        with self._lock:
            self._async_wakers.add(wake)
        try:
            while True:
                arrived.clear()
                with self._lock:
                    chunk = self._chunks.popleft() if self._chunks else None
                    ended = self._delivered
                if chunk is not None:
                    yield chunk
                elif ended:
                    return
                else:
                    await arrived.wait()
        finally:
            with self._lock:
                self._async_wakers.discard(wake)

    def get_frequencies(
        self,
        analysis_type: AnalysisType = "frequency",
        min_decibels: float = -100,
        max_decibels: float = -30,
    ) -> Frequencies:
        """Spectrum of what the microphone hears, recording or not, smoothed as a browser's analyser does.

        Raises
        ------
        StateError   no session
        """
        self._require_session()
        with self._lock:
            if self._spectrum is None or self._analysed:
                self._spectrum = self._analyser.float_frequency_data()
                self._analysed = False
            spectrum = self._spectrum
        return AudioAnalysis.get_frequencies(
            spectrum, self.sample_rate, analysis_type, min_decibels, max_decibels
        )

    @staticmethod
    def decode(audio: Any, sample_rate: int = 24_000, from_sample_rate: int | None = None) -> DecodedAudio:
        """Decode an audio file's bytes, or samples, to float32 at *sample_rate*; see wavtools.decode."""
        return decode(audio, sample_rate, from_sample_rate)

    @property
    def stats(self) -> RecorderStats:
        """Counters since begin(); they stay readable after end()."""
        state, device = self._state, self._device
        return RecorderStats(
            frames_captured=state.captured if state else 0,
            frames_dropped=state.dropped if state else 0,
            callbacks=state.callbacks if state else 0,
            worst_lateness_seconds=state.worst_lateness_seconds if state else 0.0,
            realtime_priority=device.realtime_priority if device else None,
            latency_seconds=device.latency_seconds if device else 0.0,
        )

    # ------------------------------------------------------------------------------------- called by the delivery

    def _queue_chunk(self, chunk: AudioChunk) -> None:
        with self._arrived:
            self._chunks.append(chunk)
            if self._keep_frames is not None:
                held = sum(len(c.mono) for c in self._chunks)
                while len(self._chunks) > 1 and held > self._keep_frames:
                    held -= len(self._chunks.popleft().mono)
            self._arrived.notify_all()
            wakers = list(self._async_wakers)
        for wake in wakers:
            wake()

    def _analyse(self, mono: NDArray[np.float32]) -> None:
        with self._lock:
            self._analyser.push(mono)
            self._analysed = True

    # ------------------------------------------------------------------------------------------------------ private

    def _wav(self) -> WavFile:
        raw = self._store.read()
        return WavPacker.pack(raw.reshape(-1), self.sample_rate, raw.shape[1])

    def _require_session(self) -> Delivery:
        delivery = self._delivery
        if delivery is None:
            raise StateError("no session; call .begin() first")
        return delivery


class _CaptureStream:
    """The recorder's side of its device: the capture ring, and the delivery that empties it."""

    kind: Kind = "capture"

    def __init__(self, recorder: WavRecorder) -> None:
        self._recorder = recorder
        self.channels = recorder._channels_wanted
        self.state: CaptureState | None = None
        self.delivery: Delivery | None = None

    @property
    def last_callback_ns(self) -> int:
        return self.state.last_callback_ns if self.state is not None else 0

    @property
    def room(self) -> int:
        return self.state.writable if self.state is not None else 0

    def fit(
        self, seat: Seat, sample_rate: int, channels: int, lost_seconds: float | None, duplex: bool
    ) -> None:
        if self.state is None or self.delivery is None:
            self.channels = channels  # a later device is opened with as many
            self.state = CaptureState(RING_SECONDS * sample_rate, channels + duplex, sample_rate)
            recorder = self._recorder
            with recorder._lock:
                recorder._start_afresh(channels)
            self.delivery = Delivery(
                self.state, sample_rate, recorder.sample_rate, recorder._store.add, recorder._analyse, duplex
            )
        else:
            self.state.set_rate(sample_rate)
            self.delivery.change_rate(sample_rate)
        seat.take_capture(self.state)

    def leave(self, seat: Seat) -> None:
        seat.take_capture(None)

    def wake(self) -> None:
        if self.delivery is not None:
            self.delivery.wake()


def _ignore(event: DeviceEvent) -> None:
    return None
