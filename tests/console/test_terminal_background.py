"""The question for the terminal's background: OSC 11, terminals that stay silent, COLORFGBG."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import threading

import pytest

from console.terminal_background import is_light
from tests.terminal import ROOT

ATTRIBUTES = b"\x1b[?62;22c"
PROGRAM = "import os; from console.terminal_background import is_light; print('light:', is_light(os.environ))"


def answered_by(answer: bytes | None, typed: bytes = b"", **environment: str) -> str:
    """What a program in a terminal finds that answers so; None: a terminal that answers nothing."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    said = b""

    def terminal() -> None:
        nonlocal said
        try:
            while data := os.read(ours, 1024):
                said += data
                if b"\x1b[c" in data and answer is not None:
                    os.write(ours, answer)
        except OSError:
            # The program has ended
            pass

    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=theirs,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", **environment},
        start_new_session=True,
        preexec_fn=lambda: __import__("fcntl").ioctl(0, termios.TIOCSCTTY, 0),
    )
    thread = threading.Thread(target=terminal, daemon=True)
    thread.start()
    out = process.communicate(timeout=60)[0].decode()
    assert termios.tcgetattr(theirs) == before
    os.close(theirs)
    thread.join(10)
    os.close(ours)
    assert b"\x1b]11;?" in said
    return out.strip()


@pytest.mark.parametrize(
    ("answer", "environment", "light"),
    [
        (b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\" + ATTRIBUTES, {"COLORFGBG": "15;0"}, True),
        (b"\x1b]11;rgb:fd/f6/e3\x07" + ATTRIBUTES, {}, True),
        (b"\x1b]11;rgba:0d0d/1111/1717/ffff\x1b\\" + ATTRIBUTES, {"COLORFGBG": "0;15"}, False),
        (ATTRIBUTES, {"COLORFGBG": "0;15"}, True),
        (ATTRIBUTES, {"COLORFGBG": "15;default;0"}, False),
        (ATTRIBUTES, {}, None),
        (None, {"COLORFGBG": "0;default"}, None),
    ],
)
def test_a_light_terminal_is_found_by_asking_it(answer, environment, light):
    assert answered_by(answer, **environment) == f"light: {light}"


def test_without_a_terminal_the_environment_tells(monkeypatch):
    def none(*_: object) -> int:
        raise OSError

    monkeypatch.setattr(os, "open", none)
    assert is_light({"COLORFGBG": "0;15"}) is True
    assert is_light({}) is None
