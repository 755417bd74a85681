"""Reruns of failed tests: only of those that need a device, a server or a terminal, only on request, each one printed.

Such tests have deadlines that a loaded machine can miss. WAVTOOLS_RERUNS=2 lets each of them fail twice before it
counts as failed; a test without one of the marks below never runs again. tests/conftest.py calls these functions.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import pytest

__all__ = ["RERUN_MARKS", "mark_by_fixture", "mark_reruns", "print_reruns"]

RERUN_MARKS = frozenset(("audio", "server", "terminal"))
# A test that takes one of these fixtures has the mark without saying so.
_BY_FIXTURE = {
    "audio_server": "audio",
    "room": "audio",
    "offline_url": "server",
    "offline_voice_url": "server",
    "ga_voice_url": "server",
    "failing_url": "server",
}
DELAY_SECONDS = 1


def mark_by_fixture(items: Iterable[pytest.Item]) -> None:
    """Mark each test by the fixtures that it takes."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in _BY_FIXTURE:
                item.add_marker(_BY_FIXTURE[fixture])


def mark_reruns(items: Iterable[pytest.Item]) -> None:
    """Allow WAVTOOLS_RERUNS reruns to each test that has one of the marks."""
    count = int(os.environ.get("WAVTOOLS_RERUNS") or 0)
    if count:
        for item in items:
            if any(item.get_closest_marker(mark) for mark in RERUN_MARKS):
                item.add_marker(pytest.mark.flaky(reruns=count, reruns_delay=DELAY_SECONDS))


def print_reruns(reporter: Any) -> None:
    """Name each rerun and its error: a rerun that turned green is a finding, not a pass."""
    reruns = reporter.stats.get("rerun", [])
    if reruns:
        reporter.section(f"{len(reruns)} reruns")
    for report in reruns:
        lines = str(report.longrepr).strip().splitlines() or [""]
        reporter.write_line(f"RERUN {report.nodeid}: {lines[-1]}")
