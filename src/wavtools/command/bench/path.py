"""Plays the test signal and records it, on real devices.

Thread: the caller's waits; devices have their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wavtools.command.bench.analysis import Heard, Take, analyse
from wavtools.command.bench.signal import RATE, make_signal
from wavtools.command.bench.storm import busy

if TYPE_CHECKING:
    from wavtools import AudioChunk, WavStreamPlayer

__all__ = ["Path", "measure_path"]

# Recorded before and after the signal, so that its end arrives.
BEFORE, AFTER = 0.3, 1.5
# What was begun is given that long beyond its length.
PATIENCE = 10.0


@dataclass(frozen=True)
class Path:
    """The figures of one condition.

    Attributes
    ----------
    condition : str
    heard : Heard
    output_lateness, input_lateness : list of int
        Callbacks by lateness, as in `PlayerStats.callback_lateness`.
    worst_output, worst_input : float
        Seconds that the latest callback came late.
    dropped : int
        Captured frames that were lost.
    output_latency, input_latency : float
        Seconds of sound that the devices may hold.
    realtime_priority : bool or None
        Of the speaker's thread.
    """

    condition: str
    heard: Heard
    output_lateness: list[int]
    input_lateness: list[int]
    worst_output: float
    worst_input: float
    dropped: int
    output_latency: float
    input_latency: float
    realtime_priority: bool | None


def measure_path(
    condition: str,
    seconds: float,
    output: Any,
    input: Any,
    tell: Callable[[float], None] = lambda share: None,
) -> Path:
    """Play *seconds* of the signal in a *condition* and say what was heard.

    Parameters
    ----------
    condition : str
        One of CONDITIONS.
    seconds : float
        Of sound.
    output, input : None or str
        The devices, as for WavStreamPlayer and WavRecorder.
    tell : callable
        Gets the share that is done, 0.0 to 1.0.
    """
    from wavtools import WavRecorder, WavStreamPlayer

    signal = make_signal(seconds)
    chunks: list[AudioChunk] = []
    player = WavStreamPlayer(RATE, device=output)
    player.connect()
    try:
        with WavRecorder(RATE, device=input, reference=player, keep_seconds=0) as recorder:
            recorder.record(chunks.append, RATE // 100)
            time.sleep(BEFORE)
            with busy(condition):
                player.add_16bit_pcm(signal)
                _wait(player, len(signal) / RATE, tell)
            time.sleep(AFTER)
            recorder.pause()
            incoming, outgoing = recorder.stats, player.stats
    finally:
        player.disconnect()
    return Path(
        condition,
        analyse(_take(chunks)),
        list(outgoing.callback_lateness),
        list(incoming.callback_lateness),
        outgoing.worst_lateness_seconds,
        incoming.worst_lateness_seconds,
        incoming.frames_dropped,
        outgoing.latency_seconds,
        incoming.latency_seconds,
        outgoing.realtime_priority,
    )


def _wait(player: WavStreamPlayer, seconds: float, tell: Callable[[float], None]) -> None:
    """Wait until the signal is played; a device that stands still is not waited for."""
    begun = time.monotonic()
    while not player.wait_until_idle(0.1):
        elapsed = time.monotonic() - begun
        tell(min(elapsed / (seconds + AFTER), 1.0))
        if elapsed > seconds + PATIENCE:
            return


def _take(chunks: list[AudioChunk]) -> Take:
    nothing = np.zeros(0, np.int16)
    return Take(
        np.concatenate([nothing, *(chunk.mono for chunk in chunks)]),
        np.concatenate([nothing, *(chunk.played for chunk in chunks if chunk.played is not None)]),
        [(chunk.frame, chunk.time) for chunk in chunks],
    )
