"""A downstream project compiles against the .pxd files and headers of wavtools, and runs: examples/downstream."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import wavtools

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "downstream"


@pytest.mark.timeout(300)
def test_downstream_extensions_compile_and_run(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    for name in ("setup.py", "downstream.pyx", "check.py"):
        shutil.copy(EXAMPLE / name, tmp_path)
    package_parent = str(pathlib.Path(wavtools.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([package_parent, str(tmp_path)])}
    for command in (["setup.py", "-q", "build_ext", "--inplace"], ["check.py"]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("the same as from the Python API")
