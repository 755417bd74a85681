"""BothSides: what the microphone captured and what was played at the same frames, for a recording of a whole conversation.

An echo canceller cannot wait: a played frame that comes too late counts as silence, and the frames behind it lie wrong until
the stamps tell the truth. A recording can wait, so `LateBlocks` holds each block until they do.

Thread: the recorder's delivery thread; a `BothSides` any, as it is pure data.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wavtools._late_offset import HOLD_SECONDS

if TYPE_CHECKING:
    from wavtools._reference import PlayedReference

__all__ = ["BothSides", "LateBlocks"]


Samples = NDArray[np.int16]


@dataclasses.dataclass(frozen=True)
class BothSides:
    """A block of a recording session, recorded or not, at the session rate.

    Blocks come in the order of their frames, without an overlap. Between two of them frames are missing only where a device
    was replaced.

    Attributes
    ----------
    captured : int16, shape (frames,) or (frames, channels)
        As captured, echo included.
    played : int16, shape (frames,)
        What the player gave its device at the same frames: cuts, fades and silence included.
    frame : int
        Number of the first frame, counted as in `AudioChunk.frame`.
    time : float
        When that frame was captured, in seconds of time.monotonic().
    recorded : bool
        False for frames outside of record() and pause().
    """

    captured: Samples
    played: Samples
    frame: int
    time: float
    recorded: bool


class LateBlocks:
    """Blocks that wait until it is known for sure what was played meanwhile.

    Parameters
    ----------
    on_both : callable
        Gets the blocks, in their order.
    reference : PlayedReference or None
        Knows what was played; None where each block knows.
    """

    def __init__(self, on_both: Callable[[BothSides], object], reference: PlayedReference | None) -> None:
        self.on_both = on_both
        self._reference = reference
        # Block, capture position and rate of its device, and the reference's generation
        self._waiting: deque[tuple[BothSides, float, int, int]] = deque()
        if reference is not None:
            reference.keep()

    def put(
        self,
        rows: Samples,
        channels: int,
        frame: int,
        time: float,
        recorded: bool,
        position: float,
        device_rate: int,
    ) -> None:
        """Take the next rows of the echo stage: *channels* that were captured, then what was played.

        *position* is the capture position of the first row, at the present device, whose rate is *device_rate*.
        """
        if not len(rows):
            return
        captured = rows[:, 0] if channels == 1 else rows[:, :channels]
        played = np.ascontiguousarray(rows[:, channels])
        block = BothSides(np.ascontiguousarray(captured), played, frame, time, recorded)
        generation = 0 if self._reference is None else self._reference.generation
        self._waiting.append((block, position, device_rate, generation))

    def take(self, captured: float) -> BothSides | None:
        """Return the next block that was captured HOLD_SECONDS before a capture position; None if there is none."""
        if not self._waiting:
            return None
        block, position, device_rate, generation = self._waiting[0]
        reference = self._reference
        same = reference is not None and reference.generation == generation
        if same and captured - position < HOLD_SECONDS * device_rate:
            return None
        self._waiting.popleft()
        played = reference.read_late(position, len(block.played)) if same and reference is not None else None
        return block if played is None else dataclasses.replace(block, played=played)
