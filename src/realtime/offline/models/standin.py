"""What stands behind the model interfaces on a bare install: no model, and honest about it.

The voice detector is a real one (an adaptive energy gate), the transcript says only that speech was heard
and how long, and the spoken answer is one clip, rendered once with hibari and shipped as package data.

Thread: one thread of one worker process.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .clips import STANDIN_TEXT, clip_samples
from .interfaces import VAD_FRAME_SAMPLES, Int16Array

__all__ = ["STANDIN_TEXT", "EnergyActivity", "PrerenderedSpeech", "StandInTranscript"]

FLOOR_START_DB = -60.0
FLOOR_LOWEST_DB = -75.0  # digital silence must not make the gate infinitely sensitive
FLOOR_RISE_DB = 0.06  # a frame of 32 ms: about 2 dB a second, so that speech does not become the floor
GATE_DB = 9.0  # above the floor: half way between no and yes
LOUDEST_FLOOR_DB = -30.0


class EnergyActivity:
    """VoiceActivity by energy: how far a frame stands above a slowly rising, quickly falling noise floor.

    In 5 dB of pink noise it misses most speech (reference figures: AUC .77, where Silero has .96).
    """

    def probabilities(self, samples: Int16Array, state: Any) -> tuple[list[float], Any]:
        """See VoiceActivity.probabilities."""
        floor = FLOOR_START_DB if state is None else float(state)
        result = []
        for frame in samples.reshape(-1, VAD_FRAME_SAMPLES).astype(np.float64):
            power = float(np.mean(np.square(frame / 32768.0)))
            level = 10.0 * math.log10(power + 1e-10)
            floor = level if level < floor else floor + FLOOR_RISE_DB
            floor = min(max(floor, FLOOR_LOWEST_DB), LOUDEST_FLOOR_DB)
            result.append(1.0 / (1.0 + math.exp(-(level - floor - GATE_DB) / 2.0)))
        return result, floor


class StandInTranscript:
    """SpeechToText that cannot hear: it states that there was speech, and how long."""

    def transcribe(self, samples: Int16Array, sample_rate: int, prompt: str | None = None) -> str:
        """ "(speech, 1.8 s)" """
        return f"(speech, {len(samples) / sample_rate:.1f} s)"


class PrerenderedSpeech:
    """TextToSpeech that can say one thing, STANDIN_TEXT."""

    def synthesise(self, text: str, voice: str, speed: float) -> Int16Array:
        """The clip, whatever *text* is: the server makes only_says the text of every spoken reply."""
        return clip_samples("answer")
