"""Cuts: tells the server how much of an interrupted answer was heard, once that is known exactly.

A native device knows it at once. A distant one (`wavtools.RemoteDevice`) says so within a round trip; after 250 ms, or
before an answer is requested, its estimate is sent.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, runtime_checkable

from ..background import Failed, start
from ..client.client import RealtimeClient
from ..voice_events import CutEvent
from .devices import Receipt

__all__ = ["Cuts"]

# Seconds that a distant device may take
SETTLING_SECONDS = 0.25


@runtime_checkable
class _Settling(Protocol):
    """A receipt that may be an estimate, as `wavtools.TrackOffset` of a distant device is."""

    @property
    def settled(self) -> bool: ...
    def wait_until_settled(self, timeout: float | None = None) -> Receipt: ...
    async def wait_until_settled_async(self, timeout: float | None = None) -> Receipt: ...


class Cuts:
    """The interruptions of one voice session.

    Parameters
    ----------
    client : RealtimeClient
    failed : callable
        As for `background.start`.
    """

    def __init__(self, client: RealtimeClient, failed: Failed) -> None:
        self._client = client
        self._failed = failed
        # Estimates that the server was not told of, in their order, and the tasks that wait for the exact receipts
        self._waiting: dict[asyncio.Task[None], _Settling] = {}

    def tell(self, receipt: Receipt) -> None:
        """Playback was stopped: tell server and application, as soon as the receipt is exact."""
        if not isinstance(receipt, _Settling) or receipt.settled:
            self._tell(receipt)
            return
        task = start(self._settle(receipt), "waiting for the place of an interruption", self._failed)
        self._waiting[task] = receipt

    def flush(self) -> None:
        """Tell now what is still waited for: an answer is about to be requested."""
        waiting, self._waiting = self._waiting, {}
        for task, receipt in waiting.items():
            task.cancel()
            self._tell(receipt.wait_until_settled(0))

    def close(self) -> None:
        """The session ends: nobody is told any more."""
        for task in self._waiting:
            task.cancel()
        self._waiting.clear()

    async def _settle(self, receipt: _Settling) -> None:
        exact = await receipt.wait_until_settled_async(SETTLING_SECONDS)
        task = asyncio.current_task()
        assert task is not None
        del self._waiting[task]
        self._tell(exact)

    def _tell(self, receipt: Receipt) -> None:
        client = self._client
        item = client.conversation.get_item(receipt.track_id)
        if client.state in ("connected", "reconnecting"):
            client.cancel_response(receipt.track_id, receipt.offset)
            for track_id in receipt.dropped:
                if track_id != receipt.track_id:
                    client.cancel_response(track_id, 0)
        client.emit("voice.cut", CutEvent(receipt, item))
