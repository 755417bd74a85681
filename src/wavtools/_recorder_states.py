"""RecorderStates: the state machine of a recorder: its session from begin() to end(), and the device under it.

Thread: any; calls from several threads run one after another. begin() and use_device() wait for a device to open, pause()
and end() for the last chunks, end() for the file too; no other call waits. Signal handlers may make every call, except in
the middle of one that changes the state: then it raises StateError.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from wavtools._arguments import callback as check_callback
from wavtools._arguments import integer
from wavtools._audio_chunk import AudioChunk
from wavtools._capture_session import CaptureSession
from wavtools._held import Held
from wavtools._one_call import OneCall
from wavtools._open_stream import is_device_object, open_stream
from wavtools._process import close_at_home, is_home, require_home
from wavtools.errors import StateError
from wavtools.wav import WavFile, WavPacker

if TYPE_CHECKING:
    from wavtools._both_sides import BothSides
    from wavtools._echo_stage import EchoStage
    from wavtools._events import DeviceEvent
    from wavtools._latch import Latch
    from wavtools._open_stream import DeviceSpec
    from wavtools._played_tap import PlayedTap
    from wavtools._recording_file import RecordingFile, Target
    from wavtools._stream import Device
    from wavtools.echo import EchoCanceller

__all__ = ["RecorderStates", "Status", "check_record_to"]

Status = Literal["ended", "paused", "recording"]


class Reference(Protocol):
    """What a recorder needs of the player that it hears."""

    def tap(self) -> PlayedTap:
        """What the player's devices are given, until it is closed."""
        ...


