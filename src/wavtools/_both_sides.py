"""BothSides: what the microphone captured and what was played at the same frames, for a recording of a whole conversation.

Thread: any; pure data.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

__all__ = ["BothSides"]

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
