"""WineServer: a private PulseAudio server whose programs run in a Windows CPython under wine, through WASAPI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.audio_server import AudioServer
from tests.conftest import require_program

ROOT = Path(__file__).parents[2]
WINDOWS = ROOT / "build" / "windows"


class WineServer(AudioServer):
    """The server, with Windows' own Python as its programs' interpreter. The microphone is the monitor of "room"."""

    def __init__(self, folder: Path, rate: int = 48_000) -> None:
        self.interpreter = (require_program("wine", "wine"), str(WINDOWS / "python.exe"))
        super().__init__(folder, rate)
        self.env |= {"WINEPREFIX": str(WINDOWS / "prefix"), "WINEDEBUG": "-all"}

    def popen(self, code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
        """As AudioServer has it; a stderr that wine does not know would end Python."""
        return super().popen(code, *arguments, stderr=subprocess.PIPE, **options)


def build_windows_python(folder: Path) -> None:
    """Make `WINDOWS` with the package as it is now, as a job of tests/early.py; skip where the tools are missing."""
    require_program("wine", "wine")
    require_program("x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64-win32")
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the Windows Python is made from CPython 3.11")
    command = [sys.executable, ROOT / "tools" / "windows_python.py", WINDOWS]
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode and not os.environ.get("CI"):
        pytest.skip(f"tools/windows_python.py failed: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr[-3000:]
