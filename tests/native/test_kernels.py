"""The C kernels without Python: the same bits from every instruction set, compiler path and processor."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests import early
from tests.conftest import require_program

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "src" / "wavtools" / "_native"
SOURCES = ["fft.c", "kernels_base.c", "kernels_v3.c", "kernels_v4.c", "kernels_select.c"]
FLAGS = ["-std=c11", "-O3", "-fno-trapping-math", "-fno-math-errno", "-ffp-contract=off"]  # as in setup.py


# Name of a program -> its compiler, the compiler's package, and further flags
PROGRAMS = {
    "here": ("cc", "gcc", ()),
    "plain": ("cc", "gcc", ("-DWT_PLAIN",)),
    "arm64": ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu", ("-static",)),
    "windows": ("x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64", ("-static",)),
}


def compile_program(name: str, folder: Path) -> Path:
    """The program of kernels_bits.c called *name*."""
    compiler, package, flags = PROGRAMS[name]
    program = folder / "kernels_bits.exe"
    sources = [HERE / "kernels_bits.c", *(NATIVE / source for source in SOURCES)]
    command = [
        require_program(compiler, package),
        *FLAGS,
        *flags,
        f"-I{NATIVE}",
        *sources,
        "-o",
        program,
        "-lm",
    ]
    subprocess.run(command, check=True)
    return program


JOBS = {name: partial(compile_program, name) for name in PROGRAMS}


def sums(name: str, emulator: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """The checksums that the program *name* prints, by kernel set."""
    program = early.result(JOBS[name])
    environment = {**os.environ, "WINEPREFIX": str(program.parent / "wine"), "WINEDEBUG": "-all"}
    done = subprocess.run(
        [*emulator, program], capture_output=True, text=True, check=True, timeout=100, env=environment
    )
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        kernels, _, rest = line.partition(" ")
        found.setdefault(kernels, []).append(rest)
    return found


@pytest.fixture(scope="module")
def here() -> dict[str, list[str]]:
    return sums("here")


@pytest.mark.early(JOBS["here"])
def test_every_set_of_this_processor_gives_the_same_bits(here) -> None:
    assert len(here["base"]) == 61
    assert all(found == here["base"] for found in here.values())


@pytest.mark.early(JOBS["plain"])
def test_compilers_without_vector_types_give_the_same_bits(here) -> None:
    plain = sums("plain")
    assert all(found == here["base"] for found in plain.values())


@pytest.mark.early(JOBS["arm64"])
@pytest.mark.skipif(platform.machine() == "aarch64", reason="the other tests run on this processor already")
def test_arm64_gives_the_same_bits(here) -> None:
    arm64 = sums("arm64", emulator=(require_program("qemu-aarch64", "qemu-user"),))
    assert arm64 == {"base": here["base"]}


@pytest.mark.early(JOBS["windows"])
@pytest.mark.skipif(
    os.name == "nt" or platform.machine() != "x86_64", reason="wine runs x86-64 programs on x86-64 Unix"
)
def test_windows_gives_the_same_bits_and_compiles_the_rest(here) -> None:
    compiler = require_program(*PROGRAMS["windows"][:2])
    windows = sums("windows", emulator=(require_program("wine", "wine"),))
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
