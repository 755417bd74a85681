"""Runs the measurements and gathers the figures.

Thread: the main one.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import platform
from typing import Any

from wavtools._version import __version__
from wavtools.command.bench.kernels import measure_kernels
from wavtools.command.bench.path import measure_path
from wavtools.command.bench.storm import CONDITIONS
from wavtools.command.errors import UserError
from wavtools.command.terminal import Progress

__all__ = ["measure"]


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the figures as JSON can hold them; see report.py."""
    if arguments.no_path and arguments.no_kernels:
        raise UserError("--no-path and --no-kernels leave nothing to measure")
    figures: dict[str, Any] = {"version": 1, **_machine()}
    if not arguments.no_path:
        figures["devices"] = _devices(arguments)
        figures["paths"] = []
        for condition in list(CONDITIONS)[: 1 if arguments.calm else None]:
            with Progress(condition, patience=0.0) as progress:
                path = measure_path(
                    condition, arguments.seconds, arguments.output, arguments.input, progress.show
                )
            figures["paths"].append(dataclasses.asdict(path))
    if not arguments.no_kernels:
        with Progress("kernels") as progress:
            figures["kernels"] = [dataclasses.asdict(kernel) for kernel in measure_kernels(progress.show)]
    return figures


def _machine() -> dict[str, str]:
    from wavtools import kernel_set

    return {
        "wavtools": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "kernel_set": kernel_set(),
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def _devices(arguments: argparse.Namespace) -> dict[str, str]:
    """The names of the devices that will be used, so far as the system lists them."""
    from wavtools import WavRecorder, WavStreamPlayer

    named = {}
    for side, wanted, found in (
        ("output", arguments.output, WavStreamPlayer.list_devices()),
        ("input", arguments.input, WavRecorder.list_devices()),
    ):
        default = next((info for info in found if info.default), None)
        named[side] = wanted or (f"{default.name} ({default.backend})" if default else "the system's default")
    return named
