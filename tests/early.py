"""Long compilations, begun when the tests begin: most tests wait for sounds and servers, and leave the processor idle.

A test names its jobs with the mark ``early`` and takes their results with `result`. tests/conftest.py calls `begin` for
the jobs of all collected tests. One job runs at a time, on a thread of low priority.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["begin", "end", "result"]

Result = TypeVar("Result")
# A job gets an empty folder.
Job = Callable[[Path], Result]

_futures: dict[Job[Any], Future[Any]] = {}
_folders: list[tempfile.TemporaryDirectory[str]] = []


def _lower_priority() -> None:
    # Only on Linux does this concern the thread, and the compilers that it starts, instead of the whole process.
    if sys.platform == "linux":
        os.nice(10)


_pool = ThreadPoolExecutor(1, "early", initializer=_lower_priority)


def begin(job: Job[Result]) -> Future[Result]:
    """Run *job* in the background, once in a session."""
    if job not in _futures:
        folder = tempfile.TemporaryDirectory(prefix="wavtools-early-")
        _folders.append(folder)
        _futures[job] = _pool.submit(job, Path(folder.name))
    return _futures[job]


def result(job: Job[Result], timeout: float = 300) -> Result:
    """What *job* returned; raises what it raised."""
    return begin(job).result(timeout)


def end() -> None:
    """Drop the jobs that have not begun, and remove the folders."""
    _pool.shutdown(cancel_futures=True)
    for folder in _folders:
        folder.cleanup()
