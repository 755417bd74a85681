"""The spoken clips of the package: two questions, and the one answer of an installation without models.

All are mono, 16 bit, 24 kHz, spoken by hibari (Apache-2.0); `tools/render_clips.py` renders them from TEXTS.

Thread: any; stateless.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from ...protocol.audio_format import Int16Array

STANDIN_TEXT = "I can tell that you spoke, but not what you said."
TEXTS = {
    "weather": "What is the weather in Paris?",
    "hello": "Hello, how are you today?",
    "answer": STANDIN_TEXT,
}
QUESTIONS = ("weather", "hello")


def question_path(name: str = "weather") -> Path:
    """Path of a WAV file with a spoken question: "weather" or "hello". Raises ValueError for another name."""
    if name not in QUESTIONS:
        raise ValueError(f"no question is named {name!r}, expected one of {', '.join(QUESTIONS)}")
    return _path(name)


def clip_samples(name: str) -> Int16Array:
    """Samples of the clip *name* (a key of TEXTS): int16 mono at 24 kHz."""
    with wave.open(str(_path(name)), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


def _path(name: str) -> Path:
    return Path(__file__).with_name(f"{name}.wav")
