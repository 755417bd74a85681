"""What makes a machine busy while audio runs: Python threads that spin, or all processors.

Thread: starts its own threads and processes; they end with the block.
"""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

__all__ = ["CONDITIONS", "busy"]

# Name of each condition, and what it means.
CONDITIONS = {
    "calm": "nothing else runs in this process",
    "busy Python": "four threads spin, and the garbage collector walks a million objects",
    "busy processors": "one process for each processor computes",
}
OBJECTS = 1_000_000


@contextlib.contextmanager
def busy(condition: str) -> Iterator[None]:
    """Keep the machine busy inside the block."""
    if condition == "busy Python":
        with _busy_python():
            yield
    elif condition == "busy processors":
        with _busy_processors():
            yield
    else:
        yield


@contextlib.contextmanager
def _busy_python() -> Iterator[None]:
    done = threading.Event()
    ballast = [[number] for number in range(OBJECTS)]

    def spin() -> None:
        while not done.is_set():
            sum(range(1000))

    def collect() -> None:
        while not done.is_set():
            gc.collect()

    threads = [threading.Thread(target=spin, daemon=True) for _ in range(4)]
    threads.append(threading.Thread(target=collect, daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()
        ballast.clear()


@contextlib.contextmanager
def _busy_processors() -> Iterator[None]:
    # Each ends with its parent: its standard input closes then.
    program = (
        "import sys, threading\n"
        "threading.Thread(target=lambda: (sys.stdin.read(), __import__('os')._exit(0)), daemon=True).start()\n"
        "while True: sum(range(10000))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE)
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()
