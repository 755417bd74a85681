"""The console as a program in tests: as a process of its own."""

from __future__ import annotations

import subprocess
import sys

from tests.terminal import ROOT, clean_environment


def run_console(*arguments, env, cwd=ROOT, stdin="", seconds=100) -> subprocess.CompletedProcess[str]:
    """Run ``python -m console`` to its end, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "console", *map(str, arguments)],
        cwd=cwd,
        env=clean_environment(env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
