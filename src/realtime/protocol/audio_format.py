"""The audio formats of the protocol, and their codecs.

All audio in `realtime` is int16 and mono; only the codecs of `AudioFormat` know G.711. Milliseconds are always
computed with the rate of the negotiated format.

Thread: any; stateless.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wavtools import pcm

from . import codec

__all__ = ["FORMATS", "PCM16", "AudioFormat", "Int16Array", "format_of"]

# NumPy's NDArray[np.int16], without the import of numpy.typing.
Int16Array = np.ndarray[tuple[Any, ...], np.dtype[np.int16]]
EMPTY: Int16Array = np.zeros(0, np.int16)
EMPTY.flags.writeable = False


def _pcm16_bytes(samples: Int16Array) -> Any:
    return samples if sys.byteorder == "little" else samples.astype("<i2")


def _pcm16_samples(data: bytes) -> Int16Array:
    # Runs for every delta. astype() would need 1 µs even where nothing has to be converted.
    samples = np.frombuffer(data, np.int16)
    return samples if sys.byteorder == "little" else samples.byteswap()


def _ulaw_decode(data: bytes) -> Int16Array:
    return pcm.ulaw_decode(np.frombuffer(data, np.uint8))


def _alaw_decode(data: bytes) -> Int16Array:
    return pcm.alaw_decode(np.frombuffer(data, np.uint8))


@dataclass(frozen=True)
class AudioFormat:
    """One audio format of the protocol: mono samples, their rate and their codec.

    Attributes
    ----------
    type : str
        Name in the GA dialect, such as "audio/pcm".
    beta_name : str
        Name in the beta dialect, such as "pcm16".
    sample_rate : int
        Hz.
    sample_bytes : int
        Bytes of one sample on the wire: 2, or 1 for G.711.
    to_wire : callable
        Encodes int16 samples as a buffer of wire bytes.
    from_wire : callable
        Decodes wire bytes, a whole number of samples, as an int16 array.
    """

    type: str
    beta_name: str
    sample_rate: int
    sample_bytes: int
    to_wire: Callable[[Int16Array], Any]
    from_wire: Callable[[bytes], Int16Array]

    def encode(self, samples: Int16Array) -> str:
        """Base64 of int16 *samples* in this format."""
        return codec.b64encode(self.to_wire(samples))

    def decode(self, text: str, carry: bytes = b"") -> tuple[Int16Array, bytes]:
        """Samples of one delta, and its bytes after the last whole sample.

        A server may cut its stream between any two bytes: pass the rest of one delta as *carry* of the next.
        Raises ValueError for text that is not base64.
        """
        return self.split(codec.b64decode(text), carry)

    def split(self, data: bytes, carry: bytes = b"") -> tuple[Int16Array, bytes]:
        """Samples of one delta's wire bytes, and the bytes after the last whole sample; as `decode`."""
        if carry:
            data = carry + data
        if self.sample_bytes == 2 and len(data) & 1:
            return self.from_wire(data[:-1]), data[-1:]
        return self.from_wire(data), b""

    def encode_bytes(self, samples: Int16Array) -> bytes:
        """Wire bytes of int16 *samples*."""
        data: bytes = self.to_wire(samples).tobytes()
        return data

    def decode_bytes(self, data: bytes) -> Int16Array:
        """Samples in wire bytes. Raises ValueError if *data* ends within a sample."""
        if len(data) % self.sample_bytes:
            raise ValueError(
                f"{len(data)} bytes are not a whole number of samples of {self.sample_bytes} bytes each"
            )
        return self.from_wire(data)

    def samples_of_ms(self, milliseconds: float) -> int:
        """Whole samples in *milliseconds*, rounded down."""
        return int(milliseconds * self.sample_rate / 1000)

    def ms_of_samples(self, samples: int) -> int:
        """Whole milliseconds in *samples*, rounded down: servers refuse to truncate beyond the end of an item."""
        return samples * 1000 // self.sample_rate

    def as_ga(self) -> dict[str, Any]:
        """The format object of a GA session, such as ``{"type": "audio/pcm", "rate": 24000}``."""
        return (
            {"type": self.type, "rate": self.sample_rate} if self.sample_bytes == 2 else {"type": self.type}
        )


PCM16 = AudioFormat("audio/pcm", "pcm16", 24_000, 2, _pcm16_bytes, _pcm16_samples)
PCMU = AudioFormat("audio/pcmu", "g711_ulaw", 8_000, 1, pcm.ulaw_encode, _ulaw_decode)
PCMA = AudioFormat("audio/pcma", "g711_alaw", 8_000, 1, pcm.alaw_encode, _alaw_decode)
# By GA name.
FORMATS = {known.type: known for known in (PCM16, PCMU, PCMA)}


def format_of(value: Any) -> AudioFormat | None:
    """The format that a session field names, in either dialect; None for one that this package does not know.

    A PCM format object with a rate of its own (other servers use 16 kHz, for example) gives a format of that rate.
    """
    if isinstance(value, str):
        for known in FORMATS.values():
            if value in (known.beta_name, known.type):
                return known
        return None
    if not isinstance(value, dict):
        return None
    for known in FORMATS.values():
        if value.get("type") == known.type:
            return _at_rate(known, value.get("rate"))
    return None


def _at_rate(known: AudioFormat, rate: Any) -> AudioFormat | None:
    """*known* at the rate that a format object states; None for a rate that it cannot have."""
    if rate is None or rate == known.sample_rate:
        return known
    if known is not PCM16 or isinstance(rate, bool) or not isinstance(rate, (int, float)):
        return None
    return replace(PCM16, sample_rate=int(rate)) if 1000 <= rate <= 768_000 and rate == int(rate) else None
