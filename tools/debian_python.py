"""Makes a folder with the CPython of another Debian release or processor, and builds the package for it.

    python tools/debian_python.py FOLDER SUITE VERSION [ARCHITECTURE]
    python tools/debian_python.py build/debian/arm64 trixie 3.13 arm64
    build/debian/arm64/venv/bin/python tools/check_installed.py tests/wavtools/test_ring.py

Debian's packages are unpacked, not installed: the interpreter runs beside this system, without chroot, and for another
processor under qemu. Its children are this system's programs, compilers included, so that building takes as long as it
does here. It needs mmdebstrap and root; for arm64 also qemu-user and g++-aarch64-linux-gnu.

Thread: main.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["PROCESSORS", "make", "packages_of"]

ROOT = Path(__file__).parents[1]
# Architecture -> the names that its libraries, dynamic linker, emulator and wheels go by
PROCESSORS = {
    "amd64": ("x86_64-linux-gnu", "lib64/ld-linux-x86-64.so.2", "", "x86_64"),
    "arm64": ("aarch64-linux-gnu", "lib/ld-linux-aarch64.so.1", "qemu-aarch64", "aarch64"),
}
# libpulse and libasound are loaded by miniaudio, libstdc++ by NumPy.
LIBRARIES = ["base-files", "libasound2t64", "libpulse0", "libstdc++6", "libatomic1"]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
BUILDS = ["setuptools>=77", "Cython>=3.1,<4", "numpy>=2", "cffi"]
EMIT = """
import json, sys
sys.path.insert(0, ".")
from build_ffi_module import ffibuilder
made = ffibuilder.distutils_extension("emitted")
print(json.dumps({name: value for name, value in vars(made).items() if value}))
"""
SOURCES = [
    "src",
    "console",
    "setup.py",
    "pyproject.toml",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
    "build/cython",
]


def run(*command: str | Path, cwd: Path | None = None, **variables: str) -> None:
    """Run a command, with variables of its own. Bytecode is kept: without it each start under qemu takes a minute."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(
        ["nice", *command], check=True, stdin=subprocess.DEVNULL, cwd=cwd, env={**environment, **variables}
    )


def archive() -> str:
    """The Debian archive that this system's packages come from."""
    files = [*Path("/etc/apt").rglob("*.list"), *Path("/etc/apt").rglob("*.sources")]
    text = "\n".join(file.read_text() for file in files)
    found: list[str] = re.findall(r"\w+://\S+/debian/?(?=\s)", text)
    return next(url for url in found if "archive" not in url)


def unpack(root: Path, suite: str, version: str, architecture: str) -> None:
    """Debian's packages of the interpreter, and a program that runs it."""
    names = ",".join([*LIBRARIES, f"python{version}-dev", f"python{version}-venv"])
    # Copies of an archive are often older than its lists are valid; their signatures are checked all the same.
    options = ["--mode=root", "--variant=extract", '--aptopt=Acquire::Check-Valid-Until "false"']
    options += [f"--arch={architecture}", f"--include={names}", "--quiet"]
    run("mmdebstrap", *options, suite, root, archive())
    triplet, linker, emulator, _ = PROCESSORS[architecture]
    interpreter = root / "usr" / "bin" / f"python{version}"
    if emulator:
        command = f'{emulator} -0 "$0" -L {root} {interpreter}'
    else:
        libraries = f"{root}/usr/lib/{triplet}:{root}/usr/lib/{triplet}/pulseaudio"
        command = f'{root / linker} --argv0 "$0" --library-path {libraries} {interpreter}'
    # Beside the real one: Python finds its library from where it believes to be.
    launcher = root / "usr" / "bin" / "python"
    launcher.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    launcher.chmod(0o755)


