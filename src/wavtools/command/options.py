"""Types of arguments that several verbs have.

Thread: the main one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

__all__ = ["add_device", "between", "whole"]


def between(least: float, most: float, unit: str = "") -> Callable[[str], float]:
    """Argument type: a number from *least* to *most*."""

    def convert(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{value!r} is not {least:g} to {most:g}{unit and ' ' + unit}")
        return number

    return convert


def whole(least: int, most: int, unit: str = "") -> Callable[[str], int]:
    """Argument type: a whole number from *least* to *most*."""

    def convert(value: str) -> int:
        number = int(value) if value.isascii() and value.isdecimal() and len(value) < 20 else least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(
                f"{value!r} is not a whole number from {least} to {most}{unit and ' ' + unit}"
            )
        return number

    return convert


def add_device(parser: argparse.ArgumentParser, what: str, flag: str = "--device") -> None:
    """Add the option that chooses a microphone or a speaker."""
    parser.add_argument(
        flag,
        metavar="NAME",
        help=f"{what}: an id, a name or a part of it, as 'wavtools devices' lists them; 'jack:', 'alsa:' or 'pulse:' "
        "before it chooses the audio system (default: the system's)",
    )
