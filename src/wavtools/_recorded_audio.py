"""RecordedAudio: stored PCM16 as float32, as read() of a recorder returns it.

Thread: any; pure.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

__all__ = ["RecordedAudio", "as_floats"]


@dataclasses.dataclass(frozen=True)
class RecordedAudio:
    """All audio stored since begin() or clear(), float32 in [-1, 1).

    Attributes
    ----------
    mean_values : float32, shape (frames,)
        The mean of the channels.
    channels : list of float32, shape (frames,)
        Each channel.
    sample_rate : int
        Hz.
    """

    mean_values: NDArray[np.float32]
    channels: list[NDArray[np.float32]]
    sample_rate: int = 24_000

    def __repr__(self) -> str:
        seconds = len(self.mean_values) / self.sample_rate
        return f"<RecordedAudio {seconds:.3f} s, {self.sample_rate} Hz, channels={len(self.channels)}>"

    def _repr_html_(self) -> str:
        from wavtools.notebook.page import sound_html

        return sound_html(np.stack(self.channels, axis=1), self.sample_rate, "RecordedAudio")


def as_floats(pcm: NDArray[np.int16], sample_rate: int) -> RecordedAudio:
    """Int16 (frames, channels) as float32."""
    raw = pcm.astype(np.float32) / np.float32(32768)
    return RecordedAudio(
        mean_values=raw.mean(axis=1, dtype=np.float32) if raw.shape[1] > 1 else raw[:, 0].copy(),
        channels=[np.ascontiguousarray(raw[:, i]) for i in range(raw.shape[1])],
        sample_rate=sample_rate,
    )
