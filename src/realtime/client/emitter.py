"""Event emitter: handlers by name, wildcards, waits for the next event.

A handler is a function of one argument, a coroutine function, or a function that returns something to be awaited.
A handler that raises stops no other: the exception is reported, also a CancelledError. KeyboardInterrupt and
SystemExit alone pass: they end the program. Calls that are awaited run one after another for one handler, in the
order of the events; different handlers run side by side.

A name that is never emitted is refused when a handler is added, so that it costs nothing for an event. Names are
dotted. ``server.*`` matches every name that begins with ``server.``; ``*`` matches all.

Thread: the event loop's only, except for adding and removing handlers, which any thread may do.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar, overload

from ..background import is_failure
from ..protocol.numbers import not_negative
from .home_loop import HomeLoop, any_thread
from .listener import MAX_QUEUE, Handler, Listener
from .waits import Waits

__all__ = ["EventEmitter", "Handler"]

HandlerT = TypeVar("HandlerT", bound=Handler)


class EventEmitter:
    """Keeps handlers and calls them.

    Parameters
    ----------
    failed : callable
        ``failed(error, name, handler)`` is called for every exception that a handler raises.
    check_name : callable, optional
        ``check_name(name)`` raises for a name to which no handler may be added; by default every name is taken.

    Attributes
    ----------
    home : HomeLoop
        The event loop to which calls of other threads are passed.
    events_dropped : int
        Events that slow coroutine handlers never got.
    """

    def __init__(
        self,
        failed: Callable[[BaseException, str, Handler], None],
        check_name: Callable[[str], None] | None = None,
    ) -> None:
        self._failed = failed
        self._check_name = check_name or (lambda name: None)
        self._listeners: dict[str, list[Listener]] = {}
        # Wildcards: "server.*" under "server.", "*" under "".
        self._prefixes: dict[str, list[Listener]] = {}
        self._waits = Waits()
        self.home = HomeLoop()
        self.events_dropped = 0

    @overload
    def on(self, name: str) -> Callable[[HandlerT], HandlerT]: ...
    @overload
    def on(self, name: str, handler: HandlerT) -> HandlerT: ...
    def on(self, name: str, handler: Any = None) -> Any:
        """Call *handler* for every event *name*. Without a handler it is a decorator."""
        if handler is None:
            self._check_name(name)
            return lambda function: self._add(name, function, once=False)
        return self._add(name, handler, once=False)

    @overload
    def on_next(self, name: str) -> Callable[[HandlerT], HandlerT]: ...
    @overload
    def on_next(self, name: str, handler: HandlerT) -> HandlerT: ...
    def on_next(self, name: str, handler: Any = None) -> Any:
        """Call *handler* for the next event *name* only."""
        if handler is None:
            self._check_name(name)
            return lambda function: self._add(name, function, once=True)
        return self._add(name, handler, once=True)

    def off(self, name: str, handler: Handler | None = None) -> None:
        """Remove *handler*, or all handlers of *name*. Raises ValueError for one that is not registered."""
        self._remove(name, handler, once=None)

    def off_next(self, name: str, handler: Handler | None = None) -> None:
        """Remove *handler*, or all handlers of *name*, that `on_next` added. Raises as `off` does."""
        self._remove(name, handler, once=True)

    @any_thread
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
        TypeError, ValueError
            a name under which nothing is ever emitted, a timeout that is no number
        TimeoutError
            nothing came within *timeout* seconds
        ConnectionLostError
            the connection ended first
        """
        self._check_name(name)
        if timeout is not None:
            timeout = not_negative(max(timeout, 0), "timeout")
        return self._waits.next(name, timeout)

    def fail_waiters(self, error: Exception, names: Iterable[str] | None = None) -> None:
        """End every pending `wait_for_next` with *error*, or only those for one of *names*."""
        self._waits.fail(error, names)

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

    def _table(self, name: str) -> tuple[dict[str, list[Listener]], str]:
        return (self._prefixes, name[:-1]) if name.endswith("*") else (self._listeners, name)

    @any_thread
    def _add(self, name: str, handler: HandlerT, *, once: bool) -> HandlerT:
        self._check_name(name)
        if not callable(handler):
            raise TypeError(f"a handler of {name!r} must be callable, not {type(handler).__name__}")
        if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
            raise TypeError(f"a handler of {name!r} must not be a generator function: nothing would run it")
        table, key = self._table(name)
        table.setdefault(key, []).append(Listener(handler, once))
        return handler

    @any_thread
    def _remove(self, name: str, handler: Handler | None, *, once: bool | None) -> None:
        self._check_name(name)
        table, key = self._table(name)
        listeners = table.get(key, [])
        stay = [
            one
            for one in listeners
            if (handler is not None and not _is_same(one.handler, handler))
            or (once is not None and one.once != once)
        ]
        if handler is not None and len(stay) == len(listeners):
            raise ValueError(f"could not turn off the handler of {name!r}: it is not registered")
        if stay:
            listeners[:] = stay
        else:
            table.pop(key, None)

    def _call(self, listener: Listener, listeners: list[Listener], name: str, event: Any) -> None:
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
            listener.put(self, name, event)
            return
        try:
            result = listener.handler(event)
            if result is not None:
                listener.put_result(self, name, result)
        except BaseException as error:
            if not is_failure(error):
                raise
            self.report(error, name, listener.handler)

    # For listeners

    def report(self, error: BaseException, name: str, handler: Handler) -> None:
        """Report an exception of a handler; nothing that reporting raises ends the reading of events."""
        try:
            self._failed(error, name, handler)
        except Exception as second:
            context = {
                "message": f"an exception of a handler of {name!r} could not be reported",
                "exception": second,
            }
            asyncio.get_running_loop().call_exception_handler(context)

    def dropped(self, listener: Listener, name: str) -> None:
        """Count an event that a listener will not get, and tell the application about the first of several."""
        self.events_dropped += 1
        if not listener.overflowing:
            listener.overflowing = True
            text = f"it is too slow: {MAX_QUEUE} events wait for it, and older ones are dropped"
            self.report(TimeoutError(text), name, listener.handler)


def _is_same(one: Handler, other: Handler) -> bool:
    """True for one handler, also for a method that was looked up twice."""
    if one is other:
        return True
    try:
        return bool(one == other)
    except Exception:
        # An object that cannot be compared is another one.
        return False
