"""Beat: calls the screen's frame twenty times a second, by the event loop's own timer.

A timer of Textual costs ten times as much for each call, which is most of what an idle screen takes.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["FRAMES_PER_SECOND", "Beat"]

FRAMES_PER_SECOND = 20


class Beat:
    """Calls *frame* from `start` to `stop`.

    Parameters
    ----------
    frame : callable
        Called FRAMES_PER_SECOND times a second, in the context of `start`. A late call moves the later ones.
    failed : callable
        Gets what *frame* raises; no call follows.
    """

    def __init__(self, frame: Callable[[], None], failed: Callable[[Exception], None]) -> None:
        self._frame = frame
        self._failed = failed
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin; the first call comes after one interval."""
        self._plan(asyncio.get_running_loop())

    def stop(self) -> None:
        """End; it may be called again."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _plan(self, loop: asyncio.AbstractEventLoop) -> None:
        # From the moment when this call was due, so that the work of a frame does not slow the beat down
        before = loop.time() if self._next is None else self._next.when()
        at = max(before + 1 / FRAMES_PER_SECOND, loop.time())
        self._next = loop.call_at(at, self._call, loop)

    def _call(self, loop: asyncio.AbstractEventLoop) -> None:
        self._plan(loop)
        try:
            self._frame()
        except Exception as error:
            self.stop()
            self._failed(error)
