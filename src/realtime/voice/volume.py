"""Loudness: lowers what the player of a voice session plays, and knows whether an answer is still heard.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, runtime_checkable

from .devices import Player, Receipt

__all__ = ["Loudness"]

# 20 dB less
LOWERED = 0.1


@runtime_checkable
class _Adjustable(Protocol):
    """A player whose volume can be set, 0 to 1."""

    volume: float


class Loudness:
    """The loudspeaker of one voice session.

    A player without a ``volume`` plays on as it is.
    """

    def __init__(self) -> None:
        self.player: Player | None = None
        # The last track that was queued, and its samples
        self._track: str | None = None
        self._samples = 0
        # The player's volume before, and the one that was set; None while nothing is lowered
        self._before: float | None = None
        self._set = 0.0

    def queued(self, track_id: str, samples: int) -> None:
        """*samples* were queued as the next of a track."""
        if track_id != self._track:
            self._track, self._samples = track_id, 0
        self._samples += samples

    def stopped(self, fade_ms: float) -> None:
        """Playback was stopped, and fades for *fade_ms*: what was queued is dropped."""
        self._track = None
        if self._before is not None and fade_ms:
            asyncio.get_running_loop().call_later(fade_ms / 1000, self.restore)
        else:
            self.restore()

    @property
    def playing(self) -> bool:
        """True while queued audio is not played to its end."""
        if self.player is None or self._track is None:
            return False
        position: Receipt | None = self.player.get_track_sample_offset()
        if position is not None and position.track_id == self._track:
            return position.offset < self._samples
        # The answer has not begun, or audio of the application's own follows it.
        is_idle = getattr(self.player, "wait_until_idle", None)
        return is_idle is None or not is_idle(0)

    def lower(self) -> None:
        """Play at a tenth of the amplitude (20 dB less), from the device's next period on."""
        player = self.player
        if self._before is None and isinstance(player, _Adjustable):
            self._before = player.volume
            self._set = player.volume = self._before * LOWERED

    def restore(self) -> None:
        """Play at the volume before, unless the application has set another one meanwhile."""
        player, before = self.player, self._before
        self._before = None
        if before is not None and isinstance(player, _Adjustable) and player.volume == self._set:
            player.volume = before
