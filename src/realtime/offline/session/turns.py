"""Where speech begins and ends: the input buffer with its sample clock, and the turn detector.

Positions are absolute: samples since the first one ever appended in the session, at the input format's rate.

Thread: the event loop; pure state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...protocol.audio_format import Int16Array
from ..models.interfaces import VAD_FRAME_SAMPLES, VAD_RATE_HZ

FRAME_MS = 1000 * VAD_FRAME_SAMPLES // VAD_RATE_HZ
FRAMES_TO_START = 2  # 64 ms: a key click is shorter
HYSTERESIS = 0.15  # speech goes on while the probability stays above threshold - HYSTERESIS

# semantic_vad waits longer where a speaker is more likely to go on. Stated stand-in for the vendor's
# classifier: the eagerness picks a silence length.
EAGERNESS_SILENCE_MS = {"low": 1500, "medium": 800, "auto": 800, "high": 400}


class InputBuffer:
    """Appended audio between ``start`` and ``end``, absolute sample positions."""

    def __init__(self) -> None:
        self._bytes = bytearray()  # int16; cheap to extend at one end and to cut at the other
        self.start = 0
        self.end = 0

    def __len__(self) -> int:
        return self.end - self.start

    def append(self, samples: Int16Array) -> None:
        self._bytes += samples.tobytes()
        self.end += len(samples)

    def read(self, start: int, end: int) -> Int16Array:
        """A copy of the samples from *start* to *end*, as far as they are held."""
        first, last = max(start, self.start) - self.start, min(end, self.end) - self.start
        return np.frombuffer(bytes(self._bytes[2 * first : 2 * max(first, last)]), np.int16)

    def drop_before(self, position: int) -> None:
        """Forget all samples before *position*."""
        position = min(max(position, self.start), self.end)
        del self._bytes[: 2 * (position - self.start)]
        self.start = position


@dataclass(frozen=True)
class Started:
    """Speech began ``at_ms`` (prefix padding included, so it may be negative: clamp it)."""

    at_ms: int


@dataclass(frozen=True)
class Stopped:
    """The last word ended at ``speech_end_ms``, and with the silence after it the turn ends ``at_ms``."""

    at_ms: int
    speech_end_ms: int


class TurnDetector:
    """Makes starts and stops of speech probabilities; times are ms since the detector's first frame."""

    def __init__(self, threshold: float, prefix_ms: int, silence_ms: int) -> None:
        self.threshold = threshold
        self.prefix_ms = prefix_ms
        self.silence_ms = silence_ms
        self.speaking = False
        self._frames = 0
        self._run = 0  # frames above the threshold in a row, while not speaking
        self.speech_end_ms = 0  # where the last frame of speech ended

    @classmethod
    def of(cls, detection: dict[str, Any]) -> TurnDetector:
        """From a session's turn_detection object."""
        if detection["type"] == "semantic_vad":
            return cls(0.5, 300, EAGERNESS_SILENCE_MS[detection["eagerness"]])
        return cls(detection["threshold"], detection["prefix_padding_ms"], detection["silence_duration_ms"])

    def push(self, probabilities: Iterable[float]) -> Iterator[Started | Stopped]:
        """Events of the next frames, in order."""
        for probability in probabilities:
            self._frames += 1
            now_ms = self._frames * FRAME_MS
            if not self.speaking:
                self._run = self._run + 1 if probability >= self.threshold else 0
                if self._run >= FRAMES_TO_START:
                    self.speaking = True
                    self.speech_end_ms = now_ms
                    yield Started(now_ms - self._run * FRAME_MS - self.prefix_ms)
            elif probability >= max(self.threshold - HYSTERESIS, 0.01):
                self.speech_end_ms = now_ms
            elif now_ms - self.speech_end_ms >= self.silence_ms:
                self.reset()
                yield Stopped(self.speech_end_ms + self.silence_ms, self.speech_end_ms)

    @property
    def silent_ms(self) -> int:
        """How long the speech in progress has been silent by now; 0 while nobody is speaking."""
        return self._frames * FRAME_MS - self.speech_end_ms if self.speaking else 0

    def reset(self) -> None:
        """Forget the speech in progress; the frame clock goes on."""
        self.speaking = False
        self._run = 0
