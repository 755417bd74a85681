"""The cost of installing (P15) and of importing the installed package (P14): ``python -m benchmarks.bench_install``.

Takes the wheel of the running interpreter from dist/ (`make wheels` builds it). Each set of extras is really installed,
into an environment of its own, and its files are counted; imports are timed in fresh interpreters of such an
environment, ours and the peers in turn, after NumPy's own import. pip fetches what it does not have.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.sections import machine, write_section

ROOT = Path(__file__).parents[1]
EXTRAS = ["", "realtime", "relay", "console", "offline", "all"]
ROUNDS = 15
IMPORTS = {
    "wavtools": "import wavtools",
    "wavtools and its converters": "from wavtools import pcm, resample, ring, spectrum",
    "wavtools, recorder and player": "from wavtools import WavRecorder, WavStreamPlayer",
    "realtime, client": "from realtime import RealtimeClient",
    "pyminiaudio": "import miniaudio",
    "sounddevice": "import sounddevice",
}
MB = 1e6


class Installed(NamedTuple):
    """Contents of one environment without pip."""

    names: list[str]
    ours: float  # bytes of wavtools' own distribution
    everything: float


# Runs in the environment: sizes of the files of each distribution, as it has recorded them.
MEASURE = """
import importlib.metadata, json
sizes = {}
for distribution in importlib.metadata.distributions():
    name = distribution.metadata["Name"]
    paths = (distribution.locate_file(file) for file in distribution.files or [])
    sizes[name] = sum(path.stat().st_size for path in paths if path.exists() and path.suffix != ".pyc")
print(json.dumps(sizes))
"""


def wheel() -> Path:
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}{sysconfig.get_config_var('abi_thread') or ''}"
    found = sorted((ROOT / "dist").glob(f"wavtools-*-cp*-{tag}-*.whl"))
    if not found:
        sys.exit(f"no wheel for {tag} in dist/; say: make wheels WHEELS_FLAGS=--short")
    return found[-1]


def environment(folder: Path, *requirements: str) -> Path:
    """The python of a new virtual environment with these installed."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    command = [python, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    subprocess.run([*command, *requirements], check=True)
    return python


def measured(python: Path) -> Installed:
    done = subprocess.run([python, "-c", MEASURE], capture_output=True, text=True, check=True)
    sizes = {
        name: size for name, size in json.loads(done.stdout).items() if name not in ("pip", "setuptools")
    }
    return Installed(sorted(sizes, key=str.lower), sizes.get("wavtools", 0), sum(sizes.values()))


def import_times(python: Path) -> dict[str, float | None]:
    """Median seconds of each import after NumPy's; None where it cannot be imported."""
    times: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(ROUNDS):
        for name, statement in IMPORTS.items():
            code = f"import numpy, time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
            done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                times[name].append(float(done.stdout))
    return {name: statistics.median(values) if values else None for name, values in times.items()}


def load() -> str:
    """The load of the machine, where the system reports it."""
    return f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""


def main() -> None:
    file = wheel()
    lines = [
        "## P14 and P15: installing and importing what is installed\n",
        f"`python -m benchmarks.bench_install` on {machine()}; {file.name}, {file.stat().st_size / MB:.2f} MB.\n",
        "Each row is an installation into an environment of its own: bytes of the installed files, without compiled "
        "Python, without pip.\n",
        "| pip install | distributions | MB | pulled in beyond the row's base |",
        "|---|---:|---:|---|",
    ]
    with tempfile.TemporaryDirectory(prefix="wavtools-install-") as name:
        folder = Path(name)
        base: set[str] = set()
        for extra in EXTRAS:
            requirement = f"{file}[{extra}]" if extra else str(file)
            there = measured(environment(folder / (extra or "base"), requirement))
            label = f"`wavtools[{extra}]`" if extra else "`wavtools`"
            news = [each for each in there.names if each not in base and each != "wavtools"]
            lines.append(
                f"| {label} | {len(there.names)} | {there.everything / MB:.1f} | {', '.join(news)} |"
            )
            print(lines[-1], flush=True)
            if not extra:
                base = set(there.names)
                lines[1] = lines[1].replace(" MB.\n", f" MB, {there.ours / MB:.2f} MB installed.\n")
        python = environment(folder / "imports", f"{file}[realtime]", "sounddevice")
        peer = measured(environment(folder / "peer", "sounddevice", "numpy"))
        lines.append(
            f"| `sounddevice numpy` | {len(peer.names)} | {peer.everything / MB:.1f} | {', '.join(peer.names)}; "
            "on Linux also the system's PortAudio |"
        )
        lines += [
            f"\nImport after NumPy's own, median of {ROUNDS} fresh interpreters{load()}:\n",
            "| | ms |",
            "|---|---:|",
        ]
        for label, seconds in import_times(python).items():
            lines.append(f"| {label} | {'not there' if seconds is None else format(seconds * 1000, '.0f')} |")
    print("\n".join(lines))
    write_section("installing", lines)


if __name__ == "__main__":
    main()
