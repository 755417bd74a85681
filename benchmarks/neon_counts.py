"""Instructions of each kernel on arm64, with NEON and without, counted under emulation.

`python -m benchmarks.neon_counts` builds with gcc-aarch64-linux-gnu, runs in qemu-user, and writes its section of
RESULTS.md. A count is no time, but it shows whether vectors are used and whether they save work.

Thread: one.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from benchmarks.sections import write_section

HERE = Path(__file__).parent
NATIVE = HERE.parent / "src" / "wavtools" / "_native"
FLAGS = ["-std=c11", "-O3", "-fno-trapping-math", "-fno-math-errno", "-ffp-contract=off", "-static"]
SCALAR = ["-DWT_PLAIN", "-fno-tree-vectorize", "-fno-tree-slp-vectorize"]
KERNELS = {
    "floats_to_pcm16": "float32 to PCM16, 480 samples",
    "pcm16_to_floats": "PCM16 to float32, 480 samples",
    "round_to_pcm16": "rounding to PCM16, 480 samples",
    "floats_to_mono": "stereo to mono, 480 frames",
    "ulaw_to_pcm16": "G.711 mu-law decode, 480 samples",
    "alaw_to_pcm16": "G.711 A-law decode, 480 samples",
    "simple_polyphase": "resampling 1:2, 252 taps, 240 outputs",
    "polyphase": "resampling 7:8, 126 taps, 240 outputs",
    "real_fft": "real FFT of 1024",
    "smooth": "smoothing, 480 bins",
    "decibels": "decibels, 480 bins",
    "loudest": "loudest of 480",
}


def build(program: Path, *flags: str) -> Path:
    sources = [NATIVE / name for name in ("fft.c", "kernels_base.c", "kernels_select.c")]
    command = ["aarch64-linux-gnu-gcc", *FLAGS, *flags, f"-I{NATIVE}", HERE / "neon_counts.c", *sources]
    subprocess.run([*command, "-o", program, "-lm"], check=True)
    return program


def executed(program: Path, kernel: str, calls: int) -> int:
    """Instructions of a run: the emulator writes a line for each."""
    command = ["qemu-aarch64", "-singlestep", "-d", "exec,nochain", program, kernel, str(calls)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as running:
        assert running.stderr is not None
        lines = sum(block.count(b"\n") for block in iter(lambda: running.stderr.read(1 << 20), b""))
    if running.returncode:
        raise RuntimeError(f"{kernel} ended with status {running.returncode}")
    return lines


def instructions(program: Path, kernel: str) -> int:
    """Instructions of one call: what a second call adds, without the driver's own loop."""
    return executed(program, kernel, 2) - executed(program, kernel, 1) - loop(program)


@lru_cache
def loop(program: Path) -> int:
    return executed(program, "none", 2) - executed(program, "none", 1)


def table() -> Iterator[str]:
    yield "# NEON, counted\n"
    yield (
        "Instructions of one call on arm64, counted in qemu-user; GCC, the flags of setup.py. Scalar: the same code "
        "without vector types and without the compiler's vectorisation. Both give the same bits.\n"
    )
    yield "| | scalar | NEON | scalar / NEON |\n|---|---:|---:|---:|"
    with tempfile.TemporaryDirectory() as folder:
        neon, scalar = build(Path(folder) / "neon"), build(Path(folder) / "scalar", *SCALAR)
        for kernel, work in KERNELS.items():
            plain, vectors = instructions(scalar, kernel), instructions(neon, kernel)
            yield f"| {work} | {plain} | {vectors} | {plain / vectors:.2f} |"


if __name__ == "__main__":
    lines = list(table())
    print("\n".join(lines))
    write_section("NEON", lines)
