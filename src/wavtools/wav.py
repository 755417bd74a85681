"""WAV files: packs PCM16 with a correct header, and reads what other programs write.

Thread: any; everything here is pure except ``save`` and reading from a path.
"""

from __future__ import annotations

import base64
import operator
import os
import pathlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wavtools._samples import as_int16_frames
from wavtools.errors import DecodeError
from wavtools.pcm import float32_to_pcm16

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Buffer

__all__ = ["WavFile", "WavPacker", "read_wav"]

# RIFF, WAVE, a fmt chunk of 16 bytes, the head of the data chunk.
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
# RIFF sizes are 32 bits wide.
_MAX_DATA_BYTES = 0xFFFFFFFF - 36
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
# Writers that stream do not know the length yet and write one of these.
_UNKNOWN_SIZES = (0xFFFFFFFF, 0x7FFFFFFF, 0xFFFFFFFF - 36)


@dataclass(frozen=True)
class WavFile:
    """A PCM16 WAV file in memory. Notebooks show it as a player.

    Attributes
    ----------
    data : bytes
        The whole file.
    sample_rate : int
        Hz.
    channel_count : int
    """

    data: bytes
    sample_rate: int
    channel_count: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return (len(self.data) - _HEADER.size) / (2 * self.channel_count * self.sample_rate)

    @property
    def pcm(self) -> NDArray[np.int16]:
        """The samples, read-only: int16, shape (frames,) for one channel, else (frames, channels)."""
        samples = np.frombuffer(self.data, np.dtype("<i2"), offset=_HEADER.size)
        return samples if self.channel_count == 1 else samples.reshape(-1, self.channel_count)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file to *path*, replacing what was there."""
        pathlib.Path(path).write_bytes(self.data)

    def _repr_html_(self) -> str:
        encoded = base64.b64encode(self.data).decode("ascii")
        return f'<audio controls src="data:audio/wav;base64,{encoded}"></audio>'

    def __repr__(self) -> str:
        return f"<WavFile {self.duration:.3f} s, {self.sample_rate} Hz, channels={self.channel_count}>"


class WavPacker:
    """Packs PCM16 into WAV files."""

    @staticmethod
    def pack(pcm: Buffer | NDArray[Any], sample_rate: int, channels: int = 1) -> WavFile:
        """Put a header before PCM16 samples.

        Source: the files of wavtools' ``WavPacker.pack``, except for its RIFF size, which was always 52.

        Parameters
        ----------
        pcm : bytes or int16 array
            Shape (frames,), interleaved if there are several channels, or (frames, channels). Bytes are little-endian
            int16.
        sample_rate : int
            Hz, at least 1.
        channels : int
            1 to 32767; an array of shape (frames, channels) does not need it.

        Returns
        -------
        WavFile

        Raises
        ------
        TypeError
            *pcm* is not int16, or *sample_rate* or *channels* is not an integer
        ValueError
            an incomplete frame, a number that its header field cannot hold, or 4 GiB of samples and more
        """
        samples = as_int16_frames(pcm, "pcm")
        data = samples.astype("<i2", copy=False).tobytes()
        if samples.ndim == 2:
            if channels not in (1, samples.shape[1]):
                raise ValueError(f"pcm has {samples.shape[1]} channels, but channels is {channels}")
            channels = samples.shape[1]
        sample_rate, channels = operator.index(sample_rate), operator.index(channels)
        if not 1 <= channels <= 0xFFFF // 2:
            raise ValueError(f"channels is {channels}, expected 1 to {0xFFFF // 2}")
        if not 1 <= sample_rate <= 0xFFFFFFFF // (2 * channels):
            raise ValueError(f"sample_rate is {sample_rate}, expected 1 to {0xFFFFFFFF // (2 * channels)}")
        if len(data) % (2 * channels):
            raise ValueError(f"pcm holds {len(data)} bytes, not whole frames of {2 * channels} bytes")
        if len(data) > _MAX_DATA_BYTES:
            raise ValueError(f"pcm holds {len(data)} bytes, a WAV file at most {_MAX_DATA_BYTES}")
        header = _HEADER.pack(
            *(b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16),
            *(_PCM, channels, sample_rate, sample_rate * channels * 2, channels * 2, 16),
            *(b"data", len(data)),
        )
        return WavFile(header + data, sample_rate, channels)


def read_wav(source: str | os.PathLike[str] | Buffer) -> WavFile:
    """Read a WAV file, whatever its sample format, as PCM16.

    Parameters
    ----------
    source : str, os.PathLike or bytes
        A path, or the file's bytes. PCM of 8, 16, 24 or 32 bits (rounded to 16) or IEEE float of 32 or 64 bits (converted
        by the rule of ``float32_to_pcm16``), also as WAVE_FORMAT_EXTENSIBLE, with any number of channels. Other chunks
        are skipped.

    Returns
    -------
    WavFile
        With the samples in ``.pcm``.

    Raises
    ------
    DecodeError
        not a WAV file; or it is cut short, or its header contradicts itself
    OSError
        the file cannot be read
    """
    if isinstance(source, (str, os.PathLike)):
        data = pathlib.Path(source).read_bytes()
        name = f"{os.fspath(source)!r}"
    else:
        data, name = bytes(source), "the data"
    if not data:
        raise DecodeError(f"{name} is empty, not a WAV file")
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise DecodeError(f"{name} is not a WAV file: it begins with {data[:12]!r}, not with RIFF....WAVE")
    format_chunk: bytes | None = None
    position = 12
    while position + 8 <= len(data):
        kind, size = (
            data[position : position + 4],
            int.from_bytes(data[position + 4 : position + 8], "little"),
        )
        position += 8
        present = len(data) - position
        if kind == b"data":
            if format_chunk is None:
                raise DecodeError(f"{name} has no fmt chunk before its data")
            if size in _UNKNOWN_SIZES:
                size = present
            if size > present:
                raise DecodeError(
                    f"{name} is cut short: its data chunk says {size} bytes, {present} are there"
                )
            return _decode(name, format_chunk, memoryview(data)[position : position + size])
        if size > present:
            raise DecodeError(
                f"{name} is cut short: its chunk {kind!r} says {size} bytes, {present} are there"
            )
        if kind == b"fmt ":
            format_chunk = data[position : position + size]
        # Chunks are padded to an even length.
        position += size + size % 2
    raise DecodeError(f"{name} has no data chunk")


def _decode(name: str, format_chunk: bytes, data: memoryview) -> WavFile:
    """The samples of any supported format as a PCM16 file."""
    if len(format_chunk) < 16:
        raise DecodeError(f"{name} has a fmt chunk of {len(format_chunk)} bytes, expected at least 16")
    tag, channels, sample_rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", format_chunk)
    if tag == _EXTENSIBLE:
        if len(format_chunk) < 40:
            raise DecodeError(f"{name} has an extensible fmt chunk of {len(format_chunk)} bytes, expected 40")
        # The sub-format's GUID begins with the plain tag.
        tag = int.from_bytes(format_chunk[24:26], "little")
    if channels == 0 or sample_rate == 0:
        raise DecodeError(f"{name} says {channels} channels at {sample_rate} Hz")
    if (tag, bits) not in [(_PCM, 8), (_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32), (_FLOAT, 64)]:
        raise DecodeError(
            f"{name} has samples of format {tag:#x} with {bits} bits; PCM and IEEE float can be read"
        )
    if frame_bytes != channels * bits // 8:
        raise DecodeError(
            f"{name} contradicts itself: frames of {frame_bytes} bytes, but {channels} channels of {bits} bits"
        )
    if len(data) % frame_bytes:
        raise DecodeError(
            f"{name} holds {len(data)} bytes of samples, not whole frames of {frame_bytes} bytes"
        )
    try:
        return WavPacker.pack(_as_pcm16(data, tag, bits), sample_rate, channels)
    except ValueError as error:
        raise DecodeError(f"{name} has a header that no audio fits: {error}") from None


def _as_pcm16(data: memoryview, tag: int, bits: int) -> NDArray[np.int16]:
    if tag == _FLOAT:
        floats = np.frombuffer(data, f"<f{bits // 8}")
        # A value beyond the range of float32 is beyond full scale too.
        with np.errstate(over="ignore"):
            return float32_to_pcm16(np.ascontiguousarray(floats, np.float32))
    if bits == 16:
        return np.frombuffer(data, "<i2")
    if bits == 8:
        centred: NDArray[np.int16] = (np.frombuffer(data, np.uint8).astype(np.int16) - 128) * np.int16(256)
        return centred
    if bits == 24:
        triples = np.frombuffer(data, np.uint8).reshape(-1, 3)
        wide = np.zeros((len(triples), 4), np.uint8)
        wide[:, 1:] = triples
        values = wide.reshape(-1).view("<i4").astype(np.int64)
    else:
        values = np.frombuffer(data, "<i4").astype(np.int64)
    rounded: NDArray[np.int64] = np.minimum((values + 0x8000) >> 16, 32767)
    return rounded.astype(np.int16)
