"""Microphone and Speaker: a WavRecorder and a WavStreamPlayer whose device can be changed while they run.

`realtime.VoiceSession` takes them for the real ones. A device that does not open is replaced by the silent clock
("null"), so that everything but the sound works, and `problem` says why. Changing the speaker in the middle of an
answer plays the rest of it on the new one; receipts go on counting where the old one stopped.

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
TAIL_SECONDS = 0.3  # of the room after the speaker stopped, which half-duplex keeps out as well

Int16Array = NDArray[np.int16]


class Tape:
    """The last few seconds of a stream of int16, oldest first; silence where there was none."""

    def __init__(self, sample_rate: int) -> None:
        self._samples = np.zeros(int(TAPE_SECONDS * sample_rate), np.int16)
        self._lock = threading.Lock()
        self.written = 0

    def add(self, samples: Int16Array) -> None:
        samples = samples[-len(self._samples) :]
        with self._lock:
            if len(samples):
                self._samples = np.concatenate((self._samples[len(samples) :], samples))
            self.written += len(samples)

    def read(self) -> Int16Array:
        return self._samples  # replaced by add(), never changed


@dataclasses.dataclass(frozen=True)
class _Chunk:
    mono: Int16Array


class Microphone:
    """The recorder's part of a voice session. ``device``: None for the default one, or an id or name."""

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
        self._muted = muted  # half-duplex: asked for each chunk
        self._lock = threading.RLock()
        self._recorder: WavRecorder | None = None
        self._recording: tuple[Callable[[Any], object], int] | None = None

    def get_status(self) -> str:
        return "ended" if self._recorder is None else self._recorder.get_status()

    def begin(self) -> None:
        with self._lock:
            self._recorder = self._open(self.device)

    def record(self, callback: Callable[[Any], object] | None = None, chunk_size: int = 480) -> None:
        with self._lock:
            assert self._recorder is not None
            self._recording = None if callback is None else (callback, chunk_size)
            self._recorder.record(self._deliver, chunk_size)

    def pause(self) -> None:
        with self._lock:
            assert self._recorder is not None
            if self._recorder.get_status() == "recording":
                self._recorder.pause()  # returns when all of it has been delivered

    def end(self) -> None:
        with self._lock:
            recorder, self._recorder = self._recorder, None
            if recorder is not None:
                recorder.quit()
            self._recording = None

    def switch(self, device: str | None) -> None:
        """Go on with another device. One that does not open changes nothing and raises DeviceError."""
        with self._lock:
            old = self._recorder
            if old is not None:
                new = self._make(device)
                new.begin()
                recording = old.get_status() == "recording"
                old.quit()
                self._recorder, self.problem = new, ""
                if recording and self._recording is not None:
                    new.record(self._deliver, self._recording[1])
            self.device = device

    def get_bars(self) -> tuple[float, ...]:
        """BANDS values between 0 and 1; all 0 while closed."""
        recorder = self._recorder
        if recorder is None or recorder.get_status() == "ended":
            return SILENCE
        try:
            return bars(recorder.get_frequencies("voice").values)
        except StateError:  # it is being closed, or changed, in another thread
            return SILENCE

    def _deliver(self, chunk: Any) -> None:
        recording = self._recording
        samples = chunk.mono
        self.tape.add(samples)
        if self._muted():
            samples = np.zeros_like(samples)
        if recording is not None:
            recording[0](_Chunk(samples))

    def _make(self, device: str | None) -> WavRecorder:
        return WavRecorder(self.sample_rate, device=device, keep_seconds=0, on_event=self._on_event)

    def _open(self, device: str | None) -> WavRecorder:
        recorder = self._make(device)
        self.problem = ""
        try:
            recorder.begin()
        except DeviceError as error:
            self.problem = str(error)
            recorder = self._make(SILENT)
            recorder.begin()
        return recorder


