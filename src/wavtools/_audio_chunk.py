"""AudioChunk: one chunk of recorded audio, as callbacks and iterations get it.

Thread: any; pure data.
"""

from __future__ import annotations

import dataclasses
import functools
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

__all__ = ["AudioChunk"]

Samples = NDArray[np.int16]


@functools.cache
def _levels() -> ModuleType:
    """wavtools.levels, imported when the first level is asked for: a cached call is faster than an import statement."""
    from wavtools import levels

    return levels


@dataclasses.dataclass(frozen=True)
class AudioChunk:
    """One chunk of recorded audio, int16 at the session rate.

    Attributes
    ----------
    mono : int16, shape (frames,)
        The arithmetic mean of the channels; with an echo canceller, without the echo of what was played.
    raw : int16, shape (frames,) or (frames, channels)
        The channels of the session's first device. After a move to a device with another number of channels, each of
        them is the mean of the new device's.
    frame : int
        Number of the first frame, counted at the session rate since begin(), pauses included. What no device captured
        is not counted: after a lost device ``frame`` goes on, and ``time`` jumps.
    time : float
        When that frame was captured, in seconds of time.monotonic(); finer than that clock where it is coarse (Windows
        before Python 3.13).
    played : int16, shape (frames,), or None
        What the player played at the same frames, silence included; None unless the recorder has a ``reference``, or
        shares a duplex device with the player.
    level_db, peak_db : float
        dBFS of ``raw``, computed when read: 0 is the level of a full-scale square wave and the peak of -32768; silence is
        -inf. See `wavtools.levels`.
    """

    mono: Samples
    raw: Samples
    frame: int = 0
    time: float = 0.0
    played: Samples | None = None

    @property
    def stereo(self) -> Samples:
        """Both sides of a call, in step: ``mono`` left, ``played`` right (silence where that is None).

        int16 of shape (frames, 2), made when read.
        """
        both = np.zeros((len(self.mono), 2), np.int16)
        both[:, 0] = self.mono
        if self.played is not None:
            both[:, 1] = self.played
        return both

    @property
    def level_db(self) -> float:
        """20 log10 of the root of the mean square of ``raw``, dBFS."""
        level: float = _levels().rms_db(self.raw)
        return level

    @property
    def peak_db(self) -> float:
        """The greatest magnitude of ``raw``, dBFS."""
        peak: float = _levels().peak_db(self.raw)
        return peak
