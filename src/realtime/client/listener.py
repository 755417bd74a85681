"""One registered handler, and the queue of what is to be awaited for it: bounded, and counted.

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from ..background import is_failure, start
from ..callables import is_coroutine_function

__all__ = ["MAX_QUEUE", "Handler", "Listener", "Owner"]

Handler = Callable[[Any], Any]

# Events that wait for one handler, about 10 MB of audio
MAX_QUEUE = 1000


class Owner(Protocol):
    """What a listener asks of its emitter."""

    def report(self, error: BaseException, name: str, handler: Handler) -> None:
        """Report an exception of a handler."""

    def dropped(self, listener: Listener, name: str) -> None:
        """Count an event that *listener* will not get."""


class _Awaitable:
    """What a plain handler returned, in the place of an event."""

    __slots__ = ("value",)

    def __init__(self, value: Awaitable[Any]) -> None:
        self.value = value


class Listener:
    """One registered handler.

    Attributes
    ----------
    is_async : bool
        True for a coroutine function.
    overflowing : bool
        True from the first dropped event until the queue is empty again.
    """

    __slots__ = ("_queue", "_task", "handler", "is_async", "once", "overflowing")

    def __init__(self, handler: Handler, once: bool) -> None:
        self.handler = handler
        self.once = once
        self.is_async = is_coroutine_function(handler)
        self.overflowing = False
        self._queue: deque[tuple[str, Any]] = deque()
        self._task: asyncio.Task[None] | None = None

    def put(self, owner: Owner, name: str, event: Any) -> None:
        """Queue a call of the handler, and drop the oldest one beyond `MAX_QUEUE`."""
        queue = self._queue
        queue.append((name, event))
        if len(queue) > MAX_QUEUE:
            oldest_name, oldest = queue.popleft()
            _discard(oldest)
            owner.dropped(self, oldest_name)
        if self._task is None:
            self._task = start(
                self._run(owner), "event handler", lambda _, error: owner.report(error, name, self.handler)
            )

    def put_result(self, owner: Owner, name: str, result: Any) -> None:
        """Queue what a plain handler returned, if it is to be awaited."""
        if asyncio.isfuture(result):
            # It runs by itself, and may run as long as the session: it holds up nothing here.
            result.add_done_callback(lambda future: self._future_ended(owner, name, future))
        elif inspect.isawaitable(result):
            self.put(owner, name, _Awaitable(result))
        elif inspect.isasyncgen(result) or inspect.isgenerator(result):
            raise TypeError("the handler returned a generator, which nothing runs")

    def _future_ended(self, owner: Owner, name: str, future: asyncio.Future[Any]) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            owner.report(error, name, self.handler)

    async def _run(self, owner: Owner) -> None:
        queue = self._queue
        try:
            while queue:
                name, event = queue.popleft()
                try:
                    await (event.value if isinstance(event, _Awaitable) else self.handler(event))
                except BaseException as error:
                    if not is_failure(error, awaited=True):
                        # The loop or the program ends.
                        while queue:
                            _discard(queue.popleft()[1])
                        raise
                    owner.report(error, name, self.handler)
            self.overflowing = False
        finally:
            self._task = None


def _discard(event: Any) -> None:
    """Close a coroutine that will not run: Python warns of one that was never awaited."""
    if isinstance(event, _Awaitable) and inspect.iscoroutine(event.value):
        event.value.close()
