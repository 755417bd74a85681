"""``wavtools bench``: measures the audio path of this machine, from a sample that is queued to one that is heard.

Thread: the main one waits; devices have their own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from wavtools.command.options import add_device, between

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this verb."""
    parser.description = (
        "Plays quiet sweeps and hears them with the microphone: callback lateness, gaps, round trip and drift, first "
        "calm, then while Python is busy, then while all processors are. Afterwards the kernels against NumPy, SciPy and "
        "soxr where they are installed. docs/bench.md says what good figures are."
    )
    parser.add_argument(
        "--seconds",
        type=between(2, 600, "seconds"),
        default=10.0,
        help="of sound in each of the three conditions (default: %(default)g)",
    )
    parser.add_argument("--calm", action="store_true", help="only the first condition")
    parser.add_argument("--no-kernels", action="store_true", help="only the audio path")
    parser.add_argument("--no-path", action="store_true", help="only the kernels: plays and records nothing")
    add_device(parser, "microphone; a speaker's monitor is a loopback", "--input")
    add_device(parser, "speaker", "--output")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one page with plots")
    parser.add_argument(
        "--compare", type=Path, metavar="OLD.json", help="show the figures of an earlier run beside"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure and report; return the exit status."""
    from wavtools.command.bench.figures import measure
    from wavtools.command.bench.report import read_figures, show, write_html, write_json

    # A mistake in a file's name is told before a minute of measuring.
    old = None if arguments.compare is None else read_figures(arguments.compare)
    figures = measure(arguments)
    print(show(figures, old))
    if arguments.json is not None:
        write_json(figures, arguments.json)
    if arguments.html is not None:
        write_html(figures, arguments.html)
    return 0
