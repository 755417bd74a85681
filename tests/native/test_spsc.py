"""The C ring between two real threads, without Python: order and loss, and that the race test can fail."""

from __future__ import annotations

import os
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


THREAD = ["-fsanitize=thread", "-O1"]
LONG = bool(os.environ.get("WAVTOOLS_TSAN"))  # `make tsan`; the plain suite runs one of each
FAULTS = ["WT_ACQUIRE", "WT_RELEASE"]


def race_reports(program: Path, capacity: int, samples: int, seed: int) -> int:
    """How many data races ThreadSanitizer saw in one run."""
    env = {**os.environ, "TSAN_OPTIONS": "exitcode=0 history_size=7"}
    command = [str(program), str(capacity), str(samples), str(seed)]
    result = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert "0 wrong" in result.stdout or result.returncode, result.stdout
    return result.stderr.count("WARNING: ThreadSanitizer: data race")


@pytest.mark.parametrize("capacity", [64, 1024, 4096])
def test_threadsanitizer_sees_no_race_in_the_ring(tmp_path: Path, capacity: int) -> None:
    program = build(tmp_path, *THREAD)
    for seed in range(20 if LONG else 1):
        assert race_reports(program, capacity, 2_000_000 if LONG else 200_000, seed) == 0


@pytest.mark.parametrize("order", FAULTS)
def test_threadsanitizer_catches_a_weakened_order(tmp_path: Path, order: str) -> None:
    """A race test that cannot fail proves nothing: with one memory order weakened it must, within 20 runs."""
    program = build(tmp_path, *THREAD, f"-D{order}=memory_order_relaxed")
    assert any(race_reports(program, 64, 500_000, seed) for seed in range(20))
