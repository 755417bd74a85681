"""Handlers that a part of a voice session has at its client while it is open.

Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..client.client import RealtimeClient

__all__ = ["Handlers"]


class Handlers:
    """Handlers by the names of their events."""

    def __init__(self, client: RealtimeClient, handlers: dict[str, Callable[[Any], object]]) -> None:
        self._client = client
        self._handlers = handlers

    def add(self) -> None:
        """Add them to the client."""
        for name, handler in self._handlers.items():
            self._client.on(name)(handler)

    def remove(self) -> None:
        """Remove those that are still there: ``client.reset()`` may have removed them."""
        for name, handler in self._handlers.items():
            try:
                self._client.off(name, handler)
            except ValueError:
                pass
