"""open_frames(): opens what people hold of a sound (a file, samples, an iterator of samples) as a frame source.

Thread: any.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from wavtools._arguments import integer
from wavtools.files.found import Found, find_sound
from wavtools.files.frames import ArrayFrames, BlockFrames, FrameSource, WavFrames
from wavtools.files.sources import is_source, open_source

__all__ = ["open_frames"]

DEFAULT_RATE_HZ = 24_000


def open_frames(audio: Any, sample_rate: int | None) -> FrameSource:
    """Open what people hold of a sound.

    Parameters
    ----------
    audio : WavFile, Sound, DecodedAudio, file, samples, or iterable of samples
        A file is a path, its bytes, or an object with ``read()``, which is read to its end now. Samples are as for
        `as_samples`.
    sample_rate : int or None
        Hz, 8000 to 192000, of samples; 24000 when None. Only for samples: everything else has its own.

    Raises
    ------
    DecodeError
        not an audio file, damaged, or its decoder is not installed
    TypeError, ValueError
        samples of another type or shape, a rate out of range, or one for what has its own
    OSError
        the file cannot be read
    """
    held = getattr(audio, "pcm", getattr(audio, "values", None))
    own_rate = getattr(audio, "sample_rate", None)
    has_rate = isinstance(own_rate, int) and isinstance(held, np.ndarray)
    if sample_rate is not None:
        if has_rate or is_source(audio):
            raise ValueError("sample_rate is for samples; a file has its own rate")
        sample_rate = integer(sample_rate, "sample_rate", 8_000, 192_000, "8000 to 192000 Hz")
    if has_rate:
        return ArrayFrames(held, operator.index(audio.sample_rate))
    if is_source(audio):
        return _open_file(audio)
    rate = DEFAULT_RATE_HZ if sample_rate is None else sample_rate
    if hasattr(audio, "__aiter__"):
        raise TypeError("audio is an asynchronous iterator; queue its chunks with a WavStreamPlayer")
    if _is_iterable(audio):
        return BlockFrames(lambda: _chunks(audio, rate), "audio", seekable=isinstance(audio, (list, tuple)))
    return ArrayFrames(audio, rate)


def _is_iterable(audio: Any) -> bool:
    if hasattr(audio, "__array__") or isinstance(audio, (bytes, bytearray, memoryview)):
        return False
    if isinstance(audio, (list, tuple)):
        # A list of numbers is refused by as_samples, which says what to write.
        return bool(audio) and not isinstance(audio[0], (int, float))
    try:
        memoryview(audio)
    except TypeError:
        return isinstance(audio, Iterable)
    return False


def _chunks(chunks: Iterable[Any], rate: int) -> Iterator[tuple[int, Any]]:
    chunk: Any = None
    for chunk in chunks:
        yield rate, chunk
    if chunk is None:
        yield rate, b""


def _open_file(source: Any) -> FrameSource:
    path: str | bytes | None = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
    with open_source(source) as (file, name):
        found = find_sound(file, name)
        if found.layout is not None:
            # What has no path stays in memory, as the bytes that it is.
            return WavFrames(
                os.fsdecode(path) if path is not None else Found(file, "wav", None).compressed(), name
            )
        # The decoders are loaded by those who decode.
        from wavtools.files.compressed_frames import open_compressed

        return open_compressed(path, found, name)