class Speaker:
    """The player's part of a voice session. Knows what is still to be played, so that it can move to another device."""

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
        self._pending: deque[tuple[str, Int16Array]] = deque()  # queued, and not seen to be played
        self._played = 0  # of the player's frames_played, what has left _pending
        self._before: dict[str, int] = {}  # samples of a track that earlier devices played
        self._last_receipt: Any = None
        self._audible_until = 0.0
        self._looked_at = time.monotonic()

    def connect(self) -> None:
        with self._lock:
            self._pending.clear()
            self._before.clear()
            self._last_receipt = None
            self._player, self._played = self._open(self.device), 0

    def disconnect(self) -> None:
        with self._lock:
            player, self._player = self._player, None
            self._pending.clear()
        if player is not None:
            player.disconnect()

    def add_16bit_pcm(self, pcm: Any, track_id: str = "default") -> Int16Array | None:
        with self._lock:
            assert self._player is not None
            samples: Int16Array | None = self._player.add_16bit_pcm(pcm, track_id)
            if samples is not None and len(samples):
                self._pending.append((track_id, samples))
            return samples

    def interrupt(self, fade_ms: float = 0) -> Any:
        with self._lock:
            assert self._player is not None
            receipt = self._player.interrupt(fade_ms)
            self._catch_up()
            self._pending.clear()
            return self._moved(receipt)

    def get_track_sample_offset(self) -> Any:
        with self._lock:
            return None if self._player is None else self._moved(self._player.get_track_sample_offset())

    def is_audible(self) -> bool:
        """Whether something is being played, or was a moment ago. Thread: any."""
        with self._lock:
            self._catch_up()
            now = time.monotonic()
            if self._pending:
                self._audible_until = (
                    now + TAIL_SECONDS + (self._player.stats.latency_seconds if self._player else 0)
                )
            return now < self._audible_until

    def switch(self, device: str | None) -> None:
        """Play what is left, and all that comes, on another device. DeviceError changes nothing."""
        if self._player is None:
            self.device = device
            return
        new = self._make(device)
        new.connect()  # without the lock: this takes a while, and the screen asks for bars meanwhile
        with self._lock:
            old = self._player
            if old is None:  # disconnected meanwhile
                old = new
            else:
                receipt = self._moved(old.interrupt())
                self._catch_up()
                if receipt is not None:
                    self._last_receipt = dataclasses.replace(receipt, queued=0, dropped={})
                    self._before[receipt.track_id] = receipt.offset
                    for track_id, samples in self._pending:
                        new.add_16bit_pcm(samples, track_id)
                self._player, self._played, self.problem = new, 0, ""
            self.device = device
        old.disconnect()

    def get_bars(self) -> tuple[float, ...]:
        """BANDS values between 0 and 1; all 0 while closed."""
        player = self._player
        if player is None:
            return SILENCE
        with self._lock:
            self._catch_up()
        try:
            return bars(player.get_frequencies("voice").values)
        except StateError:  # as above
            return SILENCE

    @property
    def latency_seconds(self) -> float:
        return self._player.stats.latency_seconds if self._player is not None else 0.0

    @property
    def stats(self) -> Any:
        return None if self._player is None else self._player.stats

    def _catch_up(self) -> None:
        """Move what the device has taken from pending to the tape."""
        if self._player is None:
            return
        now, dry = time.monotonic(), not self._pending
        idle = int(min(now - self._looked_at, TAPE_SECONDS) * self.sample_rate)
        self._looked_at = now
        played = self._player.stats.frames_played
        fresh = max(0, played - self._played)
        # The tape runs on in silence, so that it stays aligned with the microphone's.
        if dry and idle > fresh:
            self.tape.add(np.zeros(idle - fresh, np.int16))
        if not fresh:
            return
        self._played = played
        while fresh > 0 and self._pending:
            track_id, samples = self._pending.popleft()
            if len(samples) > fresh:
                self._pending.appendleft((track_id, samples[fresh:]))
                samples = samples[:fresh]
            fresh -= len(samples)
            self.tape.add(samples)

    def _moved(self, receipt: Any) -> Any:
        """The receipt, counted from the beginning of the track on the first device."""
        if receipt is None:
            return self._last_receipt
        before = self._before.get(receipt.track_id, 0)
        if not before:
            return receipt
        offset = receipt.offset + before
        return dataclasses.replace(receipt, offset=offset, current_time=offset / self.sample_rate)

    def _make(self, device: str | None) -> WavStreamPlayer:
        return WavStreamPlayer(self.sample_rate, device=device, on_event=self._on_event)

    def _open(self, device: str | None) -> WavStreamPlayer:
        player = self._make(device)
        self.problem = ""
        try:
            player.connect()
        except DeviceError as error:
            self.problem = str(error)
            player = self._make(SILENT)
            player.connect()
        return player


def bars(values: Any) -> tuple[float, ...]:
    """The peak of each tenth of a spectrum (the original's normalizeArray), between 0 and 1."""
    finite = np.nan_to_num(np.asarray(values), nan=0.0)
    return tuple(
        float(np.clip(part.max(), 0.0, 1.0)) if len(part) else 0.0 for part in np.array_split(finite, BANDS)
    )
