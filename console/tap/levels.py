"""Levels: ten bars of the audio that passes in one direction.

Thread: the console's event loop.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from wavtools.analysis import AudioAnalysis
from wavtools.pcm import pcm16_to_float32
from wavtools.spectrum import Analyser

from ..audio import bars
from ..state import SILENCE

__all__ = ["Levels"]

# After the last audio the bars fall to nothing
KEEP_SECONDS = 0.2
# Of one piece; a spectrum is taken of 8192
MAX_SAMPLES = 8_192


class Levels:
    """The levels of the last audio."""

    def __init__(self) -> None:
        self._analyser: Analyser | None = None
        self._rate = 0
        self._at = 0.0

    def push(self, samples: NDArray[np.int16], rate: int) -> None:
        """Take audio: int16, shape (frames,), at *rate* Hz."""
        if self._analyser is None:
            self._analyser = Analyser()
        self._rate, self._at = rate, time.monotonic()
        self._analyser.push(pcm16_to_float32(np.ascontiguousarray(samples[-MAX_SAMPLES:])))

    def bars(self) -> tuple[float, ...]:
        """BANDS values between 0 and 1; all 0 while no audio passes."""
        if self._analyser is None or time.monotonic() - self._at > KEEP_SECONDS:
            return SILENCE
        return bars(
            AudioAnalysis.get_frequencies(self._analyser.float_frequency_data(), self._rate, "voice").values
        )
