"""Microphone and Speaker: a WavRecorder and a WavStreamPlayer as the console needs them, with tapes and bars.

`realtime.VoiceSession` takes them for the real ones. A device that does not open is replaced by the silent clock
("null"), so that everything but the sound works, and `problem` says why. `switch` moves to another device while audio runs.

Thread: any; control calls are taken one after another. `Microphone._deliver` runs on the recorder's delivery thread.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavtools import DeviceError, StateError, WavRecorder, WavStreamPlayer

from .session import BANDS, SILENCE

__all__ = ["Microphone", "Speaker", "Tape", "bars"]

SILENT = "null"
TAPE_SECONDS = 4.0
# The room's reverberation after the speaker stopped, which half-duplex mutes as well.
TAIL_SECONDS = 0.3

Int16Array = NDArray[np.int16]


class Tape:
    """The last TAPE_SECONDS of a stream of int16, oldest first, with silence before its beginning."""

    def __init__(self, sample_rate: int) -> None:
        self._samples = np.zeros(int(TAPE_SECONDS * sample_rate), np.int16)
        self._lock = threading.Lock()
        self.written = 0

    def add(self, samples: Int16Array) -> None:
        """Append *samples*; as many of the oldest go."""
        samples = samples[-len(self._samples) :]
        with self._lock:
            if len(samples):
                self._samples = np.concatenate((self._samples[len(samples) :], samples))
            self.written += len(samples)

    def read(self) -> Int16Array:
        """The samples. add() replaces this array and never changes it."""
        return self._samples


@dataclasses.dataclass(frozen=True)
class _Chunk:
    """What VoiceSession reads of an AudioChunk."""

    mono: Int16Array


class Microphone:
    """The recorder's part of a voice session.

    Parameters
    ----------
    sample_rate : int
        Hz, of the chunks.
    device : str, optional
        An id or name; the default input when not given.
    on_event : callable, optional
        Gets the recorder's DeviceEvents.
    muted : callable, optional
        Asked for each chunk; while it returns True, silence is sent (half-duplex).
    """

    def __init__(
        self,
        sample_rate: int,
        device: str | None = None,
        *,
        on_event: Callable[[Any], None] | None = None,
        muted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.sample_rate = sample_rate
        self.device = device
        self.problem = ""
        self.tape = Tape(sample_rate)
        self._on_event = on_event
        self._muted = muted
        self._lock = threading.RLock()
        self._recorder: WavRecorder | None = None
        self._callback: Callable[[Any], object] | None = None

    def get_status(self) -> str:
        """ "ended", "paused" or "recording"."""
        return "ended" if self._recorder is None else self._recorder.get_status()

    def begin(self) -> None:
        """Open the device, or the silent clock where it does not open."""
        with self._lock:
            self.problem = ""
            recorder = self._make(self.device)
            try:
                recorder.begin()
            except DeviceError as error:
                self.problem = str(error)
                recorder = self._make(SILENT)
                recorder.begin()
            self._recorder = recorder

    def record(self, callback: Callable[[Any], object] | None = None, chunk_size: int = 480) -> None:
        """Start recording; *callback* gets chunks with ``mono``."""
        with self._lock:
            assert self._recorder is not None
            self._callback = callback
            self._recorder.record(self._deliver, chunk_size)

    def pause(self) -> None:
        """Stop recording; returns when all chunks were delivered."""
        with self._lock:
            assert self._recorder is not None
            if self._recorder.get_status() == "recording":
                self._recorder.pause()

    def end(self) -> None:
        """Deliver the last chunks and close the device."""
        with self._lock:
            recorder, self._recorder = self._recorder, None
            if recorder is not None:
                recorder.quit()
            self._callback = None

    def switch(self, device: str | None) -> None:
        """Go on with another device. One that does not open changes nothing and raises DeviceError."""
        with self._lock:
            if self._recorder is not None:
                self._recorder.use_device(device)
                self.problem = ""
            self.device = device

    def get_bars(self) -> tuple[float, ...]:
        """BANDS values between 0 and 1; all 0 while closed."""
        recorder = self._recorder
        if recorder is None or recorder.get_status() == "ended":
            return SILENCE
        try:
            return bars(recorder.get_frequencies("voice").values)
        except StateError:  # another thread is closing it
            return SILENCE

    def _deliver(self, chunk: Any) -> None:
        callback = self._callback
        samples = chunk.mono
        self.tape.add(samples)
        if self._muted():
            samples = np.zeros_like(samples)
        if callback is not None:
            callback(_Chunk(samples))

    def _make(self, device: str | None) -> WavRecorder:
        return WavRecorder(self.sample_rate, device=device, keep_seconds=0, on_event=self._on_event)


class Speaker:
    """The player's part of a voice session, with a tape of what was played.

    Parameters
    ----------
    sample_rate : int
        Hz, of the queued audio.
    device : str, optional
        An id or name; the default output when not given.
    on_event : callable, optional
        Gets the player's DeviceEvents.
    """

    def __init__(
        self,
        sample_rate: int,
        device: str | None = None,
        *,
        on_event: Callable[[Any], None] | None = None,
    ) -> None:
        self.sample_rate = sample_rate
        self.device = device
        self.problem = ""
        self.tape = Tape(sample_rate)
        self._on_event = on_event
        self._lock = threading.RLock()
        self._player: WavStreamPlayer | None = None
        # Queued samples that are not on the tape yet.
        self._untaped: deque[Int16Array] = deque()
        # How many of the player's frames_played are on the tape.
        self._taped = 0
        self._audible_until = 0.0
        self._looked_at = time.monotonic()

    def connect(self) -> None:
        """Open the device, or the silent clock where it does not open."""
        with self._lock:
            self._untaped.clear()
            self._taped = 0
            self.problem = ""
            player = self._make(self.device)
            try:
                player.connect()
            except DeviceError as error:
                self.problem = str(error)
                player = self._make(SILENT)
                player.connect()
            self._player = player

    def disconnect(self) -> None:
        """Close the device; what is queued is dropped."""
        with self._lock:
            player, self._player = self._player, None
            self._untaped.clear()
        if player is not None:
            player.disconnect()

    def add_16bit_pcm(self, pcm: Any, track_id: str = "default") -> Int16Array | None:
        """As WavStreamPlayer.add_16bit_pcm."""
        with self._lock:
            assert self._player is not None
            samples: Int16Array | None = self._player.add_16bit_pcm(pcm, track_id)
            if samples is not None and len(samples):
                self._untaped.append(samples)
            return samples

    def interrupt(self, fade_ms: float = 0) -> Any:
        """As WavStreamPlayer.interrupt."""
        with self._lock:
            assert self._player is not None
            receipt = self._player.interrupt(fade_ms)
            self._catch_up()
            self._untaped.clear()
            return receipt

    def get_track_sample_offset(self) -> Any:
        """As WavStreamPlayer.get_track_sample_offset; None while closed."""
        player = self._player
        return None if player is None else player.get_track_sample_offset()

    def is_audible(self) -> bool:
        """True if something is being played, or was a moment ago. Thread: any."""
        with self._lock:
            self._catch_up()
            now = time.monotonic()
            if self._player is not None and not self._player.wait_until_idle(0):
                self._audible_until = now + TAIL_SECONDS + self._player.stats.latency_seconds
            return now < self._audible_until

    def switch(self, device: str | None) -> None:
        """Play what is left, and all that comes, on another device. DeviceError changes nothing."""
        player = self._player
        if player is not None:
            # Without the lock: this takes a while, and the screen asks for bars meanwhile.
            player.use_device(device)
            self.problem = ""
        self.device = device

    def get_bars(self) -> tuple[float, ...]:
        """BANDS values between 0 and 1; all 0 while closed."""
        player = self._player
        if player is None:
            return SILENCE
        with self._lock:
            self._catch_up()
        try:
            return bars(player.get_frequencies("voice").values)
        except StateError:  # another thread is closing it
            return SILENCE

    @property
    def latency_seconds(self) -> float:
        """How much audio the device may hold; 0 while closed."""
        return self._player.stats.latency_seconds if self._player is not None else 0.0

    @property
    def stats(self) -> Any:
        """The player's; None while closed."""
        return None if self._player is None else self._player.stats

    def _catch_up(self) -> None:
        """Put on the tape what the device has taken."""
        if self._player is None:
            return
        now, dry = time.monotonic(), not self._untaped
        idle = int(min(now - self._looked_at, TAPE_SECONDS) * self.sample_rate)
        self._looked_at = now
        played = self._player.stats.frames_played
        fresh = max(0, played - self._taped)
        # The tape runs on in silence, so that it stays aligned with the microphone's.
        if dry and idle > fresh:
            self.tape.add(np.zeros(idle - fresh, np.int16))
        if not fresh:
            return
        self._taped = played
        while fresh > 0 and self._untaped:
            samples = self._untaped.popleft()
            if len(samples) > fresh:
                self._untaped.appendleft(samples[fresh:])
                samples = samples[:fresh]
            fresh -= len(samples)
            self.tape.add(samples)

    def _make(self, device: str | None) -> WavStreamPlayer:
        return WavStreamPlayer(self.sample_rate, device=device, on_event=self._on_event)


def bars(values: Any) -> tuple[float, ...]:
    """The peak of each tenth of a spectrum (the original's normalizeArray), between 0 and 1."""
    finite = np.nan_to_num(np.asarray(values), nan=0.0)
    return tuple(
        float(np.clip(part.max(), 0.0, 1.0)) if len(part) else 0.0 for part in np.array_split(finite, BANDS)
    )
