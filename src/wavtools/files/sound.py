"""Sound: the samples of a file in memory, and reading them out of a container in blocks.

Thread: any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wavtools.errors import DecodeError
from wavtools.files.containers import Layout, read_layout
from wavtools.files.encodings import Encoding, read_samples

__all__ = ["Sound", "read_frames", "read_sound"]

# Bytes of the file that are read at a time.
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Sound:
    """Samples in memory, at the precision that was asked for.

    Attributes
    ----------
    pcm : int16, int32, float32 or float64 array
        Shape (frames,) for one channel, else (frames, channels). Floats have full scale 1.0; louder ones are kept.
    sample_rate : int
        Hz
    truncated : bool
        True if the file's header stated another length than the file has.
    """

    pcm: NDArray[Any]
    sample_rate: int
    truncated: bool = False

    @property
    def channel_count(self) -> int:
        """Number of channels."""
        return 1 if self.pcm.ndim == 1 else int(self.pcm.shape[1])

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.pcm) / self.sample_rate

    def __repr__(self) -> str:
        form = f"{self.sample_rate} Hz, channels={self.channel_count}, {self.pcm.dtype}"
        return f"<Sound {self.duration:.3f} s, {form}>"

    def _repr_html_(self) -> str:
        from wavtools.notebook.page import sound_html

        return sound_html(self.pcm, self.sample_rate)


def read_sound(file: BinaryIO, name: str, dtype: np.dtype[Any], *, strict: bool = False) -> Sound:
    """Read all samples of an uncompressed file; raises as `read_layout`."""
    layout = read_layout(file, name, strict=strict)
    pcm = read_frames(file, layout, 0, layout.frames, dtype)
    if len(pcm) < layout.frames:
        raise DecodeError(f"{name} became shorter while it was read")
    return Sound(pcm, layout.sample_rate, layout.truncated)


def read_frames(file: BinaryIO, layout: Layout, start: int, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read *count* frames from frame *start* on; fewer at the end of the file.

    Memory: the result, and a block of the file.
    """
    count = max(0, min(count, layout.frames - start))
    flat = np.empty(count * layout.channels, dtype)
    file.seek(layout.offset + start * layout.frame_bytes)
    done = _read_into(file, layout.encoding, flat, layout.channels)
    return flat[:done] if layout.channels == 1 else flat[:done].reshape(-1, layout.channels)


def _read_into(file: BinaryIO, encoding: Encoding, flat: NDArray[Any], channels: int) -> int:
    """Fill *flat* with samples; returns how many whole frames' samples there were."""
    step = max(1, _BLOCK_BYTES // (encoding.sample_bytes * channels)) * channels
    done = 0
    while done < len(flat):
        wanted = min(step, len(flat) - done)
        data = file.read(wanted * encoding.sample_bytes)
        samples = len(data) // (encoding.sample_bytes * channels) * channels
        flat[done : done + samples] = read_samples(
            data[: samples * encoding.sample_bytes], encoding, flat.dtype
        )
        done += samples
        if samples < wanted:
            break
    return done