# More than 20 attributes: one for each argument of WavRecorder, and the session that they begin.
class RecorderStates:
    """A recorder without its ways to look at the audio. The arguments are those of WavRecorder, checked."""

    def __init__(
        self,
        sample_rate: int,
        device: DeviceSpec,
        channels: int | None,
        keep_seconds: float | None,
        on_event: Callable[[DeviceEvent], None] | None,
        record_to: Target | None,
        echo_canceller: EchoCanceller | None,
        reference: Reference | None,
        on_both: Callable[[BothSides], object] | None = None,
    ) -> None:
        self.sample_rate = sample_rate
        self._echo_canceller = echo_canceller
        self._reference = reference
        self._cancelling = True
        self._device_spec = device
        self._channels_wanted = channels
        # Callbacks are held here alone: see Held.
        self._on_event = None if on_event is None else Held(on_event)
        self._on_both = None if on_both is None else Held(on_both)
        # The callbacks of record(), until their last chunk is delivered.
        self._callbacks: list[tuple[Held, Latch]] = []
        self._keep_frames = None if keep_seconds is None else int(keep_seconds * sample_rate)
        self._record_to = record_to
        # True if a session has recorded to it.
        self._recorded = False
        # What the session records to.
        self._target: Target | None = None
        # One control call at a time. A signal handler may take it again in the middle of a call.
        self._control = threading.RLock()
        self._one_call = OneCall("recorder")
        self._status: Status = "ended"
        self._device: Device | None = None
        # What was given to open _device.
        self._device_in_use: DeviceSpec = None
        # The last session stays after its end, for stats and repr().
        self._session: CaptureSession | None = None
        # The process that began the session.
        self._home = 0
        # True if end() could not make a file: the audio stays readable.
        self._unsaved = False
        # Closes microphone and delivery of a recorder that is dropped in the middle of a session.
        self._closer: weakref.finalize[..., RecorderStates] | None = None

    def begin(self, device: DeviceSpec = None, *, record_to: Target | None = None) -> bool:
        """Open the microphone; the status is then "paused". Waits for the device to open.

        If this raises, no session runs, and the file of *record_to* is as it was.

        Parameters
        ----------
        device : None, str, DeviceInfo, int, OfflineDevice, DuplexDevice or RemoteDevice, optional
            For this session, instead of the one given to the constructor or use_device().
        record_to : str, os.PathLike, or binary file object that can seek, optional
            For this session, instead of the one given to the constructor. That one is for one session: begin() without
            another one does not replace the recording.

        Raises
        ------
        StateError
            a session is running, another recorder uses that device object, file or reference, or an earlier
            session has recorded to the constructor's *record_to*
        ValueError
            there is an echo canceller, and neither a reference nor a duplex device
        DeviceError
            the device cannot be opened; the message says which, and what to try
        OSError
            the file cannot be opened or written
        """
        self._begin(device, record_to, begin_file=True)
        return True

    def _begin(self, device: DeviceSpec, record_to: Target | None, *, begin_file: bool) -> None:
        """begin(); without *begin_file*, the file stays as it was until _begin_file(), or until the session's end."""
        check_record_to(record_to)
        self._require_home()
        with self._control, self._one_call:
            if self._status != "ended":
                raise StateError("a session is running; call .end() first")
            target = self._record_to if record_to is None else record_to
            if record_to is None and target is not None and self._recorded and _is_there(target):
                raise StateError(
                    f"{target!r} holds an earlier session; call .begin(record_to=...) with another file"
                )
            spec = self._device_spec if device is None else device
            device_in_use, session = self._open(spec, target, begin_file)
            self._device, self._session, self._device_in_use, self._target = (
                device_in_use,
                session,
                spec,
                target,
            )
            self._recorded |= begin_file and target is not None and target is self._record_to
            self._home = os.getpid()
            self._unsaved = False
            self._callbacks.clear()
            self._close_when_dropped(session)
            self._status = "paused"

    def _begin_file(self) -> None:
        """Begin the file of the session. Raises OSError, and the file is then as it was."""
        with self._control, self._one_call:
            if self._session is not None and self._status != "ended":
                self._session.begin_file()
                self._recorded |= self._target is not None and self._target is self._record_to

    def _open(
        self, spec: DeviceSpec, target: Target | None, begin_file: bool
    ) -> tuple[Device, CaptureSession]:
        """A new session, with its device open, and its file too."""
        file: RecordingFile | None = None
        keep_frames = self._keep_frames
        if target is not None:
            # Recorders without a file need none of it.
            from wavtools._recording_file import RecordingFile

            file = RecordingFile(target, self.sample_rate, self._tell)
            keep_frames = keep_frames or 0
        session = CaptureSession(
            self.sample_rate, self._channels_wanted, keep_frames, file, self._echo_stage()
        )
        device = None
        try:
            device = open_stream(spec, session, session.telling(self._tell))
            if begin_file:
                session.begin_file()
        except BaseException:
            if device is not None:
                device.close()
            session.close()
            raise
        return device, session

    def _echo_stage(self) -> EchoStage | None:
        """For a new session; None where nothing is cancelled and nobody asks what is played."""
        canceller, reference = self._echo_canceller, self._reference
        if canceller is None and reference is None:
            return None
        from wavtools._echo_stage import EchoStage

        tap = None if reference is None else reference.tap()
        if canceller is not None:
            canceller.reset()
        stage = EchoStage(canceller, tap, self.sample_rate, self._cancelling)
        if self._on_both is not None:
            stage.give_both(self._on_both.weakly())
        return stage

    def use_device(self, device: DeviceSpec) -> None:
        """Move to another microphone, at once and while recording.

        The status, stored audio, chunks, callback, counters and number of channels stay. Every frame that the old device has
        delivered is kept; recording goes on with the new one's first frame. While no session runs, the device is noted for
        begin(). A device object that is in use already is left as it is.

        If this raises, the old device goes on and nothing is lost.

        Thread: any. Waits for the new device to open.

        Parameters
        ----------
        device : None, str, DeviceInfo, int, OfflineDevice, DuplexDevice or RemoteDevice
            As for the constructor.

        Raises
        ------
        DeviceError
            the device cannot be opened; the message says which, and what to try
        StateError
            another recorder uses that device object
        """
        self._require_home()
        with self._control, self._one_call:
            old, session = self._device, self._session
            if old is not None and session is not None:
                if not (device is self._device_in_use and is_device_object(device)):
                    self._device = open_stream(device, session, session.telling(self._tell), old)
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
        self._require_home()
        with self._control, self._one_call:
            session = self._require_session()
            if self._status == "recording":
                raise StateError("already recording; call .pause() first")
            self._callbacks = [(held, done) for held, done in self._callbacks if not done.is_set]
            if callback is None:
                session.delivery.record(chunk_size, session.chunks.put)
            else:
                held = Held(callback)
                self._callbacks.append((held, session.delivery.record(chunk_size, held.weakly())))
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
        self._require_home()
        with self._control, self._one_call:
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

        Only what read(), save() and end() return is affected: chunks and the file of *record_to* hold that audio, too.

        Raises
        ------
        StateError
            no session
        """
        self._require_home()
        with self._control, self._one_call:
            session = self._require_session()
            session.delivery.clear_store(session.store.clear)
        return True

    def end(self) -> WavFile:
        """Deliver what was captured, as pause() does, close the microphone and the file, and return the stored audio.

        Returns
        -------
        WavFile
            All audio stored: with *record_to*, only what *keep_seconds* keeps.

        Raises
        ------
        StateError
            no session, or the recorder belongs to the process that was forked
        OSError
            frames are missing in the file of *record_to*: the disk was full, or too slow. The session is over, and read()
            and save() still return the stored audio.
        """
        self._require_home()
        stopped = self._stop()
        if stopped is None:
            raise StateError("no session; call .begin() first")
        return self._finish(*stopped)

    def quit(self) -> WavFile | None:
        """end() if there is a session; None without one, and in a forked child."""
        stopped = self._stop() if is_home(self._home) else None
        return None if stopped is None else self._finish(*stopped)

    def _stop(self) -> tuple[CaptureSession, Device, weakref.finalize[..., RecorderStates]] | None:
        """End the session; nothing is delivered or closed yet."""
        with self._control, self._one_call:
            session, device, closer = self._session, self._device, self._closer
            if self._status == "ended":
                return None
            assert session is not None and device is not None and closer is not None
            if self._status == "recording":
                session.delivery.pause()
            # Until _finish() returns, read() and save() find the audio, whatever fails.
            self._unsaved = True
            self._device, self._status = None, "ended"
            return session, device, closer

    def _finish(
        self, session: CaptureSession, device: Device, closer: weakref.finalize[..., RecorderStates]
    ) -> WavFile:
        try:
            if session.delivery.is_current_thread:
                session.delivery.drain()
            else:
                session.delivery.finished()
        finally:
            # After Ctrl-C, too.
            closer.detach()
            device.close()
            session.close()
        if session.file is not None:
            session.file.check()
        wav = self._wav(session)
        if self._session is session:
            self._unsaved = False
        return wav

    @property
    def _tell(self) -> Callable[[DeviceEvent], None]:
        return _ignore if self._on_event is None else self._on_event.weakly()

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
        self._require_home()
        return session

    def _require_home(self) -> None:
        """Raise StateError in a forked child. Before taking a lock, which a thread of the parent may have held."""
        if self._status != "ended":
            require_home(self._home, "recorder")


def check_record_to(target: object) -> None:
    """Raise TypeError unless *target* can be recorded to."""
    if target is not None:
        from wavtools._recording_file import check_target

        check_target(target)


def _is_there(target: Target) -> bool:
    return not isinstance(target, (str, os.PathLike)) or Path(target).exists()


def _ignore(event: DeviceEvent) -> None:
    return None
