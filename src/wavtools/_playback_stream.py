"""PlaybackStream: the player's side of its device, and what it counts.

Thread: fit() and leave() on control and supervisor threads, the counters under the player's lock.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from wavtools._states import PlaybackState, Seat

if TYPE_CHECKING:
    from wavtools._device import Kind

__all__ = ["PlaybackStream"]


class PlaybackStream:
    """What a device plays: the state of one connection.

    It holds only a weak reference to the player, so that a player that is dropped closes its device.

    Parameters
    ----------
    state : PlaybackState
    session_rate : int
        Hz
    rewind : weakref.WeakMethod
        Called with the seconds that a device held when it was lost.

    Attributes
    ----------
    process : int
        The process that connected.
    underruns, replayed, dropped : int
        Tracks that ran dry; samples that were played again; samples that interrupts dropped.
    """

    kind: Kind = "playback"
    channels: int | None = None
    room = 0

    def __init__(
        self, state: PlaybackState, session_rate: int, rewind: weakref.WeakMethod[Callable[[float], None]]
    ) -> None:
        self._state = state
        self._session_rate = session_rate
        self._rewind = rewind
        self.process = os.getpid()
        self.underruns = 0
        self.replayed = 0
        self.dropped = 0

    @property
    def last_callback_ns(self) -> int:
        """Time of the last callback by now_ns(); 0 before the first."""
        return self._state.last_callback_ns

    def fit(
        self, seat: Seat, sample_rate: int, channels: int, lost_seconds: float | None, duplex: bool
    ) -> None:
        """Put the state into the seat of a device of that rate."""
        rewind = self._rewind()
        if lost_seconds is not None and rewind is not None:
            rewind(lost_seconds)
        self._state.set_rates(self._session_rate, sample_rate)
        seat.take_playback(self._state)

    def leave(self, seat: Seat) -> None:
        """Take the state out of the seat."""
        seat.take_playback(None)

    def wake(self) -> None:
        """Do nothing: playback has no thread to wake."""
