"""Records of what ran where: one JSON file for each module of these tests, from which docs/platforms.md is written.

`make platforms` sets WAVTOOLS_RECORDS to docs/data/platforms. A module whose tests were all selected, and of which one ran
at least, writes its record when the run ends; a test adds figures with pytest's ``record_property``.

Thread: main.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["SYSTEMS", "Records"]

# Module -> the system's name on the page, and the packages whose versions are told
SYSTEMS = {
    "test_pipewire": ("PipeWire through pipewire-pulse", ["pipewire", "wireplumber"]),
    "test_jack": ("JACK, dummy driver with 2 ports each way", ["jackd2"]),
    "test_alsa": ("ALSA through its PulseAudio plugin", ["libasound2", "libasound2-plugins"]),
    "test_windows": ("Windows' CPython 3.11 under wine, WASAPI", ["wine"]),
    "test_compilers": ("Kernels on other processors", ["ziglang", "qemu-user"]),
    "test_extensions": ("All compiled modules, compiled only", ["ziglang"]),
    "test_arm64": ("arm64 Linux under qemu, the whole package", ["qemu-user"]),
    "test_newer_pythons": ("Newer CPython, from newer Debian", []),
}


def version_of(package: str) -> str:
    """A system package's version without Debian's own part, or a Python package's; empty if it is not installed."""
    query = ["dpkg-query", "--show", "--showformat=${Version}", package]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=True)
        return done.stdout.partition(":")[2].partition("-")[0] or done.stdout.partition("-")[0]
    except (OSError, subprocess.CalledProcessError):
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return ""


class Records:
    """A plugin that collects the outcomes of the tests of `SYSTEMS` and writes them when the run ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, dict[str, Any]] = {}
        self._incomplete: set[str] = set()

    def pytest_deselected(self, items: list[Any]) -> None:
        self._incomplete |= {item.path.stem for item in items}

    def pytest_collection_finish(self, session: Any) -> None:
        """A module of which single tests were named does not get a record."""
        self._incomplete |= {Path(one.partition("::")[0]).stem for one in session.config.args if "::" in one}

    def pytest_runtest_logreport(self, report: Any) -> None:
        module = Path(report.nodeid.partition("::")[0]).stem
        if module not in SYSTEMS or (report.when != "call" and report.passed) or report.outcome == "rerun":
            return
        found = self._found.setdefault(module, {"passed": {}, "failed": {}, "skipped": {}, "figures": {}})
        name, _, case = report.nodeid.rpartition("::")[2].partition("[")
        found[report.outcome].setdefault(name, []).append(case.rstrip("]"))
        found["figures"] |= {key: str(value) for key, value in report.user_properties}

    def pytest_sessionfinish(self) -> None:
        for module, found in self._found.items():
            if module not in self._incomplete and (found["passed"] or found["failed"]):
                self._write(module, found)

    def _write(self, module: str, found: dict[str, Any]) -> None:
        system, packages = SYSTEMS[module]
        versions = {package: version for package in packages if (version := version_of(package))}
        record = {
            "system": system,
            "versions": versions,
            "how": f"tests/platforms/{module}.py",
            "form": "long" if os.environ.get("WAVTOOLS_SOAK") else "short",
            "host": f"{platform.system()} {platform.machine()}, CPython {platform.python_version()}",
            "date": datetime.date.today().isoformat(),
            **found,
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / f"{module.removeprefix('test_')}.json").write_text(
            json.dumps(record, indent=1) + "\n"
        )
