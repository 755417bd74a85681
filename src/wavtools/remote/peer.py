"""NativePeer: plays and captures for a RemoteDevice elsewhere, with a native player and recorder.

The player knows to the frame what its device got. A cut that lies ahead is carried out at once: playback stops, and what
is left up to the place of the cut is queued again.

Thread: handle() on the thread that reads the wire; a thread of its own ("wavtools-remote-report") reports every 10 ms; the
microphone's chunks come on the recorder's delivery thread.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import struct
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wavtools import _remote_frames as wire
from wavtools._remote_frames import Frame, Malformed
from wavtools.errors import WavtoolsError
from wavtools.player import WavStreamPlayer
from wavtools.recorder import AudioChunk, WavRecorder

if TYPE_CHECKING:
    from wavtools._open_stream import DeviceSpec

__all__ = ["NativePeer"]

REPORT_SECONDS = 0.01
# Reports from one to the next while nothing is played
IDLE_REPORTS = 10
MAX_WINDOW = 24_576
MAX_CUTS = 64

_log = logging.getLogger("wavtools")


@dataclasses.dataclass
class _Cut:
    number: int
    stop: int
    resume: int
    fade: int


class _Loudspeaker:
    """One opening of the loudspeaker. With the peer's lock held."""

    def __init__(self, wish: dict[str, Any], device: DeviceSpec) -> None:
        self.stream = int(wish["stream"])
        self.rate = int(wish["rate"])
        self.channels = int(wish["channels"])
        # Position after the last frame that came, and what is held from `start` on.
        self.end = self._start = 0
        self._held: deque[NDArray[np.int16]] = deque()
        # Frames that the player will have played when its queue is empty, and by how much positions are ahead of that count.
        self._total = self._ahead = 0
        # Cuts that are not carried out, the first one's place, and where sound went on after the last one.
        self._cuts: deque[_Cut] = deque()
        self._cutting: int | None = None
        self._base = 0
        # The player's track; an interrupt ends it.
        self._run = 0
        self.starved = 0
        self.dry = True
        self.player = WavStreamPlayer(self.rate, channels=self.channels, device=device, queue_seconds=4)
        self.player.connect()
        self.set_gain(float(wish.get("gain", 1.0)))

    def set_gain(self, gain: float) -> None:
        self.player.volume = min(max(gain, 0.0), 1.0)

    @property
    def position(self) -> int:
        """Of the next frame that will be played."""
        position = max(self._base, self.player.stats.frames_played + self._ahead)
        return position if self._cutting is None else min(position, self._cutting)

    def play(self, frame: Frame) -> None:
        size = len(frame.payload)
        if not size or size % (2 * self.channels) or wire.read_position(frame) != self.end:
            raise Malformed("a PLAY that does not follow the one before")
        frames = np.frombuffer(frame.payload, "<i2").astype(np.int16).reshape(-1, self.channels)
        if self.end + len(frames) - self.position > 2 * MAX_WINDOW:
            raise Malformed("more than the window")
        self._held.append(frames)
        self.end += len(frames)
        if not self._cuts:
            self._queue(frames)

    def _queue(self, frames: NDArray[np.int16]) -> None:
        if len(frames):
            self.player.add_16bit_pcm(frames, f"run {self._run}")
            self._total += len(frames)

    def cut(self, frame: Frame) -> None:
        resume, fade = wire.read_cut(frame)
        stop = wire.read_position(frame)
        if len(self._cuts) == MAX_CUTS or not stop <= resume == self.end:
            raise Malformed("a CUT that does not fit")
        self._cuts.append(_Cut(frame.aux, stop, resume, fade))
        if len(self._cuts) == 1:
            self._begin(self._cuts[0])

    def _begin(self, cut: _Cut) -> None:
        """Stop playback at `cut.stop`, or now if that is past."""
        late = self.position >= cut.stop
        self.player.interrupt(min(cut.fade * 1000 / self.rate, 1000) if late else 0)
        # Nothing plays now, so these numbers stay.
        position, self._total = self.position, self.player.stats.frames_played
        self._ahead, self._run = position - self._total, self._run + 1
        self._cutting = max(position, cut.stop)
        if position < cut.stop:
            self._queue(self._between(position, cut.stop))
            ramp = self._between(cut.stop, min(cut.stop + cut.fade, cut.resume)).astype(np.float32)
            ramp *= 1 - np.arange(len(ramp), dtype=np.float32)[:, np.newaxis] / max(1, len(ramp))
            self._queue(ramp.astype(np.int16))

    def _between(self, first: int, last: int) -> NDArray[np.int16]:
        """Held frames [first, last)."""
        parts = [np.zeros((0, self.channels), np.int16)]
        start = self._start
        for frames in self._held:
            parts.append(frames[max(0, first - start) : max(0, last - start)])
            start += len(frames)
        return np.concatenate(parts)

    def advance(self) -> list[tuple[int, int]]:
        """Look how far the player is; returns (number, position) of the cuts that are done."""
        done = []
        while self._cuts and self._cutting is not None and self.position >= self._cutting:
            cut = self._cuts.popleft()
            done.append((cut.number, self._cutting))
            self._resume(cut)
        self._forget()
        dry = not self._cuts and self.position >= self.end
        self.starved += dry and not self.dry
        self.dry = dry
        return done

    def _resume(self, cut: _Cut) -> None:
        """A cut was carried out: go on at its resume position."""
        self._cutting, self._base = None, cut.resume
        # The rest of a ramp is no position.
        self._ahead = cut.resume - self._total
        if self._cuts:
            self._begin(self._cuts[0])
        else:
            self._queue(self._between(cut.resume, self.end))

    def _forget(self) -> None:
        """Drop what was played."""
        position = self.position
        while self._held and self._start + len(self._held[0]) <= position:
            self._start += len(self._held.popleft())


