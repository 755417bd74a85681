"""blocks(): reads a file of any known format block by block, however long it is.

Thread: any, one at a time per Blocks.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from wavtools._arguments import integer, number
from wavtools.errors import DecodeError
from wavtools.files.encodings import sample_type
from wavtools.files.found import Found, find_sound
from wavtools.files.sound import read_frames, typed_samples
from wavtools.files.sources import open_source

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

    from wavtools.files.containers import Layout

__all__ = ["Blocks", "blocks"]

# Frames of an uncompressed file that are read at a time.
_PIECE_FRAMES = 16_384

# The rate in Hz, and samples of shape (n,) or (n, channels).
_Pieces: TypeAlias = Generator[tuple[int, NDArray[Any]], None, None]


def blocks(
    source: str | os.PathLike[str] | Buffer | BinaryIO,
    seconds: float | None = None,
    dtype: DTypeLike = "float32",
    *,
    frames: int | None = None,
    overlap: int = 0,
) -> Blocks:
    """Read a file of any format that `load` reads, block by block.

    The blocks hold the samples that `load` would return. Memory: a block and what the decoder needs. A file object is read
    from its present position; compressed data that has no path stays in memory as it is.

    Parameters
    ----------
    source : str, os.PathLike, bytes-like, or binary file object
        As for `load`.
    seconds : float, optional
        0.001 to 3600: length of a block, rounded to whole frames. 1 when neither *seconds* nor *frames* is given.
    dtype : "int16", "int32", "float32" or "float64"
        Of the samples; full scale is 1.0 for floats.
    frames : int, optional
        Length of a block in frames, in place of *seconds*.
    overlap : int
        Each block begins with that many frames of the block before, 0 to the length of a block - 1.

    Returns
    -------
    Blocks
        An iterator of arrays of *dtype*, shape (n,) for one channel, else (n, channels). The last block may be shorter.

    Raises
    ------
    DecodeError
        not an audio file, damaged, or its decoder is not installed; of damage further on, the iterator raises it after
        the blocks before
    TypeError, ValueError
        a source or a *dtype* of another kind, both lengths, or a number out of range
    OSError
        the file cannot be read

    Examples
    --------
    >>> import wavtools
    >>> with wavtools.blocks(wavtools.WavPacker.pack(bytes(96_000), 24_000).data, seconds=0.8) as blocks:
    ...     print(blocks.sample_rate, [len(block) for block in blocks])
    24000 [19200, 19200, 9600]
    """
    if seconds is not None and frames is not None:
        raise ValueError("give the length of a block as seconds or as frames, not as both")
    if frames is not None:
        frames = integer(frames, "frames", 1, None, "it must be at least 1")
    else:
        limits = "it must be 0.001 to 3600"
        seconds = 1.0 if seconds is None else number(seconds, "seconds", 0.001, 3600, limits)
    return Blocks(source, frames, seconds or 0.0, overlap, sample_type(dtype))


class Blocks:
    """A file that `blocks` reads: an iterator of its blocks.

    It closes the file at its end, when it is dropped, or with `close` or ``with``.

    Attributes
    ----------
    sample_rate : int
        Hz
    channel_count : int
    frames : int
        Of a block.
    """

    def __init__(
        self, source: Any, frames: int | None, seconds: float, overlap: int, wanted: np.dtype[Any]
    ) -> None:
        # Closes what was opened, also after an error.
        self._open = contextlib.ExitStack()
        self._blocks: Iterator[NDArray[Any]] = iter(())
        try:
            pieces = self._open.enter_context(contextlib.closing(self._pieces_of(source, wanted)))
            # The decoder tells the rate with the first samples.
            self.sample_rate, first = next(pieces)
            self.channel_count = 1 if first.ndim == 1 else int(first.shape[1])
            self.frames = max(1, round(seconds * self.sample_rate)) if frames is None else frames
            kept = integer(overlap, "overlap", 0, self.frames - 1, f"a block has {self.frames} frames")
        except BaseException:
            self.close()
            raise
        self._blocks = _cut(first, pieces, self.frames, kept)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return self

    def __next__(self) -> NDArray[Any]:
        try:
            return next(self._blocks)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Blocks of {self.frames} frames, {self.sample_rate} Hz, channels={self.channel_count}>"

    def close(self) -> None:
        """Close the file; the iterator ends. A file object that was given stays open."""
        self._blocks = iter(())
        self._open.close()

    def _pieces_of(self, source: Any, wanted: np.dtype[Any]) -> _Pieces:
        """The pieces of the file that *source* is or names."""
        path = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
        file, name = self._open.enter_context(open_source(source))
        found = find_sound(file, name)
        if found.layout is not None:
            return _uncompressed(found.file, found.layout, name, wanted)
        return _decoded(path, found, name, wanted)


def _uncompressed(file: BinaryIO, layout: Layout, name: str, wanted: np.dtype[Any]) -> _Pieces:
    begin = 0
    # A file without frames gives one empty piece, for its rate.
    while begin < layout.frames or begin == 0:
        piece = read_frames(file, layout, begin, _PIECE_FRAMES, wanted)
        yield layout.sample_rate, piece
        begin += _PIECE_FRAMES
        if len(piece) < _PIECE_FRAMES and begin - _PIECE_FRAMES + len(piece) < layout.frames:
            raise DecodeError(f"{name} became shorter while it was read")


def _decoded(path: str | bytes | None, found: Found, name: str, wanted: np.dtype[Any]) -> _Pieces:
    # The decoders are loaded by those who decode.
    from wavtools.files.compressed_frames import decoded_blocks

    empty = True
    for rate, samples in decoded_blocks(path, found, name):
        if rate < 1:
            raise DecodeError(f"{name} holds no sound: its rate is {rate} Hz")
        if len(samples):
            empty = False
            yield rate, typed_samples(samples, wanted)
    if empty:
        raise DecodeError(f"{name} holds no sound")


def _cut(first: NDArray[Any], pieces: _Pieces, frames: int, kept: int) -> Iterator[NDArray[Any]]:
    """Pieces of any length as blocks of *frames*, each with the last *kept* frames of the one before."""
    # The held frames, how many they are, and how many of them the last block has given already.
    held, length, given = [first], len(first), 0
    while True:
        if length >= frames:
            whole = held[0] if len(held) == 1 else np.concatenate(held)
            begin = 0
            for begin in range(0, length - frames + 1, frames - kept):
                # A copy: a block that is kept keeps no other.
                yield whole[begin : begin + frames].copy()
            begin += frames - kept
            held, length, given = [whole[begin:]], length - begin, kept
        following = next(pieces, None)
        if following is None:
            break
        held.append(following[1])
        length += len(following[1])
    if length > given:
        yield np.concatenate(held)
