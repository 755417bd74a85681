"""Pieces: which frame of a sound each queued frame is, so that a play position leads back to the sound.

Frames are counted twice: in the sound, and in the run, which is what was queued since playback last began somewhere.

Thread: any, under the lock of the playback; PieceReader on one thread at a time.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from wavtools.files.frames import FrameSource

__all__ = ["Piece", "PieceReader", "Pieces"]


@dataclasses.dataclass(frozen=True)
class Piece:
    """Frames of a sound that follow each other.

    Attributes
    ----------
    samples : int16 array, shape (frames, channels)
    first : int
        Which frame of the sound they begin with.
    length : int or None
        Frames of the sound, for a piece that runs over its end and goes on with its beginning.
    """

    samples: NDArray[np.int16]
    first: int
    length: int | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def frame_at(self, offset: int) -> int:
        """The frame of the sound that is *offset* frames into the piece, 0 to its length."""
        frame = self.first + offset
        return frame % self.length if self.length else frame

    def since(self, offset: int) -> Piece:
        """The piece without its first *offset* frames."""
        return Piece(self.samples[offset:], self.frame_at(offset), self.length)

    def before_the_end(self, follows: int) -> Piece | None:
        """What lies before the end of the sound, when it is to follow frame *follows*; None for nothing."""
        if self.first < follows:
            return None
        if self.length is None or self.first + len(self) <= self.length:
            return self
        return Piece(self.samples[: self.length - self.first], self.first)


class Pieces:
    """The pieces of a run in their order: those that wait, and the last ones that were heard.

    Parameters
    ----------
    start : int
        The frame of the sound that the run begins with.
    """

    def __init__(self, start: int) -> None:
        self._pieces: deque[Piece] = deque()
        # Frames of the run before the first piece, and after the last one.
        self._begin = self._total = 0
        self._end_frame = start

    def __iter__(self) -> Iterator[Piece]:
        return iter(self._pieces)

    @property
    def total(self) -> int:
        """Frames of the run."""
        return self._total

    @property
    def end_frame(self) -> int:
        """The frame of the sound after the last piece."""
        return self._end_frame

    def append(self, piece: Piece) -> None:
        """Add a piece at the end."""
        self._pieces.append(piece)
        self._total += len(piece)
        self._end_frame = piece.frame_at(len(piece))

    def frame_at(self, offset: int) -> int:
        """The frame of the sound that is *offset* frames into the run."""
        begin = self._begin
        for piece in self._pieces:
            if offset < begin + len(piece):
                return piece.frame_at(max(0, offset - begin))
            begin += len(piece)
        return self._end_frame

    def forget(self, offset: int) -> None:
        """Drop pieces that lie wholly before *offset*."""
        while self._pieces and self._begin + len(self._pieces[0]) <= offset:
            self._begin += len(self._pieces.popleft())

    def cut(self, offset: int) -> None:
        """Drop what lies before *offset*, where a new run begins."""
        self.forget(offset)
        if self._pieces and offset > self._begin:
            self._pieces[0] = self._pieces[0].since(offset - self._begin)
        self._total = sum(map(len, self._pieces))
        self._begin = 0

    def repeats(self, offset: int) -> bool:
        """True if the sound comes to its end after *offset*, and more than that waits."""
        waiting = Pieces(0)
        waiting._pieces, waiting._begin = self._pieces.copy(), self._begin
        waiting.cut(offset)
        return waiting.cut_at_the_end()

    def cut_at_the_end(self) -> bool:
        """Drop what comes after the first end of the sound; True if there was such an end before the last frame."""
        kept: deque[Piece] = deque()
        follows = 0
        for piece in self._pieces:
            short = piece.before_the_end(follows)
            if short is not None:
                kept.append(short)
                follows = short.first + len(short)
            if short is not piece:
                break
        else:
            return False
        self._pieces = kept
        self._total = self._begin + sum(map(len, kept))
        self._end_frame = follows
        return True


class PieceReader:
    """Reads a source in pieces, once or around its end.

    Attributes
    ----------
    length : int or None
        Frames of the sound, as far as known: what the source states, and once its end was read, what it holds.
    """

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self._next = 0
        self.length = source.frames

    def seek(self, frame: int) -> None:
        """Go on with *frame*, or with the end if that comes first."""
        self._next = self._source.seek(frame)
        if self._next < frame:
            self.length = self._next

    def read(self, frames: int, loop: bool) -> Piece | None:
        """Read up to *frames*. At the end of the sound: None, or with *loop* its beginning.

        A sound that is shorter than *frames* is repeated to that length, so that it takes no more work than a long one.
        """
        block = self._source.read(frames)
        if len(block):
            piece = Piece(block, self._next)
            self._next += len(block)
            return piece
        self.length = self._next
        if not loop or not self._next:
            return None
        self.seek(0)
        if self.length >= frames:
            return self.read(frames, loop=False)
        return self._repeat(frames)

    def _repeat(self, frames: int) -> Piece | None:
        blocks = []
        while (piece := self.read(frames, loop=False)) is not None:
            blocks.append(piece.samples)
        length = sum(map(len, blocks))
        if not length:
            return None
        once = np.concatenate(blocks)
        self.seek(frames % length)
        return Piece(np.resize(once, (frames, once.shape[1])), 0, length)
