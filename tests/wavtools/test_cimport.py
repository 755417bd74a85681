"""A downstream project compiles against the .pxd files and headers of wavtools, and runs: examples/downstream."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import wavtools
from tests import early

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "downstream"


def build_and_run(folder: pathlib.Path) -> str:
    """Build the example in *folder* and run it; returns what it printed."""
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    for name in ("setup.py", "downstream.pyx", "check.py"):
        shutil.copy(EXAMPLE / name, folder)
    package_parent = str(pathlib.Path(wavtools.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([package_parent, str(folder)])}
    for command in (["setup.py", "-q", "build_ext", "--inplace"], ["check.py"]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.early.with_args(build_and_run)
@pytest.mark.timeout(300)
def test_downstream_extensions_compile_and_run() -> None:
    printed = early.result(build_and_run)
    assert printed.strip().endswith("the same as from the Python API")
