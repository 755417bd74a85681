"""run() and read_line(): what a program in a terminal needs around its conversation.

Thread: the main one; lines are read in a daemon thread, which holds up neither the event loop nor the exit.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from wavtools import WavtoolsError, script

from .errors import RealtimeError
from .printing import one_line
from .protocol.numbers import not_negative

__all__ = ["read_line", "run"]

T = TypeVar("T")

# The line that a thread waits for; one whose reader gave up is for the next.
_pending: concurrent.futures.Future[str] | None = None


def run(
    main: Coroutine[Any, Any, T] | Callable[[], Coroutine[Any, Any, T]], *, restart: float | None = None
) -> T | None:
    """Run *main* as the whole program, as `asyncio.run` does, and end as a program should: ``realtime.run(main())``.

    Ctrl+C, and the end of the input of `read_line` (Ctrl+D), cancel *main*: sessions, devices and files that it opened
    with ``async with`` are closed. An error that the user can mend, which is a `RealtimeError` (no key, no connection, an
    answer that failed), a `wavtools.WavtoolsError` or an OSError, becomes one line on stderr and exit status 1. Everything
    else, such as a mistake in the program, has its traceback as always.

    With *restart* only Ctrl+C ends the program: when *main* has returned or raised, it is called again. What it raised is
    told on stderr.

    Parameters
    ----------
    main : coroutine or coroutine function
        ``main()`` or ``main``; with *restart* the function, because it is called again.
    restart : float, optional
        Seconds from one start to the next at least, 0 or more. A *main* that took longer is called again at once.

    Returns
    -------
    object
        What *main* returns; None if Ctrl+C ended it.

    Raises
    ------
    SystemExit
        after an error of these kinds; its text is the line
    RuntimeError
        an event loop runs in this thread already
    TypeError, ValueError
        a *main* of another kind, a *restart* below 0 or that is no number
    """
    if restart is not None:
        restart = not_negative(restart, "restart")
        if not callable(main):
            raise TypeError(
                "with restart= pass the function itself: run(main, restart=5), not run(main(), ...)"
            )
        work = _again(main, restart)
    else:
        work = main() if callable(main) else main
    with script():
        try:
            result: T = asyncio.run(work)
            return result
        except RealtimeError as error:
            sys.exit(one_line(error) or type(error).__name__)
    return None


async def _again(main: Callable[[], Coroutine[Any, Any, Any]], restart: float) -> Any:
    """Call *main* again and again, *restart* seconds from start to start at least."""
    while True:
        began = time.monotonic()
        try:
            await main()
        except EOFError:
            # There is nobody to read from any more.
            raise
        except (RealtimeError, WavtoolsError, OSError) as error:
            print(f"{one_line(error) or type(error).__name__}; starting again", file=sys.stderr, flush=True)
        except Exception:
            traceback.print_exc()
        await asyncio.sleep(max(0.0, began + restart - time.monotonic()))


async def read_line(prompt: str = "") -> str:
    """Print *prompt* and wait for a line of the standard input: `input` for programs of asyncio.

    Cancel-safe: a line that comes later is for the next call. One call at a time.

    Parameters
    ----------
    prompt : str
        Printed without a newline.

    Returns
    -------
    str
        The line, without its end.

    Raises
    ------
    EOFError
        the input has ended, or there is none
    """
    global _pending
    print(prompt, end="", flush=True)
    if _pending is None:
        _pending = concurrent.futures.Future()
        # From here on a caller that is cancelled leaves it alone.
        _pending.set_running_or_notify_cancel()
        threading.Thread(target=_read, args=(_pending,), name="realtime-input", daemon=True).start()
    try:
        line = await asyncio.wrap_future(_pending)
    except Exception:
        _pending = None
        raise
    _pending = None
    if not line:
        raise EOFError("the input has ended")
    return line.rstrip("\r\n")


def _read(line: concurrent.futures.Future[str]) -> None:
    try:
        line.set_result(sys.stdin.readline() if sys.stdin is not None else "")
    except BaseException as error:
        # Raised by the call: a thread has no other caller that could get it.
        line.set_exception(error)
