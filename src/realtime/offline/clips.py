"""The spoken clips shipped with the package: two questions to ask, and the one answer of a bare install.

All are mono, 16 bit, 24 kHz, in hibari's voice (Apache-2.0). `python -m realtime.offline.clips [FOLDER]` renders
them again from TEXTS, in place or into FOLDER, the same to the bit on the same machine; it needs wavtools[offline].

Thread: any.
"""

from __future__ import annotations

import sys
import wave
from pathlib import Path

import numpy as np

from .voice import SPEECH_RATE_HZ, Int16Array

STANDIN_TEXT = "I can tell that you spoke, but not what you said."
TEXTS = {
    "weather": "What is the weather in Paris?",
    "hello": "Hello, how are you today?",
    "answer": STANDIN_TEXT,
}
QUESTIONS = ("weather", "hello")


def question_path(name: str = "weather") -> Path:
    """Path of a bundled spoken question: "weather" or "hello"; TEXTS has the words. ValueError for others."""
    if name not in QUESTIONS:
        raise ValueError(f"no question named {name!r}, expected one of {', '.join(QUESTIONS)}")
    return _path(name)


def clip_samples(name: str) -> Int16Array:
    """Samples of a clip, int16 mono at 24 kHz."""
    with wave.open(str(_path(name)), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


def _path(name: str) -> Path:
    return Path(__file__).with_name(f"{name}.wav")


def _render(folder: Path) -> None:
    from .speaker import HibariSpeech

    speech = HibariSpeech()
    for name, text in TEXTS.items():
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SPEECH_RATE_HZ)
            file.writeframes(speech.synthesise(text, "", 1.0).astype("<i2").tobytes())


if __name__ == "__main__":
    _render(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
