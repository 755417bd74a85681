"""EchoDetector: finds out whether the microphone hears the speaker.

It correlates the played with the recorded samples, whitened (GCC-PHAT, Knapp and Carter 1976), so that loudness and
colour of the room do not matter. For unrelated signals the highest lag stays near 4.5 standard deviations of the
correlation; an echo is far above. THRESHOLD lies between, with a margin on both sides. One look at 2 s of audio takes a
few milliseconds.

Thread: any.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["EchoDetector", "peak"]

WINDOW_SECONDS = 2.0
# Delay by device buffers and air, and by reading the two tapes one after the other
MAX_LAG_SECONDS = 1.0
THRESHOLD = 9.0
# So many looks in a row must find the echo
CONFIRM = 2
# Below this level, of 32768, there is nothing to correlate
QUIET = 100

Int16Array = NDArray[np.int16]


def peak(played: Int16Array, recorded: Int16Array, sample_rate: int) -> float:
    """Return the highest lag in standard deviations of the correlation; 0 if either signal is silent or short.

    Parameters
    ----------
    played, recorded : ndarray of int16
        Mono samples; the last 3 s of each are compared.
    sample_rate : int
        Hz, of both.
    """
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
    # Outside of this band there is no speech, and whitening would amplify noise
    band = (hz > 200) & (hz < 3400) & (magnitude > 0)
    white = np.zeros_like(cross)
    white[band] = cross[band] / magnitude[band]
    correlation = np.fft.irfft(white, size)
    lag = int(MAX_LAG_SECONDS * sample_rate)
    near = np.concatenate((correlation[-lag:], correlation[:lag]))
    spread = float(np.std(near))
    return float(np.abs(near).max()) / spread if spread > 0 else 0.0


class EchoDetector:
    """Tells an echo from a coincidence: it must be found CONFIRM times in a row."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._hits = 0
        self.last_peak = 0.0

    def look(self, played: Int16Array, recorded: Int16Array) -> bool:
        """Compare the present samples, a few times a second while something plays; True once the echo is certain."""
        self.last_peak = peak(played, recorded, self._sample_rate)
        self._hits = self._hits + 1 if self.last_peak > THRESHOLD else 0
        return self._hits >= CONFIRM
