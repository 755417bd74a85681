"""EchoDetector: does the microphone hear the speaker?

Correlates what was played with what was recorded, whitened (GCC-PHAT, Knapp and Carter 1976), so that the loudness and
the colour of the room do not matter. Of unrelated signals the highest of the lags stays near 4.5 standard deviations
of the correlation, an echo stands far above; THRESHOLD lies between, with room on both sides.

Pure; any thread. One look at 2 s of audio takes a few milliseconds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["EchoDetector", "peak"]

WINDOW_SECONDS = 2.0
MAX_LAG_SECONDS = 1.0  # device buffers, air, and that the two tapes are not read at the same moment
THRESHOLD = 9.0
CONFIRM = 2  # looks in a row
QUIET = 100  # of 32768: nothing there to correlate

Int16Array = NDArray[np.int16]


def peak(played: Int16Array, recorded: Int16Array, sample_rate: int) -> float:
    """How many standard deviations the highest lag stands out; 0 where either is silent."""
    length = min(len(played), len(recorded), int((WINDOW_SECONDS + MAX_LAG_SECONDS) * sample_rate))
    if length < sample_rate // 2:
        return 0.0
    a, b = played[-length:].astype(np.float32), recorded[-length:].astype(np.float32)
    if np.abs(a).max() < QUIET or np.abs(b).max() < QUIET:
        return 0.0
    size = 1 << (2 * length - 1).bit_length()
    cross = np.conj(np.fft.rfft(a, size)) * np.fft.rfft(b, size)
    hz = np.arange(len(cross)) * (sample_rate / size)
    magnitude = np.abs(cross)
    # Speech has nothing outside this band, and whitening would make noise of that nothing.
    band = (hz > 200) & (hz < 3400) & (magnitude > 0)
    white = np.zeros_like(cross)
    white[band] = cross[band] / magnitude[band]
    correlation = np.fft.irfft(white, size)
    lag = int(MAX_LAG_SECONDS * sample_rate)
    near = np.concatenate((correlation[-lag:], correlation[:lag]))
    spread = float(np.std(near))
    return float(np.abs(near).max()) / spread if spread > 0 else 0.0


class EchoDetector:
    """Looks a few times a second while something plays; True once the speaker has been heard CONFIRM times in a row."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._hits = 0
        self.last_peak = 0.0

    def look(self, played: Int16Array, recorded: Int16Array) -> bool:
        self.last_peak = peak(played, recorded, self._sample_rate)
        self._hits = self._hits + 1 if self.last_peak > THRESHOLD else 0
        return self._hits >= CONFIRM
