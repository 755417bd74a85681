"""SpeechWatch: measures how long the microphone has heard somebody speak, to tell a word from a cough.

It compares steps of 2.5 ms with a noise floor. It knows no words and takes every sound above the noise for speech, so it
is asked only after the server has heard speech, and only how long that lasts. Sound that is voiced and whose level
varies, as speech does and a cough or a click does not, is believed a little sooner. All times are counted in samples of
the microphone.

Thread: `SpeechWatch.hear` runs on the recorder's delivery thread, the other methods in the event loop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal

import numpy as np

from ..protocol.audio_format import Int16Array

__all__ = ["Finding", "SpeechWatch"]

# "lasts": somebody goes on speaking. "quiet": the sound is over.
Finding = Literal["lasts", "quiet"]

STEP_SECONDS = 0.0025
# A cough is shorter; what sounds like speech is believed from VOICED_SECONDS on.
LASTING_SECONDS = 0.205
VOICED_SECONDS = 0.18
# The sound must also go on for so long after the server heard it: a cough that the server reported late has ended then.
AFTER_SECONDS = 0.13
# Speech of this length is no cough, even if it ended before the server reported it.
SURE_SECONDS = 0.4
RECENT_SECONDS = 1.0
# Voiced sound crosses zero less often (1 / s), and the level of speech varies at least by so much (standard deviation).
VOICED_HZ = 3600.0
VARYING_DB = 1.5
# Pauses between sounds of one utterance; stops such as "t" are silent for up to 0.1 s.
PAUSE_SECONDS = 0.2
# Silence after which the sound is over
QUIET_SECONDS = 0.4
# dB: a step is sound if it is louder than the floor by ON_DB, and than the loudest step less REVERBERATION_DB.
ON_DB = 9.0
REVERBERATION_DB = 25.0
# dBFS: limits of the floor. Below QUIETEST_DB no microphone hears speech.
QUIETEST_DB = -65.0
HIGHEST_FLOOR_DB = -30.0
# The floor rises by 5 dB a second, too slowly to follow speech.
RISE_DB = 5.0 * STEP_SECONDS


class SpeechWatch:
    """The present utterance before the microphone.

    Parameters
    ----------
    sample_rate : int
        Hz
    found : callable
        ``found(finding)`` is called on the delivery thread: at most once with each `Finding` after `arm`.
    """

    def __init__(self, sample_rate: int, found: Callable[[Finding], object]) -> None:
        self._rate = sample_rate
        self._step = max(1, round(sample_rate * STEP_SECONDS))
        self._found = found
        # Samples that do not fill a step yet
        self._rest = np.zeros(0, np.int16)
        self._floor = -60.0
        # Steps so far, and the first and the last step of the utterance with its loudest level
        self._now = 0
        self._first = self._last = -1_000_000
        self._peak = -120.0
        # Of its sounds: their number, how many are voiced, and sum and sum of squares of their levels
        self._sounds = self._voiced = 0
        self._sum = self._squares = 0.0
        # The step at which the server heard speech; None while nobody asks.
        self._armed: int | None = None
        self._told_quiet = False
        self._lock = threading.Lock()

    def hear(self, samples: Int16Array) -> None:
        """Take what was sent to the server. Thread: the recorder's delivery thread."""
        joined = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        whole = len(joined) // self._step * self._step
        # A copy: the recorder may use the chunk's memory again.
        self._rest = joined[whole:].copy()
        steps = joined[:whole].reshape(-1, self._step).astype(np.float32) / 32768
        levels = 10 * np.log10(np.mean(np.square(steps), axis=1) + 1e-12)
        crossings = np.count_nonzero(np.diff(np.signbit(steps), axis=1), axis=1)
        findings: list[Finding] = []
        with self._lock:
            for level, crossed in zip(levels.tolist(), crossings.tolist(), strict=True):
                finding = self._take(level, crossed / STEP_SECONDS)
                if finding is not None:
                    findings.append(finding)
        for finding in findings:
            self._found(finding)

    def arm(self) -> bool:
        """The server hears speech: report from now on what becomes of it. True if it lasts already."""
        with self._lock:
            if self._length >= SURE_SECONDS and self._silence <= RECENT_SECONDS:
                return True
            self._armed, self._told_quiet = self._now, False
            return False

    def disarm(self) -> None:
        """Report no more."""
        with self._lock:
            self._armed = None

    @property
    def _length(self) -> float:
        """Seconds from the beginning of the utterance to its last sound."""
        return (self._last - self._first + 1) * STEP_SECONDS

    @property
    def _silence(self) -> float:
        """Seconds since its last sound."""
        return (self._now - self._last) * STEP_SECONDS

    @property
    def _is_speechlike(self) -> bool:
        """True if most of the utterance is voiced, and its level varies."""
        mean = self._sum / self._sounds
        variance = self._squares / self._sounds - mean * mean
        return 2 * self._voiced > self._sounds and variance > VARYING_DB**2

    def _take(self, level: float, crossings: float) -> Finding | None:
        """Take a step of *level* dBFS that crosses zero so often in a second."""
        self._now += 1
        floor = self._floor = min(
            max(min(level, self._floor + RISE_DB), QUIETEST_DB - ON_DB), HIGHEST_FLOOR_DB
        )
        pause = self._silence
        if pause > PAUSE_SECONDS:
            self._peak = -120.0
        if level <= max(floor + ON_DB, self._peak - REVERBERATION_DB):
            if self._armed is None or self._told_quiet or pause < QUIET_SECONDS:
                return None
            if (self._now - self._armed) * STEP_SECONDS < QUIET_SECONDS:
                return None
            self._told_quiet = True
            return "quiet"
        if pause > PAUSE_SECONDS:
            self._first = self._now
            self._sounds = self._voiced = 0
            self._sum = self._squares = 0.0
        self._last = self._now
        self._peak = max(self._peak, level)
        self._sounds += 1
        self._voiced += crossings < VOICED_HZ
        self._sum += level
        self._squares += level * level
        return self._lasts() if self._armed is not None else None

    def _lasts(self) -> Finding | None:
        """At a sound: whether the utterance lasts."""
        assert self._armed is not None
        length, after = self._length, (self._now - self._armed) * STEP_SECONDS
        enough = VOICED_SECONDS if self._is_speechlike else LASTING_SECONDS
        if length >= SURE_SECONDS or (length >= enough and after >= AFTER_SECONDS):
            self._armed = None
            return "lasts"
        return None
