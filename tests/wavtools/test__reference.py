"""What was played is laid on the microphone's clock: two simulated devices with clocks of their own."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from wavtools._played_tap import PlayedSource, PlayedTap
from wavtools._reference import HOLD_SECONDS, ClockOffset, PlayedReference
from wavtools._states import Seat

RATE = 24_000
PERIOD = 240


class Clocked:
    """One side of the simulation: frames at its own clock, in periods that come late now and then.

    It has the properties of a CaptureState and of a PlayedRing.
    """

    sample_rate = RATE
    dropped = 0

    def __init__(self, start: float, ppm: float, late: Callable[[], float], ahead: bool) -> None:
        self.start, self.speed, self.late, self.ahead = start, 1 + ppm * 1e-6, late, ahead
        self.captured = 0
        self.stamp = 0, 0
        self.signal = np.zeros(0, np.int16)
        self.unread = 0
        self.due = self._due()

    def _due(self) -> float:
        """When the next period's callback runs: after its frames were captured, or before they are played."""
        frames = self.captured if self.ahead else self.captured + PERIOD
        return self.start + frames / RATE / self.speed + self.late()

    def call(self) -> None:
        position = self.captured if self.ahead else self.captured + PERIOD
        self.captured += PERIOD
        self.stamp = position, int(self.due * 1e9)
        self.due = max(self.due, self._due())

    @property
    def readable(self) -> int:
        return self.captured - self.unread

    def read(self, out: NDArray[np.int16]) -> int:
        out[:] = self.signal[self.unread : self.unread + len(out)]
        self.unread += len(out)
        return len(out)


def never_late() -> float:
    return 0.0


class Rig:
    """Runs a microphone and a speaker, and asks for what was played as the recorder does."""

    def __init__(
        self,
        ppm: float = 0.0,
        late_speaker: Callable[[], float] = never_late,
        late_microphone: Callable[[], float] = never_late,
    ) -> None:
        # The speaker began 3 s before the recorder, and the first period is asked for at an odd moment.
        self.microphone = Clocked(100.0, 0.0, late_microphone, ahead=False)
        self.speaker = Clocked(97.0013, ppm, late_speaker, ahead=True)
        self.speaker.signal = np.random.default_rng(5).integers(-9000, 9000, 100 * RATE).astype(np.int16)
        self.tap = PlayedTap()
        self.tap.source = PlayedSource(self.speaker, Seat())  # type: ignore[arg-type]
        self.reference = PlayedReference(self.tap, RATE)
        self.reference.begin(self.microphone, RATE, Seat())  # type: ignore[arg-type]
        self.read: list[NDArray[np.int16]] = []

    def run(self, seconds: float) -> NDArray[np.int16]:
        """Frames for the microphone's next *seconds*."""
        until = self.microphone.captured + int(seconds * RATE)
        self.reference.changed()
        before = len(self.read)
        while self.microphone.captured < until:
            side = min(self.microphone, self.speaker, key=lambda one: one.due)
            side.call()
            if side is self.microphone:
                while (position := PERIOD * len(self.read)) + PERIOD <= self.microphone.captured:
                    frames = self.reference.read(position, PERIOD, False)
                    if frames is None:
                        break
                    self.read.append(frames)
        return np.concatenate(self.read[before:])

    def lead(self, block: NDArray[np.int16], number: int) -> float:
        """Seconds by which the played frames of *block* (captured as block *number*) are older than the moment."""
        position = int(np.argmax(np.correlate(self.speaker.signal.astype(float), block, "valid")))
        captured = self.microphone.start + number * PERIOD / RATE
        return captured - (self.speaker.start + position / RATE / self.speaker.speed)


def test_played_frames_are_those_that_the_device_asked_for_then_to_the_sample() -> None:
    rig = Rig()
    frames = rig.run(12)[RATE:]
    first = int(np.argmax(np.correlate(rig.speaker.signal[: 6 * RATE].astype(float), frames[:2400], "valid")))
    assert np.array_equal(frames, rig.speaker.signal[first : first + len(frames)])
    assert rig.lead(rig.read[500], 500) == pytest.approx(0.0, abs=0.001)
    assert rig.reference.slips == 0


def test_late_callbacks_of_either_side_move_nothing() -> None:
    dice = random.Random(3)

    def late() -> float:
        return dice.choice([0.0] * 60 + [0.004, 0.009]) + dice.random() * 0.0005

    rig = Rig(late_speaker=late, late_microphone=late)
    frames = rig.run(20)[RATE:]
    first = int(np.argmax(np.correlate(rig.speaker.signal[: 6 * RATE].astype(float), frames[:2400], "valid")))
    assert np.array_equal(frames, rig.speaker.signal[first : first + len(frames)])
    assert rig.reference.slips == 0


@pytest.mark.parametrize("ppm", [100.0, -100.0, 250.0])
def test_drifting_clocks_stay_together_within_a_millisecond(ppm: float) -> None:
    rig = Rig(ppm)
    rig.run(1)
    begin = rig.lead(rig.read[90], 90)
    rig.run(59)
    for number in (5000, 5900):
        assert rig.lead(rig.read[number], number) == pytest.approx(begin, abs=0.0025 if ppm > 100 else 0.0015)
    # Without the ratio it would have moved by 6 to 15 ms.
    assert rig.reference.slips <= (3 if ppm > 100 else 0)


def test_a_speaker_that_runs_dry_is_followed_and_counted_once() -> None:
    rig = Rig()
    rig.run(3)
    before = rig.lead(rig.read[250], 250)
    # A callback is 50 ms late; the device holds 30 ms, so it plays 20 ms of silence of its own.
    rig.speaker.start += 0.02
    rig.speaker.due += 0.05
    rig.run(3)
    assert rig.lead(rig.read[-5], len(rig.read) - 5) == pytest.approx(before, abs=0.0011)
    silent = [block for block in rig.read[300:320] if not block.any()]
    assert 1 <= len(silent) <= 4
    assert rig.reference.slips == 1


def test_a_jump_of_the_clocks_is_a_new_anchor_only_if_it_stays() -> None:
    offset = ClockOffset()
    now = 0.0
    for k in range(1000):
        now += 0.01
        offset.observe(now, 5.0 + (0.004 if 400 <= k < 410 else 0.0))
    assert offset.jumps == 0
    assert offset.at(now) == 5.0
    for _ in range(300):
        now += 0.01
        offset.observe(now, 5.004)
    assert offset.jumps == 1
    assert offset.at(now) == pytest.approx(5.004)


def test_frames_are_waited_for_no_longer_than_the_hold() -> None:
    rig = Rig()
    rig.run(2)
    rig.speaker.due += 1e9
    rig.run(1)
    waiting = rig.microphone.captured - PERIOD * len(rig.read)
    assert waiting <= (HOLD_SECONDS * RATE) + PERIOD
    assert rig.reference.slips == 1


def test_another_device_of_the_player_is_told_once() -> None:
    rig = Rig()
    rig.run(1)
    assert not rig.reference.changed()
    rig.tap.rerouted()
    assert rig.reference.changed()
    assert not rig.reference.changed()
    rig.tap.source = PlayedSource(rig.speaker, Seat())  # type: ignore[arg-type]
    assert rig.reference.changed()


def test_there_is_silence_before_the_player_is_connected() -> None:
    rig = Rig()
    rig.tap.source = None
    frames = rig.run(0.5)
    assert not frames.any()
    assert rig.reference.slips == 0
