"""``wavtools devices``: a table of the microphones and speakers.

Thread: the main one.
"""

from __future__ import annotations

import argparse
import dataclasses
import json

from wavtools.command.terminal import bold

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this verb."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """List the devices; return the exit status."""
    from wavtools import WavRecorder, WavStreamPlayer

    lists = {"microphones": WavRecorder.list_devices(), "speakers": WavStreamPlayer.list_devices()}
    if arguments.json:
        print(
            json.dumps({noun: [dataclasses.asdict(info) for info in found] for noun, found in lists.items()})
        )
        return 0
    for index, (noun, found) in enumerate(lists.items()):
        print(("\n" if index else "") + bold(noun))
        print(found)
    return 0
