"""Waiting in tests: until a condition holds, until an event has come. Every wait has a limit and names what is missing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from realtime import RealtimeClient

__all__ = ["DEFAULT_EVENTS", "Log", "until", "until_blocking"]

DEFAULT_EVENTS = (
    "conversation.updated",
    "conversation.item.appended",
    "conversation.item.completed",
    "conversation.item.incomplete",
    "conversation.item.deleted",
    "conversation.interrupted",
    "response.failed",
    "error",
    "close",
    "usage",
    "timings",
)


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    """Let the event loop run until *condition* holds; AssertionError after *seconds*."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition did not come true within {seconds} s"
        await asyncio.sleep(0.002)


def until_blocking(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Block until *condition* holds: for other threads and processes. AssertionError after *seconds*."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition did not come true within {seconds} s"
        time.sleep(0.01)


class Log:
    """Events of a client in order, awaited by name and number."""

    def __init__(self, client: RealtimeClient, *names: str) -> None:
        self.events: list[tuple[str, Any]] = []
        self._news = asyncio.Event()
        for name in names or DEFAULT_EVENTS:
            client.on(name, lambda event, name=name: self._add(name, event))

    def _add(self, name: str, event: Any) -> None:
        self.events.append((name, event))
        self._news.set()

    def names(self) -> list[str]:
        """Names of the events so far."""
        return [name for name, _ in self.events]

    def of(self, name: str) -> list[Any]:
        """Events called *name* so far."""
        return [event for known, event in self.events if known == name]

    async def until(self, name: str, count: int = 1, timeout: float = 10.0) -> Any:
        """The *count*-th event called *name*; AssertionError after *timeout* seconds."""

        async def wait() -> None:
            while len(self.of(name)) < count:
                self._news.clear()
                await self._news.wait()

        try:
            await asyncio.wait_for(wait(), timeout)
        except asyncio.TimeoutError:
            raise AssertionError(f"{count} x {name!r} did not come; saw {self.names()}") from None
        return self.of(name)[count - 1]
