"""Audio formats of the protocol, and conversion from what callers pass.

Audio is int16, mono, everywhere in this package; G.711 exists only inside `AudioFormat.encode` and
`AudioFormat.decode`. Every sum of milliseconds takes the rate of the format that was negotiated.

Thread: any one thread at a time per object; `as_int16` is stateless.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import codec

__all__ = ["FORMATS", "PCM16", "AudioFormat", "Int16Array", "as_int16", "format_of"]

Int16Array = NDArray[np.int16]
EMPTY: Int16Array = np.zeros(0, np.int16)
EMPTY.flags.writeable = False


def as_int16(pcm: Any) -> Int16Array:
    """A one-dimensional int16 array over *pcm*, without copying.

    Parameters
    ----------
    pcm : C-contiguous buffer of int16
        ``bytes``, ``bytearray`` and ``memoryview`` of bytes count as little-endian int16.

    Raises
    ------
    TypeError   another sample type, or memory that is not contiguous
    ValueError  an odd number of bytes, or more than one dimension
    """
    if type(pcm) is np.ndarray and pcm.dtype == np.int16 and pcm.ndim == 1 and pcm.flags.c_contiguous:
        return pcm  # the usual case, without NumPy's slow buffer export
    try:
        view = memoryview(pcm)
    except TypeError:
        raise TypeError(
            f"audio must be int16 samples (bytes, bytearray, array('h') or a NumPy int16 array), "
            f"not {type(pcm).__name__}"
        ) from None
    if not view.c_contiguous:
        raise TypeError("audio must be C-contiguous; pass numpy.ascontiguousarray(audio)")
    if view.format in ("f", "d", "<f", "<d"):
        raise TypeError("audio is floating point; convert it with wavtools.pcm.float32_to_pcm16()")
    if view.format in ("B", "b", "c"):
        if view.nbytes % 2:
            raise ValueError(f"audio holds {view.nbytes} bytes, which is not a whole number of int16 samples")
        view = view.cast("B")
        return np.frombuffer(view, "<i2").astype(np.int16, copy=False)
    if view.format not in ("h", "<h"):
        raise TypeError(f"audio must be int16 samples; this buffer holds items of format {view.format!r}")
    if view.ndim != 1:
        raise ValueError(f"audio must be mono, shape (frames,), not {view.shape}")
    return np.frombuffer(view, np.int16)


def _pcm16_bytes(samples: Int16Array) -> Any:
    return samples if sys.byteorder == "little" else samples.astype("<i2")


def _pcm16_samples(data: bytes) -> Int16Array:
    # Every delta comes through here: astype() takes 1 µs to find that it has nothing to do.
    samples = np.frombuffer(data, np.int16)
    return samples if sys.byteorder == "little" else samples.byteswap()


def _ulaw_encode(samples: Int16Array) -> Any:
    from wavtools import pcm

    return pcm.ulaw_encode(samples)


def _ulaw_decode(data: bytes) -> Int16Array:
    from wavtools import pcm

    samples: Int16Array = pcm.ulaw_decode(np.frombuffer(data, np.uint8))
    return samples


def _alaw_encode(samples: Int16Array) -> Any:
    from wavtools import pcm

    return pcm.alaw_encode(samples)


def _alaw_decode(data: bytes) -> Int16Array:
    from wavtools import pcm

    samples: Int16Array = pcm.alaw_decode(np.frombuffer(data, np.uint8))
    return samples


@dataclass(frozen=True)
class AudioFormat:
    """One format of the wire: its GA and beta names, its rate in Hz and its codec."""

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
        """Samples of one delta, and the bytes left over.

        A server may cut its stream anywhere; *carry* is what the delta before left over.
        Raises ValueError for text that is not base64.
        """
        data = codec.b64decode(text)
        if carry:
            data = carry + data
        if self.sample_bytes == 2 and len(data) & 1:
            return self.from_wire(data[:-1]), data[-1:]
        return self.from_wire(data), b""

    def samples_of_ms(self, milliseconds: float) -> int:
        return int(milliseconds * self.sample_rate / 1000)

    def ms_of_samples(self, samples: int) -> int:
        """Whole milliseconds, rounded down: an end beyond what the server made would be refused."""
        return samples * 1000 // self.sample_rate

    def as_ga(self) -> dict[str, Any]:
        return (
            {"type": self.type, "rate": self.sample_rate} if self.sample_bytes == 2 else {"type": self.type}
        )


PCM16 = AudioFormat("audio/pcm", "pcm16", 24_000, 2, _pcm16_bytes, _pcm16_samples)
PCMU = AudioFormat("audio/pcmu", "g711_ulaw", 8_000, 1, _ulaw_encode, _ulaw_decode)
PCMA = AudioFormat("audio/pcma", "g711_alaw", 8_000, 1, _alaw_encode, _alaw_decode)
FORMATS = (PCM16, PCMU, PCMA)


def format_of(value: Any) -> AudioFormat | None:
    """The format that a session field names, in either dialect; None for what is not known.

    Other servers state their own PCM rates (16 kHz in, say): those make a format of that rate.
    """
    if isinstance(value, str):
        for known in FORMATS:
            if value in (known.beta_name, known.type):
                return known
        return None
    if not isinstance(value, dict):
        return None
    for known in FORMATS:
        if value.get("type") == known.type:
            rate = value.get("rate")
            if known is not PCM16 or not isinstance(rate, int) or not 1000 <= rate <= 768_000:
                return known
            return replace(PCM16, sample_rate=rate) if rate != PCM16.sample_rate else PCM16
    return None
