"""Where `make interop` installs what other projects wrote, and what a test does where it is not installed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

SCRIPTS = Path(__file__).parent
INSTALLED = SCRIPTS.parents[1] / "build" / "interop"


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def absent(reason: str) -> NoReturn:
    """Fails under `make interop`, which installs everything; skips elsewhere."""
    if os.environ.get("WAVTOOLS_INTEROP"):
        pytest.fail(reason)
    pytest.skip(reason)
