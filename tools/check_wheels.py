"""Build the sdist, a wheel from it for each interpreter, and test every one as a user gets it.

    python tools/check_wheels.py                      each CPython 3.10 to 3.14 found on PATH or in pyenv
    python tools/check_wheels.py /usr/bin/python3.12  these only
    python tools/check_wheels.py --short              the running interpreter, few tests: for .ci/run

For each wheel, in a clean virtual environment: it installs and runs where there is no compiler; the whole wavtools suite
passes against what is installed; a project of somebody else's compiles against it; a user's typed program passes mypy
--strict; and the parts whose extras are missing say what to install. README and tutorial are followed with the wheel of
the running interpreter. Needs wavtools[wheel] and mypy; leaves its files in build/wheels and the wheels in dist/.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
WORK = ROOT / "build" / "wheels"
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
SHORT_TESTS = ["tests/test_package_installed.py", "tests/wavtools/test_wav.py", "tests/wavtools/test_ring.py"]
SCRIPTS = "Scripts" if sys.platform == "win32" else "bin"


def run(*command: str | Path, path: Path | None = None, cwd: Path = WORK, expect: int = 0, **env: str) -> str:
    """Run a command and return both of its streams. Exit with its output if its exit status is not *expect*.

    *path* replaces PATH: with only a virtual environment's folder there, no compiler can be found.
    """
    environment = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "OPENAI_API_KEY")
    }
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", **env}
    if path is not None:
        environment["PATH"] = str(path)
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=1800,
    )
    if done.returncode != expect:
        sys.exit(f"{' '.join(map(str, command))}\nexit status {done.returncode}:\n{done.stdout[-6000:]}")
    return done.stdout


def interpreters() -> list[str]:
    """One interpreter for each version found."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = []
    for version in VERSIONS:
        places = sorted(pyenv.glob(f"{version}.*/bin/python"))
        name = str(places[-1]) if places else shutil.which(f"python{version}")
        if name:
            found.append(name)
        else:
            print(f"CPython {version}: not found, not tested")
    return found


