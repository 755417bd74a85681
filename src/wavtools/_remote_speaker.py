"""RemoteSpeaker: how far a distant loudspeaker is, how much may be sent to it, and where its cuts were.

Pure state: frames go out through a function, and the time is a parameter. Positions count frames of sound since the stream
was opened; `docs/remote-protocol.md` says what they mean.

Thread: any, under the lock of its RemoteDevice.
"""

from __future__ import annotations

import dataclasses
import functools
import statistics
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wavtools import _remote_frames as wire
from wavtools._remote_frames import Frame, Malformed

__all__ = ["RemoteSpeaker", "RoundTrips"]

PERIODS_PER_SECOND = 100
# A report that is older tells of a clock that stands still.
MAX_AGE_SECONDS = 0.25
# Round trips, and reports, that are remembered.
RECENT = 16
# Taken before the first round trip is known.
UNKNOWN_ROUND_TRIP = 0.05
MAX_CUTS = 64


class RoundTrips:
    """The newest round trips of one peer."""

    def __init__(self) -> None:
        self._sent: dict[int, float] = {}
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._number = 0

    def ping(self, now: float) -> bytes:
        """A PING to send at *now*, seconds."""
        self._number = (self._number + 1) % 2**32
        self._sent[self._number] = now
        while len(self._sent) > RECENT:
            del self._sent[next(iter(self._sent))]
        return wire.encode(wire.PING, aux=self._number, position=now)

    def pong(self, frame: Frame, now: float) -> None:
        """The answer; raises Malformed for one that answers nothing."""
        sent = self._sent.pop(frame.aux, None)
        if sent is None:
            raise Malformed("a PONG without a PING")
        self._recent.append(max(0.0, now - sent))

    @property
    def worst(self) -> float | None:
        """Seconds, the largest quarter left out, which hiccups made. None before the first."""
        return self._ordered[-1] if self._recent else None

    @property
    def usual(self) -> float:
        """The median in seconds; 0 before the first."""
        return statistics.median(self._recent) if self._recent else 0.0

    @property
    def spread(self) -> float:
        """Seconds between the best and the worst."""
        return self._ordered[-1] - self._ordered[0] if self._recent else 0.0

    @property
    def _ordered(self) -> list[float]:
        count = len(self._recent)
        return sorted(self._recent)[: count - count // 4]


@dataclasses.dataclass
class _Cut:
    number: int
    stop: int
    resume: int
    # Gets how many frames after `stop` the peer has stopped.
    settle: Callable[[int], object]


class RemoteSpeaker:
    """One opening of the loudspeaker.

    Parameters
    ----------
    stream : int
        Its number.
    sample_rate : int
        Hz, of the sound that is sent.
    window : int
        Frames that the peer may hold.
    margin : float
        Seconds added to where a cut is asked for.

    Attributes
    ----------
    handed, settled : int
        Position after the last frame sent, and the next one to be played, as last reported.
    starved : int
        How often the peer ran dry.
    latency : float
        Seconds from the peer's counting to the ear.
    open, suspended : bool
        What the peer says: sound may be sent, and its clock stands still.
    cuts, late_cuts : int
        Cuts that were answered, and those of them that came too late for their position.
    """

    def __init__(self, stream: int, sample_rate: int, window: int, margin: float) -> None:
        self.stream = stream
        self.sample_rate = sample_rate
        self.window = window
        self.handed = self.settled = 0
        self.starved = 0
        self.latency = 0.0
        self.open = self.suspended = False
        self.cuts = self.late_cuts = 0
        self._margin = margin
        self._pending: deque[_Cut] = deque()
        self._number = 0
        # Where sound went on after the last cut; what was heard, as last said.
        self._base = self._heard = 0
        # For each recent report, the time at which its peer would have played frame 0; empty while the peer is dry.
        self._lines: deque[float] = deque(maxlen=RECENT)
        self._reported_at = 0.0
        # When the sound was sent that the peer did not have, and from where on; since when there is silence.
        self._flight: tuple[float, int] | None = None
        self._dry_at: float | None = None

    # What may be sent

    @property
    def room(self) -> int:
        """Frames that may be sent now."""
        if not self.open:
            return 0
        return self.window - self._holding()

    def play(self, sound: NDArray[np.int16], now: float) -> bytes:
        """The PLAY of some frames (frames, channels)."""
        if self._holding() == 0:
            self._flight = now, self.handed
        frame = wire.encode(wire.PLAY, self.stream, 0, self.handed, sound.astype("<i2", copy=False).tobytes())
        self.handed += len(sound)
        self._dry_at = None
        return frame

    def _holding(self) -> int:
        """Frames that the peer will play: up to each cut, and after the last one."""
        count, position = 0, self.settled
        for cut in self._pending:
            count += max(0, cut.stop - position)
            position = max(position, cut.resume)
        return count + self.handed - position

    # Where the peer is

    def held(self, now: float, trips: RoundTrips) -> int:
        """Frames sent since the last cut that were not heard yet; what was heard never becomes less."""
        if self.handed == self._base:
            return 0
        self._heard = max(self._heard, self._at(now, trips.usual / 2, -trips.usual / 2))
        return self.handed - max(self._heard, self._base)

    def silence(self, now: float) -> int:
        """Frames of silence since the last sound; 0 while sound is played or on its way."""
        if self._dry_at is None:
            # Nothing was sent yet.
            return self.sample_rate if self.handed == 0 else 0
        return int((now - self._dry_at) * self.sample_rate)

    def _at(self, now: float, later: float, first: float) -> int:
        """The position of the peer, so many seconds after *now*; *first* counts if its sound was only just sent."""
        if not self.open or self.suspended:
            return self.settled
        if self._lines:
            moment = min(now, self._reported_at + MAX_AGE_SECONDS)
            elapsed = moment + later - min(self._lines)
        elif self._flight is not None:
            elapsed = min(now - self._flight[0], MAX_AGE_SECONDS) + first + self.settled / self.sample_rate
        else:
            return self.settled
        return self._walk(int(elapsed * self.sample_rate) - self.settled)

    def _walk(self, count: int) -> int:
        """The position after *count* more frames than were reported, past the cuts that are on their way."""
        position = self.settled
        for cut in self._pending:
            step = max(0, min(count, cut.stop - position))
            position, count = position + step, count - step
            if position < cut.stop:
                return position
            position = max(position, cut.resume)
        return min(position + max(0, count), self.handed)

    # What the peer says

    def report(self, frame: Frame, now: float) -> None:
        """A REPORT; raises Malformed."""
        position, latency = wire.read_position(frame), wire.read_latency(frame)
        limit = self._pending[0].resume if self._pending else self.handed
        if not self.settled <= position <= limit:
            raise Malformed(f"the position {position} is not between {self.settled} and {limit}")
        self.settled, self._reported_at, self.starved = position, now, frame.aux
        if latency is not None:
            self.latency = latency
        if not frame.flags & 1:
            if self._flight is not None and position > self._flight[1]:
                self._flight = None
            self._lines.append(now - position / self.sample_rate)
            return
        self._lines.clear()
        if self._holding() == 0:
            self._flight = None
            if self._dry_at is None and self.handed:
                self._dry_at = now
        elif self._flight is None:
            # It ran dry while more was on its way.
            self._flight = now, position

    def cut(
        self, fade: int, now: float, trips: RoundTrips, settle: Callable[[int], object]
    ) -> tuple[int, bytes | None]:
        """Stop as soon as the peer surely hears of it.

        Returns how many of the frames sent will not be played, and the CUT. There is none, and *settle* is called at once,
        if nothing was sent since the last one, or if too many are unanswered (`overdue`).
        """
        worst = UNKNOWN_ROUND_TRIP if trips.worst is None else trips.worst
        later = self._margin + trips.spread
        stop = max(self._at(now, worst + later, later), self._heard, self._base)
        not_played, nothing = self.handed - stop, self.handed == self._base
        self._base = self.handed
        if nothing or self.overdue:
            settle(0)
            return not_played, None
        self._number += 1
        self._pending.append(_Cut(self._number, stop, self.handed, settle))
        return not_played, wire.cut(self.stream, self._number, stop, self.handed, fade)

    @property
    def overdue(self) -> bool:
        """True if the peer owes so many answers that it gets no more cuts."""
        return len(self._pending) >= MAX_CUTS

    def cut_done(self, frame: Frame) -> Callable[[], object]:
        """A CUT_DONE; returns what to call without the lock. Raises Malformed."""
        position = wire.read_position(frame)
        if not self._pending or frame.aux != self._pending[0].number:
            raise Malformed("a CUT_DONE without a CUT")
        cut = self._pending[0]
        if not self.settled <= position <= cut.resume:
            raise Malformed(f"the cut {position} is not between {self.settled} and {cut.resume}")
        self._pending.popleft()
        self.settled = cut.resume
        # The line goes on where the sound does.
        self._lines.clear()
        self.cuts += 1
        self.late_cuts += position > cut.stop
        return lambda: cut.settle(position - cut.stop)

    # The end

    def lose(self) -> tuple[int, list[Callable[[], object]]]:
        """The peer has gone: (frames to play again, what to call without the lock).

        Its last report is the truth. A cut that it did not answer counts as carried out where it was asked for.
        """
        again = self.handed - max(self.settled, self._base)
        calls: list[Callable[[], object]] = [functools.partial(cut.settle, 0) for cut in self._pending]
        self._pending.clear()
        self.open, self._base = False, self.handed
        return again, calls
