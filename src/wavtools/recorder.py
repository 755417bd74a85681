"""WavRecorder: records PCM16 from a microphone, in exact chunks, with exact pauses.

The device thread only fills a ring; a delivery thread (see _delivery.py) converts to the session rate and runs the
callback. This module is the state machine; _capture_session.py owns what a session consists of.

Thread: any; calls from several threads run one after another. begin() and use_device() wait for a device to open, pause()
and end() for the last chunks; no other call waits.
"""

from __future__ import annotations

import dataclasses
import os
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from wavtools._arguments import callback as check_callback
from wavtools._arguments import integer, number
from wavtools._capture_session import CaptureSession, Counters
from wavtools._chunk_queue import ChunkQueue
from wavtools._delivery import AudioChunk
from wavtools._device_watch import DeviceWatch
from wavtools._open_stream import is_device_object, open_stream
from wavtools._process import close_at_home, is_home, require_home
from wavtools.analysis import AnalysisType, AudioAnalysis, Frequencies
from wavtools.decode import DecodedAudio, decode
from wavtools.errors import StateError
from wavtools.wav import WavFile, WavPacker

if TYPE_CHECKING:
    from wavtools._device import DeviceInfo
    from wavtools._events import DeviceEvent
    from wavtools._open_stream import DeviceSpec
    from wavtools._stream import Device

__all__ = ["AudioChunk", "RecordedAudio", "RecorderStats", "WavRecorder"]

Status = Literal["ended", "paused", "recording"]


@dataclasses.dataclass(frozen=True)
class RecordedAudio:
    """All audio stored since begin() or clear(), float32 in [-1, 1).

    Attributes
    ----------
    mean_values : float32, shape (frames,)
        The mean of the channels.
    channels : list of float32, shape (frames,)
        Each channel.
    sample_rate : int
        Hz
    """

    mean_values: NDArray[np.float32]
    channels: list[NDArray[np.float32]]
    sample_rate: int = 24_000

    def __repr__(self) -> str:
        seconds = len(self.mean_values) / self.sample_rate
        return f"<RecordedAudio {seconds:.3f} s, {self.sample_rate} Hz, channels={len(self.channels)}>"

    def _repr_html_(self) -> str:
        from wavtools.notebook.page import sound_html

        return sound_html(np.stack(self.channels, axis=1), self.sample_rate, "RecordedAudio")


@dataclasses.dataclass(frozen=True)
class RecorderStats:
    """Counters since begin().

    Attributes
    ----------
    frames_captured : int
        Device frames that reached the ring.
    frames_dropped : int
        Device frames that found the ring full.
    callbacks : int
        Calls of the device callback.
    worst_lateness_seconds : float
        Longest delay of a callback.
    realtime_priority : bool or None
        True if the device thread has real-time priority; None where the system does not show it.
    latency_seconds : float
        How much audio the device may hold.
    callback_errors : int
        How often the callback of record() raised.
    """

    frames_captured: int
    frames_dropped: int
    callbacks: int
    worst_lateness_seconds: float
    realtime_priority: bool | None
    latency_seconds: float
    callback_errors: int = 0


