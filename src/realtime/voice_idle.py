"""IdleWatch: notices that nobody has spoken for a while, so that a voice session that was forgotten ends.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from .background import Failed, start

__all__ = ["IdleWatch"]

# Seconds between two looks at most
LOOK_SECONDS = 0.1


class IdleWatch:
    """Waits for *seconds* in which nobody speaks.

    Parameters
    ----------
    seconds : float
    somebody_speaks : callable
        True while the user or the model speaks, or will.
    idle : callable
        Called once, when it has come to that.
    failed : callable
        As for `background.start`.
    """

    def __init__(
        self,
        seconds: float,
        somebody_speaks: Callable[[], bool],
        idle: Callable[[], object],
        failed: Failed,
    ) -> None:
        self.seconds = seconds
        self._somebody_speaks = somebody_speaks
        self._idle = idle
        self._failed = failed
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Count from now."""
        self._task = start(self._watch(), "waiting for silence", self._failed)

    def close(self) -> None:
        """Stop waiting."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _watch(self) -> None:
        spoken = time.monotonic()
        while (left := spoken + self.seconds - time.monotonic()) > 0:
            await asyncio.sleep(min(LOOK_SECONDS, left))
            if self._somebody_speaks():
                spoken = time.monotonic()
        self._task = None
        self._idle()