class NativePeer:
    """The hardware's side of a RemoteDevice.

    Parameters
    ----------
    send : callable
        Gets each frame; from several threads, one at a time. It must not block.
    input, output : None, str, int or DeviceInfo, optional
        The devices, as for WavRecorder and WavStreamPlayer.
    name : str
        What to call itself.
    """

    def __init__(
        self,
        send: Callable[[bytes], object],
        input: DeviceSpec = None,
        output: DeviceSpec = None,
        name: str = "Python",
    ) -> None:
        self._send = send
        self._input = input
        self._output = output
        self._name = name
        self._lock = threading.RLock()
        self._speaker: _Loudspeaker | None = None
        self._speaker_part: dict[str, Any] | None = None
        self._recorder: WavRecorder | None = None
        self._microphone: dict[str, Any] | None = None
        self._captured = 0
        self._closed = threading.Event()
        # What the host said when it ended the connection.
        self.goodbye = ""
        threading.Thread(target=self._run, name="wavtools-remote-report", daemon=True).start()

    def handle(self, data: bytes) -> bool:
        """Do what a frame says; False after a BYE. Raises Malformed."""
        frame = wire.decode(data)
        with self._lock:
            if frame.type == wire.HELLO:
                self._hello(wire.read_json(frame))
            elif frame.type == wire.PING:
                self._send(wire.encode(wire.PONG, aux=frame.aux, position=frame.position))
            elif frame.type == wire.BYE:
                self.goodbye = wire.readable(frame.payload)
                return False
            elif self._speaker is not None and frame.stream == self._speaker.stream:
                self._of_speaker(self._speaker, frame)
        return True

    def _of_speaker(self, speaker: _Loudspeaker, frame: Frame) -> None:
        if frame.type == wire.PLAY:
            speaker.play(frame)
        elif frame.type == wire.CUT:
            speaker.cut(frame)
        elif frame.type == wire.GAIN and 0 <= frame.position <= 1:
            speaker.set_gain(frame.position)
        self._tell(speaker)

    def close(self) -> None:
        """Close loudspeaker and microphone."""
        self._closed.set()
        with self._lock:
            self._close_speaker()
            self._close_microphone()

    # Opening

    def _hello(self, content: dict[str, Any]) -> None:
        try:
            wanted = content.get("speaker")
            if wanted is None or self._speaker is None or wanted["stream"] != self._speaker.stream:
                self._close_speaker()
                self._speaker_part = None if wanted is None else self._open_speaker(wanted)
            wanted = content.get("microphone")
            if wanted is None or self._microphone is None or wanted["stream"] != self._microphone["stream"]:
                self._close_microphone()
                self._microphone = None if wanted is None else self._open_microphone(wanted)
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed(f"a HELLO that asks for nothing known: {error!r}") from None
        self._send(
            wire.encode_json(
                wire.OPENED,
                {
                    "version": wire.VERSION,
                    "name": self._name,
                    "speaker": self._speaker_part,
                    "microphone": self._microphone,
                },
            )
        )

    def _open_speaker(self, wish: dict[str, Any]) -> dict[str, Any]:
        try:
            self._speaker = _Loudspeaker(wish, self._output)
        except WavtoolsError as error:
            return {"stream": wish["stream"], "error": str(error)[:200]}
        return {"stream": wish["stream"], "latency": self._speaker.player.stats.latency_seconds}

    def _close_speaker(self) -> None:
        speaker, self._speaker = self._speaker, None
        if speaker is not None:
            speaker.player.disconnect()

    def _open_microphone(self, wish: dict[str, Any]) -> dict[str, Any]:
        stream, rate, channels = int(wish["stream"]), int(wish["rate"]), wish.get("channels") or 1
        chunk = max(1, rate * int(wish.get("chunk_ms", 10)) // 1000)
        recorder = WavRecorder(rate, device=self._input, channels=int(channels), keep_seconds=0)
        try:
            recorder.begin()
            name = getattr(recorder.get_device_info(), "name", None) or "microphone"
        except WavtoolsError as error:
            return {"stream": stream, "error": str(error)[:200]}
        self._captured = 0
        self._recorder = recorder

        def capture(part: AudioChunk) -> None:
            sound = part.raw.astype("<i2")
            # What cannot be sent is a hole, which the host fills.
            with contextlib.suppress(OSError):
                self._send(wire.encode(wire.MIC, stream, 0, self._captured, sound.tobytes()))
            self._captured += len(sound)

        recorder.record(capture, chunk)
        latency = recorder.stats.latency_seconds
        return {"stream": stream, "rate": rate, "channels": int(channels), "name": name, "latency": latency}

    def _close_microphone(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.quit()

    # Reporting

    def _run(self) -> None:
        count = 0
        while not self._closed.wait(REPORT_SECONDS):
            count += 1
            try:
                self.report(idle=count % IDLE_REPORTS == 0)
            except OSError as error:
                _log.warning("the connection has ended: %s", error)
                return

    def report(self, *, idle: bool = True) -> None:
        """Tell how far the loudspeaker is; without *idle* only if it has something to play. Any thread."""
        with self._lock:
            speaker = self._speaker
            if speaker is not None and (idle or not speaker.dry or speaker.position < speaker.end):
                self._tell(speaker)

    def _tell(self, speaker: _Loudspeaker) -> None:
        """Say which cuts are done, and how far the loudspeaker is."""
        for number, position in speaker.advance():
            self._send(wire.encode(wire.CUT_DONE, speaker.stream, number, position))
        latency = struct.pack("<d", speaker.player.stats.latency_seconds)
        self._send(
            wire.encode(
                wire.REPORT,
                speaker.stream,
                speaker.starved,
                speaker.position,
                latency,
                flags=int(speaker.dry),
            )
        )
