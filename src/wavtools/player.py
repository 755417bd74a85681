"""WavStreamPlayer: queues PCM16 by track, plays it at once, and knows to the frame what was played.

The queue is a lock-free ring that the device thread drains (see _callbacks.pyx); this module is its other end. Audio goes
into the ring as soon as it arrives, so that playback goes on while Python is busy elsewhere.

Thread: any; calls from several threads run one after another. Only wait_until_idle() waits for the device thread;
connect(), disconnect() and use_device() wait for a device to open or close.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wavtools._arguments import callback, integer, number
from wavtools._open_stream import is_device_object, open_stream
from wavtools._play_position import PlayPosition
from wavtools._playback_stream import PlaybackStream, PlayerStats
from wavtools._played_spectrum import PlayedSpectrum
from wavtools._player_samples import MAX_CHANNELS, frames_of, pcm16_frames
from wavtools._player_waits import PlayerWaits
from wavtools._process import close_at_home, is_home, require_home
from wavtools._states import PlaybackState
from wavtools._tracks import TrackOffset
from wavtools.analysis import AnalysisType, AudioAnalysis, Frequencies
from wavtools.errors import QueueFullError, StateError

if TYPE_CHECKING:
    from wavtools._device_info import DeviceInfo
    from wavtools._events import DeviceEvent
    from wavtools._open_stream import DeviceSpec
    from wavtools._played_tap import PlayedTap
    from wavtools._player_samples import SampleType
    from wavtools._stream import Device

__all__ = ["PlayerStats", "WavStreamPlayer"]

MAX_QUEUE_SECONDS = 3600
MAX_FADE_MS = 1000
MAX_PREBUFFER_MS = 10_000


class WavStreamPlayer(PlayerWaits):
    """Stream player for PCM16 audio, mono or of several channels.

    All counts are in frames: one sample of each channel. In mono, a frame is a sample.

    A system's device is opened with the player's channels, and the system maps them to those of the hardware: one to all,
    two to front left and right. On an OfflineDevice or DuplexDevice of another number, mono plays on every channel, several
    channels play on the first ones beside silence, and more than the device has play as their mean on each.

    ``with`` connects and disconnects; so does ``async with``, without blocking the event loop.

    Parameters
    ----------
    sample_rate : int
        Hz, 8000 to 192000: rate of the audio that is queued. The device runs at its own rate.
    channels : int
        1 to 8: samples of a frame of the audio that is queued; 2 for stereo.
    device : None, str, DeviceInfo, int, OfflineDevice, DuplexDevice or RemoteDevice, optional
        None for the default output, an id or name (or part of one), entry or index of list_devices(), "null" for a
        silent clock, or a device object. "jack:", "alsa:" or "pulse:" before a name looks on that audio system only.
    on_event : callable, optional
        Gets a DeviceEvent when the device is lost, restored, rerouted, suspended or resumed. It only informs: playback
        goes on by itself. Runs on a thread of its own.
    prebuffer_ms : float
        0 to 10000: how much audio must be queued before playback starts, at first and whenever the queue has run dry.
        For networks that deliver in bursts. Audio that has waited for that long starts in any case.
    queue_seconds : float
        0.1 to 3600: how much audio the queue holds at most. It takes 2 bytes a sample while connected: 28 MB for 600
        seconds of mono at 24 kHz.

    Raises
    ------
    TypeError
        sample_rate or channels is no integer, on_event no plain function
    ValueError
        an argument out of range
    """

    def __init__(
        self,
        sample_rate: int = 24_000,
        *,
        channels: int = 1,
        device: DeviceSpec = None,
        on_event: Callable[[DeviceEvent], None] | None = None,
        prebuffer_ms: float = 0,
        queue_seconds: float = 600,
    ) -> None:
        self.sample_rate = integer(
            sample_rate, "sample_rate", 8_000, 192_000, "wavtools plays 8000 to 192000 Hz"
        )
        self.channels = integer(
            channels, "channels", 1, MAX_CHANNELS, f"a player has 1 to {MAX_CHANNELS}; 2 is stereo"
        )
        self._device_spec = device
        prebuffer_ms = number(
            prebuffer_ms, "prebuffer_ms", 0, MAX_PREBUFFER_MS, f"it must be 0 to {MAX_PREBUFFER_MS}"
        )
        queue_seconds = number(
            queue_seconds, "queue_seconds", 0.1, MAX_QUEUE_SECONDS, f"it must be 0.1 to {MAX_QUEUE_SECONDS}"
        )
        callback(on_event, "on_event", "pass a plain function")
        self._on_event = on_event
        self._prebuffer = int(prebuffer_ms * self.sample_rate / 1000)
        self._queue_frames = int(queue_seconds * self.sample_rate)
        self._volume = 1.0
        # One of connect(), disconnect() and use_device() at a time; taken before _lock, which is held briefly only.
        # Both can be taken again by the thread that holds them: a signal handler may call in the middle of a call.
        self._control = threading.RLock()
        self._lock = threading.RLock()
        self._device: Device | None = None
        # Closes the device of a player that is dropped while connected.
        self._closer: weakref.finalize[..., WavStreamPlayer] | None = None
        self._tap: PlayedTap | None = None
        self._reset()

    def _reset(self) -> None:
        self._state = PlaybackState(
            self._queue_frames,
            self.channels,
            self.sample_rate,
            MAX_FADE_MS * self.sample_rate // 1000,
            self._prebuffer,
        )
        self._position = PlayPosition(self._state, self.sample_rate, self._lock)
        self._tracks = self._position.tracks
        self._stream = PlaybackStream(self._state, self.sample_rate, self._position)
        self._position.set_gain(self._volume)
        if self._tap is not None:
            self._stream.feed(self._tap)
        self._spectrum = PlayedSpectrum(self._state)

    def __repr__(self) -> str:
        state = "connected" if self._device else "not connected"
        channels = f", channels={self.channels}" if self.channels > 1 else ""
        return f"WavStreamPlayer(sample_rate={self.sample_rate}{channels}, device={self._device_spec!r}), {state}"

    def __enter__(self) -> WavStreamPlayer:
        self.connect()
        return self

    def __exit__(self, *exc: object) -> None:
        self.disconnect()

    @staticmethod
    def list_devices() -> list[DeviceInfo]:
        """Output devices, the default one first. Raises DeviceError when no audio system answers."""
        from wavtools._device import list_devices

        return list_devices("playback")

    def connect(self) -> bool:
        """Open the output and start it; tracks and counters begin anew. Waits for the device to open.

        Raises
        ------
        StateError
            already connected, or another player uses that OfflineDevice, DuplexDevice or RemoteDevice
        DeviceError
            the device cannot be opened; the message says which, and what to try
        """
        with self._control:
            with self._lock:
                if self._device is not None:
                    raise StateError("already connected; call .disconnect() first")
                self._reset()
                self._state.touch()
            self._take(open_stream(self._device_spec, self._stream, self._stream.telling(self._on_event)))
        return True

    def disconnect(self) -> None:
        """Close the output; what is queued is dropped. Closing twice is fine. Does nothing in a forked child."""
        if not is_home(self._stream.process):
            return
        with self._control:
            with self._lock:
                device, self._device = self._device, None
                if device is None:
                    return
                self._interrupt(0, device)
            if self._closer is not None:
                self._closer.detach()
            # Without the lock: the supervisor may be waiting for it.
            device.close()

    def use_device(self, device: DeviceSpec) -> None:
        """Move to another output, at once and while audio plays.

        The queue, tracks, receipts, counters and volume stay. What the old device may have held and not played is played
        again on the new one and counted in ``stats.frames_replayed``. A fade that runs ends. While not connected, the
        device is noted for connect(). A device object that is in use already is left as it is.

        If this raises, the old device goes on and nothing is lost.

        Thread: any. Waits for the new device to open; the calls that queue and interrupt do not wait meanwhile.

        Parameters
        ----------
        device : None, str, DeviceInfo, int, OfflineDevice, DuplexDevice or RemoteDevice
            As for the constructor.

        Raises
        ------
        DeviceError
            the device cannot be opened; the message says which, and what to try
        StateError
            another player uses that OfflineDevice, DuplexDevice or RemoteDevice
        """
        with self._control:
            old = self._device
            if old is not None and not (device is self._device_spec and is_device_object(device)):
                self._take(open_stream(device, self._stream, self._stream.telling(self._on_event), old))
            self._device_spec = device

    def tap(self) -> PlayedTap:
        """What the device gets, gain applied and silence included; a recorder whose reference this is calls it.

        Raises StateError if another recorder has this player as its reference. Thread: any.
        """
        from wavtools._played_tap import PlayedTap

        with self._lock:
            if self._tap is not None and not self._tap.closed:
                raise StateError("another recorder has this player as its reference; call its .end() first")
            tap = self._tap = PlayedTap()
            self._stream.feed(tap)
        return tap

    def _take(self, device: Device) -> None:
        with self._lock:
            self._device = device
        if self._closer is not None:
            self._closer.detach()
        self._closer = weakref.finalize(self, close_at_home, self._stream.process, device.close)

    def add_16bit_pcm(self, pcm: Any, track_id: str = "default") -> NDArray[np.int16] | None:
        """Queue audio for a track; it plays at once, after what is queued already.

        Every frame is played. An empty queue loses nothing and resets nothing: playback goes on when more arrives.

        Thread: any. Never waits for the device.

        Parameters
        ----------
        pcm : bytes, bytearray, memoryview, array('h') or numpy.ndarray
            int16 at the session rate; copied before the call returns. Mono: shape (frames,) or (frames, 1). Several
            channels: shape (frames, channels), or interleaved; (frames, 1) is played on every channel.
        track_id : str
            Usually the API's item id.

        Returns
        -------
        numpy.ndarray or None
            The frames, int16, shape (frames,) in mono, else (frames, channels). None for a track that was interrupted: its
            audio is ignored.

        Raises
        ------
        StateError
            not connected
        TypeError
            samples that are not int16, or a track_id that is not a string
        ValueError
            an odd number of bytes, another shape, or no whole number of frames; the message says what to write
        QueueFullError
            no room for all of it; nothing was queued
        """
        return self._queue(pcm16_frames(pcm, self.channels), track_id)

    def add(
        self, samples: Any, track_id: str = "default", *, dtype: SampleType | None = None
    ) -> NDArray[np.int16] | None:
        """Queue samples of any common type for a track, as `add_16bit_pcm` does with int16.

        int32 keeps its upper 16 bits. Floats have full scale 1.0 and are converted as by ``pcm.float32_to_pcm16``: louder
        ones are clamped, NaN becomes 0.

        Thread: any. Never waits for the device.

        Parameters
        ----------
        samples : numpy.ndarray, other array, bytes, bytearray or memoryview
            int16, int32, float16, float32 or float64, at the session rate, in any layout; copied before the call returns.
            Mono: shape (frames,) or (frames, 1). Several channels: shape (frames, channels); (frames, 1) is played on
            every channel. Bytes are little-endian and interleaved.
        track_id : str
            As for `add_16bit_pcm`.
        dtype : "int16", "int32", "float32" or "float64", optional
            What bytes hold; needed for them. An array says it itself.

        Returns
        -------
        numpy.ndarray or None
            What was queued; as from `add_16bit_pcm`.

        Raises
        ------
        StateError
            not connected
        TypeError
            samples of another type, bytes without *dtype*, or a track_id that is not a string
        ValueError
            another *dtype* or shape, or no whole number of samples or frames; the message says what to write
        QueueFullError
            no room for all of it; nothing was queued
        """
        return self._queue(frames_of(samples, self.channels, dtype), track_id)

    def _queue(self, frames: NDArray[np.int16], track_id: str) -> NDArray[np.int16] | None:
        if not isinstance(track_id, str):
            raise TypeError(f"track_id must be a string, not {type(track_id).__name__}")
        count = len(frames)
        with self._lock:
            self._require_connected()
            if not self._tracks.begin_change(track_id):
                return None
            start = self._state.queued
            dry = self._state.consumed == start and self._position.dry
            if not self._state.write(frames if self.channels == 1 else frames.reshape(-1)):
                self._tracks.end_change()
                raise QueueFullError(
                    f"{count} frames do not fit: {start - self._state.consumed} of "
                    f"{self._state.capacity} are queued; wait for playback, or call .interrupt()"
                )
            if dry and count and self._tracks.last_queued() == track_id:
                self._stream.underruns += 1
            self._tracks.queue(track_id, start, count)
            if self._tracks.end_change():
                # A signal handler interrupted in the middle of this call: its audio goes too.
                self._interrupt(0, self._device)
                return None
            if self._position.ahead is not None:
                self._position.ahead.poke()
        return frames

    def interrupt(self, fade_ms: float = 0) -> TrackOffset | None:
        """Stop now and drop all that is queued.

        Later audio of every track that was stopped or dropped is ignored; other tracks are not affected.

        Thread: any. Never waits for the device thread: the first of the two to swap the play position decides.

        Parameters
        ----------
        fade_ms : float
            0 to 1000 ms: fade out instead of cutting hard. ``offset`` is where the cut was asked for; the fading frames
            come after it.

        Returns
        -------
        TrackOffset or None
            Of the audible track: the one last heard, or before the first frame the first one queued, with offset 0.
            None when nothing was ever queued.

        Raises
        ------
        ValueError
            fade_ms out of range
        """
        fade_ms = number(fade_ms, "fade_ms", 0, MAX_FADE_MS, f"a fade lasts 0 to {MAX_FADE_MS} ms")
        with self._lock:
            return self._interrupt(int(fade_ms * self.sample_rate / 1000), self._device)

    def _interrupt(self, fade_frames: int, device: Device | None) -> TrackOffset | None:
        return self._position.interrupt(fade_frames, device.latency_seconds if device else 0.0)

    def get_track_sample_offset(self) -> TrackOffset | None:
        """The receipt that interrupt() would return now; nothing is stopped."""
        with self._lock:
            return self._position.now(self._device.latency_seconds if self._device else 0.0)

    @property
    def volume(self) -> float:
        """0.0 (silent) to 1.0 (as queued, bit for bit).

        A change takes effect with the device's next period. The device thread glides to it, so that it does not click.
        Positions are not affected. Setting a value out of range raises ValueError.
        """
        return self._volume

    @volume.setter
    def volume(self, volume: float) -> None:
        volume = number(volume, "volume", 0.0, 1.0, "it must be 0.0 to 1.0")
        with self._lock:
            self._volume = volume
            self._position.set_gain(volume)

    def _seconds_left(self) -> float | None:
        """Seconds of audio that wait in the queue; None when nothing waits or fades, or not connected."""
        with self._lock:
            if self._device is None:
                return None
            left = self._state.queued - self._position.heard
            return None if left == 0 and self._state.idle else left / self.sample_rate

    def get_frequencies(
        self,
        analysis_type: AnalysisType = "frequency",
        min_decibels: float = -100,
        max_decibels: float = -30,
    ) -> Frequencies:
        """Spectrum of what is being played, smoothed from call to call like a browser's AnalyserNode.

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
            not connected
        """
        with self._lock:
            self._require_connected()
            spectrum = self._spectrum.now(*self._shown())
        return AudioAnalysis.get_frequencies(
            spectrum, self.sample_rate, analysis_type, min_decibels, max_decibels
        )

    def get_waveform(self) -> NDArray[np.float32]:
        """The newest 8192 frames that the device got, silence included.

        Thread: any. Never waits for the device.

        Returns
        -------
        numpy.ndarray
            A copy: float32 in [-1, 1), shape (8192,), the mean of the channels at the session rate, the newest last.

        Raises
        ------
        StateError
            not connected
        """
        with self._lock:
            self._require_connected()
            return self._spectrum.waveform(*self._shown())

    def _shown(self) -> tuple[int, int, int]:
        """What the spectrum needs: silence since the last audio, queue position before it, and frames not heard yet."""
        assert self._device is not None
        position = self._position
        held = self._state.consumed - position.heard
        return position.silence(self._device.sample_rate), position.silent_until, held

    @property
    def stats(self) -> PlayerStats:
        """Counters since connect(); they stay readable after disconnect()."""
        with self._lock:
            return self._stream.stats(self._device)

    def _require_connected(self) -> None:
        if self._device is None:
            raise StateError("not connected; call .connect() first")
        require_home(self._stream.process, "player")
