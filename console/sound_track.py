"""SoundTrack: the stereo file of a session as it was heard: left what the microphone took, right what was played.

Both channels come on the microphone's clock (`wavtools.BothSides`), so they stay aligned to the sample. What push to talk
did not record, and what was muted, is silence on the left. The file is whole after every block.

A *piece* says which frame belongs to which time: one where a microphone was opened, where sound is missing, and every
half minute, because the clocks of devices drift. Long pauses in which nobody is heard are left out.

Thread: the saver's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["NAME", "SoundTrack"]

NAME = "heard.wav"
# 3 hours of both sides at 24 kHz
MAX_BYTES = 1_000_000_000
PIECE_SECONDS = 30.0
# Frames that come that much later than the last piece says begin another piece
JUMP_SECONDS = 0.1
# Silence of both sides, while nothing is recorded, that is kept
PAUSE_SECONDS = 30.0


class SoundTrack:
    """A file that grows with what both sides are heard to say.

    Parameters
    ----------
    path : Path
        Is made with the first block.
    most_bytes : int
        What comes after so many bytes is not written.

    Attributes
    ----------
    sample_rate : int
        Hz, of the first block's recorder; 0 before. A recorder with another rate is resampled.
    frames : int
        Written so far.
    pieces : list of dict
        {"frame", "time"}: that frame was captured at that time, in seconds since the epoch.
    full : bool
        True once *most_bytes* are written.

    Raises
    ------
    OSError
        by `add` and `close`: the disk is full, for example
    """

    def __init__(self, path: Path, most_bytes: int = MAX_BYTES) -> None:
        self.sample_rate = 0
        self.frames = 0
        self.pieces: list[dict[str, float]] = []
        self.full = False
        self._path = path
        self._most_bytes = most_bytes
        self._writer: Any = None
        # The recorder's number of the frame that comes next
        self._next = 0
        # Frames of a pause since somebody was heard
        self._paused = 0
        self._resampler: Any = None
        self._rate = 0

    def add(self, blocks: list[tuple[Any, bool]], rate: int, epoch: float) -> None:
        """Write blocks.

        Parameters
        ----------
        blocks : list of (BothSides, bool)
            In their order; and if the microphone was muted.
        rate : int
            Hz
        epoch : float
            What to add to the blocks' times to get seconds since the epoch.
        """
        import numpy as np

        if self.full:
            return
        if not self.sample_rate:
            self.sample_rate = rate
        if rate != self._rate:
            self._change_rate(rate)
        parts = []
        frames = self.frames
        for block, muted in blocks:
            count = len(block.played)
            if self._is_pause(block, count):
                self._next = block.frame + count
                continue
            late = block.frame - self._next
            if 0 < late <= rate and self.pieces and not self._resampler:
                # A device was replaced: the frames between are silence
                parts.append(np.zeros((late, 2), np.int16))
                frames += late
            self._note(frames, block.time + epoch, begins=late != 0)
            rows = np.zeros((count, 2), np.int16)
            if block.recorded and not muted:
                taken = block.captured
                rows[:, 0] = taken if taken.ndim == 1 else taken.mean(axis=1)
            rows[:, 1] = block.played
            parts.append(rows if self._resampler is None else self._resampler.process(rows))
            frames += len(parts[-1])
            self._next = block.frame + count
        if parts:
            self._write(np.concatenate(parts))

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()

    def _is_pause(self, block: Any, count: int) -> bool:
        """True if the block belongs to a pause that is left out."""
        if block.recorded or block.played.any():
            self._paused = 0
            return False
        self._paused += count
        return self._paused > PAUSE_SECONDS * self._rate

    def _note(self, frame: int, time: float, *, begins: bool) -> None:
        """Begin a piece, if one is due."""
        if self.pieces and not begins:
            last = self.pieces[-1]
            length = (frame - last["frame"]) / self.sample_rate
            if length < PIECE_SECONDS and abs(last["time"] + length - time) < JUMP_SECONDS:
                return
        self.pieces.append({"frame": frame, "time": round(time, 4)})

    def _change_rate(self, rate: int) -> None:
        from wavtools.resample import Resampler

        self._rate = rate
        self._resampler = None if rate == self.sample_rate else Resampler(rate, self.sample_rate, 2)

    def _write(self, rows: Any) -> None:
        from wavtools import WavWriter

        room = self._most_bytes // 4 - self.frames
        if len(rows) > room:
            rows, self.full = rows[:room], True
        if self._writer is None:
            self._writer = WavWriter(self._path, self.sample_rate, 2)
        self._writer.write(rows)
        self.frames += len(rows)
