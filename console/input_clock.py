"""InputClock: when a sample of the microphone was sent, from the server's count of its milliseconds.

Thread: the event loop's; pure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import Any

from .untrusted import mapping, number

__all__ = ["InputClock"]

# A minute of chunks of 10 ms
MAX_CHUNKS = 6_000
# Bytes of a millisecond: PCM16 at 24 kHz, and G.711 at 8 kHz
PCM_BYTES, G711_BYTES = 48.0, 8.0


class InputClock:
    """Counts the audio that is sent in a session.

    Attributes
    ----------
    silence : float
        Seconds of silence after which the server ends a turn; 0 where it does not tell.
    """

    def __init__(self) -> None:
        self.silence = 0.0
        self._bytes_per_ms = PCM_BYTES
        self._sent_ms = 0.0
        # Milliseconds after a chunk, and when it was sent
        self._chunks: deque[tuple[float, float]] = deque(maxlen=MAX_CHUNKS)

    def appended(self, time: float, event: dict[str, Any]) -> None:
        """``input_audio_buffer.append``: called for every chunk."""
        audio = event.get("audio")
        if isinstance(audio, str):
            self._sent_ms += len(audio) * 0.75 / self._bytes_per_ms
            self._chunks.append((self._sent_ms, time))

    def session(self, time: float, event: dict[str, Any]) -> None:
        """``session.created`` and ``session.updated``; a new session counts from 0."""
        if event.get("type") == "session.created":
            self._sent_ms = 0.0
            self._chunks.clear()
        session = mapping(event.get("session"))
        given = mapping(mapping(session.get("audio")).get("input"))
        wanted = given.get("format", session.get("input_audio_format"))
        name = mapping(wanted).get("type", wanted)
        if isinstance(name, str):
            rate = number(mapping(wanted).get("rate"), 8_000, 192_000) or 24_000.0
            self._bytes_per_ms = (
                PCM_BYTES * rate / 24_000 if "pcm" in name and name[-1] not in "ua" else G711_BYTES
            )
        detection = mapping(given.get("turn_detection", session.get("turn_detection")))
        self.silence = (number(detection.get("silence_duration_ms"), 0, 60_000) or 0.0) / 1000

    def when(self, ms: float | None) -> float | None:
        """Return when the millisecond *ms* of the session was sent; None if that is not known."""
        if ms is None or not self._chunks or ms > self._chunks[-1][0]:
            return None
        at = bisect_left(self._chunks, (ms, float("-inf")))
        after, time = self._chunks[at]
        return None if at == 0 and self._chunks[0][0] - ms > 1_000 else time - (after - ms) / 1000
