"""Pieces lead every frame of a run back to the sound, whatever was queued, forgotten, cut and repeated."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from wavtools._pieces import PieceReader, Pieces
from wavtools.files.frames import ArrayFrames


def reader_of(length: int) -> PieceReader:
    """Of a sound each of whose samples is its own frame number."""
    return PieceReader(ArrayFrames(np.arange(length, dtype=np.int16), 24_000))


@settings(deadline=None)
@given(
    length=st.integers(0, 40),
    reads=st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=20),
    start=st.integers(0, 50),
)
def test_what_a_reader_reads_are_the_frames_that_it_names(
    length: int, reads: list[tuple[int, bool]], start: int
) -> None:
    reader = reader_of(length)
    reader.seek(start)
    follows = min(start, length)
    for frames, loop in reads:
        piece = reader.read(frames, loop)
        if piece is None:
            assert follows == length and (not loop or not length)
            continue
        assert 1 <= len(piece) <= frames
        if follows == length:
            assert loop
            follows = 0
        named = [piece.frame_at(offset) for offset in range(len(piece))]
        assert piece.samples[:, 0].tolist() == named
        assert named == [(follows + i) % length for i in range(len(piece))]
        follows = piece.frame_at(len(piece))


class Queue(RuleBasedStateMachine):
    """Pieces beside a plain list of the frames of the run, with an offset that moves on."""

    def __init__(self) -> None:
        super().__init__()
        self.length = 4
        self.reader = reader_of(self.length)
        self.pieces = Pieces(0)
        # Frame numbers of the run from its beginning, and how many were heard.
        self.run: list[int] = []
        self.offset = 0

    @rule(frames=st.integers(1, 12), loop=st.booleans())
    def queue(self, frames: int, loop: bool) -> None:
        piece = self.reader.read(frames, loop)
        if piece is not None:
            self.pieces.append(piece)
            self.run += piece.samples[:, 0].tolist()

    @rule(heard=st.integers(0, 8))
    def hear(self, heard: int) -> None:
        self.offset = min(self.offset + heard, len(self.run))

    @rule(kept=st.integers(0, 8))
    def forget(self, kept: int) -> None:
        self.pieces.forget(self.offset - kept)

    @rule()
    def cut(self) -> None:
        self.pieces.cut(self.offset)
        self.run = self.run[self.offset :]
        self.offset = 0
        assert [frame for piece in self.pieces for frame in piece.samples[:, 0].tolist()] == self.run

    @precondition(lambda self: self.run)
    @rule()
    def end_after_this_pass(self) -> None:
        repeats = self.pieces.repeats(self.offset)
        self.cut()
        first_end = next((i for i, frame in enumerate(self.run) if frame == self.length - 1), len(self.run))
        assert repeats == (first_end + 1 < len(self.run))
        assert self.pieces.cut_at_the_end() == repeats
        self.run = self.run[: first_end + 1]
        if repeats:
            assert self.pieces.end_frame == self.length

    @rule(frame=st.integers(0, 6))
    def seek(self, frame: int) -> None:
        self.reader.seek(frame)
        self.pieces = Pieces(frame)
        self.run, self.offset = [], 0

    @invariant()
    def every_frame_is_found(self) -> None:
        assert self.pieces.total == len(self.run)
        for offset in range(self.offset, len(self.run)):
            assert self.pieces.frame_at(offset) == self.run[offset]
        assert self.pieces.frame_at(len(self.run)) == self.pieces.end_frame


TestQueue = Queue.TestCase
TestQueue.settings = settings(deadline=None, max_examples=100)
