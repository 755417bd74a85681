"""A console in a pseudoterminal of its own, whose modes and output can be compared before and after."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

from tests.terminal import ROOT, clean_environment


class PtyProgram:
    """Runs ``python -m console ARGUMENTS`` with a terminal of 132 x 44. A context manager.

    Attributes
    ----------
    output : bytes
        What the program wrote so far.
    """

    def __init__(self, *arguments: str, env: dict[str, str], cwd: Path) -> None:
        self.output = b""
        self._master, self._slave = pty.openpty()
        termios.tcsetwinsize(self._slave, (44, 132)) if hasattr(termios, "tcsetwinsize") else None
        self.modes = termios.tcgetattr(self._slave)
        path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "console", *arguments],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            cwd=cwd,
            env={**clean_environment(env), "PYTHONPATH": path, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while data := os.read(self._master, 65536):
                self.output += data
        except OSError:
            # The terminal is closed
            pass

    def wait_for(self, text: str, seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while text.encode() not in self.output:
            assert time.monotonic() < deadline and self.process.poll() is None, self.output[-2000:]
            time.sleep(0.02)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def modes_now(self) -> list[object]:
        return termios.tcgetattr(self._slave)

    def hang_up(self) -> None:
        """Close the terminal, as a window does."""
        os.close(self._slave)
        os.close(self._master)
        self._slave = self._master = -1

    def __enter__(self) -> PtyProgram:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for descriptor in (self._master, self._slave):
            if descriptor >= 0:
                os.close(descriptor)
