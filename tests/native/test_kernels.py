"""The C kernels without Python: the same bits from every instruction set, compiler path and processor."""

from __future__ import annotations

import os
import platform
import re
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
EMULATORS = {"arm64": ("qemu-aarch64", "qemu-user"), "windows": ("wine", "wine")}


def sums(name: str, folder: Path) -> dict[str, list[str]]:
    """The checksums of kernels_bits.c, compiled and run as the program *name*, by kernel set."""
    compiler, package, flags = PROGRAMS[name]
    emulator = [require_program(*EMULATORS[name])] if name in EMULATORS else []
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
    environment = {**os.environ, "WINEPREFIX": str(folder / "wine"), "WINEDEBUG": "-all"}
    done = subprocess.run(
        [*emulator, program], capture_output=True, text=True, check=True, timeout=200, env=environment
    )
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        kernels, _, rest = line.partition(" ")
        found.setdefault(kernels, []).append(rest)
    return found


JOBS = {name: partial(sums, name) for name in PROGRAMS}


@pytest.fixture(scope="module")
def here() -> dict[str, list[str]]:
    return early.result(JOBS["here"])


@pytest.mark.early(JOBS["here"])
def test_every_set_of_this_processor_gives_the_same_bits(here) -> None:
    assert len(here["base"]) == 137
    assert all(found == here["base"] for found in here.values())


def test_the_program_takes_every_kernel_of_the_table_and_every_function_for_files() -> None:
    table = (NATIVE / "kernels.h").read_text().partition("typedef struct wt_kernels")[2]
    program = (HERE / "kernels_bits.c").read_text()
    kernels = set(re.findall(r"\(\*(\w+)\)\(", table))
    encodings = (NATIVE / "encodings.h").read_text()
    files = {f"read_{name}" for name in re.findall(r"^WT_READ\(\w+, (\w+)\)", encodings, re.MULTILINE)}
    files |= set(re.findall(r"^WT_ROUND\(\w+, \w+, (\w+),", encodings, re.MULTILINE)) | {"write_24"}
    assert len(kernels) == 14 and len(files) == 9
    assert {name for name in kernels if f"kernels->{name}(" not in program} == set()
    assert {name for name in files if f"wt_{name}(" not in program} == set()


@pytest.mark.early(JOBS["plain"])
def test_compilers_without_vector_types_give_the_same_bits(here) -> None:
    plain = early.result(JOBS["plain"])
    assert all(found == here["base"] for found in plain.values())


@pytest.mark.early(JOBS["arm64"])
@pytest.mark.skipif(platform.machine() == "aarch64", reason="the other tests run on this processor already")
def test_arm64_gives_the_same_bits(here) -> None:
    arm64 = early.result(JOBS["arm64"])
    assert arm64 == {"base": here["base"]}


@pytest.mark.early(JOBS["windows"])
@pytest.mark.skipif(
    os.name == "nt" or platform.machine() != "x86_64", reason="wine runs x86-64 programs on x86-64 Unix"
)
def test_windows_gives_the_same_bits_and_compiles_the_rest(here) -> None:
    compiler = require_program(*PROGRAMS["windows"][:2])
    windows = early.result(JOBS["windows"])
    assert windows == here
    for name in (
        "polyphase.c",
        "blocks.c",
        "spsc.h",
        "clock.h",
        "stamp.h",
        "capture.h",
        "seat.h",
        "fade.h",
        "tap.h",
        "playback.h",
        "render.h",
    ):
        command = [compiler, "-std=c11", "-Wall", "-Werror", "-x", "c", "-fsyntax-only", NATIVE / name]
        subprocess.run(command, check=True)
