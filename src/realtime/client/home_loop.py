"""Passes calls of other threads to the event loop of their client, so that a plain tool may call the client.

Thread: any.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

from ..errors import StateError

__all__ = ["HomeLoop", "any_thread"]

# Seconds that a loop may need until it takes a call of another thread
PATIENCE = 30.0

T = TypeVar("T")
M = TypeVar("M", bound=Callable[..., Any])


class HomeLoop:
    """The event loop in which a client lives, from its `RealtimeClient.connect` on."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    def settle(self) -> None:
        """Take the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    @property
    def is_here(self) -> bool:
        """True if a call may run in this thread: in that of the loop, or in any while no loop runs."""
        loop = self._loop
        return loop is None or threading.get_ident() == self._thread or not loop.is_running()

    def call(self, function: Callable[[], T]) -> T:
        """Run *function* in the loop; returns what it returns and raises what it raises. Not from the loop's thread.

        Raises StateError if the loop ends before, or is blocked for 30 seconds.
        """
        loop, called = self._loop, concurrent.futures.Future[T]()

        def run() -> None:
            if called.set_running_or_notify_cancel():
                try:
                    called.set_result(function())
                except BaseException as error:
                    called.set_exception(error)

        assert loop is not None
        try:
            loop.call_soon_threadsafe(run)
        except RuntimeError:
            raise StateError("the client's event loop has ended") from None
        deadline = time.monotonic() + PATIENCE
        while not called.done() and loop.is_running() and time.monotonic() < deadline:
            concurrent.futures.wait([called], timeout=0.1)
        if called.cancel():
            raise StateError("the client's event loop has ended, or is blocked")
        return called.result()


def any_thread(method: M) -> M:
    """Decorate a method that any thread may call: another thread waits until the client's loop has run it."""

    @functools.wraps(method)
    def call(self: Any, *arguments: Any, **keywords: Any) -> Any:
        if self.home.is_here:
            return method(self, *arguments, **keywords)
        return self.home.call(functools.partial(method, self, *arguments, **keywords))

    return cast("M", call)
