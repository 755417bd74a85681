"""Every compiled module, for systems that cannot run here: compiled by zig with Python's headers, and linked where it can.

`make platforms` runs this. The headers are this Python's, with the sizes and the system's headers of the target: what
differs in Python itself is not seen here.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy
import pytest

from tests.native.test_kernels import NATIVE

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="pip install ziglang"),
    pytest.mark.skipif(sys.maxsize < 2**32, reason="the headers are those of a 64-bit Python"),
]

ROOT = Path(__file__).parents[2]
LISTED = """
import json, setuptools
from distutils.core import run_setup
found = run_setup("setup.py", stop_after="init").ext_modules
print(json.dumps({one.name: one.sources for one in found}))
"""
# Target -> how its dynamic libraries are linked: Python's functions are found when they are loaded.
LINKED = {
    "aarch64-macos": ("-Wl,-undefined,dynamic_lookup", "cffaedfe"),
    "x86_64-macos": ("-Wl,-undefined,dynamic_lookup", "cffaedfe"),
    "x86_64-linux-musl": ("-Wl,-z,lazy", "7f454c46"),
    "aarch64-linux-musl": ("-Wl,-z,lazy", "7f454c46"),
}
# Target -> the size of a long double: there, and a pointer has 4 bytes
SMALL = {"x86-linux-musl": 12, "arm-linux-musleabihf": 8}
SIZED = [*LINKED, *SMALL, "riscv64-linux-musl"]


@pytest.fixture(scope="module")
def extensions() -> dict[str, list[str]]:
    """The C files of each module, by its name."""
    done = subprocess.run(
        [sys.executable, "-c", LISTED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def add(header: Path, **values: object) -> None:
    """Redefine macros at the end of a header; None leaves one undefined."""
    lines = []
    for name, value in values.items():
        lines += [f"#undef {name}", *([] if value is None else [f"#define {name} {value}"])]
    with header.open("a") as file:
        file.write("\n".join(["", *lines, ""]))


def headers(target: str, folder: Path) -> Path:
    """Python's and NumPy's headers as they are on the target."""
    shutil.copytree(sysconfig.get_path("include"), folder)
    # Debian's pyconfig.h only names the one of the processor.
    shutil.copy(sysconfig.get_config_h_filename(), folder / "pyconfig.h")
    shutil.copytree(Path(numpy.get_include()) / "numpy", folder / "numpy", dirs_exist_ok=True)
    numpys = folder / "numpy" / "_numpyconfig.h"
    if target.endswith("macos"):
        add(numpys, NPY_HAVE_ENDIAN_H=None)
    if target in SMALL:
        size = SMALL[target]
        names = ("LONG", "VOID_P", "SIZE_T", "UINTPTR_T", "PTHREAD_T")
        add(folder / "pyconfig.h", **dict.fromkeys((f"SIZEOF_{name}" for name in names), 4))
        add(folder / "pyconfig.h", SIZEOF_LONG_DOUBLE=size)
        names = ("LONG", "PY_INTPTR_T", "INTP", "UINTP")
        add(numpys, **dict.fromkeys((f"NPY_SIZEOF_{name}" for name in names), 4))
        add(numpys, NPY_SIZEOF_LONGDOUBLE=size, NPY_SIZEOF_COMPLEX_LONGDOUBLE=2 * size)
    return folder


def zig(target: str, *options: str | Path) -> None:
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("target", SIZED)
def test_every_module_is_compiled_for_it(target, extensions, tmp_path):
    """Compiled, and linked for the systems whose Python loads such libraries."""
    assert len(extensions) > 10
    include = headers(target, tmp_path / "include")
    # Without optimization, which takes most of the time; test_compilers.py compiles the kernels with it.
    options = ["-std=c11", "-O0", "-fno-sanitize=undefined", "-fvisibility=hidden", "-fPIC", "-DNDEBUG"]
    options += [f"-I{NATIVE}", f"-I{include}"]
    sources = sorted({source for files in extensions.values() for source in files})
    objects = {source: tmp_path / f"{Path(source).stem}.o" for source in sources}
    for source, made in objects.items():
        zig(target, *options, "-c", source, "-o", made)
    for name, files in extensions.items() if target in LINKED else ():
        library = tmp_path / f"{name}.so"
        zig(target, "-shared", LINKED[target][0], *(objects[file] for file in files), "-o", library)
        assert library.read_bytes()[:4].hex() == LINKED[target][1]
