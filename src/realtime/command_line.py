"""Command-line parts that both servers share: the parser, argument types and stop signals.

Thread: main.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

__all__ = ["Parser", "count", "on_stop_signal", "port"]


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that reports an error in one line: ``PROG: message; see --help``, exit status 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def port(value: str) -> int:
    """Argument type: a port number from 0 to 65535."""
    number = int(value) if value.isdecimal() else -1
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{value!r} is not a port: expected 0 to 65535")
    return number


def count(most: int | None = None) -> Callable[[str], int]:
    """Argument type: a whole number from 1 to *most* (None: no upper limit)."""

    def convert(value: str) -> int:
        number = int(value) if value.isdecimal() else 0
        if number < 1 or (most is not None and number > most):
            expected = "1 or more" if most is None else f"1 to {most}"
            raise argparse.ArgumentTypeError(f"{value!r} is not a valid number: expected {expected}")
        return number

    return convert


def on_stop_signal(stop: asyncio.Event) -> None:
    """Set *stop* at each SIGINT and SIGTERM (on Windows also at Ctrl-Break). Call it in the running event loop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    # A console process on Windows receives Ctrl-Break, never SIGTERM.
    if sys.platform == "win32":
        signal.signal(signal.SIGBREAK, lambda *_: loop.call_soon_threadsafe(stop.set))
