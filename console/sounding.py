"""Sounding: counts the samples of an answer that are no silence, because words are spoken in those only.

Thread: the event loop's; pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

# NumPy is imported with the first audio, so that the screen comes first
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Sounding"]

# 20 ms at 24 kHz; a frame whose peak is below -44 dB of full scale is silence
FRAME = 480
SILENT_PEAK = 200


class Sounding:
    """Grows with the audio of one answer. Samples that it was not given count as sounding."""

    def __init__(self) -> None:
        # Sounding samples before each frame
        self._before = [0]
        self._rest: NDArray[np.int16] | None = None

    def add(self, samples: NDArray[np.int16]) -> None:
        """Take the next samples, int16, shape (frames,). Called for every delta."""
        import numpy as np

        if self._rest is not None and len(self._rest):
            samples = np.concatenate((self._rest, samples))
        whole = len(samples) // FRAME * FRAME
        self._rest = samples[whole:]
        if whole:
            frames = samples[:whole].reshape(-1, FRAME)
            # Not the absolute value: that of -32768 is negative
            sounds = (frames.max(axis=1) > SILENT_PEAK) | (frames.min(axis=1) < -SILENT_PEAK)
            self._before += (self._before[-1] + np.cumsum(sounds) * FRAME).tolist()

    def count(self, samples: int) -> int:
        """Return how many of the first *samples* are sounding."""
        frame = samples // FRAME
        if frame >= len(self._before) - 1:
            return self._before[-1] + samples - (len(self._before) - 1) * FRAME
        before = self._before[frame]
        return before + (samples - frame * FRAME if self._before[frame + 1] > before else 0)
