"""FineClock: what it gives of two clocks that drift, tick and sleep."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from wavtools._fine_clock import LATE_TICKS, FineClock, monotonic

TICK = 0.015625
# Seconds until the clock is read again; seconds for which only one of the two clocks runs then.
STEPS = st.lists(st.tuples(st.floats(0, 0.1), st.just(0.0) | st.floats(-100, 100)), min_size=1, max_size=50)


class World:
    """Two clocks: ``coarse`` is right at its ticks only, ``fine`` has another zero and runs faster by *drift*."""

    def __init__(self, drift: float = 0.0) -> None:
        self.now = self.fine_now = 1000.0
        self._drift = drift

    def coarse(self) -> float:
        return self.now // TICK * TICK

    def fine(self) -> float:
        return self.fine_now

    def run(self, seconds: float, alone: float = 0.0) -> None:
        self.now += seconds + max(alone, 0)
        self.fine_now += seconds * (1 + self._drift) + max(-alone, 0)


@given(STEPS, st.floats(-5e-5, 5e-5))
def test_a_fine_clock_is_never_early_and_some_ticks_late_at_most(steps, drift):
    world = World(drift)
    clock = FineClock(world.coarse, world.fine, TICK)
    for seconds, alone in steps:
        world.run(seconds, alone)
        assert -1e-9 <= clock() - world.coarse() <= LATE_TICKS * TICK + 1e-9


@given(st.lists(st.floats(0, 0.1), min_size=1, max_size=50), st.floats(-5e-5, 5e-5))
def test_it_is_less_than_a_tick_late_while_both_clocks_run(steps, drift):
    world = World(drift)
    clock = FineClock(world.coarse, world.fine, TICK)
    for seconds in steps:
        world.run(seconds)
        assert -1e-9 <= clock() - world.coarse() <= TICK + 2e-5


@given(st.floats(-5e-5, 5e-5))
def test_intervals_are_exact_between_ticks(drift):
    """After it has seen some ticks, whatever the drift."""
    world = World(drift)
    clock = FineClock(world.coarse, world.fine, TICK)
    for _ in range(1_000):
        world.run(0.0011)
        clock()
    for _ in range(1_000):
        before = clock()
        world.run(0.0011)
        assert abs(clock() - before - 0.0011) < 0.0012
        assert abs(clock() - world.now) < 0.0012


def test_the_time_is_that_of_time_monotonic():
    for _ in range(1_000):
        before = time.monotonic()
        now = monotonic()
        assert before <= now <= time.monotonic() + time.get_clock_info("monotonic").resolution
