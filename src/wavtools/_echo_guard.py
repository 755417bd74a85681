"""EchoGuard: silences the clean signal while the canceller is known not to fit the echo.

Played and captured sound may move against each other, and the stage is told when they do. Until the canceller fits again,
it would let the echo through at full level, and a voice session would take that for the user. Silence is safer: for at
most half a second nobody can interrupt, and nobody is cut by the machine's own voice.

* *Moved*: another device, or the system moved the stream. The echo of the old path is still on its way for HOLD_SECONDS: the
  canceller is not run meanwhile, and begins anew when it has passed.
* *Slipped*: the speaker ran dry, frames were lost, or a callback was late. The canceller goes on.

After both, the output is silent while something is played, until it is OPEN_DB below the microphone for OPEN_SECONDS, or
for GUARD_SECONDS of sound. While nothing is played there is no echo: the user is heard, and the guard waits.

Thread: the recorder's delivery thread.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["EchoGuard"]

HOLD_SECONDS = 0.3
# The reverberation of what was played still counts as playing.
TAIL_SECONDS = 0.3
GUARD_SECONDS = 0.5
# The canceller works again when it takes away as much, for that long.
OPEN_DB = 15.0
OPEN_SECONDS = 0.05
# Below this mean square of int16 samples (-60 dBFS) a frame holds no echo that could be measured.
AUDIBLE_POWER = 33.0**2

Samples = NDArray[np.int16]


class EchoGuard:
    """The guard of one echo stage; all counts are in rows of the stage.

    Parameters
    ----------
    sample_rate : int
        Hz
    frame : int
        Rows of the canceller's frame.
    """

    def __init__(self, sample_rate: int, frame: int) -> None:
        self._frame = frame
        self._hold_rows = -(-int(HOLD_SECONDS * sample_rate) // frame) * frame
        self._tail_rows = int(TAIL_SECONDS * sample_rate)
        self._guard_rows = int(GUARD_SECONDS * sample_rate)
        self._open_rows = int(OPEN_SECONDS * sample_rate)
        self._slips = 0
        # Rows since something was played.
        self._quiet = self._tail_rows
        # Rows that the hold still lasts; rows of sound that the guard lasts at most, and for which the echo was low.
        self._held = self._left = self._low = 0

    def moved(self) -> bool:
        """The path of the echo is another one. True if the canceller shall begin anew at once, without a hold."""
        self._close()
        self._held = self._hold_rows if self._quiet < self._tail_rows else 0
        return not self._held

    def note_slips(self, slips: int) -> None:
        """Note how often played and captured sound have moved against each other, in all."""
        if slips != self._slips:
            self._slips = slips
            self._close()

    def take_held(self, count: int) -> int:
        """How many of the next *count* rows belong to the hold; they count as taken."""
        held = min(self._held, count)
        self._held -= held
        return held

    @property
    def holds(self) -> bool:
        """True while the canceller shall not run."""
        return self._held > 0

    def note_played(self, played: Samples) -> None:
        """Note what is played at the next rows."""
        self._quiet = 0 if played.any() else self._quiet + len(played)

    def pass_on(self, near: Samples, clean: Samples) -> Samples:
        """*clean*, silent where the guard is on and something is played. *near* is the microphone at the same rows; whole
        frames.
        """
        if not self._left:
            return clean
        if self._quiet >= self._tail_rows:
            # No echo is on its way. Who speaks now is the user, who may have to speak first.
            return clean
        guarded: Samples = clean.copy()
        for start in range(0, len(clean), self._frame):
            if not self._left:
                break
            one = slice(start, start + self._frame)
            self._judge(near[one], clean[one])
            guarded[one] = 0
        return guarded

    def _close(self) -> None:
        self._left, self._low = self._guard_rows, 0

    def _judge(self, near: Samples, clean: Samples) -> None:
        """Look at one frame. One that is silent already, as in a hold, tells nothing."""
        if not clean.any():
            return
        before, after = _power(near), _power(clean)
        if before > AUDIBLE_POWER:
            low = after * 10 ** (OPEN_DB / 10) <= before
            self._low = self._low + len(clean) if low else 0
        self._left = 0 if self._low >= self._open_rows else max(0, self._left - len(clean))


def _power(samples: Samples) -> float:
    """The mean square."""
    floats = samples.astype(np.float32)
    return float(floats @ floats) / max(1, len(floats))
