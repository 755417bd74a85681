"""Watches the end of a test run: an interpreter that does not end is reported with its stacks and children, and ended.

The exit status stays that of the tests. The report is a finding: something that the tests started keeps Python waiting.
"""

from __future__ import annotations

import faulthandler
import os
import subprocess
import sys
import threading

__all__ = ["watch_exit"]

SECONDS = 30.0


def watch_exit(status: int, seconds: float = SECONDS) -> None:
    """End this process with *status* if it lives for *seconds* more."""
    timer = threading.Timer(seconds, _report_and_end, (status,))
    timer.daemon = True
    timer.start()
    # Daemon threads stop when the interpreter is taken down; this one is not Python's.
    faulthandler.dump_traceback_later(2 * seconds, exit=True)


def _report_and_end(status: int) -> None:
    print(
        f"\nThe tests have ended, and Python has not: threads {threading.enumerate()}",
        file=sys.stderr,
        flush=True,
    )
    faulthandler.dump_traceback(file=sys.stderr)
    if sys.platform == "linux":
        children = ["ps", "-o", "pid,stat,wchan:20,args", "--ppid", str(os.getpid())]
        subprocess.run(children, stdout=sys.stderr, check=False)
    os._exit(status)
