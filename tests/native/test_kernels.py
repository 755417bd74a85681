"""The C kernels without Python: the same bits from every instruction set, compiler path and processor."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module")
def compiling(tmp_path_factory) -> Iterator[dict[str, Future[Path]]]:
    """The programs of kernels_bits.c, compiled side by side: one takes as long as all other tests of this file."""

    def compile_program(name: str, folder: Path) -> Path:
        compiler, _, flags = PROGRAMS[name]
        program = folder / "kernels_bits.exe"
        sources = [HERE / "kernels_bits.c", *(NATIVE / source for source in SOURCES)]
        subprocess.run([compiler, *FLAGS, *flags, f"-I{NATIVE}", *sources, "-o", program, "-lm"], check=True)
        return program

    with ThreadPoolExecutor(2) as pool:
        yield {
            name: pool.submit(compile_program, name, tmp_path_factory.mktemp(name))
            for name in PROGRAMS
            if shutil.which(PROGRAMS[name][0])
        }


def sums(
    compiling: dict[str, Future[Path]], name: str, emulator: tuple[str, ...] = ()
) -> dict[str, list[str]]:
    """The checksums that the program *name* prints, by kernel set."""
    require_program(*PROGRAMS[name][:2])
    program = compiling[name].result(timeout=100)
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
def here(compiling) -> dict[str, list[str]]:
    return sums(compiling, "here")


def test_every_set_of_this_processor_gives_the_same_bits(here) -> None:
    assert len(here["base"]) == 61
    assert all(found == here["base"] for found in here.values())


def test_compilers_without_vector_types_give_the_same_bits(compiling, here) -> None:
    plain = sums(compiling, "plain")
    assert all(found == here["base"] for found in plain.values())


@pytest.mark.skipif(platform.machine() == "aarch64", reason="the other tests run on this processor already")
def test_arm64_gives_the_same_bits(compiling, here) -> None:
    arm64 = sums(compiling, "arm64", emulator=(require_program("qemu-aarch64", "qemu-user"),))
    assert arm64 == {"base": here["base"]}


@pytest.mark.skipif(
    os.name == "nt" or platform.machine() != "x86_64", reason="wine runs x86-64 programs on x86-64 Unix"
)
def test_windows_gives_the_same_bits_and_compiles_the_rest(compiling, here) -> None:
    compiler = require_program(*PROGRAMS["windows"][:2])
    windows = sums(compiling, "windows", emulator=(require_program("wine", "wine"),))
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
