"""WavRecorder: records PCM16 from a microphone, in exact chunks, with exact pauses.

The device thread only fills a ring; a delivery thread (see _delivery.py) converts to the session rate and runs the
callback. The state machine is in _recorder_states.py; _capture_session.py owns what a session consists of. This module
adds the ways to look at the audio, and asyncio's calls.

Thread: any; see _recorder_states.py for what waits, and for signal handlers.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from wavtools._arguments import callback as check_callback
from wavtools._arguments import integer, number
from wavtools._audio_chunk import AudioChunk
from wavtools._chunk_queue import ChunkQueue
from wavtools._device_watch import DeviceWatch
from wavtools._held import Held
from wavtools._open_stream import device_info
from wavtools._recorded_audio import RecordedAudio, as_floats
from wavtools._recorder_states import RecorderStates, Status, check_record_to
from wavtools._recorder_stats import RecorderStats
from wavtools.analysis import AnalysisType, AudioAnalysis, Frequencies
from wavtools.decode import DecodedAudio, decode
from wavtools.errors import StateError
from wavtools.wav import WavFile

if TYPE_CHECKING:
    from typing_extensions import Self

    from wavtools._both_sides import BothSides
    from wavtools._device_info import DeviceInfo
    from wavtools._echo_stage import EchoState
    from wavtools._events import DeviceEvent
    from wavtools._open_stream import DeviceSpec
    from wavtools._recording_file import Target
    from wavtools.echo import EchoCanceller
    from wavtools.player import WavStreamPlayer

__all__ = ["AudioChunk", "RecordedAudio", "RecorderStats", "WavRecorder"]


class WavRecorder(RecorderStates):
    """Recorder of PCM16 audio at a fixed session rate, from a device at any rate.

    Parameters
    ----------
    sample_rate : int
        Hz, 8000 to 192000: rate of the chunks and files. The device runs at its own rate.
    device : None, str, DeviceInfo, int, OfflineDevice, DuplexDevice or RemoteDevice, optional
        None for the default input, an id or name (or part of one), entry or index of list_devices(), "null" for a
        silent clock, or a device object. "jack:", "alsa:" or "pulse:" before a name looks on that audio system only.
    channels : int, optional
        1 to 8 channels to record. When not given: the device's own number, or of several at most two.
    keep_seconds : float, optional
        read(), save() and end() return the newest that many seconds. When not given they return everything, and memory
        grows by 2 bytes a sample; with *record_to*, they return nothing then, and memory stays constant.
    on_event : callable, optional
        Gets a DeviceEvent when the device is lost, restored, rerouted, suspended or resumed, or the file cannot be
        written. Recording goes on by itself; what was said without a device is missing. Runs on a thread of its own.
    record_to : str, os.PathLike, or binary file object that can seek, optional
        A WAV file that gets all that is recorded from begin() to end(), block by block, whatever clear() and
        *keep_seconds* drop from memory; beyond 4 GiB it is RF64. The file can be read at every moment, also after the
        program was killed. begin() replaces a file that exists, once the device is open. A file object is written from
        its start, and stays open.
    echo_canceller : EchoCanceller or "auto", "native" or "webrtc", optional
        Takes the sound of the loudspeaker out of what the microphone hears: ``chunk.mono`` is clean, and late by the
        canceller's 10 ms or so, ``chunk.raw`` is as captured. In mono the clean signal is also what is stored, saved and
        recorded to a file; of several channels, those captured. It runs from begin() to end(), while paused too. See
        wavtools.echo_canceller.
    reference : WavStreamPlayer, optional
        The player whose sound the microphone hears, on any device. The chunks then have ``played``. Needed for an echo
        canceller, unless recorder and player share a DuplexDevice. A player is the reference of one recorder at a time.
    on_both : callable, optional
        Gets a BothSides for every block of frames from begin() to end(), pauses included: what was captured, and what the
        *reference* played meanwhile. For a recording of a whole conversation as it was heard. Runs on the delivery thread;
        if it raises, that is logged and counted in ``stats.callback_errors``.

    Raises
    ------
    ValueError
        an argument out of range; an echo canceller for another rate; *on_both* without a *reference*
    TypeError
        an argument of another type
    ImportError
        the echo canceller "webrtc" is not installed
    """

    def __init__(
        self,
        sample_rate: int = 24_000,
        *,
        device: DeviceSpec = None,
        channels: int | None = None,
        keep_seconds: float | None = None,
        on_event: Callable[[DeviceEvent], None] | None = None,
        record_to: Target | None = None,
        echo_canceller: EchoCanceller | Literal["auto", "native", "webrtc"] | None = None,
        reference: WavStreamPlayer | None = None,
        on_both: Callable[[BothSides], object] | None = None,
    ) -> None:
        sample_rate = integer(
            sample_rate, "sample_rate", 8_000, 192_000, "wavtools records 8000 to 192000 Hz"
        )
        if channels is not None:
            channels = integer(channels, "channels", 1, 8, "wavtools records 1 to 8")
        if keep_seconds is not None:
            keep_seconds = number(keep_seconds, "keep_seconds", 0, 1e9, "it must be 0 or more")
        check_callback(on_event, "on_event", "pass a plain function")
        check_record_to(record_to)
        canceller = None if echo_canceller is None else _checked_canceller(echo_canceller, sample_rate)
        if reference is not None and not hasattr(reference, "tap"):
            raise TypeError(f"reference must be a WavStreamPlayer, not {type(reference).__name__}")
        check_callback(on_both, "on_both", "pass a plain function")
        if on_both is not None and reference is None:
            raise ValueError("on_both needs to know what is played: pass reference=player")
        super().__init__(
            sample_rate, device, channels, keep_seconds, on_event, record_to, canceller, reference, on_both
        )
        # The callback of listen_for_device_change(), and what stops the calls.
        self._listener: Held | None = None
        self._watch: weakref.finalize[..., WavRecorder] | None = None

    def __repr__(self) -> str:
        frames = self._session.store.frames if self._session is not None else 0
        return (
            f"WavRecorder(sample_rate={self.sample_rate}, device={self._device_spec!r}), {self._status},"
            f" {frames / self.sample_rate:.3f} s stored"
        )

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(self, *exc: object) -> None:
        self.quit()

    async def __aenter__(self) -> Self:
        await self.begin_async()
        return self

    async def __aexit__(self, *exc: object) -> None:
        from wavtools._aio import in_thread

        await in_thread(self.quit)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            "a recorder cannot be copied or pickled; make another WavRecorder where one is needed"
        )

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

    def get_device_info(self) -> DeviceInfo | None:
        """The system's entry of the microphone: of the open one, or of the one that begin() would open.

        Its ``cancels_echo`` says if the system cancels the echo already. Thread: any; it asks the system, which takes a
        moment.

        Returns
        -------
        DeviceInfo or None
            None for "null", for an OfflineDevice, and for a device that the system does not list.

        Raises
        ------
        DeviceError
            no audio system answers, or no device fits
        """
        spec = self._device_spec if self._status == "ended" else self._device_in_use
        return device_info(spec, "capture")

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
            close, self._watch, self._listener = self._watch, None, None
            if callback is not None:
                self._listener = Held(callback)
                watch = DeviceWatch(self.list_devices, self._listener.weakly())
                self._watch = weakref.finalize(self, watch.close)
                self._watch.atexit = False
        if close is not None:
            # Without the lock: it waits for a callback that runs, which may call this recorder.
            close()
        return True

    # The session

    async def begin_async(self, device: DeviceSpec = None, *, record_to: Target | None = None) -> bool:
        """begin() for asyncio: the event loop goes on while the device opens.

        Cancel-safe: a cancelled call leaves no session behind, and the file of *record_to* as it was. Raises as begin().
        """
        from wavtools._aio import in_thread

        await in_thread(lambda: self._begin(device, record_to, begin_file=False), self.quit)
        # From here on nothing cancels the call.
        try:
            self._begin_file()
        except BaseException:
            await in_thread(self.quit)
            raise
        return True

    async def pause_async(self) -> bool:
        """pause() for asyncio: the event loop goes on while the last chunks are delivered.

        Cancel-safe: a cancelled call leaves the recorder paused, and everything is delivered. Raises as pause().
        """
        from wavtools._aio import in_thread

        return await in_thread(self.pause)

    def read(self) -> RecordedAudio:
        """All audio stored so far, as float32.

        Raises
        ------
        StateError
            no session
        """
        return as_floats(self._require_audio().store.read(), self.sample_rate)

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

    async def end_async(self) -> WavFile:
        """end() for asyncio: the event loop goes on while the last chunks are delivered and the file is written.

        Cancel-safe: a cancelled call ends the session, and everything is delivered. Raises as end().
        """
        from wavtools._aio import in_thread

        return await in_thread(self.end)

    # ------------------------------------------------------------------------------------------------ chunks and all

    def __iter__(self) -> Iterator[AudioChunk]:
        """The chunks of record() without a callback, across pauses, until end(). Raises StateError in a forked child."""
        return iter(self._queue())

    def __aiter__(self) -> AsyncIterator[AudioChunk]:
        """The same for ``async for``. Cancel-safe: a chunk leaves the queue only when it is handed over."""
        return aiter(self._queue())

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
        """The newest 8192 frames from the microphone, recording or not; silence before the first one.

        Thread: any. Never waits for the device.

        Returns
        -------
        numpy.ndarray
            A copy: float32, full scale 1.0, shape (8192,), the mean of the channels at the session rate, the newest last.

        Raises
        ------
        StateError
            no session
        """
        return self._require_session().get_waveform()

    @staticmethod
    def decode(audio: Any, sample_rate: int = 24_000, from_sample_rate: int | None = None) -> DecodedAudio:
        """Decode an audio file's bytes, or samples, to float32 at *sample_rate*; see wavtools.decode."""
        return decode(audio, sample_rate, from_sample_rate)

    @property
    def stats(self) -> RecorderStats:
        """Counters since begin(); they stay readable after end()."""
        session = self._session
        if session is None:
            return RecorderStats(0, 0, 0, 0.0, None, 0.0)
        return session.stats(self._device)

    @property
    def cancelling(self) -> bool:
        """True if ``chunk.mono`` is without echo; can be set at any time, by any thread.

        False gives the sound as captured, with the same delay. The canceller goes on learning, so that True works at
        once. Always False without an echo canceller.
        """
        return self._echo_canceller is not None and self._cancelling

    @cancelling.setter
    def cancelling(self, cancelling: bool) -> None:
        if cancelling and self._echo_canceller is None:
            raise StateError('nothing to cancel with; make the recorder with echo_canceller="auto"')
        self._cancelling = bool(cancelling)
        session = self._session
        if session is not None and session.stage is not None:
            session.stage.cancelling = self._cancelling

    @property
    def echo(self) -> EchoState | None:
        """How the echo canceller does; None before begin(), and without canceller and reference."""
        session = self._session
        return None if session is None or session.stage is None else session.stage.state

    @property
    def record_to(self) -> Target | None:
        """The file of the session, running or ended; before the first begin(), the one given to the constructor."""
        return self._record_to if self._session is None else self._target

    def _queue(self) -> ChunkQueue:
        if self._session is not None:
            self._require_home()
            return self._session.chunks
        empty = ChunkQueue(None)
        empty.close()
        return empty


def _checked_canceller(wanted: object, sample_rate: int) -> EchoCanceller:
    """The echo canceller that is meant, for the session's rate."""
    if isinstance(wanted, str):
        # Recorders without a canceller need none of it.
        from wavtools.echo import echo_canceller

        return echo_canceller(wanted, sample_rate)
    missing = [name for name in ("process", "reset", "frame", "delay_frames") if not hasattr(wanted, name)]
    if missing:
        raise TypeError(
            f'echo_canceller must be "auto", "native", "webrtc" or an EchoCanceller, not {wanted!r}'
        )
    canceller = cast("EchoCanceller", wanted)
    if canceller.sample_rate != sample_rate:
        raise ValueError(
            f"the echo canceller is for {canceller.sample_rate} Hz, the recorder for {sample_rate} Hz; "
            f"make it with wavtools.echo_canceller(sample_rate={sample_rate})"
        )
    return canceller
