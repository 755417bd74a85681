"""IdleWatch: notices that nobody has spoken for a while, so that a voice session that was forgotten ends.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ..background import Failed, start
from ..protocol.numbers import positive

__all__ = ["IdleWatch"]

# Seconds between two looks at most
LOOK_SECONDS = 0.1


class IdleWatch:
    """Waits for *seconds* in which nobody speaks.

    Parameters
    ----------
    seconds : float or None
        Above 0; None waits for nothing.
    somebody_speaks : callable
        True while the user or the model speaks, or will.
    idle : callable
        ``idle(seconds)`` is called once, when it has come to that.
    failed : callable
        As for `background.start`.

    Raises
    ------
    ValueError
        *seconds* is no number above 0
    """

    def __init__(
        self,
        seconds: float | None,
        somebody_speaks: Callable[[], bool],
        idle: Callable[[float], object],
        failed: Failed,
    ) -> None:
        self._seconds = None if seconds is None else positive(seconds, "idle_timeout")
        self._somebody_speaks = somebody_speaks
        self._idle = idle
        self._failed = failed
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Count from now."""
        if self._seconds is not None:
            self._task = start(self._watch(self._seconds), "waiting for silence", self._failed)

    def close(self) -> None:
        """Stop waiting."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _watch(self, seconds: float) -> None:
        spoken = time.monotonic()
        while (left := spoken + seconds - time.monotonic()) > 0:
            await asyncio.sleep(min(LOOK_SECONDS, left))
            if self._somebody_speaks():
                spoken = time.monotonic()
        self._task = None
        self._idle(seconds)
