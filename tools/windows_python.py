"""Makes a folder with a Windows CPython 3.11 that runs under wine, and builds the package for it.

    python tools/windows_python.py FOLDER            make it if it is not there; build the package into it
    wine FOLDER/python.exe -m pytest tests/wavtools/test_ring.py

The interpreter comes from packages alone: its DLL and modules from the Windows wheel of panda3d, the library from the
CPython 3.11 that runs this, headers from Debian's source package, ``python.exe`` and ``python3.dll`` from mingw. It runs
what a Windows user runs: WASAPI, the proactor event loop, Windows' files and processes. It needs
gcc-mingw-w64-x86-64-win32, wine and CPython 3.11, on Debian.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMPILER = "x86_64-w64-mingw32-gcc"
# NumPy 2 calls functions of the C library that wine 8 lacks. Its headers make extensions that run with 1.26, too.
HEADERS = "numpy==2.2.6"
INTERPRETER = "panda3d==1.10.16"
COMPILED = [
    "numpy==1.26.4",
    "scipy==1.11.4",
    "cffi",
    "miniaudio",
    "orjson",
    "pybase64",
    "websockets",
    "hypothesis",
]
PURE = [
    "pytest",
    "pytest-asyncio",
    "pytest-timeout",
    "pytest-rerunfailures",
    "colorama",
    "setuptools",
    "httpx",
]
PURE += ["prometheus-client", "textual", "platformdirs", "PyYAML", "sortedcontainers", "python-dotenv"]
SKIPPED = {"site-packages", "lib-dynload", "test", "idlelib", "__pycache__"}
# As setup.py has them for gcc. _USE_MATH_DEFINES gives M_PI.
FLAGS = ["-std=c11", "-O3", "-fno-trapping-math", "-fno-math-errno", "-ffp-contract=off"]
FLAGS += ["-DMS_WIN64", "-D_USE_MATH_DEFINES", "-shared", "-static-libgcc"]
MAIN = """#include <wchar.h>
__declspec(dllimport) int Py_Main(int, wchar_t **);
int wmain(int count, wchar_t **arguments) { return Py_Main(count, arguments); }
"""


def run(*command: str | Path, **options: object) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, **options)  # type: ignore[call-overload]


def download(folder: Path, *packages: str, needs: bool = False) -> None:
    """Windows wheels of *packages*, with what they need if asked for."""
    platform = ["--only-binary", ":all:", "--platform", "win_amd64", "--python-version", "3.11"]
    needed = [] if needs else ["--no-deps"]
    run(sys.executable, "-m", "pip", "download", "-q", *needed, *platform, "-d", folder, *packages)


def unpack_wheels(wheels: Path, target: Path) -> None:
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)


def add_interpreter(folder: Path, scratch: Path) -> None:
    """python311.dll, its modules, and the pure library."""
    download(scratch / "interpreter", INTERPRETER)
    unpack_wheels(scratch / "interpreter", scratch / "panda")
    libraries = scratch / "panda" / "deploy_libs"
    (folder / "DLLs").mkdir(parents=True)
    for pattern, target in (("python311.dll", ""), ("VCRUNTIME140.dll", "")):
        shutil.copy(libraries / pattern, folder / target)
    for pattern in ("*.pyd", "lib*.dll", "sqlite3.dll"):
        for file in libraries.glob(pattern):
            shutil.copy(file, folder / "DLLs")

    def skipped(directory: str, names: list[str]) -> set[str]:
        return {name for name in names if name in SKIPPED or name.startswith(("config-3", "_sysconfigdata"))}

    shutil.copytree(sysconfig.get_path("stdlib"), folder / "Lib", ignore=skipped)


def add_headers(folder: Path, scratch: Path) -> str:
    """Python's headers for Windows; returns the list of names that python3.dll forwards."""
    sources, lists = scratch / "sources.list", scratch / "lists"
    # The same archive as the system's, with its source packages.
    listed = Path("/etc/apt").rglob("*.list"), Path("/etc/apt").rglob("*.sources")
    text = "\n".join(file.read_text() for files in listed for file in files)
    archive = next(url for url in re.findall(r"\w+://\S+/debian/?(?=\s)", text) if "archive" not in url)
    sources.write_text(f"deb-src {archive} bookworm main\n")
    lists.mkdir()
    options = [
        f"-oDir::Etc::sourcelist={sources}",
        "-oDir::Etc::sourceparts=/dev/null",
        f"-oDir::State::lists={lists}",
    ]
    run("apt-get", *options, "update", "-qq", stderr=subprocess.DEVNULL)
    run(
        "apt-get",
        *options,
        "source",
        "--download-only",
        "-qq",
        "python3.11",
        cwd=scratch,
        stderr=subprocess.DEVNULL,
    )
    with tarfile.open(next(scratch.glob("python3.11_*.orig.tar.gz"))) as archive_file:
        for member in archive_file:
            _, _, name = member.name.partition("/")
            if member.isfile() and (
                name.startswith("Include/") or name in ("PC/pyconfig.h", "PC/python3dll.c")
            ):
                target = scratch / "cpython" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                source = archive_file.extractfile(member)
                assert source is not None
                target.write_bytes(source.read())
    shutil.copytree(scratch / "cpython" / "Include", folder / "include")
    shutil.copy(scratch / "cpython" / "PC" / "pyconfig.h", folder / "include")
    return (scratch / "cpython" / "PC" / "python3dll.c").read_text()


