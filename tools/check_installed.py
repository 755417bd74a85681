"""Run tests/wavtools against the wavtools that is installed, away from the checkout: ``python tools/check_installed.py``.

The tests, the downstream example and pytest's settings are copied to a folder of their own, so that nothing of the
source tree can be imported; tests/test_package_installed.py makes sure of it. Further arguments go to pytest; tests that
they name run instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def with_tests(arguments: list[str]) -> list[str]:
    """The arguments, with the usual tests if they name none."""
    named = any((ROOT / one.partition("::")[0]).exists() for one in arguments)
    return arguments if named else [*arguments, "tests/test_package_installed.py", "tests/wavtools"]


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="wavtools-installed-") as folder:
        shutil.copy(ROOT / "pyproject.toml", folder)
        for name in ("tests", "examples"):
            ignore = shutil.ignore_patterns("__pycache__", "build", "node_modules")
            shutil.copytree(ROOT / name, Path(folder) / name, ignore=ignore)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment["WAVTOOLS_INSTALLED"] = "1"
        command = [sys.executable, "-m", "pytest", "-q", *with_tests(arguments)]
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
