"""WavReader: reads a file of uncompressed sound in blocks, however long it is.

Thread: any, one at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from wavtools._arguments import integer
from wavtools.files.containers import read_layout
from wavtools.files.encodings import sample_type
from wavtools.files.sound import read_frames
from wavtools.files.sources import open_seekable

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

__all__ = ["WavReader"]


class WavReader:
    """A file of uncompressed sound (WAV, RF64, W64, AIFF and their relatives), read piece by piece.

    Parameters
    ----------
    source : str, os.PathLike, bytes-like, or binary file object that can seek
        A file object is read from its present position, or from its beginning if that is its end. It stays open when the
        reader is closed.
    strict : bool
        Refuse a file whose header states another length than it has.

    Attributes
    ----------
    container, encoding : str
        Such as "WAV", and "PCM of 24 bits".
    sample_rate : int
        Hz
    channel_count : int
    frames : int
        Whole frames in the file when it was opened.
    truncated : bool
        True if the header states another length.

    Raises
    ------
    DecodeError
        not such a file, or its header contradicts itself
    TypeError
        a source of another kind
    OSError
        the file cannot be read

    Examples
    --------
    >>> import wavtools
    >>> with wavtools.WavReader(wavtools.WavPacker.pack(bytes(20_000), 24_000).data) as reader:
    ...     print([len(block) for block in reader.blocks(4096)])
    [4096, 4096, 1808]
    """

    def __init__(self, source: str | os.PathLike[str] | Buffer | BinaryIO, *, strict: bool = False) -> None:
        self._file, self._name, self._owned = open_seekable(source)
        try:
            self._layout = read_layout(self._file, self._name, strict=strict)
        except BaseException:
            self.close()
            raise
        self.container = self._layout.container
        self.encoding = str(self._layout.encoding)
        self.sample_rate = self._layout.sample_rate
        self.channel_count = self._layout.channels
        self.frames = self._layout.frames
        self.truncated = self._layout.truncated
        self._position = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self.frames

    def __repr__(self) -> str:
        return f"<WavReader {self._name}: {self.duration:.3f} s, {self.sample_rate} Hz, channels={self.channel_count}>"

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate

    def close(self) -> None:
        """Close the file, if the reader has opened it."""
        if self._owned is not None:
            self._owned.close()

    def tell(self) -> int:
        """The number of the next frame."""
        return self._position

    def seek(self, frame: int) -> None:
        """Go on with *frame*, 0 to `frames`. Raises ValueError beyond."""
        self._position = integer(frame, "frame", 0, self.frames, f"the file has {self.frames} frames")

    def read(self, frames: int | None = None, dtype: DTypeLike = "float32") -> NDArray[Any]:
        """Read the next frames.

        Parameters
        ----------
        frames : int, optional
            How many; all that are left when not given.
        dtype : "int16", "int32", "float32" or "float64"
            As for `read_wav`.

        Returns
        -------
        array of *dtype*
            Shape (n,) for one channel, else (n, channels); fewer than *frames* at the end, then none.

        Raises
        ------
        ValueError
            frames below 0, another *dtype*
        """
        wanted = sample_type(dtype)
        left = self.frames - self._position
        count = (
            left if frames is None else min(left, integer(frames, "frames", 0, None, "it must be 0 or more"))
        )
        samples = read_frames(self._file, self._layout, self._position, count, wanted)
        self._position += len(samples)
        return samples

    def blocks(
        self, frames: int = 65_536, dtype: DTypeLike = "float32", *, overlap: int = 0
    ) -> Iterator[NDArray[Any]]:
        """The rest of the file in blocks.

        Parameters
        ----------
        frames : int
            Of a block; the last one may be shorter.
        dtype : "int16", "int32", "float32" or "float64"
            As for `read_wav`.
        overlap : int
            Each block begins with that many frames of the block before, 0 to frames - 1.

        Yields
        ------
        array of *dtype*
            Shape (n,) for one channel, else (n, channels).

        Raises
        ------
        TypeError, ValueError
            *frames* below 1, *overlap* out of range, another *dtype*
        """
        size = integer(frames, "frames", 1, None, "it must be at least 1")
        kept = integer(overlap, "overlap", 0, size - 1, "it must be less than frames")
        wanted = np.dtype(sample_type(dtype))
        while len(block := self.read(size, wanted)):
            yield block
            # Not after the last block, nor where the file has become shorter.
            if kept and len(block) == size and self._position < self.frames:
                self.seek(self._position - kept)
            elif kept:
                return
