"""PlayerWaits: the player's calls that wait, for threads and for an event loop.

Thread: wait_until_idle: any; the coroutines: the event loop's. They never block it: opening and closing a device runs in
a thread of its own (see _aio.py).
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["PlayerWaits"]


class PlayerWaits(ABC):
    """What waits for a player, built on its calls that do not."""

    @abstractmethod
    def connect(self) -> bool:
        """Open the output."""

    @abstractmethod
    def disconnect(self) -> None:
        """Close the output."""

    @abstractmethod
    def _seconds_left(self) -> float | None:
        """Seconds of audio that wait; None when idle."""

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(self, *exc: object) -> None:
        self.disconnect()

    async def __aenter__(self) -> Self:
        await self.connect_async()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.disconnect_async()

    def wait_until_idle(self, timeout: float | None = None) -> bool:
        """Wait until all queued audio has left the callback; False when *timeout* seconds passed first."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (left := self._seconds_left()) is not None:
            if (pause := _pause(left, deadline)) is None:
                return False
            time.sleep(pause)
        return True

    async def wait_until_idle_async(self, timeout: float | None = None) -> bool:
        """Wait as `wait_until_idle`, on an event loop. Cancel-safe: playback goes on.

        Parameters
        ----------
        timeout : float, optional
            Seconds; no limit when not given.

        Returns
        -------
        bool
            False when *timeout* passed first.
        """
        import asyncio

        deadline = None if timeout is None else time.monotonic() + timeout
        while (left := self._seconds_left()) is not None:
            if (pause := _pause(left, deadline)) is None:
                return False
            await asyncio.sleep(pause)
        return True

    async def connect_async(self) -> bool:
        """Connect as `connect`, on an event loop: the device opens in a thread of its own. Raises as `connect`.

        Cancel-safe: a device that is opening when the task is cancelled is closed again before CancelledError is raised.
        """
        from wavtools._aio import in_thread

        return await in_thread(self.connect, self.disconnect)

    async def disconnect_async(self) -> None:
        """Disconnect as `disconnect`, on an event loop: the device closes in a thread of its own.

        Cancel-safe: the device is closed before CancelledError is raised.
        """
        from wavtools._aio import in_thread

        await in_thread(self.disconnect)


def _pause(left: float, deadline: float | None) -> float | None:
    """Seconds to sleep with *left* seconds queued; None when the deadline has passed."""
    pause = min(max(left, 0.002), 0.05)
    if deadline is None:
        return pause
    until = deadline - time.monotonic()
    return None if until <= 0 else min(pause, until)