def packages_of(*extras: str) -> list[str]:
    """What the package and these extras of it need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(one for extra in extras for one in project["optional-dependencies"][extra]),
    ]
    return [one for one in wanted if not one.startswith("wavtools[")]


def install(folder: Path, version: str, architecture: str, packages: list[str]) -> None:
    """Put packages into the virtual environment; those for another processor are chosen by pip here, which is faster."""
    python = folder / "venv" / "bin" / "python"
    if not PROCESSORS[architecture][2]:
        run(*PIP, "--python", python, "install", *packages)
        return
    site = folder / "venv" / "lib" / f"python{version}" / "site-packages"
    machine = PROCESSORS[architecture][3]
    platforms = [
        f"--platform={tag}_{machine}" for tag in ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
    ]
    wheels: list[str | Path] = [
        "--target",
        site,
        "--python-version",
        version,
        "--only-binary=:all:",
        "--no-compile",
        *platforms,
    ]
    run(*PIP, "install", *wheels, *packages)


def build(folder: Path, source: Path, version: str, architecture: str) -> None:
    """Build a wheel of *source* with the folder's Python and this system's compiler, and put it into the folder."""
    # Python's own headers include one by its architecture's name. Debian's Python may name those of /usr.
    include = folder / "root" / "usr" / "include"
    flags = f"-I{include / f'python{version}'} -idirafter {include}"
    wheels = folder / "wheels" / source.name
    shutil.rmtree(wheels, ignore_errors=True)
    python = folder / "venv" / "bin" / "python"
    run(python, "setup.py", "--quiet", "bdist_wheel", "--dist-dir", wheels, cwd=source, CFLAGS=flags)
    site = folder / "venv" / "lib" / f"python{version}" / "site-packages"
    options: list[str | Path] = [
        "--target",
        site,
        "--upgrade",
        "--no-deps",
        "--python-version",
        version,
        "--only-binary=:all:",
    ]
    options += [f"--platform=linux_{PROCESSORS[architecture][3]}"]
    run(*PIP, "install", *options, *wheels.glob("*.whl"))


def build_ours(folder: Path, version: str, architecture: str) -> None:
    """The package as it is now. The C code that Cython generated here is taken along; it takes long under qemu."""
    source = folder / "source"
    for name in SOURCES:
        file = ROOT / name
        if file.is_dir():
            ignored = shutil.ignore_patterns("*.so", "*.egg-info", "__pycache__")
            shutil.copytree(file, source / name, dirs_exist_ok=True, ignore=ignored)
        elif file.exists():
            source.mkdir(exist_ok=True)
            shutil.copy2(file, source / name)
    build(folder, source, version, architecture)


def make(
    folder: Path, suite: str, version: str, architecture: str, extras: tuple[str, ...] = ("test", "realtime")
) -> None:
    """Make the folder if it is not there, and build the package into it."""
    if not (folder / "made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        unpack(folder / "root", suite, version, architecture)
        run(folder / "root" / "usr" / "bin" / "python", "-m", "venv", "--without-pip", folder / "venv")
        packages = [one for one in packages_of(*extras) if not one.startswith("miniaudio")]
        install(folder, version, architecture, [*BUILDS, *packages])
        add_miniaudio(folder, version, architecture)
        (folder / "made").touch()
    build_ours(folder, version, architecture)


def add_miniaudio(folder: Path, version: str, architecture: str) -> None:
    """Its wheel; compiled where there is none, with its own options. Its C code is made here: that takes long under qemu."""
    try:
        install(folder, version, architecture, ["miniaudio", "--only-binary=:all:"])
        return
    except subprocess.CalledProcessError:
        print("miniaudio has no wheel there: compiling it")
    target = folder / "download"
    # Only miniaudio itself from source: what builds it may come as wheels.
    run(*PIP, "download", "--no-deps", "--no-binary=miniaudio", "-d", target, "miniaudio")
    (packed,) = target.glob("miniaudio-*.tar.gz")
    shutil.unpack_archive(packed, target)
    source = packed.with_name(packed.name.removesuffix(".tar.gz"))
    done = subprocess.run(
        [sys.executable, "-c", EMIT], cwd=source, capture_output=True, text=True, check=True
    )
    made = json.loads(done.stdout.splitlines()[-1])
    triplet = PROCESSORS[architecture][0]
    headers = [
        f"-I{folder / 'root' / 'usr' / 'include' / f'python{version}'}",
        "-idirafter",
        folder / "root/usr/include",
    ]
    headers += [f"-I{name}" for name in made["include_dirs"]]
    macros = [f"-D{name}" if value is None else f"-D{name}={value}" for name, value in made["define_macros"]]
    site = folder / "venv" / "lib" / f"python{version}" / "site-packages"
    library = site / f"_miniaudio.cpython-{version.replace('.', '')}-{triplet}.so"
    command = [
        f"{triplet}-gcc",
        "-shared",
        "-fPIC",
        *made["extra_compile_args"],
        *macros,
        *headers,
        *made["sources"],
    ]
    run(*command, "-o", library, *(f"-l{name}" for name in made["libraries"]), cwd=source)
    shutil.copy(source / "miniaudio.py", site)


def main() -> int:
    if len(sys.argv) not in (4, 5):
        print(__doc__)
        return 2
    folder, suite, version, *rest = sys.argv[1:]
    architecture = rest[0] if rest else "amd64"
    if architecture not in PROCESSORS:
        print(f"no such architecture: {architecture}; there are {', '.join(PROCESSORS)}")
        return 2
    if shutil.which("mmdebstrap") is None:
        print("mmdebstrap is not installed; install the system package mmdebstrap")
        return 2
    make(Path(folder).absolute(), suite, version, architecture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
