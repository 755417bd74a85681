"""Build the extensions with a sanitizer, in a folder of their own, and run tests on them.

    python tools/sanitize.py thread              ThreadSanitizer: the ring, and a live duplex device
    python tools/sanitize.py address,undefined   AddressSanitizer and UBSan: the wavtools tests

Only our extensions are instrumented, not Python, NumPy or the decoders in the wheels of miniaudio and PyAV: the sanitizer's
runtime is preloaded, in child processes too. Reports go to files, because pytest's capture swallows them; a report that
names one of our source files fails the run. Further arguments go to pytest. Linux with gcc.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = (
    "_encodings",
    "encodings.h",
    "_callbacks",
    "_states",
    "ring",
    "pcm",
    "resample",
    "spectrum",
    "stft",
    "levels",
    "loudness",
    "voice_activity",
    "echo_native",
    "gain",
    "echo.c",
    "echo_suppress.c",
    "spsc.h",
    "clock.h",
    "stamp.h",
    "capture.h",
    "seat.h",
    "fade.h",
    "tap.h",
    "playback.h",
    "polyphase",
    "blocks",
    "fft",
    "vec8.h",
    "pcm16.inc",
    "kernels",
)
TESTS = {
    "thread": ["tests/wavtools/test_ring.py", "tests/native/live_duplex.py"],
    "address,undefined": ["tests/wavtools", "--deselect=tests/wavtools/test__supervisor.py"],
}
RUNTIMES = {"thread": ["libtsan.so"], "address,undefined": ["libasan.so", "libubsan.so"]}


def build(sanitizer: str, folder: Path) -> None:
    """The package, instrumented, in *folder*/src; what an earlier build compiled there is kept."""
    for old in (folder / "src").rglob("*.p*"):
        if not (ROOT / old.relative_to(folder)).exists():
            old.unlink()  # a module that is gone
    shutil.copytree(
        ROOT / "src", folder / "src", dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"],
        cwd=folder,
        env={**os.environ, "WAVTOOLS_SANITIZE": sanitizer},
        check=True,
    )


def runtime(name: str) -> str:
    found = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def main(sanitizer: str, arguments: list[str]) -> int:
    folder = ROOT / "build" / ("sanitize-" + sanitizer.replace(",", "-"))
    build(sanitizer, folder)
    log = folder / "report"
    for old in folder.glob("report.*"):
        old.unlink()
    options = f"log_path={log}"
    environment = {
        **os.environ,
        "PYTHONPATH": f"{folder / 'src'}{os.pathsep}{ROOT}",
        "PYTHONMALLOC": "malloc",
        "LD_PRELOAD": " ".join(runtime(name) for name in RUNTIMES[sanitizer]),
        "TSAN_OPTIONS": f"{options} exitcode=0 history_size=7",
        "ASAN_OPTIONS": f"{options} detect_leaks=0 exitcode=99",
        "UBSAN_OPTIONS": f"{options} print_stacktrace=1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=900"]
    tests = arguments or TESTS[sanitizer]
    failed = subprocess.run([*command, *tests], cwd=ROOT, env=environment).returncode
    for report in sorted(folder.glob("report.*")):
        text = report.read_text(errors="replace")
        if any(name in text for name in OURS):
            print(f"--- {report.name}\n{text}", file=sys.stderr)
            failed = failed or 1
    print(f"{sanitizer}: {'FAILED' if failed else 'clean'}")
    return failed


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TESTS:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
