"""A case to time, and the timing of a group: cases alternate, so that a busy machine slows all of them alike."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

# Processor time leaves out what other programs take. Windows counts it in steps of 16 ms, too coarse for this.
CLOCK = time.perf_counter if sys.platform == "win32" else time.process_time


class Case(NamedTuple):
    group: str  # the question; the first case of a group is ours
    name: str
    run: Callable[[], Any]


def timed(run: Callable[[], Any], loops: int) -> float:
    """Seconds for one call, over *loops* calls."""
    begin = CLOCK()
    for _ in range(loops):
        run()
    return (CLOCK() - begin) / loops


def medians(
    cases: Iterable[Case], rounds: int = 25, slot_seconds: float = 0.004
) -> dict[str, dict[str, float]]:
    """Median seconds per call, by group and name.

    Each round runs every case of the group once, for about *slot_seconds*; a round gives the mean of its calls.
    """
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.group, []).append(case)
    results = {}
    for group, members in groups.items():
        loops = [
            max(1, int(slot_seconds / max(timed(case.run, 1), timed(case.run, 3), 1e-9))) for case in members
        ]
        times: dict[str, list[float]] = {case.name: [] for case in members}
        for _ in range(rounds if max(loops) > 1 else 7):
            for case, count in zip(members, loops, strict=True):
                times[case.name].append(timed(case.run, count))
        results[group] = {name: statistics.median(values) for name, values in times.items()}
    return results
