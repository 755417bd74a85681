"""A test run that does not end is reported, and ends with the status of its tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_an_interpreter_that_waits_for_a_thread_is_reported_and_ended():
    code = (
        "import threading; from tests.exit_watch import watch_exit\n"
        "threading.Thread(target=threading.Event().wait, name='forgotten').start()\n"
        "watch_exit(3, 0.2)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "forgotten" in done.stderr and "in wait" in done.stderr
