"""Tracks: records which frames of the playback queue belong to which track, and so what was heard of each.

Works on queue positions only (frames since the player connected): no device, no clock, no lock.

Thread: the player's control threads, under its lock.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, deque

__all__ = ["Stretch", "TrackOffset", "Tracks"]

# The play position may step back that far when a device is lost.
REWIND_FRAMES = 32_768
# Ids whose offset or interruption is remembered; an hour of talk has a few hundred.
REMEMBERED_TRACKS = 4096


@dataclasses.dataclass(frozen=True)
class TrackOffset:
    """What was played of the audible track.

    Attributes
    ----------
    track_id : str
    offset : int
        Frames of the track, at the session rate, that were handed to the device: exact, without silence. A frame is one
        sample of each channel; in mono, a sample.
    current_time : float
        The same in seconds.
    queued : int
        Frames of the track that wait or were dropped.
    latency : float
        Seconds of audio that the device may still hold. Reported, not subtracted.
    dropped : dict
        Frames that an interrupt dropped, by track id.
    """

    track_id: str
    offset: int
    current_time: float
    queued: int
    latency: float
    dropped: dict[str, int]

    @property
    def settled(self) -> bool:
        """True once the receipt is exact: at once, except of a RemoteDevice.

        There ``offset``, ``current_time``, ``queued`` and ``dropped`` are an estimate until the peer has said where it
        stopped; wait_until_settled() returns the exact receipt.
        """
        return True

    def wait_until_settled(self, timeout: float | None = None) -> TrackOffset:
        """Wait for the exact receipt and return it; this one if *timeout* seconds passed first. Thread: any, blocks."""
        return self

    async def wait_until_settled_async(self, timeout: float | None = None) -> TrackOffset:
        """wait_until_settled() on an event loop. Cancel-safe."""
        return self


@dataclasses.dataclass
class Stretch:
    """Frames [start, end) of the queue, all of one track; `before` counts those of the track queued earlier."""

    track_id: str
    start: int
    end: int
    before: int


class Tracks:
    """The stretches that wait, and those heard so recently that the play position may step back to them."""

    def __init__(self) -> None:
        self._stretches: deque[Stretch] = deque()
        # Frames queued and not dropped, by track.
        self._totals: OrderedDict[str, int] = OrderedDict()
        self._interrupted: OrderedDict[str, None] = OrderedDict()
        # Named by heard() while there is no stretch: the track that was queued first, and dropped before it was heard.
        self._unheard: str | None = None
        # True in the middle of a change. A signal handler that interrupts then leaves its cut for that change's end.
        self._changing = False
        self._late_cuts: list[int] = []

    def begin_change(self, track_id: str | None = None) -> bool:
        """Begin a change, such as queueing frames for *track_id*; end_change() ends it.

        False, and nothing begins, if later audio of the track is ignored.
        """
        if track_id in self._interrupted:
            return False
        self._changing = True
        return True

    def end_change(self) -> bool:
        """End a change; True if a signal handler interrupted in its middle."""
        self._changing = False
        interrupted = bool(self._late_cuts)
        while self._late_cuts:
            first = min(self._late_cuts)
            self._late_cuts.clear()
            self.interrupt(first)
        return interrupted

    def is_interrupted(self, track_id: str) -> bool:
        """True if later audio of the track is ignored."""
        return track_id in self._interrupted

    def last_queued(self) -> str | None:
        """The track of the newest frames."""
        return self._stretches[-1].track_id if self._stretches else None

    def queue(self, track_id: str, start: int, count: int) -> None:
        """Note that frames [start, start + count) were queued for *track_id*."""
        if count == 0:
            return
        if not self._stretches:
            self._unheard = track_id
        before = self._totals.pop(track_id, 0)
        self._totals[track_id] = before + count
        while len(self._totals) > REMEMBERED_TRACKS:
            self._totals.popitem(last=False)
        last = self._stretches[-1] if self._stretches else None
        if last is not None and last.track_id == track_id and last.end == start:
            last.end += count
        else:
            self._stretches.append(Stretch(track_id, start, start + count, before))

    def heard(self, position: int) -> tuple[str, int, int] | None:
        """(track, its frames handed over, its frames waiting) with the device at queue *position*.

        It changes nothing, so a signal handler may call it in the middle of another call.
        """
        # Copied in one step, which no signal handler can divide.
        stretches = tuple(self._stretches)
        if not stretches:
            return None if self._unheard is None else (self._unheard, 0, 0)
        # Before the first frame: the first one queued.
        audible = stretches[0]
        for stretch in stretches:
            if stretch.start >= position:
                break
            audible = stretch
        offset = audible.before + max(0, min(position, audible.end) - audible.start)
        waiting = sum(
            s.end - max(s.start, position)
            for s in stretches
            if s.track_id == audible.track_id and s.end > position
        )
        return audible.track_id, offset, waiting

    def after(self, cut: int) -> dict[str, int]:
        """The number of frames by track from queue position *cut* on. Changes nothing, as heard()."""
        counts: dict[str, int] = {}
        for stretch in tuple(self._stretches):
            count = stretch.end - max(stretch.start, cut)
            if count > 0:
                counts[stretch.track_id] = counts.get(stretch.track_id, 0) + count
        return counts

    def interrupt(self, cut: int) -> dict[str, int]:
        """Drop everything from queue position *cut* on, and interrupt the audible track and all dropped ones.

        Returns the number of dropped frames by track. A signal handler may call it in the middle of another call.
        """
        if self._changing:
            self._late_cuts.append(cut)
            return self.after(cut)
        self.forget(cut)
        self.begin_change()
        dropped = self._drop(cut)
        self.end_change()
        return dropped

    def _drop(self, cut: int) -> dict[str, int]:
        audible = self.heard(cut)
        dropped = self.after(cut)
        kept: deque[Stretch] = deque()
        for stretch in self._stretches:
            lost = stretch.end - max(stretch.start, cut)
            if lost > 0:
                self._totals[stretch.track_id] -= lost
                stretch.end -= lost
            if stretch.end > stretch.start:
                kept.append(stretch)
        self._stretches = kept
        for track_id in [*([audible[0]] if audible else []), *dropped]:
            self._interrupted.pop(track_id, None)
            self._interrupted[track_id] = None
        while len(self._interrupted) > REMEMBERED_TRACKS:
            self._interrupted.popitem(last=False)
        return dropped

    def copy(self) -> tuple[Stretch, ...]:
        """The stretches as they are now, for move_cut()."""
        return tuple(dataclasses.replace(stretch) for stretch in tuple(self._stretches))

    def move_cut(
        self, before: tuple[Stretch, ...], cut: int, end: int
    ) -> tuple[tuple[str, int, int] | None, dict[str, int]]:
        """An interrupt that dropped [.., end) has cut at queue position *cut*: correct what it left.

        Parameters
        ----------
        before : tuple of Stretch
            From copy(), before that interrupt.
        cut, end : int
            Queue positions: the true cut, and the end of what was dropped.

        Returns
        -------
        tuple
            What heard() and after() would have said at that cut.
        """
        was = Tracks()
        was._stretches.extend(before)
        if before:
            was._unheard = before[0].track_id
        said = was.heard(cut), was.after(cut)
        kept = [dataclasses.replace(s, end=min(s.end, cut)) for s in before if s.start < cut]
        later = [stretch for stretch in self._stretches if stretch.start >= end]
        self._stretches = deque([*kept, *later])
        return said

    def forget(self, position: int) -> None:
        """Drop stretches that lie so far back that no device can still hold them."""
        if self._changing:
            return
        while len(self._stretches) > 1 and self._stretches[1].start + REWIND_FRAMES < position:
            self._stretches.popleft()
