"""PlayPosition: where the playback of one connection is: what was heard, where it was cut, and what is played again.

With most devices, what the callback got counts as heard. A device that takes sound ahead of its clock (see Ahead in
_stream.py) says how much of it was.

Thread: the player's control threads, under its lock; rewinding on supervisor threads, and settling on any, which take it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from wavtools._settlement import Settlement, UnsettledOffset
from wavtools._states import PlaybackState
from wavtools._tracks import Stretch, TrackOffset, Tracks

if TYPE_CHECKING:
    from wavtools._stream import Ahead

__all__ = ["PlayPosition"]


class PlayPosition:
    """The position in the queue of one connection, in frames since it began.

    Parameters
    ----------
    state : PlaybackState
    sample_rate : int
        Hz, of the session.
    lock : threading.RLock
        The player's.

    Attributes
    ----------
    tracks : Tracks
    ahead : Ahead or None
        The present device, if it takes sound ahead of its clock.
    silent_until : int
        Queue position before which nothing is shown in the spectrum or played again: it was cut away.
    replayed, dropped : int
        Frames that were played again; frames that interrupts dropped.
    """

    def __init__(self, state: PlaybackState, sample_rate: int, lock: threading.RLock) -> None:
        self._state = state
        self._sample_rate = sample_rate
        self._lock = lock
        self.tracks = Tracks()
        self.ahead: Ahead | None = None
        self.silent_until = 0
        self.replayed = 0
        self.dropped = 0
        # Queue position where the present device began: what lies before it was on other devices.
        self._device_from = 0
        self._gain = 1.0

    @property
    def heard(self) -> int:
        """The queue position up to which was heard, or dropped."""
        return self._state.consumed if self.ahead is None else self.ahead.heard(self._state)

    def silence(self, device_rate: int) -> int:
        """Frames of silence since the last one of audio, at the session rate."""
        if self.ahead is not None:
            return self.ahead.silence()
        return self._state.silence * self._sample_rate // device_rate

    @property
    def dry(self) -> bool:
        """True if the last sound was played to its end, and silence since."""
        return (self._state.silence if self.ahead is None else self.ahead.silence()) > 0

    def take_ahead(self, ahead: Ahead | None) -> None:
        """The next device takes sound ahead of its clock, or (None) no more."""
        with self._lock:
            self.ahead = ahead
            self.set_gain(self._gain)

    def set_gain(self, gain: float) -> None:
        """Set the volume, 0 to 1."""
        self._gain = gain
        # Where sound is sent ahead, a gain that was applied here would be heard late.
        self._state.set_gain(gain if self.ahead is None else 1.0)
        if self.ahead is not None:
            self.ahead.set_gain(gain)

    def interrupt(self, fade_frames: int, latency: float) -> TrackOffset | None:
        """Drop everything that waits; *latency* in seconds is for the receipt."""
        if self.ahead is not None:
            return self._interrupt_ahead(self.ahead, fade_frames, latency)
        cut, end = self._state.interrupt(fade_frames)
        self.dropped += end - cut
        self.silent_until = end
        return self.receipt(self.tracks.heard(cut), self.tracks.interrupt(cut), latency)

    def _interrupt_ahead(self, ahead: Ahead, fade_frames: int, latency: float) -> TrackOffset | None:
        settlement, before = Settlement(), self.tracks.copy()
        known: list[TrackOffset | None] = []
        early: list[int] = []

        def settle(after: int) -> None:
            with self._lock:
                if not known:
                    # This very thread, in the call below: nothing was on its way.
                    early.append(after)
                    return
                exact = self._moved(before, cut, end, after, known[0])
            if exact is not None:
                settlement.settle(exact)

        cut, end = ahead.interrupt(self._state, fade_frames, settle)
        self.dropped += end - cut
        self.silent_until = end
        receipt = self.receipt(self.tracks.heard(cut), self.tracks.interrupt(cut), latency)
        known.append(receipt)
        return receipt if receipt is None or early else UnsettledOffset.of(receipt, settlement)

    def _moved(
        self, before: tuple[Stretch, ...], cut: int, end: int, after: int, receipt: TrackOffset | None
    ) -> TrackOffset | None:
        """The receipt of a cut that was *after* frames later than said; tracks and counters are corrected."""
        if after == 0 or receipt is None:
            return receipt
        heard, dropped = self.tracks.move_cut(before, cut + after, end)
        self.dropped -= after
        return self.receipt(heard, dropped, receipt.latency)

    def now(self, latency: float) -> TrackOffset | None:
        """The receipt that interrupt() would return now; nothing is stopped."""
        heard = self.heard
        self.tracks.forget(heard)
        return self.receipt(self.tracks.heard(heard), {}, latency)

    def receipt(
        self, heard: tuple[str, int, int] | None, dropped: dict[str, int], latency: float
    ) -> TrackOffset | None:
        """A receipt of what Tracks.heard() says."""
        if heard is None:
            return None
        track_id, offset, queued = heard
        return TrackOffset(
            track_id=track_id,
            offset=offset,
            current_time=offset / self._sample_rate,
            queued=queued,
            latency=latency,
            dropped=dropped,
        )

    def rewind(self, lost_seconds: float, device_rate: int) -> None:
        """Step back over what the device before, of that rate in Hz, held and did not play. No callback may be running.

        Supervisor thread after a loss; the control thread in a move.
        """
        with self._lock:
            silent = self._state.silence * self._sample_rate // device_rate
            self._step_back(int(lost_seconds * self._sample_rate) - silent)
            self._device_from = self._state.consumed

    def replay(self, take: Callable[[], int]) -> None:
        """Step back over as many frames as *take* says: a device held them and will not play them.

        No callback may be running. Any thread.
        """
        with self._lock:
            self._step_back(take())

    def _step_back(self, frames: int) -> None:
        held = min(frames, self._state.consumed - max(self.silent_until, self._device_from))
        if held > 0:
            self.replayed += self._state.rewind(held)
