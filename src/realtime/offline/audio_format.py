"""The three sample formats of the wire: pcm16 at 24 kHz, and G.711 mu-law and A-law at 8 kHz.

Thread: the event loop; an Encoder belongs to one output item.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wavtools import pcm
from wavtools.resample import Resampler

from .models.interfaces import SPEECH_RATE_HZ, Int16Array


@dataclass(frozen=True)
class AudioFormat:
    """``name`` as in the session object, ``rate`` in Hz, ``sample_bytes`` on the wire."""

    name: str
    rate: int
    sample_bytes: int

    @classmethod
    def of(cls, fields: dict[str, Any]) -> AudioFormat:
        """From a session's format object, such as ``{"type": "audio/pcmu"}``."""
        return FORMATS[fields["type"]]

    def decode(self, data: bytes) -> Int16Array:
        """int16 samples at ``rate``. ValueError for half a sample."""
        if len(data) % self.sample_bytes:
            raise ValueError(f"{len(data)} bytes are no whole number of {self.sample_bytes}-byte samples")
        if self.name == "audio/pcm":
            return np.frombuffer(data, "<i2").astype(np.int16, copy=False)
        codes = np.frombuffer(data, np.uint8)
        return pcm.ulaw_decode(codes) if self.name == "audio/pcmu" else pcm.alaw_decode(codes)

    def encode(self, samples: Int16Array) -> bytes:
        """Bytes of int16 samples that are at ``rate`` already."""
        if self.name == "audio/pcm":
            return samples.astype("<i2", copy=False).tobytes()
        codes = pcm.ulaw_encode(samples) if self.name == "audio/pcmu" else pcm.alaw_encode(samples)
        return bytes(codes.tobytes())

    def milliseconds(self, samples: int) -> int:
        """Whole milliseconds in *samples*, rounded down as the protocol's clocks are."""
        return samples * 1000 // self.rate


FORMATS = {
    "audio/pcm": AudioFormat("audio/pcm", 24000, 2),
    "audio/pcmu": AudioFormat("audio/pcmu", 8000, 1),
    "audio/pcma": AudioFormat("audio/pcma", 8000, 1),
}


class Encoder:
    """Turns the synthesised speech of one item into wire bytes of the session's output format."""

    def __init__(self, target: AudioFormat) -> None:
        self.format = target
        self._resampler = None if target.rate == SPEECH_RATE_HZ else Resampler(SPEECH_RATE_HZ, target.rate)

    def encode(self, samples: Int16Array) -> bytes:
        """Bytes of the next *samples* (int16 at 24 kHz), less what the resampler still holds back."""
        return self.format.encode(samples if self._resampler is None else self._resampler.process(samples))

    def finish(self) -> bytes:
        """Bytes of what the resampler held back."""
        if self._resampler is None:
            return b""
        # Before the first chunk the resampler does not know its type yet; then the tail is empty.
        return self.format.encode(self._resampler.flush().astype(np.int16, copy=False))
