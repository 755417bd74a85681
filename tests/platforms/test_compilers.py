"""The C kernels, compiled for other processors and systems by another compiler, and run under emulation: the same bits.

`make platforms` runs this; it installs ziglang, a C compiler for every target in one package. macOS programs are linked
only: nothing here runs them.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from tests import early
from tests.conftest import require_program
from tests.native.test_kernels import FLAGS, HERE, NATIVE, SOURCES
from tests.platforms.wine_server import ROOT, WINDOWS, build_windows_python

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="pip install ziglang"),
]

# Target -> the emulator of its processor. The first one is what the others are compared with.
EMULATED = {
    "x86_64-linux-musl": "qemu-x86_64",
    "x86-linux-musl": "qemu-i386",
    "aarch64-linux-musl": "qemu-aarch64",
    "arm-linux-musleabihf": "qemu-arm",
    "riscv64-linux-musl": "qemu-riscv64",
    "powerpc64le-linux-musl": "qemu-ppc64le",
    "s390x-linux-musl": "qemu-s390x",
}
LINKED = ["aarch64-macos", "x86_64-macos", "aarch64-windows"]
OTHERS = ["polyphase.c", "blocks.c"]


def compiled(target: str, folder, *options: str):
    program = folder / "kernels_bits"
    sources = [HERE / "kernels_bits.c", *(NATIVE / source for source in SOURCES)]
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, *FLAGS, *options, f"-I{NATIVE}"]
    subprocess.run([*command, *sources, "-o", program, "-lm"], check=True)
    return program


def sums(target: str, folder) -> list[str]:
    """Checksums of the set that every processor has."""
    emulator = require_program(EMULATED[target], "qemu-user")
    program = compiled(target, folder)
    done = subprocess.run([emulator, program], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.startswith("base ")]


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> list[str]:
    found = sums("x86_64-linux-musl", tmp_path_factory.mktemp("here"))
    assert len(found) > 50
    return found


def test_floats_with_more_bits_than_floats_are_refused():
    """32-bit x86 without SSE computes with the 387's 80 bits, and its results would differ."""
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86-linux-musl", *FLAGS, "-fsyntax-only"]
    options = ["-Xclang", "-target-feature", "-Xclang", "-sse", f"-I{NATIVE}"]
    done = subprocess.run([*command, *options, NATIVE / "kernels_base.c"], capture_output=True, text=True)
    assert "floats are computed with more bits here" in done.stderr


@pytest.mark.parametrize("target", list(EMULATED)[1:])
def test_every_processor_gives_the_same_bits(target, expected, tmp_path):
    assert sums(target, tmp_path) == expected


@pytest.mark.parametrize("target", LINKED)
def test_systems_that_cannot_run_here_are_compiled_and_linked(target, tmp_path):
    compiled(target, tmp_path)
    for name in OTHERS:
        command = [sys.executable, "-m", "ziglang", "cc", "-target", target, *FLAGS, "-Wall", "-Werror"]
        subprocess.run([*command, f"-I{NATIVE}", "-c", NATIVE / name, "-o", tmp_path / "object"], check=True)


def test_the_c_code_is_iso_c11_without_extensions(tmp_path):
    """So it is for MSVC: no vectors of GCC, no arrays of variable length. musl's headers are ISO C as well."""
    command = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        "-target",
        "x86_64-linux-musl",
        "-std=c11",
        "-fgnuc-version=0",
    ]
    command += ["-D_POSIX_C_SOURCE=200809L", "-pedantic-errors", "-Wall", "-Wvla", "-Wgnu", "-Werror"]
    # Of the header's functions none is called; musl's INFINITY is a constant beyond floats.
    command += ["-Wno-unused-function", "-Wno-literal-range", f"-I{NATIVE}", "-o", tmp_path / "object"]
    for file in (*NATIVE.glob("*.c"), *NATIVE.glob("*.h")):
        source = tmp_path / "source.c"
        source.write_text(f'#include "{file.name}"\n')
        subprocess.run([*command, "-c", source], check=True)


@pytest.mark.early.with_args(build_windows_python)
def test_every_extension_compiles_for_windows_on_arm64(tmp_path):
    early.result(build_windows_python)
    command = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        "-target",
        "aarch64-windows",
        *FLAGS,
        "-DMS_WIN64",
        "-O0",
        "-w",
    ]
    command += ["-D_USE_MATH_DEFINES", f"-I{NATIVE}", f"-I{WINDOWS / 'include'}", "-o", tmp_path / "object"]
    sources = sorted((ROOT / "build" / "cython" / "src" / "wavtools").glob("*.c"))
    assert len(sources) >= 12
    for source in sources:
        subprocess.run([*command, "-c", source], check=True)
