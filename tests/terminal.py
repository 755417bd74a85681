"""A terminal (tmux) that runs one command, typed into and read as a person would."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.conftest import require_program

ROOT = Path(__file__).parents[1]


class Terminal:
    """``keys`` are tmux's names ("Space", "Enter", "x"); ``type`` sends text as it is."""

    def __init__(
        self, command: str, env: dict[str, str], folder: Path, size: tuple[int, int] = (132, 44)
    ) -> None:
        self._tmux = [require_program("tmux", "tmux"), "-u", "-S", str(folder / "tmux")]
        self._env = {**env, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        geometry = ["-x", str(size[0]), "-y", str(size[1])]
        self._run(
            "new-session", "-d", *geometry, "-c", str(folder), f"{command}; echo exit-status $?; sleep 60"
        )

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments], env=self._env, capture_output=True, text=True, check=True
        )
        return done.stdout

    def type(self, line: str) -> None:
        self._run("send-keys", "-l", line)
        self._run("send-keys", "Enter")

    def keys(self, *names: str) -> None:
        self._run("send-keys", *names)

    def screen(self) -> str:
        return self._run("capture-pane", "-p", "-J")

    def raw(self) -> str:
        """The screen with the sequences that colour it."""
        return self._run("capture-pane", "-p", "-e")

    def wait_for(self, text: str | Callable[[str], bool], seconds: float = 40) -> str:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            screen = self.screen()
            if text in screen if isinstance(text, str) else text(screen):
                return screen
            time.sleep(0.1)
        raise AssertionError(f"{text!r} did not appear:\n{screen}")

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], env=self._env, capture_output=True)


def console_command(*arguments: str) -> str:
    """The console of this checkout, with this interpreter."""
    path = os.pathsep.join(p for p in (str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")) if p)
    return f"PYTHONPATH={shlex.quote(path)} {shlex.join([sys.executable, '-m', 'console', *arguments])}"


def clean_environment(env: dict[str, str]) -> dict[str, str]:
    """*env* without what would change what the console does."""
    gone = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "TMUX", "NO_COLOR")
    return {k: v for k, v in env.items() if k not in gone and not k.startswith("REALTIME_CONSOLE_")}
