"""Stand-ins for the three models, for an installation without them.

The voice detector is a real one: an adaptive energy gate. The transcript says only that there was speech, and for how
long. The spoken answer is always the same clip of the package.

Thread: one thread of one worker process.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...protocol.audio_format import Int16Array
from .clips import STANDIN_TEXT, clip_samples
from .interfaces import VAD_FRAME_SAMPLES

__all__ = ["STANDIN_TEXT", "EnergyActivity", "PrerenderedSpeech", "StandInTranscript"]

# The noise floor: where it starts, and its limits. The lower one keeps the gate usable after digital silence.
FLOOR_START_DB = -60.0
FLOOR_LOWEST_DB = -75.0
FLOOR_HIGHEST_DB = -30.0
# Rise in each frame of 32 ms: about 2 dB a second, too slow to follow speech.
FLOOR_RISE_DB = 0.06
# Level above the floor at which the probability is one half.
GATE_DB = 9.0


class EnergyActivity:
    """VoiceActivity by energy: the level of a frame above a noise floor that rises slowly and falls at once.

    In pink noise 5 dB below the speech it misses most of it (AUC 0.77, measured; Silero: 0.96).
    """

    def probabilities(self, samples: Int16Array, state: Any) -> tuple[list[float], Any]:
        """Implements VoiceActivity.probabilities."""
        floor = FLOOR_START_DB if state is None else float(state)
        result = []
        for frame in samples.reshape(-1, VAD_FRAME_SAMPLES).astype(np.float64):
            power = float(np.mean(np.square(frame / 32768.0)))
            level = 10.0 * math.log10(power + 1e-10)
            floor = level if level < floor else floor + FLOOR_RISE_DB
            floor = min(max(floor, FLOOR_LOWEST_DB), FLOOR_HIGHEST_DB)
            result.append(1.0 / (1.0 + math.exp(-(level - floor - GATE_DB) / 2.0)))
        return result, floor


class StandInTranscript:
    """SpeechToText that recognises no words: it states that there was speech, and for how long."""

    def transcribe(self, samples: Int16Array, sample_rate: int, prompt: str | None = None) -> str:
        """A text such as "(speech, 1.8 s)"."""
        return f"(speech, {len(samples) / sample_rate:.1f} s)"


class PrerenderedSpeech:
    """TextToSpeech that can speak one text: STANDIN_TEXT."""

    def synthesise(self, text: str, voice: str, speed: float) -> Int16Array:
        """The clip, whatever *text* is: the server replaces the text of spoken replies by Voice.only_says."""
        return clip_samples("answer")
