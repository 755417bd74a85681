"""in_thread: awaits a call that blocks, in a thread of its own, so that the event loop goes on.

Thread: the event loop's; the calls run in daemon threads ("wavtools-await").
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["in_thread"]

_Result = TypeVar("_Result")


async def in_thread(call: Callable[[], _Result], undo: Callable[[], object] | None = None) -> _Result:
    """Await ``call()``.

    A cancellation is raised when the call is over, so that the caller knows what was done. The thread is a daemon: a
    call that never returns does not keep the interpreter from ending.

    Parameters
    ----------
    call : callable
        Its result is returned, and its exception raised.
    undo : callable, optional
        Called the same way after a *call* that succeeded while the caller was cancelled.

    Raises
    ------
    asyncio.CancelledError
        the caller was cancelled; its cause is what *call* raised, if it failed
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    results: list[_Result] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            failures.append(error)
        try:
            loop.call_soon_threadsafe(ended.set)
        except RuntimeError:  # the loop is closed, so nobody waits
            pass

    threading.Thread(target=run, name="wavtools-await", daemon=True).start()
    cancelled: asyncio.CancelledError | None = None
    while not ended.is_set():
        try:
            await ended.wait()
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if undo is not None and results:
            await in_thread(undo)
        raise cancelled from (failures.pop() if failures else None)
    if failures:
        raise failures.pop()
    return results.pop()
