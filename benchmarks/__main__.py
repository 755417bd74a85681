"""Measure ours and the peers, alternating in one run: writes the sections kernels, with plots, and files of RESULTS.md."""

from __future__ import annotations

import importlib.metadata
import pathlib
import platform
import sys
from collections.abc import Iterator

import numpy as np

from benchmarks import (
    bench_files,
    bench_levels,
    bench_pcm,
    bench_resample,
    bench_spectrum,
    kernel_sets,
    plots,
    quality,
)
from benchmarks.case import medians
from benchmarks.sections import write_section
from wavtools import pcm
from wavtools.resample import Resampler

FOLDER = pathlib.Path(__file__).parent
PEERS = ("numpy", "scipy", "soxr", "samplerate", "pyFFTW", "miniaudio")
Times = dict[str, dict[str, float]]


def processor() -> str:
    if sys.platform == "linux":
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def heading() -> Iterator[str]:
    versions = ", ".join(f"{peer} {importlib.metadata.version(peer)}" for peer in PEERS)
    yield "# Speed and quality, measured\n"
    yield (
        f"`python -m benchmarks` on {processor()}, {platform.system()}, Python {platform.python_version()}, "
        f"kernels `{pcm.kernel_set()}`; {versions}.\n"
    )
    yield (
        "All cases of a group take turns in one run; each figure is the median of the rounds, in processor "
        "time. Times differ from machine to machine, and other programs ran on this one: read the ratios.\n"
    )


def goals(times: Times) -> Iterator[str]:
    """Rows P1 to P7 of the project's goals, each with the figure of this run."""
    rows: list[tuple[str, str, float, float, bool]] = []  # goal, compared with, figure, bound, at least

    def ratio(goal: str, group: str, peer: str, bound: float, ours: str = "wavtools") -> None:
        work = f"{goal} {group}" + ours.removeprefix("wavtools") * ours.endswith(("out=", "rfft"))
        rows.append((work, f"{peer}, times ours", times[group][peer] / times[group][ours], bound, True))

    def share(goal: str, group: str, peer: str, bound: float) -> None:
        figure = times[group]["wavtools"] / times[group][peer]
        rows.append((f"{goal} {group}", f"ours, times {peer}", figure, bound, False))

    ratio("P1", "float32 to PCM16, 480 samples", "NumPy", 10)
    ratio("P1", "float32 to PCM16, 480 samples", "NumPy", 10, "wavtools, out=")
    ratio("P1", "float32 to PCM16, 24000 samples", "NumPy", 4)
    ratio("P1", "float32 to PCM16, 24000 samples", "ma_pcm_convert", 1)
    share("P1", "float32 to PCM16, 24000 samples", "copy of the input", 2.5)
    ratio("P2", "PCM16 to float32, 480 samples", "NumPy", 5)
    ratio("P2", "PCM16 to float32, 480 samples", "NumPy", 5, "wavtools, out=")
    ratio("P2", "PCM16 to float32, 24000 samples", "NumPy", 2)
    share("P2", "PCM16 to float32, 24000 samples", "copy of the output", 2)
    for law in ("mu-law", "A-law"):
        if "audioop" in times[f"G.711 {law} decode, 480 samples"]:  # Python 3.12 and earlier
            ratio("P2", f"G.711 {law} encode, 480 samples", "audioop", 1)
            ratio("P2", f"G.711 {law} decode, 480 samples", "audioop", 1)
    for in_rate, out_rate in bench_resample.PAIRS:
        ratio("P3", f"stream {in_rate} -> {out_rate} Hz, chunks of 10 ms", "soxr HQ", 1.5, "wavtools high")
    for in_rate, out_rate in bench_resample.PAIRS:
        latency = Resampler(in_rate, out_rate).latency_seconds * 1000
        bound = 6.5 if in_rate == 8_000 else 4.0
        rows.append((f"P3 look-ahead {in_rate} -> {out_rate} Hz", "ms", latency, bound, False))
    for in_rate, out_rate in bench_resample.PAIRS:
        ratio("P5", f"one call, {in_rate} -> {out_rate} Hz, 60 s", "soxr HQ", 1, "wavtools high")
    for size in bench_spectrum.SIZES:
        share("P6", f"real FFT of {size} float32", "FFTW (patient)", 1.5)
    ratio("P6", "real FFT of 8192 float32", "scipy.fft", 3, "wavtools, rfft")
    ratio("P7", 'a fresh get_frequencies("voice")', "NumPy and SciPy", 15)

    yield "## Against the goals\n"
    yield "| goal | figure is | figure | wanted | |\n|---|---|---:|---:|---|"
    for goal, compared, figure, bound, at_least in rows:
        met = figure >= bound if at_least else figure <= bound
        sign, verdict = "≥" if at_least else "≤", "met" if met else "**missed**"
        yield f"| {goal} | {compared} | {figure:.2f} | {sign} {bound:g} | {verdict} |"
    yield ""


