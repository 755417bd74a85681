"""What a voice session needs of a recorder and a player, and the threads in which their blocking calls run.

Thread: the event loop's; the calls run in daemon threads of their own ("realtime-device-1", ...).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from .daemon_threads import DaemonThreads
from .errors import ConfigurationError
from .protocol.audio_format import Int16Array

__all__ = [
    "Chunk",
    "Devices",
    "Player",
    "Receipt",
    "Recorder",
    "check_rate",
    "make_player",
    "make_recorder",
]

# Calls of one session's devices that may block at once
MAX_CALLS = 16
# Seconds that closing a device may take; our own take about one.
CLOSE_SECONDS = 5.0
# Seconds for which a player may have audio, as its queue
PLAYBACK_PATIENCE = 600.0

T = TypeVar("T")


class Chunk(Protocol):
    """What a recorder passes to its callback: int16, shape (frames,)."""

    @property
    def mono(self) -> Int16Array: ...


class Recorder(Protocol):
    """The part of `wavtools.WavRecorder` that a voice session uses."""

    sample_rate: int

    def get_status(self) -> str: ...
    def begin(self) -> Any: ...
    def record(self, callback: Callable[[Any], object] | None = None, chunk_size: int = 8192) -> Any: ...
    def pause(self) -> Any: ...
    def end(self) -> Any: ...


class Receipt(Protocol):
    """The part of `wavtools.TrackOffset` that a voice session uses."""

    @property
    def track_id(self) -> str: ...
    @property
    def offset(self) -> int: ...
    @property
    def dropped(self) -> Mapping[str, int]: ...


class Player(Protocol):
    """The part of `wavtools.WavStreamPlayer` that a voice session uses."""

    sample_rate: int

    def connect(self) -> Any: ...
    def add_16bit_pcm(self, pcm: Any, track_id: str = "default") -> Any: ...
    def interrupt(self, fade_ms: float = 0) -> Any: ...
    def get_track_sample_offset(self) -> Any: ...
    def disconnect(self) -> Any: ...


class Devices:
    """Calls of the devices of one voice session."""

    def __init__(self) -> None:
        self._threads = DaemonThreads("realtime-device", MAX_CALLS)

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call *function* in a thread of its own; returns what it returns and raises what it raises."""
        return await self._threads.call(function, *arguments)

    async def close(self, name: str, close: Callable[[], object]) -> None:
        """Call *close* and wait for it, for 5 seconds at most: then it is left to its thread.

        Raises
        ------
        TimeoutError
            the device did not close in that time
        """
        closing = asyncio.ensure_future(self._threads.call(close))
        await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
        if not closing.done():
            closing.cancel()
            raise TimeoutError(f"the {name} did not close within {CLOSE_SECONDS:g} s")
        closing.result()

    async def played(self, player: Player) -> bool:
        """Wait until *player* has played everything; False for a player that cannot tell."""
        wait = getattr(player, "wait_until_idle", None)
        if wait is None:
            return False
        await self._threads.call(wait, PLAYBACK_PATIENCE)
        await asyncio.sleep(getattr(player.get_track_sample_offset(), "latency", 0.0))
        return True


def check_rate(name: str, rate: int, needed: int) -> None:
    """Raise ConfigurationError if a device runs at another rate than the session."""
    if rate != needed:
        raise ConfigurationError(
            f"the {name} runs at {rate} Hz and the session at {needed} Hz: make it with sample_rate={needed}"
        )


def make_player(sample_rate: int) -> Player:
    """The player of a session for which none was given."""
    from wavtools import WavStreamPlayer

    player: Player = WavStreamPlayer(sample_rate=sample_rate)
    return player


def make_recorder(sample_rate: int) -> Recorder:
    """The recorder of a session for which none was given."""
    from wavtools import WavRecorder

    # The conversation keeps what was said; the recorder need not keep it as well.
    recorder: Recorder = WavRecorder(sample_rate=sample_rate, keep_seconds=0)
    return recorder
