"""PlayedTap: what a player's devices were given, for the recorder whose reference the player is.

Each device has a ring of its own, because rates differ. A ring exists from the recorder's begin() to its end().

Thread: fit() and rerouted() on the player's control and supervisor threads, the rest on the recorder's.
"""

from __future__ import annotations

import dataclasses

from wavtools._states import PlaybackState, PlayedRing, Seat

__all__ = ["PlayedSource", "PlayedTap"]

# Longer than the recorder's ring of captured frames. The same thread empties both, so playback, which is ahead, never fills
# this one first: of a full one frames would be missing, and all that follow would lie too early.
RING_SECONDS = 12


@dataclasses.dataclass(frozen=True)
class PlayedSource:
    """One device of a player, and the ring of what it was given.

    ``seat`` identifies a device that also captures.
    """

    ring: PlayedRing
    seat: Seat


class PlayedTap:
    """The present ring of a player.

    Attributes
    ----------
    source : PlayedSource or None
        None until the player is connected.
    reroutes : int
        How often the system moved the stream to another output.
    closed : bool
        True once the recorder needs it no more.
    """

    def __init__(self) -> None:
        self.source: PlayedSource | None = None
        self.reroutes = 0
        self.closed = False
        self._state: PlaybackState | None = None

    def fit(self, state: PlaybackState, seat: Seat, sample_rate: int) -> None:
        """Begin a ring for a device of that rate, in Hz, and let its callback write there."""
        if self.closed:
            return
        ring = PlayedRing(RING_SECONDS * sample_rate, sample_rate)
        self._state = state
        state.set_tap(ring)
        self.source = PlayedSource(ring, seat)

    def rerouted(self) -> None:
        """Note that the system moved the stream: the way from the speaker to the microphone is another one."""
        self.reroutes += 1

    def close(self) -> None:
        """Let the callback write nowhere."""
        self.closed = True
        if self._state is not None:
            self._state.set_tap(None)
