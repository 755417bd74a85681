"""Sound: the samples of a file in memory, and reading them out of a container in blocks.

Thread: any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wavtools.errors import DecodeError
from wavtools.files.containers import Layout
from wavtools.files.encodings import Encoding, convert, read_samples
from wavtools.files.sources import read_into

__all__ = ["Sound", "read_frames", "read_sound", "typed_samples"]

# Samples that are read at a time: they stay in the processor's cache until they are converted.
_BLOCK_SAMPLES = 1 << 16


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


def read_sound(file: BinaryIO, name: str, layout: Layout, dtype: np.dtype[Any]) -> Sound:
    """Read all samples of an uncompressed file. Raises DecodeError if it has become shorter."""
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
    done = _fill(file, layout, flat) // layout.channels * layout.channels
    return flat[:done] if layout.channels == 1 else flat[:done].reshape(-1, layout.channels)


def _fill(file: BinaryIO, layout: Layout, flat: NDArray[Any]) -> int:
    """Fill *flat* with the next samples; returns how many there were."""
    encoding, width = layout.encoding, layout.encoding.sample_bytes
    if encoding.dtype == flat.dtype:
        return read_into(file, flat.data.cast("B")) // width
    block = memoryview(bytearray(min(_BLOCK_SAMPLES, len(flat)) * width))
    done = 0
    while done < len(flat):
        wanted = min(_BLOCK_SAMPLES, len(flat) - done)
        there = read_into(file, block[: wanted * width]) // width
        convert(block[: there * width], encoding, flat[done : done + there])
        done += there
        if there < wanted:
            break
    return done


def typed_samples(decoded: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    """A decoder's samples, shape (n, channels), as *dtype*: shape (n,) for one channel, else (n, channels)."""
    flat = read_samples(decoded.astype("<f4", copy=False).reshape(-1).data, Encoding("float", 4), dtype)
    return flat if decoded.shape[1] == 1 else flat.reshape(decoded.shape)
