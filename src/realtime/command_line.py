"""Command-line parts that both servers share: the parser, argument types and stop signals.

Thread: main.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Callable
from typing import NoReturn

__all__ = ["Parser", "StopSignals", "count", "port", "stop_signals"]


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


class StopSignals:
    """Sets *stop* at each signal that asks a server to stop. Make it in the running event loop.

    SIGINT and SIGTERM are the ordinary ways to stop a server. SIGHUP (the terminal was closed) and SIGQUIT stop it in
    the same order; a SIGHUP that the program was started to ignore (nohup) stays ignored. Windows has SIGINT and
    Ctrl-Break.

    Attributes
    ----------
    status : int
        The exit status: 0 without a signal and after SIGINT or SIGTERM, else 128 + the number of the first signal.
    """

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self._received = False
        self.status = 0
        loop = asyncio.get_running_loop()
        for number in stop_signals():
            try:
                loop.add_signal_handler(number, self._take, number)
            except NotImplementedError:  # Windows
                signal.signal(number, lambda number, _: loop.call_soon_threadsafe(self._take, number))

    def _take(self, number: int) -> None:
        if not self._received and number in LOUD_SIGNALS:
            self.status = 128 + number
        self._received = True
        self._stop.set()


# Signals that no one sends to stop a server in the ordinary way
LOUD_SIGNALS = tuple(
    int(getattr(signal, name)) for name in ("SIGHUP", "SIGQUIT", "SIGBREAK") if hasattr(signal, name)
)


def stop_signals() -> list[int]:
    """The signals that stop a server here: a SIGHUP that is ignored already is left out."""
    found = [int(signal.SIGINT), int(signal.SIGTERM), *LOUD_SIGNALS]
    return [n for n in found if n in found[:2] or signal.getsignal(n) != signal.SIG_IGN]
