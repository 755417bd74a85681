"""Scores of a recording in a room: how far the echo fell, what became of the person, what a server would have heard.

ERLE alone says nothing (a muted microphone has the best one): each of these tests scores the person's speech as well.

Thread: any.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.offline.models.interfaces import VAD_FRAME_SAMPLES, VAD_RATE_HZ
from realtime.offline.session.turns import FRAME_MS, FRAMES_TO_START, Started, TurnDetector
from wavtools.resample import resample

__all__ = [
    "delays",
    "erle_db",
    "erle_windows",
    "level_db",
    "offset_of",
    "sine_breaks",
    "speech_starts",
    "transcribe",
    "words",
]

# The usual turn detection of the protocol
THRESHOLD, PREFIX_MS, SILENCE_MS = 0.5, 300, 500

Int16Array = NDArray[np.int16]


def level_db(samples: NDArray[Any]) -> float:
    """dBFS of the root of the mean square of int16 samples; -120 for silence."""
    power = float(np.mean(np.square(samples.astype(np.float64)))) if len(samples) else 0.0
    return 10 * np.log10(power / 32768**2) if power > 0 else -120.0


def erle_db(raw: Int16Array, clean: Int16Array) -> float:
    """By how many dB the echo falls from *raw* to *clean*."""
    return level_db(raw) - max(level_db(clean), -90.0)


def erle_windows(
    raw: Int16Array, clean: Int16Array, rate: int, seconds: float = 0.25, least_db: float = -45.0
) -> list[float]:
    """ERLE of successive windows in which the echo is louder than *least_db*."""
    size = int(seconds * rate)
    starts = range(0, len(raw) - size + 1, size)
    loud = [start for start in starts if level_db(raw[start : start + size]) > least_db]
    return [erle_db(raw[start : start + size], clean[start : start + size]) for start in loud]


def _correlation(a: NDArray[Any], b: NDArray[Any], rate: int) -> NDArray[np.float64]:
    """Whitened correlation of b against a (GCC-PHAT) between 200 and 3400 Hz; index = delay of b, cyclic."""
    size = 1 << (len(a) + len(b) - 1).bit_length()
    cross = np.conj(np.fft.rfft(a.astype(np.float64), size)) * np.fft.rfft(b.astype(np.float64), size)
    hz = np.arange(len(cross)) * (rate / size)
    magnitude = np.abs(cross)
    used = (hz > 200) & (hz < 3400) & (magnitude > magnitude.max() * 1e-9)
    white = np.zeros_like(cross)
    white[used] = cross[used] / magnitude[used]
    return np.fft.irfft(white, size)


def offset_of(part: Int16Array, whole: Int16Array, rate: int) -> int:
    """Frame of *whole* at which *part* begins; negative if it begins before."""
    found = _correlation(part, whole, rate)
    at = int(np.argmax(np.abs(found)))
    return at if at < len(found) // 2 else at - len(found)


def delays(played: Int16Array, raw: Int16Array, rate: int, every: float = 2.0) -> list[float]:
    """Delay in ms from *played* to *raw* in each span of *every* seconds in which something played throughout."""
    size, found = int(every * rate), []
    for start in range(0, len(raw) - size + 1, size):
        far, near = played[start : start + size], raw[start : start + size]
        quarters = [level_db(part) for part in np.array_split(far, 4)]
        if min(quarters) < -45:
            continue
        near_peak = _correlation(far, near, rate)[: size // 2]
        at = int(np.argmax(np.abs(near_peak)))
        # A parabola through the peak and its neighbours
        low, peak, high = np.abs(near_peak[at - 1 : at + 2]) if 0 < at < size // 2 - 1 else (0.0, 1.0, 0.0)
        found.append((at + 0.5 * (low - high) / (low - 2 * peak + high)) * 1000 / rate)
    return found


def sine_breaks(samples: Int16Array, hz: float, rate: int) -> int:
    """How often a sine is broken: groups of samples that the two before them do not foretell."""
    x = samples.astype(np.float64)
    wrong = np.abs(x[2:] - 2 * np.cos(2 * np.pi * hz / rate) * x[1:-1] + x[:-2])
    bad = np.flatnonzero(wrong > 8 * np.median(wrong) + 40)
    return int(np.sum(np.diff(bad, prepend=-rate) > rate // 100)) if len(bad) else 0


@functools.cache
def _silero() -> Any:
    from realtime.offline.models.silero import SileroActivity

    return SileroActivity()


def speech_starts(samples: Int16Array, rate: int) -> list[float]:
    """Seconds at which the offline server, with its usual settings, would say speech_started."""

    def notices() -> Iterator[float]:
        heard = resample(samples, rate, VAD_RATE_HZ)
        heard = heard[: len(heard) // VAD_FRAME_SAMPLES * VAD_FRAME_SAMPLES]
        probabilities, _ = _silero().probabilities(heard, None)
        for event in TurnDetector(THRESHOLD, PREFIX_MS, SILENCE_MS).push(probabilities):
            if isinstance(event, Started):
                yield (event.at_ms + PREFIX_MS + FRAMES_TO_START * FRAME_MS) / 1000

    return list(notices())


@functools.cache
def _whisper() -> Any:
    from realtime.offline.models.whisper import WhisperTranscriber

    return WhisperTranscriber(None)


def transcribe(samples: Int16Array, rate: int) -> str:
    """The words in *samples*, as the offline server hears them."""
    text: str = _whisper().transcribe(samples, rate)
    return text


def words(text: str) -> list[str]:
    """The words of a text, for `word_errors`."""
    return re.findall(r"[a-z0-9']+", text.lower())
