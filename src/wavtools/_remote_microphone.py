"""RemoteMicrophone: frames of a distant microphone, in order and without holes.

Pure state; `docs/remote-protocol.md` says what the positions mean.

Thread: any, under the lock of its RemoteDevice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wavtools import _remote_frames as wire
from wavtools._remote_frames import Frame, Malformed

__all__ = ["RemoteMicrophone"]

# A larger hole is filled with so much silence only.
MAX_HOLE_SECONDS = 2


class RemoteMicrophone:
    """One opening of the microphone.

    Parameters
    ----------
    stream : int
        Its number.
    sample_rate, channels : int
        What is taken for granted until the peer has said it.

    Attributes
    ----------
    captured : int
        Position after the last frame that came.
    missing : int
        Frames that did not come.
    latency : float
        Seconds from the mouth to a frame.
    open : bool
        True once the peer has said what it captures.
    """

    def __init__(self, stream: int, sample_rate: int, channels: int) -> None:
        self.stream = stream
        self.sample_rate = sample_rate
        self.channels = channels
        self.captured = self.missing = 0
        self.latency = 0.0
        self.open = False

    def take(self, frame: Frame) -> list[NDArray[np.float32]]:
        """What a MIC frame brings, each float32 (frames, channels): silence for a hole, then its sound. Raises Malformed."""
        position = wire.read_position(frame)
        size = 2 * self.channels
        if not frame.payload or len(frame.payload) % size:
            raise Malformed(f"{len(frame.payload)} bytes are no frames of {self.channels} channels")
        samples = np.frombuffer(frame.payload, "<i2").reshape(-1, self.channels)
        hole = position - self.captured
        if hole < 0:
            samples, hole = samples[-hole:], 0
        if not len(samples):
            return []
        sound = samples.astype(np.float32) / np.float32(32768)
        self.missing += hole
        self.captured += hole + len(sound)
        if hole == 0:
            return [sound]
        silence = min(hole, MAX_HOLE_SECONDS * self.sample_rate)
        return [np.zeros((silence, self.channels), np.float32), sound]
