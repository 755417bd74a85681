"""Reading and writing files of 100 MB (P19) against soundfile and SciPy: ``python -m benchmarks.bench_files``.

Processor time of each call, in turn, in one process with the files in the system's cache; the memory of each reader in a
child of its own, as the peak above what its imports take.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io.wavfile
import soundfile

import wavtools
from benchmarks.case import Case, medians
from benchmarks.sections import machine, write_section

MB = 1e6
BYTES = 100 * 10**6
# Name, format and subtype of soundfile, bytes of a sample, byte order.
FILES: dict[str, tuple[str, str, int, str | None]] = {
    "WAV of 24 bits": ("WAV", "PCM_24", 3, None),
    "WAV of 16 bits": ("WAV", "PCM_16", 2, None),
    "WAV of 32-bit float": ("WAV", "FLOAT", 4, None),
    "AIFF of 24 bits, big-endian": ("AIFF", "PCM_24", 3, None),
    "WAV of mu-law": ("WAV", "ULAW", 1, None),
}
DTYPES = ("float32", "int32", "int16")

# In a child: the peak of memory above that before the call, in bytes; and the bytes of the result. getrusage would tell the
# parent's peak.
PEAK = """
import sys
import numpy, soundfile, scipy.io.wavfile, wavtools, wavtools.files.load
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
path, dtype, reader = sys.argv[1:]
wavtools.load(path[: path.rindex("/")] + "/short.wav", dtype)
soundfile.read(path[: path.rindex("/")] + "/short.wav", dtype=dtype)
before = peak()
if reader == "wavtools":
    held = wavtools.load(path, dtype).pcm
elif reader == "soundfile":
    held = soundfile.read(path, dtype=dtype)[0]
else:
    held = scipy.io.wavfile.read(path)[1]
print(peak() - before, held.nbytes)
"""


def make_files(folder: Path) -> dict[str, Path]:
    """Write the files; every second sample is loud noise, in two channels."""
    random = np.random.default_rng(0)
    paths = {}
    for number, (name, (container, subtype, width, endian)) in enumerate(FILES.items()):
        samples = random.uniform(-0.9, 0.9, (BYTES // width // 2, 2)).astype(np.float32)
        paths[name] = folder / f"{number}.{'aiff' if container == 'AIFF' else 'wav'}"
        soundfile.write(paths[name], samples, 48_000, format=container, subtype=subtype, endian=endian)
    soundfile.write(folder / "short.wav", samples[:1000], 48_000, subtype="PCM_24")
    return paths


def reading(paths: dict[str, Path]) -> Iterator[Case]:
    for name, path in paths.items():
        for dtype in DTYPES:
            group = f"{name} as {dtype}"
            yield Case(group, "wavtools", lambda path=path, dtype=dtype: wavtools.load(path, dtype))
            yield Case(group, "soundfile", lambda path=path, dtype=dtype: soundfile.read(path, dtype=dtype))
            if path.suffix == ".wav" and dtype == "int32" and "mu-law" not in name:
                yield Case(group, "SciPy, its own type", lambda path=path: scipy.io.wavfile.read(path))


def writing(folder: Path) -> Iterator[Case]:
    samples = np.random.default_rng(1).uniform(-0.9, 0.9, (BYTES // 6, 2)).astype(np.float32)
    ours, theirs = folder / "ours.wav", folder / "theirs.wav"
    for encoding, subtype in (("int24", "PCM_24"), ("int16", "PCM_16"), ("float32", "FLOAT")):
        group = f"write float32 as {encoding}"
        yield Case(group, "wavtools", lambda e=encoding: wavtools.save(ours, samples, 48_000, encoding=e))
        yield Case(group, "soundfile", lambda s=subtype: soundfile.write(theirs, samples, 48_000, subtype=s))


def peak(path: Path, dtype: str, reader: str) -> str:
    command = [sys.executable, "-c", PEAK, str(path), dtype, reader]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    above, held = map(int, done.stdout.split())
    return f"{above / held:.2f}"


def memory(paths: dict[str, Path]) -> Iterator[str]:
    yield "\nMemory: the peak while reading, as a multiple of the result.\n"
    yield "| work | wavtools | soundfile | SciPy, its own type |"
    yield "|---|---:|---:|---:|"
    for file, path in paths.items():
        scipy_reads = path.suffix == ".wav" and "mu-law" not in file
        readers = ["wavtools", "soundfile", *(["SciPy"] if scipy_reads else [])]
        peaks = [peak(path, "float32", reader) for reader in readers] + ["–"] * (3 - len(readers))
        yield f"| {file} as float32 | {' | '.join(peaks)} |"


def main() -> None:
    versions = ", ".join(
        f"{peer} {importlib.metadata.version(peer)}" for peer in ("numpy", "soundfile", "scipy")
    )
    lines = [
        "## P19: files of 100 MB\n",
        f"`python -m benchmarks.bench_files` on {machine()}; {versions}.\n",
        "Processor time with the file in the system's cache, medians of 7 rounds, readers in turn.\n",
        "| work | wavtools, ms | peers, times ours |",
        "|---|---:|---|",
    ]
    # SciPy does not know every chunk.
    warnings.simplefilter("ignore", scipy.io.wavfile.WavFileWarning)
    with tempfile.TemporaryDirectory(prefix="wavtools-files-") as name:
        folder = Path(name)
        paths = make_files(folder)
        cases: list[Any] = [*reading(paths), *writing(folder)]
        for group, times in medians(cases).items():
            ours = times.pop("wavtools")
            peers = ", ".join(f"{peer} {seconds / ours:.2f}" for peer, seconds in times.items())
            lines.append(f"| {group} | {ours * 1000:.0f} | {peers} |")
            print(lines[-1], flush=True)
        if sys.platform == "linux":
            lines += memory(paths)
    print("\n".join(lines))
    write_section("files, P19", lines)


if __name__ == "__main__":
    main()
