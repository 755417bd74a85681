"""Folders with the Python of another Debian release or processor, and the package's tests in them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import require_program

__all__ = ["folder_of", "output_of", "run_tests"]

ROOT = Path(__file__).parents[2]
FOLDERS = ROOT / "build" / "debian"


def folder_of(suite: str, version: str, architecture: str = "amd64") -> Path:
    """The folder with the package as it is now; skip where it cannot be made."""
    require_program("mmdebstrap", "mmdebstrap")
    if os.geteuid() != 0:
        pytest.skip("mmdebstrap unpacks packages as root here")
    folder = FOLDERS / f"{suite}-{version}-{architecture}"
    command = [sys.executable, ROOT / "tools" / "debian_python.py", folder, suite, version, architecture]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if f"Unable to locate package python{version}" in done.stderr:
        pytest.skip(f"Debian's {suite} has no Python {version} now")
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def environment() -> dict[str, str]:
    """What its programs run with: bytecode is kept, and what is missing there is a skip, in CI too."""
    dropped = ("PYTHONDONTWRITEBYTECODE", "CI", "WAVTOOLS_SOAK", "WAVTOOLS_RECORDS")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return kept | {"WAVTOOLS_RERUNS": "2"}


def output_of(folder: Path, code: str) -> str:
    """What a program prints that the folder's Python runs."""
    command = [folder / "venv" / "bin" / "python", "-c", code]
    options = {"cwd": folder, "env": environment(), "capture_output": True, "text": True}
    done = subprocess.run(command, check=False, **options)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def run_tests(folder: Path, *arguments: str) -> str:
    """Run tests against the package that is installed in the folder; returns how many passed."""
    command = [
        folder / "venv" / "bin" / "python",
        ROOT / "tools" / "check_installed.py",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, *arguments], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    found = re.search(r"\d+ passed[^\n]*? in ", done.stdout)
    assert found, done.stdout[-500:]
    return found.group().removesuffix(" in ")
