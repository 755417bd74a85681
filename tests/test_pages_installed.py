"""README and tutorial in a clean environment, which holds what the page tells to install and nothing of this repository.

Runs only when tools/check_wheels.py names a wheel in WAVTOOLS_WHEEL: it downloads some 150 MB.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import BLOCKS
from tests.reader import Reader, check_tutorial

WHEEL = os.environ.get("WAVTOOLS_WHEEL", "")
pytestmark = [
    pytest.mark.skipif(not WHEEL, reason="installs a wheel; say: make wheels"),
    pytest.mark.skipif(sys.platform == "win32", reason="the shell blocks are for a POSIX shell"),
    pytest.mark.timeout(1800),
]

# Installs the wheel where the page installs the package by its name.
PIP = """#!/bin/sh
test "$1" = install || exit 2
exec python -m pip install --quiet "$(echo "$2" | sed "s|^wavtools|WHEEL|")"
"""


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pip").write_text(PIP.replace("WHEEL", WHEEL))
    (tmp_path / "bin" / "pip").chmod(0o755)
    keep = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "LANG", "LC_"))}
    reader = Reader(tmp_path, {**keep, "PATH": f"{tmp_path}/bin:{tmp_path}/env/bin:/usr/bin:/bin"})
    reader.patience = 900
    yield reader
    reader.end()


SERVER = "python -m realtime.offline --port 8765"


def follow(reader: Reader, page: str) -> None:
    """Type the commands of *page*, then run its programs with a server, apart from those of the repository."""
    steps = [block for block in BLOCKS if block.page == page and "make " not in block.code]
    for step in steps:
        if step.language == "sh" and step.code.strip() != SERVER:
            reader.take("sh", step.code)
    reader.start_server("wavtools offline --port 8765")
    reader.env["OPENAI_BASE_URL"] = reader.url
    for number, step in enumerate(steps):
        if step.language == "python":
            reader.take("python", f"# program{number}.py\n{step.code.replace('sleep(60)', 'sleep(1)')}")
            reader.take("sh", f"python program{number}.py")
    assert any("answer.wav" in printed for printed in reader.printed.values())
    assert (reader.folder / "answer.wav").stat().st_size > 50_000


def test_the_readme_alone_leads_to_a_spoken_answer(reader):
    follow(reader, "README.md")
    assert len(reader.printed["python program1.py"].strip().splitlines()) == 2


def test_the_quick_start_works_with_what_it_installs(reader):
    follow(reader, "quickstart.md")


def test_every_step_of_the_tutorial_works_with_what_it_installs(reader):
    for step in BLOCKS:
        if step.page == "tutorial.md":
            reader.take(step.language, step.code)
    check_tutorial(reader.printed)
