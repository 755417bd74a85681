"""Microphone and Speaker: a WavRecorder and a WavStreamPlayer as the console needs them, with bars.

`realtime.VoiceSession` takes them for the real ones. A device that does not open is replaced by the silent clock
("null"), so that everything but the sound works, and `problem` says why. `switch` moves to another device while audio runs.

The microphone's recorder cancels what it hears of the speaker's player, whichever devices both use.

Thread: any; control calls are taken one after another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from wavtools import DeviceError, StateError, WavRecorder, WavStreamPlayer

from .session import BANDS, SILENCE

__all__ = ["Microphone", "Speaker", "bars"]

SILENT = "null"
# The room's reverberation after the speaker stopped, which half-duplex mutes as well.
TAIL_SECONDS = 0.4


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
    speaker : Speaker, optional
        What the microphone may hear, and cancels.
    on_both : callable, optional
        ``on_both(block, rate)`` gets every `wavtools.BothSides` while the device is open, if there is a *speaker*.
    """

    def __init__(
        self,
        sample_rate: int,
        device: str | None = None,
        *,
        on_event: Callable[[Any], None] | None = None,
        speaker: Speaker | None = None,
        on_both: Callable[[Any, int], None] | None = None,
    ) -> None:
        self.sample_rate = sample_rate
        self.device = device
        self.problem = ""
        # Of a recorder that begins.
        self._cancelling = True
        self._on_event = on_event
        self._speaker = speaker
        self._on_both = on_both
        self._lock = threading.RLock()
        self._recorder: WavRecorder | None = None

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
            recorder.cancelling = self._cancelling and self._speaker is not None
            self._recorder = recorder

    def record(self, callback: Callable[[Any], object] | None = None, chunk_size: int = 480) -> None:
        """Start recording; *callback* gets chunks with ``mono``."""
        with self._lock:
            assert self._recorder is not None
            self._recorder.record(callback, chunk_size)

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

    @property
    def cancelling(self) -> bool:
        """True if the echo of the speaker is cancelled; can be set at any time."""
        return self._cancelling

    @cancelling.setter
    def cancelling(self, cancelling: bool) -> None:
        with self._lock:
            self._cancelling = cancelling
            if self._recorder is not None:
                self._recorder.cancelling = cancelling and self._speaker is not None

    @property
    def echo(self) -> Any:
        """What the canceller does now; None while closed, and without a speaker."""
        recorder = self._recorder
        return None if recorder is None else recorder.echo

    def get_device_info(self) -> Any:
        """The system's entry of the microphone. Raises DeviceError when no audio system answers."""
        recorder = self._recorder
        return None if recorder is None else recorder.get_device_info()

    def _make(self, device: str | None) -> WavRecorder:
        player = None if self._speaker is None else self._speaker.player
        on_both, rate = self._on_both, self.sample_rate
        return WavRecorder(
            self.sample_rate,
            device=device,
            keep_seconds=0,
            on_event=self._on_event,
            echo_canceller=None if player is None else "auto",
            reference=player,
            on_both=None if player is None or on_both is None else lambda block: on_both(block, rate),
        )


class Speaker:
    """The player's part of a voice session.

    Parameters
    ----------
    sample_rate : int
        Hz, of the queued audio.
    device : str, optional
        An id or name; the default output when not given.
    on_event : callable, optional
        Gets the player's DeviceEvents.

    Attributes
    ----------
    player : WavStreamPlayer
        The same one at all times.
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
        self.player = WavStreamPlayer(sample_rate, device=device, on_event=on_event)
        # True between connect() and disconnect()
        self._open = False
        self._lock = threading.RLock()
        self._audible_until = 0.0

    def connect(self) -> None:
        """Open the device, or the silent clock where it does not open."""
        with self._lock:
            self.problem = ""
            self.player.use_device(self.device)
            try:
                self.player.connect()
            except DeviceError as error:
                self.problem = str(error)
                self.player.use_device(SILENT)
                self.player.connect()
            self._open = True

    def disconnect(self) -> None:
        """Close the device; what is queued is dropped."""
        with self._lock:
            self._open = False
        self.player.disconnect()

    def add_16bit_pcm(self, pcm: Any, track_id: str = "default") -> Any:
        """As WavStreamPlayer.add_16bit_pcm."""
        return self.player.add_16bit_pcm(pcm, track_id)

    def interrupt(self, fade_ms: float = 0) -> Any:
        """As WavStreamPlayer.interrupt."""
        return self.player.interrupt(fade_ms)

    def get_track_sample_offset(self) -> Any:
        """As WavStreamPlayer.get_track_sample_offset; None while closed."""
        return self.player.get_track_sample_offset() if self._open else None

    def is_audible(self) -> bool:
        """True if something is being played, or was a moment ago. Thread: any."""
        with self._lock:
            now = time.monotonic()
            if self._open and not self.player.wait_until_idle(0):
                self._audible_until = now + TAIL_SECONDS + self.player.stats.latency_seconds
            return now < self._audible_until

    def switch(self, device: str | None) -> None:
        """Play what is left, and all that comes, on another device. DeviceError changes nothing."""
        if self._open:
            # Without the lock: this takes a while, and the screen asks for bars meanwhile.
            self.player.use_device(device)
            self.problem = ""
        self.device = device

    def get_bars(self) -> tuple[float, ...]:
        """BANDS values between 0 and 1; all 0 while closed."""
        if not self._open:
            return SILENCE
        try:
            return bars(self.player.get_frequencies("voice").values)
        except StateError:  # another thread is closing it
            return SILENCE

    @property
    def latency_seconds(self) -> float:
        """How much audio the device may hold; 0 while closed."""
        return self.player.stats.latency_seconds if self._open else 0.0

    @property
    def stats(self) -> Any:
        """The player's; None while closed."""
        return self.player.stats if self._open else None


def bars(values: Any) -> tuple[float, ...]:
    """The peak of each tenth of a spectrum (the original's normalizeArray), between 0 and 1."""
    finite = np.nan_to_num(np.asarray(values), nan=0.0)
    return tuple(
        float(np.clip(part.max(), 0.0, 1.0)) if len(part) else 0.0 for part in np.array_split(finite, BANDS)
    )
