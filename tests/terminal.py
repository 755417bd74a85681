"""A terminal (tmux) that runs one command; tests type into it and read its screen as a person would."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.conftest import require_program

ROOT = Path(__file__).parents[1]
POLL_SECONDS = 0.03


class Terminal:
    """``keys`` takes tmux's names ("Space", "Enter", "x"); ``type`` sends text as it is. A context manager."""

    def __init__(
        self, command: str, env: dict[str, str], folder: Path, size: tuple[int, int] = (132, 44)
    ) -> None:
        self._tmux = [require_program("tmux", "tmux"), "-u", "-S", str(folder / "tmux")]
        self._env = {**env, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        geometry = ["-x", str(size[0]), "-y", str(size[1])]
        self._run(
            "new-session", "-d", *geometry, "-c", str(folder), f"{command}; echo exit-status $?; sleep 60"
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments], env=self._env, capture_output=True, text=True, check=True
        )
        return done.stdout

    def type(self, line: str, end: str = "Enter") -> None:
        """Type *line* and then the key *end*; "" for none."""
        self._run("send-keys", "-l", line)
        if end:
            self._run("send-keys", end)

    def keys(self, *names: str) -> None:
        self._run("send-keys", *names)

    def keys_restyle(self, text: str, *names: str) -> None:
        """Send keys and wait until the last *text* on the screen has other colours: a cursor or the focus has moved."""
        before = self._colours_of(text)
        self.keys(*names)
        self.wait_for(lambda screen: text in screen and self._colours_of(text) != before)

    def _colours_of(self, text: str) -> tuple[str, ...]:
        """The newest sequences that set colours or reverse them."""
        before, _, _ = self.raw().rpartition(text)
        return tuple(re.findall(r"\x1b\[[\d;:]*m", before)[-3:])

    def screen(self) -> str:
        return self._run("capture-pane", "-p", "-J")

    def raw(self) -> str:
        """The screen with the sequences that colour it."""
        return self._run("capture-pane", "-p", "-e")

    def wait_for(self, text: str | Callable[[str], bool], seconds: float = 40) -> str:
        """Wait until the screen shows *text*, or until *text* as a function of the screen is true."""
        deadline = time.monotonic() + seconds
        while True:
            screen = self.screen()
            if text in screen if isinstance(text, str) else text(screen):
                return screen
            assert time.monotonic() < deadline, f"{text!r} did not appear:\n{screen}"
            time.sleep(POLL_SECONDS)

    def quit(self) -> None:
        """Press ctrl+q and see the program end well."""
        self.keys("C-q")
        self.wait_for("exit-status 0")

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], env=self._env, capture_output=True)


def console_command(*arguments: str) -> str:
    """The console of this checkout, with this interpreter."""
    path = os.pathsep.join(p for p in (str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")) if p)
    return f"PYTHONPATH={shlex.quote(path)} {shlex.join([sys.executable, '-m', 'console', *arguments])}"


def clean_environment(env: dict[str, str]) -> dict[str, str]:
    """*env* without the variables that change what the console does."""
    gone = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "TMUX", "NO_COLOR")
    kept = {k: v for k, v in env.items() if k not in gone and not k.startswith("REALTIME_CONSOLE_")}
    # Tests leave nothing in the user's folders
    return {**kept, "REALTIME_CONSOLE_SAVE": "no"}
