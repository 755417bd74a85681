"""Waits for the next event of a name, such that consecutive waits of one task miss nothing.

Events can arrive faster than a waiting task runs: a whole burst is emitted before the task that waited for its
first event continues. So each wait has a queue of its own. It takes the event it waits for, and from then on
every event. When the wait has ended, its queue stays open for a few iterations of the event loop; the next wait
of the same task looks there first.

Events of one batch (those that one frame of the server caused) count as simultaneous: a task that has taken one
of them waits for what comes after them.

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable
from typing import Any

__all__ = ["Waits"]

# Loop iterations for which the queue of an ended wait stays open. A task needs one to begin its next wait;
# asyncio.wait_for() before Python 3.12 runs the wait in a task of its own, which makes it four.
OPEN_TURNS = 6
# Far more than a server sends within that time: it bounds the memory.
MAX_QUEUED = 10_000

# Name, event, batch. Without a name: the exception that ends the wait in place of an event.
_Entry = tuple[str | None, Any, int | None]


class _Failure:
    """Stands in a queue in place of an event, for the exception that ends the wait for it."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Wait:
    """One wait and its queue."""

    __slots__ = ("batch", "name", "queue", "task", "turns_left", "woken")

    def __init__(self, name: str, task: asyncio.Task[Any] | None) -> None:
        self.name = name
        # The task that asked for the wait.
        self.task = task
        self.queue: deque[_Entry] = deque(maxlen=MAX_QUEUED)
        # The batch of the last event that the task has taken.
        self.batch: int | None = None
        self.woken: asyncio.Future[None] | None = None
        # Loop iterations until the wait is dropped; None while it is under way.
        self.turns_left: int | None = None

    def wants(self, name: str | None) -> bool:
        """True for every event, but while the task sleeps only for the one that wakes it."""
        sleeping = self.woken is not None and not self.woken.done()
        return not sleeping or name is None or name == self.name

    def put(self, name: str | None, event: Any, batch: int | None) -> None:
        """Queue an event if it is wanted, and wake the task."""
        if self.wants(name):
            self.queue.append((name, event, batch))
            if self.woken is not None and not self.woken.done():
                self.woken.set_result(None)

    def drop_until_wanted(self) -> bool:
        """Drop queued events before the first one called *name*; True if there is one."""
        while self.queue:
            name, _, batch = self.queue[0]
            if name in (self.name, None) and (batch is None or batch != self.batch):
                return True
            self.queue.popleft()
        return False

    def take(self) -> Any:
        """The first queued event; raises a queued exception."""
        name, event, self.batch = self.queue.popleft()
        if name is None:
            raise event
        if isinstance(event, _Failure):
            raise event.error
        return event


class Waits:
    """The waits of one emitter.

    Attributes
    ----------
    open : list
        Waits that want events now. Nothing needs to be put while it is empty.
    batch : int or None
        The batch that events belong to now; None for events that belong to no batch.
    """

    def __init__(self) -> None:
        self.open: list[_Wait] = []
        self.batch: int | None = None
        self._batches = 0
        # The loop in which `_count_turn` is due. Later waits may run in another loop.
        self._counting_in: asyncio.AbstractEventLoop | None = None

    def begin_batch(self) -> int | None:
        """Begin a batch; returns what to pass to `end_batch`."""
        before = self.batch
        if before is None:
            self._batches += 1
            self.batch = self._batches
        return before

    def end_batch(self, before: int | None) -> None:
        """End the batch; a batch within another one is a part of it."""
        self.batch = before

    def wants(self, name: str) -> bool:
        """True if an event called *name* would be taken."""
        return any(wait.wants(name) for wait in self.open)

    def put(self, name: str, event: Any) -> None:
        """Give an event to every wait that wants it."""
        for wait in self.open:
            wait.put(name, event, self.batch)

    def fail(self, error: Exception, names: Iterable[str] | None = None) -> None:
        """Fail all pending waits with *error*, and the next wait of a task that is about to continue.

        With *names* only waits for one of these events.
        """
        for wait in self.open:
            if names is None:
                wait.put(None, error, None)
            else:
                for name in names:
                    wait.put(name, _Failure(error), self.batch)

    def next(self, name: str, timeout: float | None) -> Coroutine[Any, Any, Any]:
        """Wait for an event called *name*; the wait belongs to the task that calls this."""
        try:
            task = asyncio.current_task()
        except RuntimeError:  # called before the loop runs, as in run_until_complete(wait)
            task = None
        return self._next(_Wait(name, task), self._left_by(task, name), timeout)

    def _left_by(self, task: asyncio.Task[Any] | None, name: str) -> _Wait | None:
        """The ended wait from whose queue a new wait of *task* goes on.

        Of several it is the latest for the same name, else the latest. A task that has none goes on for one
        that has ended: a coroutine inside ``asyncio.wait_for()`` may run in a new task each time.
        """
        ended = [wait for wait in self.open if wait.turns_left is not None]
        left = [wait for wait in ended if wait.task is task]
        left = left or [wait for wait in ended if wait.task is not None and wait.task.done()]
        left = [wait for wait in left if wait.name == name] or left
        return left[-1] if left else None

    async def _next(self, wait: _Wait, left: _Wait | None, timeout: float | None) -> Any:
        if left is not None:
            wait.queue.extend(left.queue)
            wait.batch = left.batch
            if left.name == wait.name and left in self.open:
                self.open.remove(left)
        self.open.append(wait)
        try:
            if not wait.drop_until_wanted():
                await self._until_woken(wait, timeout)
            return wait.take()
        finally:
            self._keep_open(wait)

    @staticmethod
    async def _until_woken(wait: _Wait, timeout: float | None) -> None:
        loop = asyncio.get_running_loop()
        wait.woken = loop.create_future()
        timer = None
        if timeout is not None:
            error = TimeoutError(f"no {wait.name!r} event within {timeout} s")
            timer = loop.call_later(timeout, _fail, wait.woken, error)
        try:
            await wait.woken
        finally:
            if timer is not None:
                timer.cancel()

    def _keep_open(self, wait: _Wait) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # The loop has ended before the wait.
            self.open.remove(wait)
            return
        wait.turns_left = OPEN_TURNS
        if self._counting_in is not loop:
            self._counting_in = loop
            loop.call_soon(self._count_turn, loop)

    def _count_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        counting = False
        for wait in tuple(self.open):
            if wait.turns_left is not None:
                wait.turns_left -= 1
                if wait.turns_left:
                    counting = True
                else:
                    self.open.remove(wait)
        self._counting_in = loop if counting else None
        if counting:
            loop.call_soon(self._count_turn, loop)


def _fail(future: asyncio.Future[None], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
