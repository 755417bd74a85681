"""PlayedReference: what was played, laid on the clock of the microphone.

Two devices have two clocks. One anchor for each opening of a device says which played frame belongs to which captured
frame; from then on both are counted, because the times of single callbacks jitter. The times are followed slowly:

* The drift of one clock against the other becomes a ratio, and the played frames are interpolated.
* A change of more than 1 ms that stays is a new anchor. It is a true one: measured at a PulseAudio server without enough
  processor time, the echo of a monitor moved by what the stamps told, within 0.1 ms.
* A played frame that is still missing HOLD_SECONDS after its time means that the speaker ran dry: silence takes its place,
  and the anchor moves by as much.

A period belongs to the time when its device asked for it. It is heard later, so the echo comes after the frame that causes
it, and it is in the ring when it is needed, unless a callback is late.

Thread: the recorder's delivery thread.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wavtools._late_offset import LateOffset
from wavtools.resample import Resampler

if TYPE_CHECKING:
    from wavtools._played_tap import PlayedSource, PlayedTap
    from wavtools._states import CaptureState, PlayedRing, Seat

__all__ = ["ClockOffset", "PlayedReference"]

HOLD_SECONDS = 0.03
# Stamps that agree within AGREE_SECONDS for that long tell the truth, also after a jump.
STEADY_SECONDS = 0.2
STEADY_STAMPS = 6
AGREE_SECONDS = 0.0006
# An anchor is final after that long, even if the stamps do not agree.
SETTLE_SECONDS = 1.0
# Where stamps jitter, the offset is judged by medians over that long.
MEDIAN_SECONDS = 0.5
# A median that is farther away is a jump, if the next one is too.
JUMP_SECONDS = 0.001
# Medians for an estimate of the drift, and the least drift that is followed.
DRIFT_MEDIANS = 16
LEAST_DRIFT = 1.5e-5
# After a break that long, the times of the callbacks tell a new anchor.
LONG_BREAK_SECONDS = 0.3
# Samples on each side of an interpolated one.
HALF_TAPS = 16

Samples = NDArray[np.int16]


class ClockOffset:
    """Time of the first captured frame less that of the first played one, from the stamps of both devices.

    Attributes
    ----------
    anchor : float or None
        Seconds; None until the first observation.
    drift : float
        Seconds by which the offset grows each second, as far as it is followed.
    settled : bool
        True once the anchor is final.
    jumps : int
        How often the anchor was replaced after it was settled.
    """

    def __init__(self) -> None:
        self.jumps = 0
        self.begin()

    def begin(self) -> None:
        """Forget all observations: a device was opened, or runs again after a break."""
        self.anchor: float | None = None
        self.drift = 0.0
        self.settled = False
        self._since = math.inf
        # (time, offset) of the newest stamps, and the offsets since the last median.
        self._recent: deque[tuple[float, float]] = deque()
        self._observed: list[float] = []
        # (time, median less what the anchor says)
        self._medians: deque[tuple[float, float]] = deque(maxlen=DRIFT_MEDIANS)

    def at(self, now: float) -> float:
        """The offset in seconds that counts at *now* (seconds by any clock); after the first observation."""
        assert self.anchor is not None
        return self.anchor + self.drift * (now - self._origin)

    def move(self, seconds: float) -> None:
        """Add *seconds* to the offset: the speaker ran dry."""
        assert self.anchor is not None
        self.anchor += seconds

    def settle_again(self) -> None:
        """Look for a final anchor again; the present one and the drift count until then."""
        self.settled, self._since = False, math.inf
        self._recent.clear()
        self._observed.clear()
        self._medians.clear()

    def observe(self, now: float, offset: float) -> None:
        """Take the offset, in seconds, that the newest stamps tell at *now*."""
        if self.anchor is None:
            self.anchor, self._origin = offset, now
        self._since = min(self._since, now)
        self._recent.append((now, offset))
        while now - self._recent[0][0] > STEADY_SECONDS:
            self._recent.popleft()
        offsets = [one for _, one in self._recent]
        steady = (
            len(offsets) >= STEADY_STAMPS
            and now - self._recent[0][0] >= STEADY_SECONDS * 0.75
            and max(offsets) - min(offsets) <= AGREE_SECONDS
        )
        usual = statistics.median(offsets)
        if not self.settled:
            self.anchor, self._origin = usual, now
            self.settled = steady or now - self._since >= SETTLE_SECONDS
        elif steady and abs(usual - self.at(now)) > JUMP_SECONDS:
            self._jump(now, usual)
        else:
            self._observed.append(offset)
        if self.settled and now - self._since >= MEDIAN_SECONDS and self._observed:
            self._medians.append((now, statistics.median(self._observed) - self.at(now)))
            self._observed, self._since = [], now
            self._follow(now)

    def _jump(self, now: float, offset: float) -> None:
        moved = offset - self.at(now)
        medians = [(time, error - moved) for time, error in self._medians]
        self._medians.clear()
        if abs(moved) < 1.5 * JUMP_SECONDS:
            # As the drift of two clocks reaches it: what tells the drift is kept.
            self._medians.extend(medians)
        self.anchor, self._origin, self._since = offset, now, now
        self.jumps += 1
        self._observed.clear()

    def _follow(self, now: float) -> None:
        """A new anchor after a jump among stamps that jitter, or another ratio once the drift is known."""
        *earlier, before, last = [0.0, *(error for _, error in self._medians)]
        usual = statistics.median(earlier[-4:]) if earlier else before
        if (
            min(before - usual, last - usual) > JUMP_SECONDS
            or max(before - usual, last - usual) < -JUMP_SECONDS
        ):
            self._jump(now, self.at(now) + last)
            return
        if len(self._medians) < DRIFT_MEDIANS:
            return
        times, errors = (np.array(values) for values in zip(*self._medians, strict=True))
        slope, error = np.polyfit(times - now, errors, 1)
        self._medians.clear()
        if abs(slope) >= LEAST_DRIFT:
            # The present value stays: a step would be a change of the room. The error is made up for within a minute.
            self.anchor, self._origin = self.at(now), now
            self.drift += float(slope) + float(error) / 60


class PlayedReference:
    """Played frames for captured ones, at the session rate.

    Parameters
    ----------
    tap : PlayedTap
        Of the player.
    session_rate : int
        Hz

    Attributes
    ----------
    slips : int
        How often the alignment moved: the speaker ran dry, frames were lost, or the clocks jumped.
    generation : int
        Grows whenever the numbers of captured or played frames begin anew.
    """

    def __init__(self, tap: PlayedTap, session_rate: int) -> None:
        self.generation = 0
        # For read_late()
        self._late: LateOffset | None = None
        self._tap = tap
        self._rate = session_rate
        self.slips = 0
        self._offset = ClockOffset()
        self._source: PlayedSource | None = None
        self._reroutes = 0
        # Frames of silence that took the place of missing ones, since the last that was there.
        self._dry = 0
        self._take_ring(None)

    def close(self) -> None:
        """Let the player forget the recorder. Any thread."""
        self._tap.close()

    def begin(self, state: CaptureState, device_rate: int, seat: Seat) -> None:
        """Go on with another microphone, whose ring *state* is; capture positions begin at 0 again."""
        self._state, self._device_rate, self._clocked = state, device_rate, seat.clocked
        self.restart()

    def changed(self) -> bool:
        """True once after the speaker was replaced or moved: the room is another one."""
        tap = self._tap
        if tap.source is self._source and tap.reroutes == self._reroutes:
            return False
        first = self._source is None
        if tap.source is not self._source:
            self._source = tap.source
            self._take_ring(None if tap.source is None else tap.source.ring)
        self._reroutes = tap.reroutes
        self.restart()
        return not first

    def is_of(self, seat: Seat) -> bool:
        """True if the speaker is the other half of the duplex device with this seat."""
        return self._source is not None and self._source.seat is seat

    def read(self, position: float, count: int, at_once: bool) -> Samples | None:
        """What was played while *count* session frames were captured, from capture position *position* on.

        None if that is not known yet, and may be soon; with *at_once*, silence instead.
        """
        ring = self._ring
        if ring is None:
            return np.zeros(count, np.int16)
        self._pull(ring)
        start = self._played_position(ring, position)
        if start is None:
            return np.zeros(count, np.int16)
        index = math.floor(start)
        fraction = start - index
        missing = index + count + (HALF_TAPS if self._interpolates(fraction) else 0) - self._end
        if missing > 0 and not at_once:
            age = (self._state.captured - position) / self._device_rate - count / self._rate
            if not self._dry and age <= HOLD_SECONDS:
                return None
            self._ran_dry(missing)
        elif missing <= 0:
            missing = 0
            if self._dry:
                self._dry = 0
                self._offset.settle_again()
        played = self._at(index, count, fraction)
        self._next = index + count - missing
        self._forget(self._next - 4 * HALF_TAPS)
        return played

    def keep(self) -> None:
        """Keep what was played for read_late(). Before the first frames."""
        self._late = LateOffset(self._rate)

    def read_late(self, position: float, count: int) -> Samples | None:
        """As read(), some time later, when late callbacks have come and more stamps tell how the clocks lie.

        What is not there by then was silence. None where no stamps tell the time.
        """
        late = self._late
        now = self._state.stamp[1] * 1e-9 - (self._state.stamp[0] - position) / self._device_rate
        offset = late.at(now) if late is not None and self._is_clocked else None
        if late is None or offset is None:
            return None
        index = _nearest(position * self._rate / self._device_rate) + round(offset * self._rate)
        played = self._slice(index, count)
        old = min(max(self._start - index, 0), count)
        if old:
            played[:old] = late.kept(index, old)
        return played

    def _begin_late(self) -> None:
        self.generation += 1
        if self._late is not None:
            self._late.begin()

    def restart(self) -> None:
        """Forget how the clocks lie: a new anchor is needed."""
        self._begin_late()
        self._observed_ns = 0
        self._offset.begin()
        self._dry = 0
        # Where nothing tells the time: the next unread played frame belongs to the next captured one.
        self._count_from: float | None = None

    def _take_ring(self, ring: PlayedRing | None) -> None:
        self._ring = ring
        self._dropped = 0
        # The newest played frames at the session rate, of which the first has number _start.
        self._frames = np.zeros(0, np.int16)
        self._start = 0
        # Number of the first one that was not asked for.
        self._next = 0
        # The played stamp that was looked at last.
        self._observed_ns = 0
        self._resampler: Resampler | None = None
        if ring is not None and ring.sample_rate != self._rate:
            self._resampler = Resampler(ring.sample_rate, self._rate)

    @property
    def _end(self) -> int:
        return self._start + len(self._frames)

    def _pull(self, ring: PlayedRing) -> None:
        """Take what was played since the last call, and look at the stamps."""
        if ring.dropped != self._dropped:
            # What lies after the gap comes too early.
            self._dropped = ring.dropped
            self.slips += 1
            self._offset.begin()
            self._begin_late()
        count = ring.readable
        if count:
            block = np.empty(count, np.int16)
            ring.read(block)
            if self._resampler is not None:
                block = self._resampler.process(block)
            self._frames = np.concatenate([self._frames, block])
            if self._dry > LONG_BREAK_SECONDS * self._rate:
                self._dry = 0
                self._offset.begin()
                self._begin_late()
        if self._is_clocked:
            self._observe(ring)

    @property
    def _is_clocked(self) -> bool:
        return self._clocked and self._source is not None and self._source.seat.clocked

    def _observe(self, ring: PlayedRing) -> None:
        captured, captured_ns = self._state.stamp
        played, played_ns = ring.stamp
        if not captured_ns or not played_ns or played_ns == self._observed_ns:
            return
        self._observed_ns = played_ns
        jumps = self._offset.jumps
        now = captured_ns * 1e-9
        offset = (captured_ns - played_ns) * 1e-9 - captured / self._device_rate + played / ring.sample_rate
        self._offset.observe(now, offset)
        if self._late is not None:
            self._late.observe(now, offset)
        self.slips += self._offset.jumps - jumps

    def _played_position(self, ring: PlayedRing, position: float) -> float | None:
        """Number of the played frame for a capture position; None before the first stamps."""
        captured = position * self._rate / self._device_rate
        if not self._is_clocked:
            if self._count_from is None:
                self._count_from = self._next - captured
            return _nearest(captured + self._count_from)
        if self._offset.anchor is None:
            return None
        seconds = position / self._device_rate
        now = self._state.stamp[1] * 1e-9 - (self._state.stamp[0] - position) / self._device_rate
        offset = self._offset.at(now)
        if self._offset.drift == 0.0:
            return _nearest(captured) + round(offset * self._rate)
        return (seconds + offset) * self._rate

    def _ran_dry(self, missing: int) -> None:
        """Move the anchor by the frames that are missing, and count that once for each time without audio."""
        if not self._is_clocked:
            assert self._count_from is not None
            self._count_from -= missing
        else:
            self._offset.move(-missing / self._rate)
        if not self._dry:
            self.slips += 1
        self._dry += missing

    def _interpolates(self, fraction: float) -> bool:
        return fraction != 0.0 or self._offset.drift != 0.0

    def _at(self, index: int, count: int, fraction: float) -> Samples:
        """Played frames from number *index* on, silence where there are none."""
        if not self._interpolates(fraction):
            return self._slice(index, count)
        window = self._slice(index - HALF_TAPS + 1, count + 2 * HALF_TAPS - 1).astype(np.float32)
        here = np.convolve(window, _shift(fraction)[::-1], "valid")
        # The drift moves the fraction within these frames.
        then = np.convolve(window, _shift(fraction + self._offset.drift * count)[::-1], "valid")
        ramp = np.arange(count, dtype=np.float32) / count
        moved: Samples = np.clip(np.rint(here + (then - here) * ramp), -32768, 32767).astype(np.int16)
        return moved

    def _slice(self, index: int, count: int) -> Samples:
        out = np.zeros(count, np.int16)
        first, last = max(index, self._start), min(index + count, self._end)
        if first < last:
            out[first - index : last - index] = self._frames[first - self._start : last - self._start]
        return out

    def _forget(self, index: int) -> None:
        drop = min(index - self._start, len(self._frames))
        if drop > 0:
            if self._late is not None:
                self._late.keep(self._start, self._frames[:drop])
            self._frames = self._frames[drop:]
            self._start += drop


def _nearest(position: float) -> int:
    """The nearest number; halves go up, in spite of small errors, so that equal steps stay equal."""
    return math.floor(position + 0.5 + 1e-6)


def _shift(fraction: float) -> NDArray[np.float32]:
    """Filter that reads a signal *fraction* samples after the middle of its 2 * HALF_TAPS samples (Kaiser window)."""
    at = np.arange(2 * HALF_TAPS) - (HALF_TAPS - 1) - fraction
    inside = np.clip(1.0 - (at / HALF_TAPS) ** 2, 0.0, 1.0)
    taps = np.sinc(at) * np.i0(8.0 * np.sqrt(inside)) / np.i0(8.0)
    shift: NDArray[np.float32] = (taps / taps.sum()).astype(np.float32)
    return shift
