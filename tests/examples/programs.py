"""The programs of examples/ as processes, as a user runs them, and what they consist of."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
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

        # A thread, because Windows cannot wait for a pipe with a limit.
        self._pump = threading.Thread(target=self._take_output, daemon=True)
        self._pump.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self._close()

    def _take_output(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            while data := os.read(stdout.fileno(), 1 << 16):
                self.output += data.decode(errors="replace").replace("\r\n", "\n")

    def _close(self, seconds: float = 40) -> None:
        """Close its input, and wait for its end and for all that it printed."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait(seconds)
        self._pump.join(seconds)

    def wait_for(self, text: str, seconds: float = 40) -> str:
        """What it prints up to *text*, from the end of the last wait on."""
        deadline = time.monotonic() + seconds
        while text not in self.output[self._seen :]:
            assert time.monotonic() < deadline, f"{text!r} was not printed:\n{self.output}"
            assert self._pump.is_alive() or text in self.output[self._seen :], f"it ended:\n{self.output}"
            time.sleep(0.005)
        end = self.output.index(text, self._seen) + len(text)
        printed, self._seen = self.output[self._seen : end], end
        return printed

    def type(self, line: str) -> None:
        """Type a line and Enter."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def end(self, *, expect: int = 0) -> str:
        """Close its input and wait for its end; returns all that it printed."""
        self._close()
        assert "Traceback" not in self.output, self.output
        assert self.process.returncode == expect, self.output
        return self.output

    def interrupt(self) -> str:
        """Press Ctrl+C, see it end well, and return all that it printed."""
        if sys.platform == "win32":
            # There Ctrl+C goes to all programs of a console, the tests included.
            self.process.kill()
            self._close()
            return self.output
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
