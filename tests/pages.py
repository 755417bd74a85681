"""The code blocks of the README and the documentation, and a shell that runs one.

Blocks run in a folder that looks like the repository. Commands that set up environments only print what they would do;
the first commands of CI do it for real.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from markdown_it import MarkdownIt

from tests.conftest import require_program

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
MARKDOWN = MarkdownIt().enable("table")


class Block(NamedTuple):
    page: str
    language: str
    code: str


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks() -> Iterator[Block]:
    """All code blocks of the pages, without directives ({include} ...) and diagrams, which have no language."""
    for page in PAGES:
        for token in MARKDOWN.parse(read(page)):
            assert token.type != "code_block", (
                f"{page.name}, line {token.map[0] + 1}: indented code says no language"
            )
            if token.type == "fence" and token.info and not token.info.startswith("{"):
                yield Block(page.name, token.info, token.content)


BLOCKS = list(blocks())


def of(language: str) -> list[Any]:
    """The blocks of one language as test parameters, each text once."""
    chosen = {block.code: block for block in BLOCKS if block.language == language}
    return [pytest.param(block, id=f"{block.page}-{number}") for number, block in enumerate(chosen.values())]


def environment(offline_url: str, root: Path = ROOT) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    path = os.pathsep.join([str(root / "src"), str(root), *sys.path])
    return {**clean, "PYTHONPATH": path, "OPENAI_BASE_URL": offline_url}


# Speakers and microphones are silent devices with a clock.
SILENT = (
    "import wavtools\n"
    "for device in (wavtools.WavRecorder, wavtools.WavStreamPlayer):\n"
    "    device.__init__.__kwdefaults__['device'] = 'null'\n"
    "for call in (wavtools.play, wavtools.record, wavtools.start):\n"
    "    call.__kwdefaults__['device'] = 'null'\n"
    "wavtools.DuplexDevice.__init__.__defaults__ = ('null', 'null')\n"
)

STAND_INS = {
    "python": f'exec "{sys.executable}" "$@"',
    "wavtools": f'exec "{sys.executable}" -m wavtools "$@"',
    "make": f'exec /usr/bin/env -u MAKEFLAGS make-itself --dry-run -C "{ROOT}" "$@"',
    "pip": f'exec "{sys.executable}" -m tests.extras "$@"',
}


def stand_ins(folder: Path, **others: str) -> str:
    """A PATH on which the stand-ins come first; *others* are added, or replace one."""
    folder.mkdir()
    for name, command in {**STAND_INS, **others}.items():
        text = command.replace("make-itself", require_program("make", "make"))
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


class Shell:
    """A block in its own shell, which stops at the first command that fails."""

    def __init__(self, code: str, folder: Path, env: dict[str, str], complaints: Path) -> None:
        self.complaints = complaints
        with complaints.open("w") as stderr:
            self.process = subprocess.Popen(
                ["bash", "-euc", code.replace(".venv/bin/python", "python").strip()],
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.communicate(timeout=20)

    def line(self) -> str:
        """The next line of its output."""
        return self.process.stdout.readline() if self.process.stdout else ""

    def end(self, timeout: float = 60, expect: Set[int] = frozenset({0})) -> str:
        """The rest of its output, until it ends."""
        printed, _ = self.process.communicate(timeout=timeout)
        assert self.process.returncode in expect, printed + read(self.complaints)
        return str(printed)
