"""The C ring between two real threads, without Python: order and loss, and that the race test can fail."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import require_program

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "src" / "wavtools" / "_native"


def build(folder: Path, *flags: str) -> Path:
    cc = require_program("cc", "gcc")
    program = folder / "spsc_stress"
    subprocess.run(
        [
            cc,
            "-std=gnu11",
            "-O2",
            "-g",
            *flags,
            f"-I{NATIVE}",
            HERE / "spsc_stress.c",
            "-o",
            program,
            "-lpthread",
        ],
        check=True,
    )
    return program


@pytest.mark.parametrize("capacity", [2, 37, 1009, 65_536])
def test_two_threads_lose_repeat_and_reorder_nothing(tmp_path: Path, capacity: int) -> None:
    program = build(tmp_path)
    samples = 20_000_000 if capacity > 1000 else 300_000
    result = subprocess.run(
        [program, str(capacity), str(samples), "1"], capture_output=True, text=True, timeout=100
    )
    assert result.stdout == f"{samples} received, 0 wrong, 0 left\n"
    assert result.returncode == 0
