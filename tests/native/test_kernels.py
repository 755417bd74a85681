"""The C kernels without Python: the same bits from every instruction set, compiler path and processor."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pytest

from tests.conftest import require_program

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "src" / "wavtools" / "_native"
SOURCES = ["fft.c", "kernels_base.c", "kernels_v3.c", "kernels_v4.c", "kernels_select.c"]
FLAGS = ["-std=c11", "-O3", "-fno-trapping-math", "-fno-math-errno", "-ffp-contract=off"]  # as in setup.py


def sums(folder: Path, compiler: str, *flags: str, emulator: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """The checksums of kernels_bits.c, by kernel set."""
    program = folder / "kernels_bits.exe"
    sources = [HERE / "kernels_bits.c", *(NATIVE / name for name in SOURCES)]
    subprocess.run([compiler, *FLAGS, *flags, f"-I{NATIVE}", *sources, "-o", program, "-lm"], check=True)
    environment = {**os.environ, "WINEPREFIX": str(folder / "wine"), "WINEDEBUG": "-all"}
    done = subprocess.run(
        [*emulator, program], capture_output=True, text=True, check=True, timeout=100, env=environment
    )
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        name, _, rest = line.partition(" ")
        found.setdefault(name, []).append(rest)
    return found


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> dict[str, list[str]]:
    return sums(tmp_path_factory.mktemp("here"), require_program("cc", "gcc"))


def test_every_set_of_this_processor_gives_the_same_bits(here) -> None:
    assert len(here["base"]) == 61
    assert all(found == here["base"] for found in here.values())


def test_compilers_without_vector_types_give_the_same_bits(here, tmp_path) -> None:
    plain = sums(tmp_path, require_program("cc", "gcc"), "-DWT_PLAIN")
    assert all(found == here["base"] for found in plain.values())


@pytest.mark.skipif(platform.machine() == "aarch64", reason="the other tests run on this processor already")
def test_arm64_gives_the_same_bits(here, tmp_path) -> None:
    compiler = require_program("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")
    emulator = require_program("qemu-aarch64", "qemu-user")
    arm64 = sums(tmp_path, compiler, "-static", emulator=(emulator,))
    assert arm64 == {"base": here["base"]}


@pytest.mark.skipif(
    os.name == "nt" or platform.machine() != "x86_64", reason="wine runs x86-64 programs on x86-64 Unix"
)
def test_windows_gives_the_same_bits_and_compiles_the_rest(here, tmp_path) -> None:
    compiler = require_program("x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64")
    windows = sums(tmp_path, compiler, "-static", emulator=(require_program("wine", "wine"),))
    assert windows == here
    for name in (
        "polyphase.c",
        "blocks.c",
        "spsc.h",
        "clock.h",
        "capture.h",
        "seat.h",
        "fade.h",
        "playback.h",
    ):
        command = [compiler, "-std=c11", "-Wall", "-Werror", "-x", "c", "-fsyntax-only", NATIVE / name]
        subprocess.run(command, check=True)
