"""The goals' ratios with every kernel set of this processor, for machines without the newest set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

from benchmarks import bench_pcm, bench_resample, bench_spectrum
from benchmarks.case import Case, medians
from wavtools import pcm

PEERS = ("NumPy", "soxr HQ", "FFTW (patient)", "NumPy and SciPy")


def cases() -> Iterator[Case]:
    yield from bench_pcm.conversions(24_000)
    for rates in bench_resample.PAIRS:
        yield from bench_resample.streaming(*rates)
    for rates in ((48_000, 24_000), (44_100, 24_000)):
        yield from bench_resample.whole(*rates)
    yield from bench_spectrum.transforms(8_192)
    yield from bench_spectrum.spectra()


def ratios() -> dict[str, float]:
    """The peer's time over ours, by group; with the set that this process runs."""
    found = {}
    ours = ("wavtools", "wavtools high")
    for group, times in medians(case for case in cases() if case.name in (*ours, *PEERS)).items():
        us = next(times[name] for name in ours if name in times)
        found |= {f"{group}: {peer}": times[peer] / us for peer in PEERS if peer in times}
    return found


def table() -> Iterator[str]:
    """One column for each set; a process of its own measures each set."""
    names = pcm.available_kernel_sets()
    columns = []
    for name in names:
        command = [sys.executable, "-m", "benchmarks.kernel_sets"]
        environment = {**os.environ, "WAVTOOLS_KERNELS": name}
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        columns.append(json.loads(done.stdout))
    yield "## The kernel sets beside each other\n"
    yield (
        "The peer's time over ours, on this processor, with each set forced (`WAVTOOLS_KERNELS`). `x86-64-v3` is what "
        "processors with AVX2 and without a fast AVX-512 use; `base` what all others do. All give the same bits.\n"
    )
    yield f"| | {' | '.join(names)} |\n|---|{'---:|' * len(names)}"
    for group in columns[0]:
        yield f"| {group} | {' | '.join(f'{column[group]:.2f}' for column in columns)} |"
    yield ""


if __name__ == "__main__":
    json.dump(ratios(), sys.stdout)
