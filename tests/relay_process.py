"""Starts `python -m realtime.relay` as a process, as users do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import realtime

# Where the packages are, in the repository or installed
SRC = Path(realtime.__file__).parents[1]


class RelayProcess:
    """A running relay with its logs in ``log``, in an empty folder and without the caller's API key."""

    def __init__(
        self, *arguments: str, key: str | None = None, folder: Path | None = None, **environment: str
    ) -> None:
        self._folder = tempfile.TemporaryDirectory() if folder is None else None
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "RELAY_"))
        }
        clean["PYTHONPATH"] = str(SRC)
        if key is not None:
            clean["OPENAI_API_KEY"] = key
        self.log = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "realtime.relay", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder or self._folder.name,
            env={**clean, **environment},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline().strip()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log += line

    @property
    def url(self) -> str:
        assert self.first_line.startswith("listening on "), f"{self.first_line!r} {self.log}"
        return self.first_line.removeprefix("listening on ")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def wait(self, timeout: float = 20) -> int:
        """Wait until the process ends; returns its exit status."""
        status = self.process.wait(timeout)
        self._reader.join(timeout)
        return status

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(5)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        if self._folder is not None:
            self._folder.cleanup()

    def __enter__(self) -> RelayProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
