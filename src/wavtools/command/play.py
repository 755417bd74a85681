"""``wavtools play``: plays files one after another.

Thread: the main one waits; the player's threads work.
"""

from __future__ import annotations

import argparse
import sys

from wavtools.command.options import add_device, between
from wavtools.command.terminal import Progress, one_line

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this verb."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="audio file; - is standard input")
    parser.add_argument("--volume", type=between(0, 1), default=1.0, help="0 to 1 (default: %(default)g)")
    parser.add_argument("--start", type=between(0, 1e6, "seconds"), default=0.0, help="second where to begin")
    parser.add_argument("--loop", action="store_true", help="begin again at the end, until Ctrl-C")
    add_device(parser, "speaker")


def run(arguments: argparse.Namespace) -> int:
    """Play; return the exit status. Ctrl-C is the way to stop early."""
    import wavtools

    try:
        for name in arguments.files:
            source = sys.stdin.buffer.read() if name == "-" else name
            playback = wavtools.start(
                source,
                device=arguments.device,
                loop=arguments.loop,
                volume=arguments.volume,
                start=arguments.start,
            )
            with playback, Progress(one_line(name)) as progress:
                while not playback.wait(0.1):
                    at, length = playback.position, playback.duration
                    whole = "" if length is None else f" of {length:.1f}"
                    progress.show(at / length if length else None, f"{at:.1f}{whole} s")
    except KeyboardInterrupt:
        return 130
    return 0