def tracked() -> list[str]:
    """Tracked files of the folders that belong into the sdist; none outside a git checkout."""
    done = subprocess.run(
        ["git", "ls-files", "src", "console", "tests", "benchmarks", "examples", "tools", "docs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.split()


def build_sdist() -> Path:
    """Build dist/*.tar.gz: every tracked file of the packages and their tests, and no generated file."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", DIST, ROOT)
    (sdist,) = DIST.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    missing = sorted(set(tracked()) - names)
    generated = sorted(
        name for name in names if name.endswith((".so", ".pyd", ".pyc")) or name.startswith("build/")
    )
    generated += [f"src/wavtools/{name}.c" for name in ("pcm", "ring") if f"src/wavtools/{name}.c" in names]
    if missing or generated:
        sys.exit(f"{sdist.name}: missing {missing}, generated {generated}")
    print(f"{sdist.name}: {sdist.stat().st_size / 1e6:.2f} MB, {len(names)} files")
    return sdist


def build_wheel(python: str, sdist: Path) -> Path:
    """Build a wheel from the sdist, in pip's own build environment."""
    folder = WORK / "new"
    shutil.rmtree(folder, ignore_errors=True)
    run(python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, sdist)
    (wheel,) = folder.glob("*.whl")
    return Path(shutil.move(wheel, DIST / wheel.name))


def check_wheels() -> None:
    """Check all artifacts with twine, check-wheel-contents and auditwheel."""
    artifacts = sorted(DIST.iterdir())
    wheels = [path for path in artifacts if path.suffix == ".whl"]
    run(sys.executable, "-m", "twine", "check", "--strict", *artifacts)
    run(sys.executable, "-m", "check_wheel_contents", "--config", ROOT / "pyproject.toml", *wheels)
    print("twine check --strict, check-wheel-contents: clean")
    if sys.platform == "linux":
        for wheel in wheels:
            said = " ".join(run(sys.executable, "-m", "auditwheel", "show", wheel).split())
            tag = said.partition("platform tag: ")[2].split()[0].strip('".')
            print(f"auditwheel: {wheel.name}: {tag}, {wheel.stat().st_size / 1e6:.2f} MB")


def test_wheel(python: str, wheel: Path, name: str, short: bool) -> None:
    """Test one wheel in a virtual environment that gets a user's additions one by one."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    run(python, "-m", "venv", folder)
    programs = folder / SCRIPTS
    test_without_compiler(programs, wheel, name)
    test_extras(programs, wheel, name)
    run(programs / "python", "-m", "pip", "install", "--quiet", f"{wheel}[test]")
    begun = time.monotonic()
    # Devices have deadlines that a loaded machine can miss: such tests may run again, see tests/reruns.py.
    tests = SHORT_TESTS if short else []
    said = run(programs / "python", ROOT / "tools" / "check_installed.py", *tests, WAVTOOLS_RERUNS="2")
    for line in said.splitlines():
        if line.startswith("RERUN "):
            print(f"{name}: {line}")
    print(f"{name}: {said.strip().splitlines()[-1]} (whole run {time.monotonic() - begun:.0f} s)", flush=True)
    test_downstream(programs, name)
    sample = WORK / "typed_sample.py"
    shutil.copy(ROOT / "tests" / sample.name, sample)
    run(sys.executable, "-m", "mypy", "--strict", "--python-executable", programs / "python", sample)
    print(f"{name}: mypy --strict on a user's program: clean", flush=True)
    if name == f"cp{sys.version_info.major}{sys.version_info.minor}" and not short:
        test_pages(wheel, name)


def test_pages(wheel: Path, name: str) -> None:
    """README and tutorial, in environments of their own."""
    said = run(
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "tests/test_pages_installed.py",
        cwd=ROOT,
        WAVTOOLS_WHEEL=str(wheel),
    )
    print(f"{name}: README and tutorial: {said.strip().splitlines()[-1]}", flush=True)


def test_without_compiler(programs: Path, wheel: Path, name: str) -> None:
    """The wheel alone, without a compiler: it records, resamples and writes a file."""
    if shutil.which("cc", path=str(programs)) or shutil.which("gcc", path=str(programs)):
        sys.exit("there is a compiler where none should be")
    run(
        programs / "python", "-m", "pip", "install", "--quiet", "--only-binary", ":all:", wheel, path=programs
    )
    said = run(programs / "python", ROOT / "examples" / "record_offline.py", "tone.wav", path=programs)
    print(f"{name}: without a compiler: {said.strip()}", flush=True)


def test_extras(programs: Path, wheel: Path, name: str) -> None:
    """The parts of an installed extra run; parts that need another extra name it."""
    pip = (programs / "python", "-m", "pip", "install", "--quiet")
    one_line(run(programs / "python", "-m", "realtime.offline", expect=2), "wavtools[realtime]")
    run(*pip, "websockets>=15")
    one_line(run(programs / "realtime-console", expect=2), "wavtools[console]")
    run(*pip, f"{wheel}[realtime]")
    one_line(
        run(programs / "python", "-m", "realtime.offline", "--voice", "models", expect=2), "wavtools[offline]"
    )
    run(*pip, f"{wheel}[console]")
    said = run(programs / "realtime-console")
    if "answer.wav" not in said or "demo turn" not in said:
        sys.exit(f"no demo turn:\n{said}")
    run(programs / "python", "-m", "realtime_console", "--help")
    print(f"{name}: extras: a demo turn with the console's alone; what is missing is named", flush=True)


def one_line(said: str, advice: str) -> None:
    """The message is one line, and gives the advice."""
    if len(said.strip().splitlines()) != 1 or advice not in said:
        sys.exit(f"expected one line with {advice}, got:\n{said}")


def test_downstream(programs: Path, name: str) -> None:
    """The downstream project, built as pip builds it."""
    project = WORK / "downstream"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(ROOT / "examples" / "downstream", project, ignore=shutil.ignore_patterns("build", "*.c"))
    run(programs / "python", "-m", "pip", "install", "--quiet", "--no-build-isolation", project)
    print(f"{name}: downstream: {run(programs / 'python', project / 'check.py').strip()}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("python", nargs="*", help="interpreters to build for; default: all that are found")
    parser.add_argument("--short", action="store_true", help="only the running interpreter, and few tests")
    arguments = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    sdist = build_sdist()
    failed = []
    for python in arguments.python or ([sys.executable] if arguments.short else interpreters()):
        try:
            wheel = build_wheel(python, sdist)
            name = wheel.name.split("-")[3]  # cp313, or cp313t: the ABI
            test_wheel(python, wheel, name, arguments.short)
        except SystemExit as error:  # go on: the results of the other wheels are wanted, too
            print(error.code, flush=True)
            failed.append(python)
    check_wheels()
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
