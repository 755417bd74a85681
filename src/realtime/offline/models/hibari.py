"""Speech synthesis by hibari, a small English voice on onnxruntime.

Thread: one thread of one worker process.
"""

from __future__ import annotations

import warnings

import numpy as np

from ...protocol.audio_format import Int16Array
from .files import model_file
from .interfaces import SPEECH_RATE_HZ, ModelError

# Its speech peaks near 0.33; twice that is the level of a person close to the microphone.
GAIN = 2.0
PEAK = 0.95
# Seeds the noise component: the same text gives the same samples.
SEED = 1


class HibariSpeech:
    """TextToSpeech by hibari; every voice name is spoken in its one voice."""

    def __init__(self) -> None:
        path = model_file("hibari", "assets/hibari.onnx")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import hibari

        if hibari.SAMPLE_RATE != SPEECH_RATE_HZ:
            raise ModelError(f"hibari speaks at {hibari.SAMPLE_RATE} Hz, expected {SPEECH_RATE_HZ} Hz")
        self._tts = hibari.Hibari(model=str(path))

    def synthesise(self, text: str, voice: str, speed: float) -> Int16Array:
        """Implements TextToSpeech.synthesise; *speed* is limited to 0.5 to 2.0."""
        audio = self._tts(text, speed=min(2.0, max(0.5, speed)), seed=SEED)
        if len(audio) == 0:
            return np.zeros(0, np.int16)
        gain = min(GAIN, PEAK / max(float(np.max(np.abs(audio))), 1e-6))
        return np.asarray(np.rint(audio * (gain * 32767.0)), np.int16)
