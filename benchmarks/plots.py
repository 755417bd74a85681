"""The plots beside RESULTS.md."""

from __future__ import annotations

import pathlib

import matplotlib
import numpy as np

from benchmarks import bench_resample, quality
from benchmarks.case import medians

matplotlib.use("Agg")
from matplotlib import pyplot

STYLES = {"wavtools": "-", "soxr": "--"}


def frequency_response(folder: pathlib.Path) -> None:
    """Passband and alias floor of 48 -> 24 kHz."""
    figure, (wide, edge) = pyplot.subplots(1, 2, figsize=(12, 4.5))
    whole, near = np.linspace(0.02, 1.95, 150), np.linspace(0.8, 1.0, 80)
    for name in ("wavtools high", "wavtools best", "soxr HQ", "soxr VHQ"):
        convert, style = quality.RESAMPLERS[name], STYLES[name.split()[0]]
        wide.plot(whole, quality.response(convert, 48_000, 24_000, whole), style, label=name, linewidth=1)
        edge.plot(near, quality.response(convert, 48_000, 24_000, near), style, label=name, linewidth=1)
    wide.set(title="48 to 24 kHz: gain, and alias above 1.0", ylabel="dB", ylim=(-170, 5))
    edge.set(title="the edge of the passband", ylim=(-3, 0.3))
    for axes in (wide, edge):
        axes.set_xlabel("frequency / 12 kHz")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.tight_layout()
    figure.savefig(folder / "response.png", dpi=110)
    pyplot.close(figure)


def delay(folder: pathlib.Path) -> None:
    """Lag after each chunk of 10 ms."""
    figure, axes = pyplot.subplots(1, 2, figsize=(12, 4), sharey=True)
    for axis, (in_rate, out_rate) in zip(axes, [(48_000, 24_000), (24_000, 44_100)], strict=True):
        for name in ("wavtools high", "soxr HQ"):
            lag = quality.delays(name, in_rate, out_rate)
            axis.step(np.arange(1, len(lag) + 1) * 10, lag, STYLES[name.split()[0]], where="post", label=name)
        axis.set(title=f"{in_rate} to {out_rate} Hz, chunks of 10 ms", xlabel="ms fed", ylim=(0, None))
        axis.grid(alpha=0.3)
        axis.legend()
    axes[0].set_ylabel("ms by which the output lags")
    figure.tight_layout()
    figure.savefig(folder / "delay.png", dpi=110)
    pyplot.close(figure)


def chunk_sizes(folder: pathlib.Path) -> None:
    """Speed against the size of a chunk."""
    sizes = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    figure, axes = pyplot.subplots(1, 2, figsize=(12, 4), sharey=True)
    for axis, (in_rate, out_rate) in zip(axes, [(48_000, 24_000), (44_100, 24_000)], strict=True):
        lines: dict[str, list[float]] = {}
        for size in sizes:
            (times,) = medians(bench_resample.streaming(in_rate, out_rate, size), rounds=9).values()
            for name, seconds in times.items():
                lines.setdefault(name, []).append(size / 1000 / seconds)
        for name, speeds in lines.items():
            axis.loglog(sizes, speeds, STYLES.get(name.split()[0], ":"), marker=".", label=name)
        axis.set(title=f"{in_rate} to {out_rate} Hz", xlabel="ms per chunk")
        axis.grid(alpha=0.3, which="both")
        axis.legend()
    axes[0].set_ylabel("times real time")
    figure.tight_layout()
    figure.savefig(folder / "chunks.png", dpi=110)
    pyplot.close(figure)


def draw(folder: pathlib.Path) -> None:
    for plot in (frequency_response, delay, chunk_sizes):
        plot(folder)
