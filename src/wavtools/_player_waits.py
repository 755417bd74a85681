"""PlayerWaits: the player's calls that wait, for threads and for an event loop.

Thread: wait_until_idle: any; the coroutines: the event loop's. They never block it: opening and closing a device runs in
a worker thread.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["PlayerWaits"]

_Result = TypeVar("_Result")


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
        """Connect as `connect`, on an event loop: the device opens in a worker thread. Raises as `connect`.

        Cancel-safe: a device that is opening when the task is cancelled is closed again before CancelledError is raised.
        """
        return await _in_thread(self.connect, self.disconnect)

    async def disconnect_async(self) -> None:
        """Disconnect as `disconnect`, on an event loop: the device closes in a worker thread.

        Cancel-safe: the device is closed before CancelledError is raised.
        """
        await _in_thread(self.disconnect)


def _pause(left: float, deadline: float | None) -> float | None:
    """Seconds to sleep with *left* seconds queued; None when the deadline has passed."""
    pause = min(max(left, 0.002), 0.05)
    if deadline is None:
        return pause
    until = deadline - time.monotonic()
    return None if until <= 0 else min(pause, until)


async def _in_thread(call: Callable[[], _Result], undo: Callable[[], object] | None = None) -> _Result:
    """Run *call* in a worker thread to its end, even if the task is cancelled: then *undo* too, if the call succeeded."""
    import asyncio

    cancelled: asyncio.CancelledError | None = None
    # No task, which the end of asyncio.run() would cancel while the thread goes on.
    work = asyncio.get_running_loop().run_in_executor(None, call)
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return work.result()
    if work.exception() is None and undo is not None:
        await _in_thread(undo)
    raise cancelled
