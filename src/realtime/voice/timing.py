"""FirstSampleWatch: notes when the loudspeaker's device took the first sample of an answer, for the client's timings.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import time

from ..background import Failed, start
from ..client.client import RealtimeClient
from .devices import Player

__all__ = ["FirstSampleWatch"]

# Seconds between two looks at the player's position; a device period is about 10 ms.
FIRST_SAMPLE_POLL = 0.004
# Seconds after which an answer that has not sounded is no longer watched.
FIRST_SAMPLE_PATIENCE = 30.0


class FirstSampleWatch:
    """Watches the player's position while the newest answer has not sounded yet."""

    def __init__(self, client: RealtimeClient, failed: Failed) -> None:
        self._client = client
        self._failed = failed
        self._task: asyncio.Task[None] | None = None
        self._watched: str | None = None

    def reset(self) -> None:
        """Forget the last answer: a new session begins."""
        self._watched = None

    def watch(self, player: Player, item_id: str) -> None:
        """Audio of an answer was queued: watch for its first sample, unless that was begun already."""
        if self._watched == item_id:
            return
        self._watched = item_id
        self.cancel()
        self._task = start(self._watch(player, item_id), "watching the player", self._failed)

    def cancel(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()

    async def _watch(self, player: Player, item_id: str) -> None:
        """The player's position tells."""
        deadline = time.monotonic() + FIRST_SAMPLE_PATIENCE
        while time.monotonic() < deadline:
            receipt = player.get_track_sample_offset()
            if receipt is not None and receipt.track_id == item_id and receipt.offset > 0:
                self._client.note_first_sample(item_id)
                return
            await asyncio.sleep(FIRST_SAMPLE_POLL)
