"""The programs of examples/ as processes, as a user runs them, and what they consist of."""

from __future__ import annotations

import ast
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import realtime

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
# Where the packages are, in the repository or installed
SOURCE = Path(realtime.__file__).parents[1]
NAMES = sorted(path.name for path in [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.ipynb")])


def environment(url: str = "", base: dict[str, str] | None = None, **more: str) -> dict[str, str]:
    """The environment of a program that talks to the server at *url*; *base* names the audio server."""
    base = dict(os.environ if base is None else base)
    clean = {name: value for name, value in base.items() if not name.startswith(("OPENAI_", "AZURE_"))}
    path = os.pathsep.join([str(SOURCE), str(ROOT), clean.get("PYTHONPATH", "")])
    return {**clean, "PYTHONPATH": path, "OPENAI_BASE_URL": url, "PYTHONUNBUFFERED": "1", **more}


def command(name: str, *arguments: object) -> list[str]:
    """How a user starts the program."""
    if name == "web_app.py":
        server = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), "web_app:app"]
        return [*server, *map(str, arguments)]
    if name.endswith(".ipynb"):
        # It runs the cells without Jupyter, and prints the outputs.
        return [sys.executable, "-m", "tools.notebook_cells", str(EXAMPLES / name)]
    return [sys.executable, str(EXAMPLES / name), *map(str, arguments)]


class Program:
    """A program that runs; ``output`` is what it has printed so far on either stream. A context manager."""

    def __init__(self, name: str, *arguments: object, env: dict[str, str], cwd: Path) -> None:
        self.output = ""
        self._seen = 0
        self.process = subprocess.Popen(
            command(name, *arguments),
            env=env,
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def wait_for(self, text: str, seconds: float = 40) -> str:
        """What it prints up to *text*, from the end of the last wait on."""
        deadline = time.monotonic() + seconds
        while text not in self.output[self._seen :]:
            assert time.monotonic() < deadline, f"{text!r} was not printed:\n{self.output}"
            assert self._read(0.1) or self.process.poll() is None, f"it ended:\n{self.output}"
        end = self.output.index(text, self._seen) + len(text)
        printed, self._seen = self.output[self._seen : end], end
        return printed

    def _read(self, seconds: float) -> bool:
        assert self.process.stdout is not None
        number = self.process.stdout.fileno()
        ready, _, _ = select.select([number], [], [], seconds)
        data = os.read(number, 1 << 16) if ready else b""
        self.output += data.decode(errors="replace")
        return bool(data)

    def type(self, line: str) -> None:
        """Type a line and Enter."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def end(self, *, expect: int = 0, seconds: float = 40) -> str:
        """Close its input and wait for its end; returns all that it printed."""
        rest, _ = self.process.communicate(timeout=seconds)
        self.output += rest.decode(errors="replace")
        assert "Traceback" not in self.output, self.output
        assert self.process.returncode == expect, self.output
        return self.output

    def interrupt(self) -> str:
        """Press Ctrl+C, see it end well, and return all that it printed."""
        self.process.send_signal(signal.SIGINT)
        return self.end()


def run(name: str, *arguments: object, env: dict[str, str], cwd: Path, stdin: str = "") -> str:
    """Run a program to its good end; returns what it printed on stdout."""
    done = subprocess.run(
        command(name, *arguments), env=env, cwd=cwd, input=stdin, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def source_of(name: str) -> str:
    """The code of a program; of a notebook, all its code cells."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    if name.endswith(".ipynb"):
        cells = json.loads(text)["cells"]
        return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return text


def count_lines(code: str) -> int:
    """Lines of code: neither blank, nor a comment, nor of the docstrings of the module and of its functions."""
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(node):
            docstrings |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return sum(
        1
        for number, line in enumerate(code.splitlines(), 1)
        if number not in docstrings and line.strip() and not line.strip().startswith("#")
    )
