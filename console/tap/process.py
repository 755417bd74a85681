"""ForwardingProcess: starts the process that forwards, and hands its reports to the event loop.

It is a plain subprocess read by a thread: asyncio's would be killed with the console.

Thread: the event loop's; a daemon thread reads the reports.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .report import Report, read_reports

__all__ = ["ForwardingProcess"]

# Reports that wait for the event loop, of up to 256 KB each; then the process keeps the next ones
MAX_WAITING = 64
POLL_SECONDS = 0.02


class ForwardingProcess:
    """A running process of `forward`.

    Parameters
    ----------
    settings : dict
        As `forward.serve` takes them; JSON can hold them.
    on_report : callable
        ``on_report(report)`` is called in the event loop for each report, and with None when no more come.
    """

    def __init__(self, settings: dict[str, Any], on_report: Callable[[Report | None], None]) -> None:
        self._on_report = on_report
        self._loop = asyncio.get_running_loop()
        self._room = threading.Semaphore(MAX_WAITING)
        # The folder of this package, from wherever the console was started
        root = str(Path(__file__).parents[2])
        paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__name__.rpartition('.')[0]}.forward", json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths},
            # Ctrl-C in a terminal, and its end, are for the console
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        threading.Thread(target=self._read, name="tap-reader", daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        # A closed loop: the console has ended
        with contextlib.suppress(RuntimeError), self._process.stdout as stream:
            for report in read_reports(stream):
                self._room.acquire()
                self._loop.call_soon_threadsafe(self._take, report)
            self._loop.call_soon_threadsafe(self._on_report, None)

    def _take(self, report: Report) -> None:
        self._room.release()
        self._on_report(report)

    async def stop(self, seconds: float) -> bool:
        """Let it accept no more clients; True if it has ended within *seconds*, False while clients are connected."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        deadline = self._loop.time() + seconds
        while self._process.poll() is None:
            if self._loop.time() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True
