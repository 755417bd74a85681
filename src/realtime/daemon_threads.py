"""Runs blocking calls in daemon threads, so that one that never returns holds up neither the loop nor the exit.

The event loop's own executor has few threads, which everything else shares: six blocked calls on two cores fill it,
and the end of the program waits for them. A thread here runs one call.

Thread: the event loop's; the functions run in threads of their own ("<name>-1", ...).
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from .errors import StateError

__all__ = ["MAX_THREADS", "DaemonThreads"]

# Threads of all groups together
MAX_THREADS = 1024

T = TypeVar("T")


class DaemonThreads:
    """A group of daemon threads, bounded and counted.

    Parameters
    ----------
    name : str
        Begins the names of the threads.
    limit : int
        Calls of the group that may run at once. A call whose caller has given up counts until it returns.
    """

    _lock = threading.Lock()
    _all = 0

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self._running = 0
        self._started = 0

    @property
    def running(self) -> int:
        """Calls that run now."""
        return self._running

    async def call(self, function: Callable[..., T], /, *arguments: Any, **keywords: Any) -> T:
        """Call *function* in a thread of its own; returns what it returns and raises what it raises.

        It runs in a copy of the caller's context. If the caller is cancelled, the function runs on, and its
        result is dropped.

        Raises
        ------
        StateError
            the limit of the group, or of the process, is reached
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        context = contextvars.copy_context()
        outcome: list[Any] = []

        def run() -> None:
            try:
                outcome[:] = context.run(functools.partial(function, *arguments, **keywords)), None
            except BaseException as error:
                # Passed as a value: a future takes no StopIteration.
                outcome[:] = None, error
            finally:
                self._count(-1)
            try:
                loop.call_soon_threadsafe(_wake, ended)
            except RuntimeError:
                # The loop has closed: nobody waits any more.
                pass

        self._start(run)
        await ended
        result, error = outcome
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def _start(self, run: Callable[[], None]) -> None:
        self._count(1)
        try:
            self._started += 1
            threading.Thread(target=run, name=f"{self.name}-{self._started}", daemon=True).start()
        except BaseException:
            self._count(-1)
            raise

    def _count(self, change: int) -> None:
        with DaemonThreads._lock:
            if change > 0:
                if self._running >= self.limit:
                    raise StateError(f"{self._running} blocking calls of {self.name} have not returned: wait")
                if DaemonThreads._all >= MAX_THREADS:
                    raise StateError(f"{MAX_THREADS} blocking calls have not returned: wait")
            self._running += change
            DaemonThreads._all += change


def _wake(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)
