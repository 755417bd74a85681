"""Tracks: which samples of the playback queue belong to which track, and so what was heard of each.

Pure bookkeeping on queue positions (int16 mono samples since the player connected); no device, no clock, no lock.

Thread: the player's control threads, under its lock.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, deque

__all__ = ["TrackOffset", "Tracks"]

REWIND_SAMPLES = 32_768  # the play position may step back that far when a device is lost
REMEMBERED_TRACKS = 4096  # ids whose offset or interruption is remembered; an hour of talk has a few hundred


@dataclasses.dataclass(frozen=True)
class TrackOffset:
    """What was played of the audible track.

    ``offset`` counts samples of ``track_id``, at the session rate, that were handed to the device: never one more or
    less, silence never included. ``current_time`` is the same in seconds. ``queued`` samples of it were dropped or
    still wait. ``latency`` is how many seconds the device may still hold back, reported and not subtracted.
    ``dropped`` has the samples that an interrupt dropped, by track.
    """

    track_id: str
    offset: int
    current_time: float
    queued: int
    latency: float
    dropped: dict[str, int]


@dataclasses.dataclass
class _Stretch:
    """Samples [start, end) of the queue, all of one track, of which `before` samples were queued earlier."""

    track_id: str
    start: int
    end: int
    before: int


class Tracks:
    """The stretches that still matter: those heard a moment ago, and all that wait."""

    def __init__(self) -> None:
        self._stretches: deque[_Stretch] = deque()
        self._totals: OrderedDict[str, int] = OrderedDict()  # samples queued and not dropped, by track
        self._interrupted: OrderedDict[str, None] = OrderedDict()
        self._unheard: str | None = None  # named for as long as no stretch is left to name

    def is_interrupted(self, track_id: str) -> bool:
        return track_id in self._interrupted

    def last_queued(self) -> str | None:
        return self._stretches[-1].track_id if self._stretches else None

    def queue(self, track_id: str, start: int, count: int) -> None:
        """Note that samples [start, start + count) were queued for *track_id*."""
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
            self._stretches.append(_Stretch(track_id, start, start + count, before))

    def heard(self, position: int) -> tuple[str, int, int] | None:
        """(track, its samples handed over, its samples waiting) with the device at queue *position*."""
        self._forget(position)
        if not self._stretches:
            return None if self._unheard is None else (self._unheard, 0, 0)
        audible = self._stretches[0]  # before the first sample: the first one queued
        for stretch in self._stretches:
            if stretch.start >= position:
                break
            audible = stretch
        offset = audible.before + max(0, min(position, audible.end) - audible.start)
        waiting = sum(
            s.end - max(s.start, position)
            for s in self._stretches
            if s.track_id == audible.track_id and s.end > position
        )
        return audible.track_id, offset, waiting

    def interrupt(self, cut: int) -> dict[str, int]:
        """Drop everything from queue position *cut* on; returns what that was, by track.

        The audible track and all dropped ones are interrupted from now on.
        """
        audible = self.heard(cut)
        dropped: dict[str, int] = {}
        kept: deque[_Stretch] = deque()
        for stretch in self._stretches:
            lost = stretch.end - max(stretch.start, cut)
            if lost > 0:
                dropped[stretch.track_id] = dropped.get(stretch.track_id, 0) + lost
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

    def _forget(self, position: int) -> None:
        """Let go of stretches so far back that a lost device cannot have held them."""
        while len(self._stretches) > 1 and self._stretches[1].start + REWIND_SAMPLES < position:
            self._stretches.popleft()
