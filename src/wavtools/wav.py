"""WAV files: packs PCM16 with a correct header, and reads uncompressed sound of any container.

Thread: any; everything here is pure except ``save`` and reading from a path.
"""

from __future__ import annotations

import dataclasses
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias, overload

import numpy as np

from wavtools._arguments import integer
from wavtools._samples import as_int16_frames
from wavtools.errors import DecodeError
from wavtools.files.containers import read_layout
from wavtools.files.encodings import sample_type
from wavtools.files.replacing import replaced
from wavtools.files.sound import Sound, read_sound
from wavtools.files.sources import open_source

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray
    from typing_extensions import Buffer

    Source: TypeAlias = str | os.PathLike[str] | Buffer | BinaryIO

__all__ = ["WavFile", "WavPacker", "read_wav"]

# RIFF, WAVE, a fmt chunk of 16 bytes, the head of the data chunk.
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
# RIFF sizes are 32 bits wide; beyond that the file is RF64, whose sizes stand in a chunk of their own.
_MAX_DATA_BYTES = 0xFFFFFFFF - 36
_LONG_HEADER = struct.Struct("<4sI4s4sIQQQI4sIHHIIHH4sI")
_PCM = 1


@dataclass(frozen=True)
class WavFile:
    """A PCM16 WAV file in memory. Notebooks show its waveform, its spectrogram and a player.

    Attributes
    ----------
    data : bytes
        The whole file.
    sample_rate : int
        Hz.
    channel_count : int
    truncated : bool
        True if it was read from a file whose header stated another length.
    """

    data: bytes
    sample_rate: int
    channel_count: int
    truncated: bool = False

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return (len(self.data) - self._header_bytes) / (2 * self.channel_count * self.sample_rate)

    @property
    def pcm(self) -> NDArray[np.int16]:
        """The samples, read-only: int16, shape (frames,) for one channel, else (frames, channels)."""
        samples = np.frombuffer(self.data, np.dtype("<i2"), offset=self._header_bytes)
        return samples if self.channel_count == 1 else samples.reshape(-1, self.channel_count)

    @property
    def _header_bytes(self) -> int:
        return _LONG_HEADER.size if self.data[:4] == b"RF64" else _HEADER.size

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file to *path*, replacing what was there. After an error, such as a full disk, that is as it was."""
        with replaced(path) as file:
            file.write(self.data)

    def _repr_html_(self) -> str:
        from wavtools.notebook.page import sound_html

        return sound_html(self.pcm, self.sample_rate, "WavFile")

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
            RF64 from 4 GiB on.

        Raises
        ------
        TypeError
            *pcm* is not int16, or *sample_rate* or *channels* is not an integer
        ValueError
            an incomplete frame, or a number that its header field cannot hold
        """
        samples = as_int16_frames(pcm, "pcm")
        data = np.ascontiguousarray(samples, "<i2").reshape(-1).view(np.uint8).data
        if samples.ndim == 2:
            if channels not in (1, samples.shape[1]):
                raise ValueError(f"pcm has {samples.shape[1]} channels, but channels is {channels}")
            channels = samples.shape[1]
        most = 0xFFFF // 2
        channels = integer(channels, "channels", 1, most, f"expected 1 to {most}")
        fastest = 0xFFFFFFFF // (2 * channels)
        sample_rate = integer(sample_rate, "sample_rate", 1, fastest, f"expected 1 to {fastest}")
        if len(data) % (2 * channels):
            raise ValueError(f"pcm holds {len(data)} bytes, not whole frames of {2 * channels} bytes")
        form = (b"fmt ", 16, _PCM, channels, sample_rate, sample_rate * channels * 2, channels * 2, 16)
        if len(data) <= _MAX_DATA_BYTES:
            header = _HEADER.pack(b"RIFF", 36 + len(data), b"WAVE", *form, b"data", len(data))
        else:
            sizes = (72 + len(data), len(data), len(data) // (2 * channels), 0)
            long = 0xFFFFFFFF
            header = _LONG_HEADER.pack(b"RF64", long, b"WAVE", b"ds64", 28, *sizes, *form, b"data", long)
        return WavFile(b"".join((header, data)), sample_rate, channels)


@overload
def read_wav(source: Source, *, strict: bool = ..., dtype: Literal["int16"] = ...) -> WavFile: ...
@overload
def read_wav(source: Source, *, strict: bool = ..., dtype: DTypeLike) -> WavFile | Sound: ...
def read_wav(source: Source, *, strict: bool = False, dtype: DTypeLike = "int16") -> WavFile | Sound:
    """Read a file of uncompressed sound: WAV and its relatives.

    RIFF, RIFX, RF64, BW64, W64, AIFF and AIFF-C; PCM of 1 to 32 bits, IEEE float of 32 and 64 bits, and G.711; any number
    of channels. Other chunks are skipped. A file whose header states another length than it has is read as far as whole
    frames go: recorders that stream or were killed leave such files.

    Parameters
    ----------
    source : str, os.PathLike, bytes-like, or binary file object
        A path, the file's bytes, or an object with ``read()``.
    strict : bool
        Refuse a file whose header states another length than it has.
    dtype : "int16", "int32", "float32" or "float64"
        Of the samples. As int16, wider samples are rounded to the nearest, and floats are ``rint(x * 32768)``, clamped;
        NaN becomes 0. float32 holds 24 bits, int32 and float64 hold all.

    Returns
    -------
    WavFile
        With int16 samples in ``.pcm``; for another *dtype* a `Sound`, with samples of that type in ``.pcm``.
        ``.truncated`` is True if the header stated another length.

    Raises
    ------
    DecodeError
        not such a file, or its header contradicts itself; or, with *strict*, it is cut short
    TypeError
        a source of another kind, or a file opened in text mode
    ValueError
        another *dtype*
    OSError
        the file cannot be read
    """
    wanted = sample_type(dtype)
    with open_source(source) as (file, name):
        sound = read_sound(file, name, read_layout(file, name, strict=strict), wanted)
        if wanted != np.int16:
            return sound
        try:
            packed = WavPacker.pack(sound.pcm.reshape(-1), sound.sample_rate, sound.channel_count)
        except ValueError as error:
            raise DecodeError(f"{name} has a header that no audio fits: {error}") from None
    return dataclasses.replace(packed, truncated=sound.truncated)
