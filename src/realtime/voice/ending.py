"""Ending: lets callers wait for the end of a voice session.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio

from ..errors import ConnectionLostError
from ..events import CloseEvent

__all__ = ["Ending"]


class Ending:
    """The end of one run of a voice session, from its start to its stop."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._lost: CloseEvent | None = None

    def lost(self, event: CloseEvent) -> None:
        """The connection has ended for good."""
        self._lost = event
        self._over.set()

    def stopped(self) -> None:
        """The session has stopped."""
        self._over.set()

    async def wait(self) -> None:
        """Wait for either; raises ConnectionLostError for the former."""
        await self._over.wait()
        if (event := self._lost) is not None:
            why = f": {event.reason}" if event.reason else ""
            raise ConnectionLostError(
                f"the connection of the voice session has ended{why} (code {event.code})",
                code=event.code,
                reason=event.reason,
            )
