"""Finds the pauses of a speaker by level, for transcription models that leave it to the client where an utterance ends.

Thread: one at a time; pure.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from ..protocol.audio_format import Int16Array

__all__ = ["SpeechPauses"]

FRAME_SECONDS = 0.02
# The noise floor in dBFS: where it starts, its limits, and its rise in dB per frame (2 dB a second).
FLOOR_START_DB, FLOOR_LOWEST_DB, FLOOR_HIGHEST_DB = -60.0, -75.0, -30.0
FLOOR_RISE_DB = 0.04
# Level above the floor that is speech, and how long it must last: longer than a key click.
SPEECH_DB = 9.0
SPEECH_SECONDS = 0.1


class SpeechPauses:
    """Decides after each piece of audio whether an utterance is over.

    Parameters
    ----------
    sample_rate : int
    pause : float
        Seconds of silence after speech that end an utterance.
    longest : float
        Seconds after which an utterance ends without a pause.
    """

    def __init__(self, sample_rate: int, pause: float, longest: float) -> None:
        self._frame = max(1, int(sample_rate * FRAME_SECONDS))
        self._rate = sample_rate
        self._pause, self._longest = pause, longest
        self._floor = FLOOR_START_DB
        # Samples that do not fill a frame yet.
        self._rest: Int16Array = np.zeros(0, np.int16)
        self.restart()

    def restart(self) -> None:
        """The audio so far has been committed or cleared."""
        self._speech = self._quiet = self._length = 0.0

    @property
    def is_silent(self) -> bool:
        """True if nothing since the last end of an utterance was louder than the background."""
        return self._speech == 0

    def push(self, samples: Int16Array) -> Literal["speech", "silence"] | None:
        """What the audio up to here ends: "speech" is to be committed, long "silence" to be cleared."""
        self._length += len(samples) / self._rate
        pending = np.concatenate([self._rest, samples])
        whole = len(pending) // self._frame * self._frame
        self._rest = pending[whole:]
        frames = pending[:whole].reshape(-1, self._frame).astype(np.float32)
        for power in np.mean(np.square(frames / 32768.0), axis=1).tolist():
            self._hear(10.0 * math.log10(power + 1e-10))
        spoken = self._speech >= SPEECH_SECONDS
        if (spoken and self._quiet >= self._pause) or self._length >= self._longest:
            self.restart()
            return "speech" if spoken else "silence"
        return None

    def _hear(self, level: float) -> None:
        self._floor = min(level, self._floor + FLOOR_RISE_DB)
        self._floor = min(max(self._floor, FLOOR_LOWEST_DB), FLOOR_HIGHEST_DB)
        if level > self._floor + SPEECH_DB:
            self._speech += FRAME_SECONDS
            self._quiet = 0.0
        else:
            self._quiet += FRAME_SECONDS
