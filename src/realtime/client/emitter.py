"""Event emitter: handlers by name, wildcards, waits for the next event.

A handler is a function or a coroutine function of one argument. A handler that raises stops no other: the
exception is reported, also a CancelledError. KeyboardInterrupt and SystemExit alone pass: they end the program.
Calls of one coroutine function run one after another, in the order of the events; different handlers run side
by side.

Names are dotted. ``server.*`` matches every name that begins with ``server.``; ``*`` matches all.

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

from ..background import is_failure, start
from ..callables import is_coroutine_function
from .waits import Waits

__all__ = ["EventEmitter", "Handler"]

Handler = Callable[[Any], Any]
HandlerT = TypeVar("HandlerT", bound=Handler)


class _Listener:
    """One registered handler; for a coroutine function also the queue of its next calls."""

    __slots__ = ("handler", "is_async", "once", "queue", "task")

    def __init__(self, handler: Handler, once: bool) -> None:
        self.handler = handler
        self.once = once
        self.is_async = is_coroutine_function(handler)
        self.queue: deque[tuple[str, Any]] = deque()
        self.task: asyncio.Task[None] | None = None


class EventEmitter:
    """Keeps handlers and calls them.

    Parameters
    ----------
    failed : callable
        ``failed(error, name, handler)`` is called for every exception that a handler raises.
    """

    def __init__(self, failed: Callable[[BaseException, str, Handler], None]) -> None:
        self._failed = failed
        self._listeners: dict[str, list[_Listener]] = {}
        # Wildcards: "server.*" under "server.", "*" under "".
        self._prefixes: dict[str, list[_Listener]] = {}
        self._waits = Waits()

    @overload
    def on(self, name: str) -> Callable[[HandlerT], HandlerT]: ...
    @overload
    def on(self, name: str, handler: HandlerT) -> HandlerT: ...
    def on(self, name: str, handler: Any = None) -> Any:
        """Call *handler* for every event *name*. Without a handler it is a decorator."""
        if handler is None:
            return lambda function: self._add(name, function, once=False)
        return self._add(name, handler, once=False)

    @overload
    def on_next(self, name: str) -> Callable[[HandlerT], HandlerT]: ...
    @overload
    def on_next(self, name: str, handler: HandlerT) -> HandlerT: ...
    def on_next(self, name: str, handler: Any = None) -> Any:
        """Call *handler* for the next event *name* only."""
        if handler is None:
            return lambda function: self._add(name, function, once=True)
        return self._add(name, handler, once=True)

    def off(self, name: str, handler: Handler | None = None) -> None:
        """Remove *handler*, or all handlers of *name*. Raises ValueError for one that is not registered."""
        self._remove(name, handler, once=None)

    def off_next(self, name: str, handler: Handler | None = None) -> None:
        """Remove *handler*, or all handlers of *name*, that `on_next` added. Raises as `off` does."""
        self._remove(name, handler, once=True)

    def clear_event_handlers(self) -> None:
        """Remove every handler. Pending `wait_for_next` calls stay."""
        self._listeners.clear()
        self._prefixes.clear()

    def wait_for_next(self, name: str, timeout: float | None = None) -> Coroutine[Any, Any, Any]:
        """Wait for the next event *name* and return it; to be awaited.

        A task that waits again at once, for the same or another event, misses nothing that is emitted in
        between; this holds inside ``asyncio.wait_for()`` too. Cancel-safe.

        Parameters
        ----------
        name : str
            The event; no wildcard.
        timeout : float, optional
            Seconds to wait at most.

        Raises
        ------
        TimeoutError
            nothing came within *timeout* seconds
        ConnectionLostError
            the connection ended first
        """
        return self._waits.next(name, timeout)

    def fail_waiters(self, error: Exception) -> None:
        """End every pending `wait_for_next` with *error*."""
        self._waits.fail(error)

    def begin_batch(self) -> int | None:
        """Begin a batch of simultaneous events; returns what to pass to `end_batch`.

        Of one batch a task takes one event with `wait_for_next`; its next wait looks behind the batch.
        """
        return self._waits.begin_batch()

    def end_batch(self, before: int | None) -> None:
        """End a batch."""
        self._waits.end_batch(before)

    def wants(self, name: str) -> bool:
        """True if a handler or a wait takes the event *name*; the caller need not build it otherwise."""
        return (
            name in self._listeners
            or (bool(self._waits.open) and self._waits.wants(name))
            or (bool(self._prefixes) and any(name.startswith(prefix) for prefix in self._prefixes))
        )

    def emit(self, name: str, event: Any) -> None:
        """Call every handler of *name* with *event*, in the order of registration, wildcards last."""
        listeners = self._listeners.get(name)
        if listeners:
            # A copy: handlers that a handler adds or removes count from the next event on.
            for listener in tuple(listeners):
                self._call(listener, listeners, name, event)
        if self._prefixes:
            for prefix, listeners in tuple(self._prefixes.items()):
                if name.startswith(prefix):
                    for listener in tuple(listeners):
                        self._call(listener, listeners, name, event)
        if self._waits.open:
            self._waits.put(name, event)

    def _table(self, name: str) -> tuple[dict[str, list[_Listener]], str]:
        return (self._prefixes, name[:-1]) if name.endswith("*") else (self._listeners, name)

    def _add(self, name: str, handler: HandlerT, *, once: bool) -> HandlerT:
        if not callable(handler):
            raise TypeError(f"a handler of {name!r} must be callable, not {type(handler).__name__}")
        table, key = self._table(name)
        table.setdefault(key, []).append(_Listener(handler, once))
        return handler

    def _remove(self, name: str, handler: Handler | None, *, once: bool | None) -> None:
        table, key = self._table(name)
        listeners = table.get(key, [])
        stay = [
            one
            for one in listeners
            if (handler is not None and one.handler != handler) or (once is not None and one.once != once)
        ]
        if handler is not None and len(stay) == len(listeners):
            raise ValueError(f"could not turn off the handler of {name!r}: it is not registered")
        if stay:
            listeners[:] = stay
        else:
            table.pop(key, None)

    def _call(self, listener: _Listener, listeners: list[_Listener], name: str, event: Any) -> None:
        if listener.once:
            if listener not in listeners:
                # An earlier handler emitted the same event, and that has called this one.
                return
            listeners.remove(listener)
            if not listeners:
                table, key = self._table(name)
                if table.get(key) is listeners:
                    del table[key]
        if listener.is_async:
            listener.queue.append((name, event))
            if listener.task is None:
                listener.task = start(
                    self._run(listener), name, lambda name, error: self._failed(error, name, listener.handler)
                )
            return
        try:
            listener.handler(event)
        except BaseException as error:
            if not is_failure(error):
                raise
            self._failed(error, name, listener.handler)

    async def _run(self, listener: _Listener) -> None:
        try:
            while listener.queue:
                name, event = listener.queue.popleft()
                try:
                    await listener.handler(event)
                except BaseException as error:
                    if not is_failure(error, awaited=True):
                        raise
                    self._failed(error, name, listener.handler)
        finally:
            listener.task = None
