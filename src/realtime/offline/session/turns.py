"""The input buffer with its sample clock, and the detector that finds where speech begins and ends.

Positions count samples of the input format from the first one that was appended to the buffer.

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
# Frames of speech that start a turn: 64 ms, longer than a key click.
FRAMES_TO_START = 2
# Speech goes on while the probability is above the threshold minus this.
HYSTERESIS = 0.15

# Silence that ends a turn under semantic_vad, by eagerness. The vendor's classifier judges the words instead.
EAGERNESS_SILENCE_MS = {"low": 1500, "medium": 800, "auto": 800, "high": 400}


class InputBuffer:
    """Appended audio between the positions ``start`` and ``end``."""

    def __init__(self) -> None:
        # int16 samples; a bytearray is cheap to extend at its end and to cut at its start.
        self._bytes = bytearray()
        self.start = 0
        self.end = 0

    def __len__(self) -> int:
        return self.end - self.start

    def append(self, samples: Int16Array) -> None:
        """Add *samples* at the end."""
        self._bytes += samples.tobytes()
        self.end += len(samples)

    def read(self, start: int, end: int) -> Int16Array:
        """A copy of the samples from *start* to *end* that the buffer holds."""
        first, last = max(start, self.start) - self.start, min(end, self.end) - self.start
        return np.frombuffer(bytes(self._bytes[2 * first : 2 * max(first, last)]), np.int16)

    def drop_before(self, position: int) -> None:
        """Drop all samples before *position*."""
        position = min(max(position, self.start), self.end)
        del self._bytes[: 2 * (position - self.start)]
        self.start = position


@dataclass(frozen=True)
class Started:
    """Speech began at ``at_ms``, less the prefix padding; before the first frame it is negative."""

    at_ms: int


@dataclass(frozen=True)
class Stopped:
    """The speech ended at ``speech_end_ms``; with the silence after it, the turn ends at ``at_ms``."""

    at_ms: int
    speech_end_ms: int


class TurnDetector:
    """Finds turns in speech probabilities; times are milliseconds since the detector's first frame.

    Parameters
    ----------
    threshold : float
        Probability from which a frame is speech.
    prefix_ms : int
        Audio before the speech that belongs to the turn.
    silence_ms : int
        Silence that ends the turn.

    Attributes
    ----------
    speaking : bool
        True during a turn.
    speech_end_ms : int
        End of the last frame of speech.
    """

    def __init__(self, threshold: float, prefix_ms: int, silence_ms: int) -> None:
        self.threshold = threshold
        self.prefix_ms = prefix_ms
        self.silence_ms = silence_ms
        self.speaking = False
        self.speech_end_ms = 0
        self._frames = 0
        # Successive frames above the threshold before a turn.
        self._run = 0

    @classmethod
    def of(cls, detection: dict[str, Any]) -> TurnDetector:
        """A detector with the settings of a session's turn_detection object."""
        if detection["type"] == "semantic_vad":
            return cls(0.5, 300, EAGERNESS_SILENCE_MS[detection["eagerness"]])
        return cls(detection["threshold"], detection["prefix_padding_ms"], detection["silence_duration_ms"])

    def push(self, probabilities: Iterable[float]) -> Iterator[Started | Stopped]:
        """The events in the next frames, in order."""
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
        """Length of the present silence in a turn; 0 outside a turn."""
        return self._frames * FRAME_MS - self.speech_end_ms if self.speaking else 0

    def reset(self) -> None:
        """Forget the turn in progress; the clock goes on."""
        self.speaking = False
        self._run = 0