class WavRecorder:
    """Recorder of PCM16 audio at a fixed session rate, from a device at any rate.

    Parameters
    ----------
    sample_rate : int
        Hz, 8000 to 192000: rate of the chunks and files. The device runs at its own rate.
    device : None, str, DeviceInfo, int, OfflineDevice or DuplexDevice, optional
        None for the default input, an id or name (or part of one), entry or index of list_devices(), "null" for a
        silent clock, or a device object.
    channels : int, optional
        1 to 8 channels to record; the device's own number when not given.
    keep_seconds : float, optional
        read(), save() and end() return the newest that many seconds. When not given they return everything, and memory
        grows by 2 bytes a sample.
    on_event : callable, optional
        Gets a DeviceEvent when the device is lost, restored, rerouted, suspended or resumed. Recording goes on by itself;
        what was said without a device is missing. Runs on a thread of its own.

    Raises
    ------
    ValueError
        an argument out of range
    """

    def __init__(
        self,
        sample_rate: int = 24_000,
        *,
        device: DeviceSpec = None,
        channels: int | None = None,
        keep_seconds: float | None = None,
        on_event: Callable[[DeviceEvent], None] | None = None,
    ) -> None:
        self.sample_rate = integer(
            sample_rate, "sample_rate", 8_000, 192_000, "wavtools records 8000 to 192000 Hz"
        )
        if channels is not None:
            channels = integer(channels, "channels", 1, 8, "wavtools records 1 to 8")
        if keep_seconds is not None:
            keep_seconds = number(keep_seconds, "keep_seconds", 0, 1e9, "it must be 0 or more")
        check_callback(on_event, "on_event", "pass a plain function")
        self._device_spec = device
        self._channels_wanted = channels
        self._on_event = on_event
        self._keep_frames = None if keep_seconds is None else int(keep_seconds * self.sample_rate)
        # One control call at a time.
        self._control = threading.RLock()
        self._chunks = ChunkQueue(self._keep_frames)
        self._status: Status = "ended"
        self._device: Device | None = None
        # What was given to open _device.
        self._device_in_use: DeviceSpec = None
        # The last session stays after its end, for stats and repr().
        self._session: CaptureSession | None = None
        self._watch: DeviceWatch | None = None
        # The process that began the session.
        self._home = 0
        # True if end() could not make a file: the audio stays readable.
        self._unsaved = False
        # Closes microphone and delivery of a recorder that is dropped in the middle of a session.
        self._closer: weakref.finalize[..., WavRecorder] | None = None

    def __repr__(self) -> str:
        frames = self._session.store.frames if self._session is not None else 0
        return (
            f"WavRecorder(sample_rate={self.sample_rate}, device={self._device_spec!r}), {self._status},"
            f" {frames / self.sample_rate:.3f} s stored"
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
        """The state: "ended" (no session), "paused" or "recording"."""
        return self._status

    @staticmethod
    def list_devices() -> list[DeviceInfo]:
        """Input devices, the default one first. Raises DeviceError when no audio system answers."""
        from wavtools._device import list_devices

        return list_devices("capture")

    def listen_for_device_change(self, callback: Callable[[list[DeviceInfo]], None] | None) -> bool:
        """Call *callback* with the input devices: at once, and later whenever the set of them has changed.

        Parameters
        ----------
        callback : callable or None
            Gets a list of DeviceInfo, on a watcher thread. It replaces an earlier callback; None ends the watching.

        Raises
        ------
        TypeError
            callback not callable
        """
        check_callback(callback, "callback", "pass a plain function")
        with self._control:
            if self._watch is not None:
                self._watch.close()
                self._watch = None
            if callback is not None:
                self._watch = DeviceWatch(self.list_devices, callback)
        return True

    # The session

    def begin(self, device: DeviceSpec = None) -> bool:
        """Open the microphone; the status is then "paused". Waits for the device to open.

        Parameters
        ----------
        device : None, str, DeviceInfo, int, OfflineDevice or DuplexDevice, optional
            For this session, instead of the one given to the constructor or use_device().

        Raises
        ------
        StateError
            a session is running, or another recorder uses that OfflineDevice or DuplexDevice
        DeviceError
            the device cannot be opened; the message says which, and what to try
        """
        with self._control:
            if self._status != "ended":
                raise StateError("a session is running; call .end() first")
            spec = self._device_spec if device is None else device
            session = CaptureSession(self.sample_rate, self._channels_wanted, self._keep_frames)
            try:
                self._device = open_stream(spec, session, self._on_event)
            except BaseException:
                session.close()
                raise
            self._session, self._device_in_use, self._home = session, spec, os.getpid()
            self._unsaved = False
            self._close_when_dropped(session)
            self._chunks.open()
            self._status = "paused"
        return True

    def use_device(self, device: DeviceSpec) -> None:
        """Move to another microphone, at once and while recording.

        The status, stored audio, chunks, callback, counters and number of channels stay. Every frame that the old device has
        delivered is kept; recording goes on with the new one's first frame. While no session runs, the device is noted for
        begin(). A device object that is in use already is left as it is.

        If this raises, the old device goes on and nothing is lost.

        Thread: any. Waits for the new device to open.

        Parameters
        ----------
        device : None, str, DeviceInfo, int, OfflineDevice or DuplexDevice
            As for the constructor.

        Raises
        ------
        DeviceError
            the device cannot be opened; the message says which, and what to try
        StateError
            another recorder uses that OfflineDevice or DuplexDevice
        """
        with self._control:
            old, session = self._device, self._session
            if old is not None and session is not None:
                if not (device is self._device_in_use and is_device_object(device)):
                    self._device = open_stream(device, session, self._on_event, old)
                    self._close_when_dropped(session)
                self._device_in_use = device
            self._device_spec = device

    def record(self, callback: Callable[[AudioChunk], Any] | None = None, chunk_size: int = 8192) -> bool:
        """Start recording with the next frame captured; the status is then "recording".

        Parameters
        ----------
        callback : callable, optional
            Gets an AudioChunk for every *chunk_size* samples of mono, on the delivery thread. If it raises, that is logged
            and counted in ``stats.callback_errors``, and recording goes on. Without a callback, iterate over the recorder
            to get the chunks.
        chunk_size : int
            Samples of mono, 1 or more.

        Raises
        ------
        StateError
            no session, or recording already
        TypeError
            callback is not callable, or a coroutine function; chunk_size is no integer
        ValueError
            chunk_size out of range
        """
        check_callback(
            callback, "callback", "call record() without one and use 'async for chunk in recorder'"
        )
        chunk_size = integer(chunk_size, "chunk_size", 1, None, "it must be at least 1 sample")
        with self._control:
            delivery = self._require_session().delivery
            if self._status == "recording":
                raise StateError("already recording; call .pause() first")
            delivery.record(chunk_size, self._chunks.put if callback is None else callback)
            self._status = "recording"
        return True

    def pause(self) -> bool:
        """Stop recording, deliver every sample captured before this call, then return; the status is "paused".

        The last, partial chunk is delivered too. From inside the callback it returns at once, and the rest is
        delivered after the callback.

        Raises
        ------
        StateError
            no session, or not recording
        """
        with self._control:
            delivery = self._require_session().delivery
            if self._status != "recording":
                raise StateError("not recording; call .record() first")
            done = delivery.pause()
            self._status = "paused"
        if not delivery.is_current_thread:
            done.wait()
        return True

    def clear(self) -> bool:
        """Drop all audio captured before this call from the store; recording goes on if it was on.

        Chunks are not affected, only what read(), save() and end() return.

        Raises
        ------
        StateError
            no session
        """
        with self._control:
            session = self._require_session()
            session.delivery.clear_store(session.store.clear)
        return True

    def read(self) -> RecordedAudio:
        """All audio stored so far, as float32.

        Raises
        ------
        StateError
            no session
        """
        raw = self._require_audio().store.read().astype(np.float32) / np.float32(32768)
        return RecordedAudio(
            mean_values=raw.mean(axis=1, dtype=np.float32) if raw.shape[1] > 1 else raw[:, 0].copy(),
            channels=[np.ascontiguousarray(raw[:, i]) for i in range(raw.shape[1])],
            sample_rate=self.sample_rate,
        )

    def save(self, force: bool = False) -> WavFile:
        """A WAV file of all audio stored so far, with the device's channels.

        Parameters
        ----------
        force : bool
            True to save while recording too.

        Returns
        -------
        WavFile

        Raises
        ------
        StateError
            no session, or recording and not *force*
        """
        session = self._require_audio()
        if self._status == "recording" and not force:
            raise StateError("recording; call .pause() first, or .save(force=True)")
        return self._wav(session)

    def end(self) -> WavFile:
        """Deliver what was captured, as pause() does, close the microphone, and return the WAV file.

        Returns
        -------
        WavFile
            All audio stored.

        Raises
        ------
        StateError
            no session, or the recorder belongs to the process that was forked
        """
        require_home(self._home, "recorder")
        with self._control:
            session = self._require_session()
            delivery = session.delivery
            if self._status == "recording":
                delivery.pause()
            device, self._device = self._device, None
            self._status = "ended"
        if delivery.is_current_thread:
            delivery.drain()
        else:
            delivery.finished()
        if self._closer is not None:
            self._closer.detach()
        if device is not None:
            device.close()
        session.close()
        self._chunks.close()
        # If no file can be made, read() and save() still find the audio.
        self._unsaved = True
        wav, self._unsaved = self._wav(session), False
        return wav

    def quit(self) -> WavFile | None:
        """end() if there is a session; None without one, and in a forked child."""
        if not is_home(self._home):
            return None
        with self._control:
            return None if self._status == "ended" else self.end()

    # ------------------------------------------------------------------------------------------------ chunks and all

    def __iter__(self) -> Iterator[AudioChunk]:
        """The chunks of record() without a callback, across pauses, until end()."""
        return iter(self._chunks)

    def __aiter__(self) -> AsyncIterator[AudioChunk]:
        """The same for ``async for``. Cancel-safe: a chunk leaves the queue only when it is handed over."""
        return aiter(self._chunks)

    def get_frequencies(
        self,
        analysis_type: AnalysisType = "frequency",
        min_decibels: float = -100,
        max_decibels: float = -30,
    ) -> Frequencies:
        """Spectrum of what the microphone hears, recording or not, smoothed like a browser's AnalyserNode.

        Parameters
        ----------
        analysis_type : "frequency", "music" or "voice"
            One value for each FFT bin, or the loudest bin of each note.
        min_decibels, max_decibels : float
            The levels that become 0 and 1.

        Returns
        -------
        Frequencies

        Raises
        ------
        StateError
            no session
        """
        spectrum = self._require_session().get_spectrum()
        return AudioAnalysis.get_frequencies(
            spectrum, self.sample_rate, analysis_type, min_decibels, max_decibels
        )

    def get_waveform(self) -> NDArray[np.float32]:
        """The newest 8192 samples from the microphone: float32, the newest last. Raises StateError without a session."""
        return self._require_session().get_waveform()

    @staticmethod
    def decode(audio: Any, sample_rate: int = 24_000, from_sample_rate: int | None = None) -> DecodedAudio:
        """Decode an audio file's bytes, or samples, to float32 at *sample_rate*; see wavtools.decode."""
        return decode(audio, sample_rate, from_sample_rate)

    @property
    def stats(self) -> RecorderStats:
        """Counters since begin(); they stay readable after end()."""
        session, device = self._session, self._device
        counters = session.counters if session is not None else Counters()
        return RecorderStats(
            frames_captured=session.delivery.captured if session is not None else 0,
            frames_dropped=counters.dropped,
            callbacks=counters.callbacks,
            worst_lateness_seconds=counters.worst_lateness_seconds,
            realtime_priority=device.realtime_priority if device else None,
            latency_seconds=device.latency_seconds if device else 0.0,
            callback_errors=session.delivery.callback_errors if session is not None else 0,
        )

    def _close_when_dropped(self, session: CaptureSession) -> None:
        if self._closer is not None:
            self._closer.detach()
        assert self._device is not None
        self._closer = weakref.finalize(self, close_at_home, self._home, self._device.close, session.close)

    def _require_audio(self) -> CaptureSession:
        """The session, or the ended one whose file could not be made."""
        return self._session if self._unsaved and self._session is not None else self._require_session()

    def _wav(self, session: CaptureSession) -> WavFile:
        return WavPacker.pack(session.store.read(), self.sample_rate)

    def _require_session(self) -> CaptureSession:
        session = self._session
        if session is None or self._status == "ended":
            raise StateError("no session; call .begin() first")
        require_home(self._home, "recorder")
        return session
