"""A reader of a page, who saves its programs and types its commands.

Thread: main.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from tests.pages import SILENT, Shell


class Reader:
    """Types what the page shows: saves programs under their names, runs commands, keeps what export sets."""

    # Seconds that a command may take.
    patience = 100

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self.complaints = folder / "complaints"
        self.env = {**env, "HOME": str(folder)}
        # Every program of the page has silent devices.
        (folder / "site").mkdir()
        (folder / "site" / "sitecustomize.py").write_text(SILENT)
        self.env["PYTHONPATH"] = os.pathsep.join([str(folder / "site"), self.env.get("PYTHONPATH", "")])
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
                self.printed[code.strip()] = shell.end(timeout=self.patience)

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


def check_tutorial(printed: Mapping[str, str]) -> None:
    """What the commands of the tutorial printed is what the page says."""
    assert "answered: " in printed["wavtools console"]
    assert len(printed["python question.py"].strip()) > 10
    assert "speak, or type and press Enter" in printed["wavtools console assistant.py"]
    assert "(timer: 1 minutes)" in printed["python check_assistant.py"]
    assert "the timer was set" in printed["python check_assistant.py"]
