"""RecorderStats: the counters of a recording session.

Thread: any; pure data.
"""

from __future__ import annotations

import dataclasses

__all__ = ["RecorderStats"]


@dataclasses.dataclass(frozen=True)
class RecorderStats:
    """Counters since begin().

    Attributes
    ----------
    frames_captured : int
        Device frames that reached the ring.
    frames_dropped : int
        Device frames that found the ring full.
    callbacks : int
        Calls of the device callback.
    worst_lateness_seconds : float
        Longest delay of a callback.
    realtime_priority : bool or None
        True if the device thread has real-time priority; None where the system does not show it.
    latency_seconds : float
        How much audio the device may hold.
    callback_errors : int
        How often the callback of record() raised.
    chunks_dropped : int
        Chunks that were not taken by iteration in time, and dropped to bound the memory.
    frames_written : int
        Frames, at the session rate, in the file of ``record_to=``.
    frames_unwritten : int
        Frames that are missing in that file, because the disk was full or too slow for more than a minute.
    callback_lateness : tuple of int
        Callbacks by how late they came: the first number counts those less than 1 µs late or early, number i those from
        2 ** (i - 1) µs on.
    """

    frames_captured: int
    frames_dropped: int
    callbacks: int
    worst_lateness_seconds: float
    realtime_priority: bool | None
    latency_seconds: float
    callback_errors: int = 0
    chunks_dropped: int = 0
    frames_written: int = 0
    frames_unwritten: int = 0
    callback_lateness: tuple[int, ...] = ()
