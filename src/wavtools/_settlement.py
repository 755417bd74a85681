"""UnsettledOffset: the receipt of an interruption whose exact place a distant device will tell.

Thread: any.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

from wavtools._tracks import TrackOffset

__all__ = ["Settlement", "UnsettledOffset"]


class Settlement:
    """What becomes known of one interruption, once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._waiting: list[Callable[[], object]] = []
        self.receipt: TrackOffset | None = None

    def settle(self, receipt: TrackOffset) -> None:
        """Tell everybody who waits. Later calls change nothing."""
        with self._lock:
            if self.receipt is not None:
                return
            self.receipt = receipt
            waiting, self._waiting = self._waiting, []
        self._done.set()
        for tell in waiting:
            tell()

    def when_done(self, tell: Callable[[], object]) -> None:
        """Call *tell* once it is settled, at once if it is; on the thread that settles it."""
        with self._lock:
            if self.receipt is None:
                self._waiting.append(tell)
                return
        tell()

    def forget(self, tell: Callable[[], object]) -> None:
        """Do not call *tell* any more."""
        with self._lock:
            if tell in self._waiting:
                self._waiting.remove(tell)

    def wait(self, timeout: float | None) -> None:
        """Block until it is settled, or for *timeout* seconds."""
        self._done.wait(timeout)


@dataclasses.dataclass(frozen=True)
class UnsettledOffset(TrackOffset):
    """A TrackOffset that is an estimate until the device has answered; see TrackOffset.settled."""

    @classmethod
    def of(cls, receipt: TrackOffset, settlement: Settlement) -> UnsettledOffset:
        """*receipt* as an estimate."""
        estimate = cls(**{field.name: getattr(receipt, field.name) for field in dataclasses.fields(receipt)})
        # No field: a receipt can be compared, copied to a dict and pickled as others can.
        object.__setattr__(estimate, "_settlement", settlement)
        return estimate

    def __reduce__(self) -> tuple[object, ...]:
        """A copy or pickle is the exact receipt if that is known, else the estimate, which stays one."""
        return TrackOffset, dataclasses.astuple(self._known)

    @property
    def _known(self) -> TrackOffset:
        settlement: Settlement = object.__getattribute__(self, "_settlement")
        return settlement.receipt or self

    @property
    def settled(self) -> bool:
        return self._known is not self

    def wait_until_settled(self, timeout: float | None = None) -> TrackOffset:
        settlement: Settlement = object.__getattribute__(self, "_settlement")
        settlement.wait(timeout)
        return self._known

    async def wait_until_settled_async(self, timeout: float | None = None) -> TrackOffset:
        import asyncio

        settlement: Settlement = object.__getattribute__(self, "_settlement")
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def tell() -> None:
            # The loop may have ended.
            if not loop.is_closed():
                loop.call_soon_threadsafe(done.set)

        settlement.when_done(tell)
        try:
            await asyncio.wait_for(done.wait(), timeout)
        except (TimeoutError, asyncio.TimeoutError):
            pass
        finally:
            settlement.forget(tell)
        return self._known
