"""Encodes synthesised speech in the output format of a session.

Thread: the event loop; one Encoder per output item.
"""

from __future__ import annotations

import numpy as np

from wavtools.resample import Resampler

from ...protocol.audio_format import AudioFormat, Int16Array
from ..models.interfaces import SPEECH_RATE_HZ


class Encoder:
    """Resamples and encodes the speech of one output item, chunk by chunk."""

    def __init__(self, target: AudioFormat) -> None:
        self.format = target
        rate = target.sample_rate
        self._resampler = None if rate == SPEECH_RATE_HZ else Resampler(SPEECH_RATE_HZ, rate)

    def encode(self, samples: Int16Array) -> bytes:
        """Wire bytes of the next *samples* (int16 at SPEECH_RATE_HZ), without what the resampler still buffers."""
        if self._resampler is not None:
            samples = self._resampler.process(samples)
        return self.format.encode_bytes(samples)

    def finish(self) -> bytes:
        """Wire bytes of the samples that the resampler has buffered."""
        if self._resampler is None:
            return b""
        # A resampler that got no samples does not know their type yet: its (empty) rest is float.
        return self.format.encode_bytes(self._resampler.flush().astype(np.int16, copy=False))