# The reasons for missed goals, as found on the processor of the committed RESULTS.md.
REASONS = """## Why goals are missed

- Voice bands: the FFT alone is more than half of our time and more than 1/15 of the chain's, and so is FFTW's. Of the
  rest, decibels of 4096 bins take 1 µs, the bands 0.5, smoothing and window 0.5, the two calls and their arrays 1.5.
  Tried: finding the loudest bins in vectors (2 µs less), no hashing of note tables (0.6 µs less).
- Ratios beyond 6 such as 44100 to 24000 Hz have few outputs of one row in a chunk, so they cannot put outputs side by
  side as simple ratios do. In one call they are bound by loads that cross cache lines. Fused multiply-add would help the
  arithmetic, but other processors would compute other bits.
"""


def speeds(times: Times) -> Iterator[str]:
    yield "## Times\n"
    for group, members in times.items():
        ours = next(iter(members.values()))
        yield f"### {group}\n\n| | µs per call | times ours |\n|---|---:|---:|"
        for name, seconds in members.items():
            yield f"| {name} | {seconds * 1e6:.2f} | {seconds / ours:.2f} |"
        yield ""


def qualities() -> Iterator[str]:
    yield "## Quality of the resampler\n"
    yield (
        "Tones at -6 dBFS in float32. Ripple: largest deviation of the gain up to 0.91 of the lower Nyquist frequency "
        "(fast and LQ do not claim that much). SNR: all but the tone, over tones up to 0.8 of it, smallest. Worst: the "
        "loudest alias of tones from 1.002 of it up, or, where the rate rises, the loudest image of tones up to 0.91. "
        "Lag: how far the output is behind the input after each 10 ms chunk, once it has begun.\n"
    )
    for in_rate, out_rate in quality.RATE_PAIRS:
        yield f"### {in_rate} → {out_rate} Hz\n"
        yield "| | ripple dB | SNR dB | worst dB | lag ms |\n|---|---:|---:|---:|---:|"
        for name, convert in quality.RESAMPLERS.items():
            found = quality.quality(convert, in_rate, out_rate)
            lag = quality.delays(name, in_rate, out_rate)[20:]
            lags = f"{lag.min():.1f}" if np.ptp(lag) < 0.05 else f"{lag.min():.1f} to {lag.max():.1f}"
            yield f"| {name} | {found.ripple_db:.4f} | {found.snr_db:.1f} | {found.worst_db:.1f} | {lags} |"
        yield ""


def main() -> None:
    cases = [
        *bench_pcm.cases(),
        *bench_resample.cases(),
        *bench_spectrum.cases(),
        *bench_levels.chunks(),
    ]
    print(f"{len(cases)} cases and the files, about two minutes", flush=True)
    times = medians(cases)
    lines = [*heading(), *goals(times), REASONS]
    print("\n".join(lines), flush=True)
    lines += [*kernel_sets.table(), *qualities(), *speeds(times)]
    plots.draw(FOLDER)
    lines += [
        "## Plots\n",
        "![frequency response](response.png)\n",
        "![delay](delay.png)\n",
        "![chunk size](chunks.png)\n",
    ]
    write_section("kernels", lines)
    bench_files.main()
    print(f"wrote the sections of kernels and files in {FOLDER / 'RESULTS.md'}")


if __name__ == "__main__":
    main()
