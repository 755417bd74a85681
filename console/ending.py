"""Ends the program in order: at a signal with status 128 + its number, and when one of its threads dies.

SIGINT, SIGTERM, SIGHUP and SIGQUIT cancel what runs, so that the terminal is given back, devices close and the offline
server stops. A SIGHUP that the program was started to ignore (nohup) stays ignored.

Thread: main; `threading.excepthook` runs on the thread that dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from .errors import ProgramError

__all__ = ["Ended", "ended_by_signals", "run"]

WATCH_SECONDS = 1.0
# Before Python 3.12 asyncio.wait_for may lose a cancellation; closing everything takes less time than this
CANCEL_AGAIN_SECONDS = 3.0
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK")


HANGUP = int(getattr(signal, "SIGHUP", 0))


class Ended(BaseException):
    """A signal asked the program to end.

    Attributes
    ----------
    status : int
        The exit status: 128 + the number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.status = 128 + number


def _signals() -> list[int]:
    found = [int(getattr(signal, name)) for name in NAMES if hasattr(signal, name)]
    if HANGUP and signal.getsignal(HANGUP) == signal.SIG_IGN:
        found.remove(HANGUP)
    return found


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within it, a signal raises `Ended` in the main thread; inside `run` the event loop takes the signals."""

    def end(number: int, frame: object) -> None:
        raise Ended(number)

    before = {number: signal.getsignal(number) for number in _signals()}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def run(work: Coroutine[Any, Any, int], stop: Callable[[int], object] | None = None) -> int:
    """Await *work*, an exit status; end it early at a signal, or when a thread of this process dies.

    Parameters
    ----------
    work : coroutine
        What the program does.
    stop : callable, optional
        Ends it with the exit status that it is given. Default: *work* is cancelled. A second signal cancels it anyway.

    Raises
    ------
    Ended
        A signal came, or the terminal has gone.
    ProgramError
        A thread died.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    watch = _Watch(loop, task, stop)
    if HANGUP in _signals() and _has_terminal():
        watch.terminal()
    with _handlers(loop, watch.on_signal), _thread_hook(watch.on_death):
        try:
            status = await task
        except asyncio.CancelledError:
            if watch.reason is None:
                raise
    if watch.reason is not None:
        raise watch.reason
    return status


class _Watch:
    """Ends one task for a reason.

    Attributes
    ----------
    reason : BaseException or None
        The first reason.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        task: asyncio.Task[int],
        stop: Callable[[int], object] | None,
    ) -> None:
        self._loop = loop
        self._task = task
        self._stop = stop
        self.reason: BaseException | None = None

    def on_signal(self, number: int) -> None:
        """A signal came. Thread: the event loop's."""
        self._end(Ended(number), 128 + number)

    def on_death(self, dead: threading.ExceptHookArgs) -> None:
        """A thread ended by an exception. Thread: that one."""
        if dead.exc_type is SystemExit:
            return
        # A closed loop: the program has ended
        with contextlib.suppress(RuntimeError):
            if HANGUP and issubclass(dead.exc_type, OSError) and not _has_terminal():
                # It has written to the terminal that has gone.
                self._loop.call_soon_threadsafe(self.on_signal, HANGUP)
            else:
                self._loop.call_soon_threadsafe(self._end, ProgramError(_describe(dead)), 1)

    def terminal(self) -> None:
        """End when the terminal has gone, looking again and again.

        It sends SIGHUP only to the programs that it controls, and reads as an input that has ended: a screen would
        wait for keys for ever.
        """
        if self._task.done():
            return
        if _has_terminal():
            self._loop.call_later(WATCH_SECONDS, self.terminal)
        else:
            self.on_signal(HANGUP)

    def _end(self, reason: BaseException, status: int) -> None:
        first, self.reason = self.reason is None, self.reason or reason
        if first and self._stop is not None:
            self._stop(status)
        else:
            self._cancel()

    def _cancel(self) -> None:
        if not self._task.done():
            self._task.cancel()
            self._loop.call_later(CANCEL_AGAIN_SECONDS, self._cancel)


def _has_terminal() -> bool:
    try:
        return sys.stdin is not None and sys.stdin.isatty()
    except (OSError, ValueError):
        return False


def _describe(dead: threading.ExceptHookArgs) -> str:
    """Name thread, exception and place: a terminal that shows a screen must get no traceback."""
    name = dead.thread.name if dead.thread is not None else "a thread"
    last = traceback.extract_tb(dead.exc_traceback)[-1:]
    place = f" at {last[0].filename}:{last[0].lineno}" if last else ""
    what = f"{dead.exc_type.__name__}: {dead.exc_value}"
    return f"the thread {name!r} died of {what}{place}; start again, and report it if it comes back"


@contextlib.contextmanager
def _thread_hook(on_death: Callable[[threading.ExceptHookArgs], None]) -> Iterator[None]:
    before, threading.excepthook = threading.excepthook, on_death
    try:
        yield
    finally:
        threading.excepthook = before


@contextlib.contextmanager
def _handlers(loop: asyncio.AbstractEventLoop, on_signal: Callable[[int], None]) -> Iterator[None]:
    """Let the event loop take the signals; afterwards `ended_by_signals` has them again."""
    numbers = _signals() if threading.current_thread() is threading.main_thread() else []
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if sys.platform == "win32" or os.name == "nt":
            signal.signal(number, lambda number, _: loop.call_soon_threadsafe(on_signal, number))
        else:
            loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            if os.name != "nt":
                loop.remove_signal_handler(number)
            signal.signal(number, handler)
