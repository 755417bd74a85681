"""``wavtools meter``: the level of a microphone, as a bar that moves.

Thread: the main one waits; the meter's thread draws.
"""

from __future__ import annotations

import argparse
import sys
import time

from wavtools.command.options import add_device, between

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this verb."""
    parser.add_argument(
        "--seconds", type=between(0.1, 1e6, "seconds"), help="stop after this time (default: at Ctrl-C)"
    )
    add_device(parser, "microphone")


def run(arguments: argparse.Namespace) -> int:
    """Show the level; return the exit status. Ctrl-C is the way to stop."""
    from wavtools import WavRecorder
    from wavtools.notebook.live_meter import meter

    end = time.monotonic() + (arguments.seconds or float("inf"))
    drawn = sys.stderr is not None and sys.stderr.isatty()
    with WavRecorder(device=arguments.device, keep_seconds=0) as recorder, meter(recorder) as level:
        try:
            while (left := end - time.monotonic()) > 0:
                time.sleep(min(left, 0.1 if drawn else 1.0))
                if not drawn:
                    print(f"{level.level_db:.1f} dBFS, peak {level.peak_db:.1f} dBFS", flush=True)
        except KeyboardInterrupt:
            pass
    return 0
