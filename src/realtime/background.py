"""Supervises background tasks and threads: each has a name, and none ends unseen.

A task that ends by an exception nobody expected, or that is cancelled although nobody cancelled it, is passed
to the callback of its owner. The owner decides what follows: the link reconnects, a session is closed.

Thread: `start` and `is_failure` in the event loop's; `start_thread` and `describe` any.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["Failed", "describe", "is_failure", "start", "start_thread"]

# failed(name, error)
Failed = Callable[[str, BaseException], object]

# The event loop itself keeps weak references only: a task that waits for something forgotten could vanish.
_running: set[asyncio.Task[Any]] = set()


class _CountingTask(asyncio.Task[Any]):
    """A task that knows whether it was asked to cancel, as every task does from Python 3.11 on."""

    _requests = 0

    def cancel(self, msg: Any = None) -> bool:
        if not self.done():
            self._requests += 1
        return super().cancel(msg)

    def cancelling(self) -> int:
        return self._requests


def start(coroutine: Coroutine[Any, Any, Any], name: str, failed: Failed) -> asyncio.Task[Any]:
    """Run *coroutine* in a task of the running loop.

    The task is kept alive until it ends. Cancelling it is an ordinary end.

    Parameters
    ----------
    coroutine : coroutine
        What the task runs.
    name : str
        The name of the task, for messages.
    failed : callable
        ``failed(name, error)`` is called in the loop if the task ends by an exception. A CancelledError counts
        unless the task was cancelled, for example one of another task that this one awaited.

    Returns
    -------
    asyncio.Task
        The task.
    """
    loop = asyncio.get_running_loop()
    task: asyncio.Task[Any]
    if sys.version_info < (3, 11):
        task = _CountingTask(coroutine, loop=loop, name=name)
    else:
        task = loop.create_task(coroutine, name=name)
    _running.add(task)

    def ended(task: asyncio.Task[Any]) -> None:
        _running.discard(task)
        if not task.cancelled():
            error = task.exception()
        else:
            error = None if _is_cancelling(task) else asyncio.CancelledError("nobody cancelled this task")
        if error is not None:
            failed(name, error)

    task.add_done_callback(ended)
    return task


def start_thread(function: Callable[[], object], name: str, failed: Failed) -> threading.Thread:
    """Run *function* in a daemon thread; ``failed(name, error)`` is called there if it raises anything."""

    def run() -> None:
        try:
            function()
        except BaseException as error:
            # A thread has no caller that could get it.
            failed(name, error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def is_failure(error: BaseException, *, awaited: bool = False) -> bool:
    """True if an exception out of an application's code is that code's failure, to be reported by the caller.

    False if the caller must raise it again: KeyboardInterrupt and SystemExit, which end the program, and where
    the code was awaited, the cancellation of the running task and the closing of its coroutine. A plain
    function is never interrupted by a cancellation: a CancelledError out of it is its own.

    Parameters
    ----------
    error : BaseException
        What the code raised.
    awaited : bool
        True if the code ran under an ``await`` of the running task.
    """
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return False
    if not awaited:
        return True
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or not _is_cancelling(task)
    return not isinstance(error, GeneratorExit)


def describe(error: BaseException) -> str:
    """The type and the text of *error*, also for an exception whose ``__str__`` raises."""
    name = type(error).__name__
    try:
        text = str(error)
    except Exception:
        text = "its text cannot be read"
    return f"{name}: {text}" if text else name


def _is_cancelling(task: asyncio.Task[Any]) -> bool:
    # Tasks of others do not count their cancellations before Python 3.11: each is taken as asked for.
    count: Callable[[], int] | None = getattr(task, "cancelling", None)
    return count is None or count() > 0
