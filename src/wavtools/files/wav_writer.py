"""WavWriter: writes a WAV file block by block; the file is whole after every block.

The header has room for RF64's sizes from the beginning (EBU Tech 3306), and becomes RF64 where 4 GiB do not suffice.

Thread: any, one at a time.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from wavtools._arguments import integer
from wavtools.errors import DecodeError, StateError
from wavtools.files.containers import are_chunks, read_layout
from wavtools.files.encodings import Encoding, write_samples
from wavtools.files.replacing import WholeFile
from wavtools.files.samples import as_samples

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ENCODINGS", "WavWriter", "as_frames"]

ENCODINGS = {
    "uint8": Encoding("unsigned", 1),
    "int16": Encoding("int", 2),
    "int24": Encoding("int", 3),
    "int32": Encoding("int", 4),
    "float32": Encoding("float", 4),
    "float64": Encoding("float", 8),
    "ulaw": Encoding("ulaw", 1),
    "alaw": Encoding("alaw", 1),
}
_TAGS = {"unsigned": 1, "int": 1, "float": 3, "alaw": 6, "ulaw": 7}
# RIFF, WAVE, a chunk for RF64's sizes, fmt of 16 bytes, the head of the data chunk.
_HEADER = struct.Struct("<4sI4s4sI28s4sIHHIIHH4sI")
# RIFF sizes are 32 bits wide.
_MAX_RIFF = 0xFFFFFFFF
# Frames that are converted at a time.
_BLOCK_FRAMES = 1 << 16


class WavWriter:
    """A WAV file that grows.

    Parameters
    ----------
    target : str, os.PathLike, or binary file object that can seek
        What it holds is replaced once the header is written, or continued with *append*. A file object stays open when the
        writer is closed.
    sample_rate : int
        Hz, 1 to 4294967295; with *append* that of the file, which it must be if it is given.
    channels : int
        1 to 65535.
    encoding : str
        "int16", "int24", "int32", "uint8", "float32", "float64", "ulaw" or "alaw".
    append : bool
        Continue a file that a WavWriter has written; *channels* and *encoding* are then the file's.

    Raises
    ------
    ValueError, TypeError
        an argument out of range or of another type
    DecodeError
        *append* to a file that no WavWriter has written
    OSError
        the file cannot be opened or written

    Examples
    --------
    >>> import wavtools
    >>> with wavtools.WavWriter("answer.wav", 24_000, encoding="int24") as writer:
    ...     writer.write([0.0, 0.5])
    ...     writer.frames
    2
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | BinaryIO,
        sample_rate: int | None = None,
        channels: int = 1,
        *,
        encoding: str = "int16",
        append: bool = False,
    ) -> None:
        if encoding not in ENCODINGS:
            raise ValueError(f"encoding is {encoding!r}; it must be one of {', '.join(ENCODINGS)}")
        self.channel_count = integer(channels, "channels", 1, 0xFFFF, "a WAV file has 1 to 65535")
        if sample_rate is not None:
            sample_rate = integer(
                sample_rate, "sample_rate", 1, 0xFFFFFFFF, "a WAV file has 1 to 4294967295 Hz"
            )
        elif not append:
            raise TypeError("sample_rate is needed: the rate of the samples in Hz")
        self.frames = 0
        self._encoding = ENCODINGS[encoding]
        self._closed = False
        self._owned = isinstance(target, (str, os.PathLike))
        self._file = _opened(target, append)
        try:
            if append:
                sample_rate = self._continue(sample_rate)
            assert sample_rate is not None
            self.sample_rate = sample_rate
            if append:
                self._write_header(self.frames)
            else:
                self._replace()
        except BaseException:
            if isinstance(self._file, WholeFile) and self._owned:
                self._file.close_unused()
            raise

    def _replace(self) -> None:
        """Put a header over what the file holds, then drop the rest. What fails leaves the file as it was."""
        head = _head_of(self._file)
        try:
            self._write_header(self.frames)
            self._file.truncate(_HEADER.size)
        except BaseException:
            if head is not None:
                self._restore(head)
            raise

    def _restore(self, head: bytes) -> None:
        # The disk, or a file object of the caller's, may fail again; the first error is the one to report.
        with contextlib.suppress(Exception):
            self._file.seek(0)
            self._file.write(head)
            if len(head) < _HEADER.size:
                self._file.truncate(len(head))
            self._file.flush()

    def _continue(self, sample_rate: int | None) -> int:
        """Take over a file; returns its rate."""
        name = repr(getattr(self._file, "name", "the file"))
        layout = read_layout(self._file, name)
        self._file.seek(12)
        if layout.offset != _HEADER.size or self._file.read(4) not in (b"JUNK", b"ds64"):
            raise DecodeError(f"{name} was not written by a WavWriter; it can be read, but not continued")
        if sample_rate not in (None, layout.sample_rate):
            raise ValueError(f"sample_rate is {sample_rate}, but {name} has {layout.sample_rate} Hz")
        same = [one for one in ENCODINGS.values() if _same(one, layout.encoding)]
        end = layout.offset + layout.frames * layout.frame_bytes
        if not same:
            raise DecodeError(f"{name} was not written by a WavWriter; it can be read, but not continued")
        if not layout.truncated and are_chunks(self._file, end + end % 2):
            raise DecodeError(
                f"{name} is not continued: chunks behind its sound would be lost; write a new file"
            )
        self.channel_count, self.frames = layout.channels, layout.frames
        self._encoding = same[0]
        # A killed writer may have left part of a block behind the last whole frame.
        self._file.truncate(end)
        return layout.sample_rate

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<WavWriter {self.duration:.3f} s, {self.sample_rate} Hz, channels={self.channel_count}>"

    @property
    def duration(self) -> float:
        """Length so far, in seconds."""
        return self.frames / self.sample_rate

    @property
    def _data_bytes(self) -> int:
        return self.frames * self.channel_count * self._encoding.sample_bytes

    def write(self, samples: Any) -> None:
        """Add frames; the file is then whole.

        Parameters
        ----------
        samples : int16, int32 or float array, a sequence of floats, or bytes of int16
            Shape (frames,) for one channel, else (frames, channels). Floats have full scale 1.0; integers fill their width.
            What is beyond full scale is clamped, unless the file holds floats.

        Raises
        ------
        TypeError
            samples of another type
        ValueError
            another number of channels
        StateError
            the writer is closed
        OSError
            the disk is full, for example; the file keeps the frames before
        """
        if self._closed:
            raise StateError("the writer is closed; open the file with append=True to go on")
        frames = as_frames(samples)
        count = 1 if frames.ndim == 1 else frames.shape[1]
        if count != self.channel_count:
            raise ValueError(f"samples have {count} channels, the file has {self.channel_count}")
        self._file.seek(_HEADER.size + self._data_bytes)
        for start in range(0, len(frames), _BLOCK_FRAMES):
            self._file.write(write_samples(frames[start : start + _BLOCK_FRAMES].reshape(-1), self._encoding))
        self._file.flush()
        # Counted once the header says so: another thread may read the file as soon as it sees the count.
        self._write_header(self.frames + len(frames))
        self.frames += len(frames)

    def close(self) -> None:
        """Finish the file, and close it if the writer has opened it. Closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        try:
            # Later writes of the caller go behind the sound.
            self._file.seek(0, io.SEEK_END)
            if self._data_bytes % 2:
                # Chunks are padded to an even length.
                self._file.write(b"\0")
            self._file.flush()
        finally:
            if self._owned:
                self._file.close()

    def _write_header(self, frames: int) -> None:
        channels, rate, width = self.channel_count, self.sample_rate, self._encoding.sample_bytes
        size = frames * channels * width
        riff = _HEADER.size - 8 + size + size % 2
        long = riff > _MAX_RIFF
        sizes = struct.pack("<QQQI", riff, size, frames, 0) if long else bytes(28)
        form = (16, _TAGS[self._encoding.kind], channels, rate)
        header = _HEADER.pack(
            *(b"RF64" if long else b"RIFF", 0xFFFFFFFF if long else riff, b"WAVE"),
            *(b"ds64" if long else b"JUNK", 28, sizes, b"fmt ", *form),
            *(min(rate * channels * width, 0xFFFFFFFF), channels * width & 0xFFFF, 8 * width),
            *(b"data", 0xFFFFFFFF if long else size),
        )
        self._file.seek(0)
        self._file.write(header)
        self._file.flush()


def as_frames(samples: Any) -> NDArray[Any]:
    """Samples that a file can be written from, as an array of shape (frames,) or (frames, channels).

    Parameters
    ----------
    samples : int16, int32 or float array, a sequence of floats, or bytes of int16

    Raises
    ------
    TypeError
        samples of another type
    ValueError
        another shape, or an odd number of bytes
    """
    return as_samples(np.asarray(samples) if isinstance(samples, (list, tuple)) else samples, "samples")


def _opened(target: Any, existing: bool) -> BinaryIO:
    if isinstance(target, (str, os.PathLike)):
        path = os.fspath(target)
        if existing:
            # Raises FileNotFoundError.
            Path(path).stat()
        return cast("BinaryIO", WholeFile(path))
    seekable = getattr(target, "seekable", None)
    if (
        not callable(getattr(target, "write", None))
        or isinstance(target, io.TextIOBase)
        or not hasattr(target, "seek")
        or (callable(seekable) and not seekable())
    ):
        raise TypeError(
            f"a path, or a file object that is open for writing bytes and can seek, is needed, not {type(target).__name__}"
        )
    return cast("BinaryIO", target)


def _head_of(file: BinaryIO) -> bytes | None:
    """What a header will replace; None for a file object that cannot be read."""
    try:
        file.seek(0)
        return file.read(_HEADER.size)
    except (AttributeError, OSError, ValueError):
        return None


def _same(one: Encoding, other: Encoding) -> bool:
    return (one.kind, one.sample_bytes, False) == (other.kind, other.sample_bytes, other.big_endian)