def add_programs(folder: Path, scratch: Path, forwarded: str) -> None:
    """python.exe, and the python3.dll that modules of the stable interface load."""
    lines = ["LIBRARY python3.dll", "EXPORTS"]
    for kind, mark in (("FUNC", ""), ("DATA", " DATA")):
        names = re.findall(rf"^EXPORT_{kind}\((\w+)\)", forwarded, re.MULTILINE)
        lines += [f"  {name}=python311.{name}{mark}" for name in names]
    (scratch / "python3.def").write_text("\n".join(lines))
    (scratch / "nothing.c").write_text("int nothing;")
    (scratch / "main.c").write_text(MAIN)
    shared = [COMPILER, "-shared", "-nostartfiles", "-Wl,--entry=0"]
    run(*shared, "-o", folder / "python3.dll", scratch / "nothing.c", scratch / "python3.def")
    run(
        COMPILER,
        "-O1",
        "-municode",
        "-o",
        folder / "python.exe",
        scratch / "main.c",
        folder / "python311.dll",
    )


def make(folder: Path) -> None:
    """The interpreter and the packages, without ours."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        add_interpreter(folder, scratch)
        add_programs(folder, scratch, add_headers(folder, scratch))
        download(scratch / "wheels", *COMPILED)
        download(scratch / "wheels", *PURE, needs=True)
        unpack_wheels(scratch / "wheels", folder / "Lib" / "site-packages")
        download(scratch / "headers", HEADERS)
        unpack_wheels(scratch / "headers", scratch / "numpy")
        shutil.copytree(scratch / "numpy/numpy/_core/include/numpy", folder / "include/numpy")
    environment = wine_environment(folder)
    version = ["wine", "reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f"]
    run(*version, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run("wine", folder / "python.exe", "-c", "import numpy, _miniaudio", env=environment)


def wine_environment(folder: Path) -> dict[str, str]:
    """The environment in which wine runs the folder's python.exe."""
    prefix = folder / "prefix"
    prefix.mkdir(exist_ok=True)
    return {"WINEPREFIX": str(prefix), "WINEDEBUG": "-all", **os.environ}


def build(folder: Path) -> None:
    """Compile our extensions and copy our packages; an extension that is newer than its sources stays."""
    from distutils.core import run_setup

    import setuptools  # noqa: F401 - it makes distutils importable

    os.chdir(ROOT)
    packages = folder / "Lib" / "site-packages"
    for source, name in (
        ("src/wavtools", "wavtools"),
        ("src/realtime", "realtime"),
        ("console", "realtime_console"),
    ):
        shutil.copytree(
            source, packages / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.so", "__pycache__")
        )
    for extension in run_setup("setup.py", stop_after="init").ext_modules:
        target = packages.joinpath(*extension.name.split(".")).with_suffix(".cp311-win_amd64.pyd")
        inputs = [Path(name) for name in (*extension.sources, *extension.depends)]
        if target.exists() and target.stat().st_mtime > max(file.stat().st_mtime for file in inputs):
            continue
        includes = [f"-I{ROOT / 'src/wavtools/_native'}", f"-I{folder / 'include'}"]
        macros = [f"-D{name}={value}" for name, value in extension.define_macros]
        run(
            "nice",
            COMPILER,
            *FLAGS,
            *macros,
            *includes,
            "-o",
            target,
            *extension.sources,
            folder / "python311.dll",
        )


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    if sys.version_info[:2] != (3, 11):
        print("the library is copied from the Python that runs this, which must be CPython 3.11")
        return 2
    folder = Path(sys.argv[1]).absolute()
    if not (folder / "python.exe").exists():
        shutil.rmtree(folder, ignore_errors=True)
        make(folder)
    build(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
