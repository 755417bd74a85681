"""Frame sources: a sound of any length that is read in blocks of int16 frames, from any frame on.

Only a block is in memory. What is decoded by whom is in compressed_frames; arrays and iterators are sources too.

Thread: any, one at a time per source.
"""

from __future__ import annotations

import importlib.util
import inspect
import operator
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wavtools._arguments import integer
from wavtools.errors import DecodeError
from wavtools.files.containers import UnknownCodecError
from wavtools.files.samples import as_frames, as_samples
from wavtools.files.sources import is_source, open_source, recognise
from wavtools.files.wav_reader import WavReader

__all__ = ["ArrayFrames", "BlockFrames", "FrameSource", "WavFrames", "open_frames"]

DEFAULT_RATE_HZ = 24_000


class FrameSource(Protocol):
    """A sound that is read in blocks.

    Attributes
    ----------
    sample_rate : int
        Hz
    channels : int
    frames : int or None
        How many the sound has; None where only reading to the end tells.
    seekable : bool
        False for an iterator of chunks, which gives each frame once.
    """

    sample_rate: int
    channels: int
    frames: int | None
    seekable: bool

    def seek(self, frame: int) -> int:
        """Go on with *frame*, or with the end if that comes first; returns where that is."""
        ...

    def read(self, frames: int) -> NDArray[np.int16]:
        """Read the next frames, shape (n, channels): 1 to *frames*, or none at the end.

        Raises DecodeError for damage, OSError where the file cannot be read.
        """
        ...

    def close(self) -> None:
        """Release the file or the decoder; never raises."""
        ...


class ArrayFrames:
    """Samples in memory: converted block by block, never copied as a whole."""

    seekable = True

    def __init__(self, samples: Any, sample_rate: int) -> None:
        held = as_samples(samples, "audio")
        self._samples = held[:, np.newaxis] if held.ndim == 1 else held
        self.sample_rate = sample_rate
        self.frames: int | None = len(held)
        self.channels = int(self._samples.shape[1])
        self._next = 0
        if not self.channels:
            raise ValueError(f"audio has shape {held.shape}; at least one channel is needed")

    def seek(self, frame: int) -> int:
        """Go on with *frame*."""
        self._next = min(frame, len(self._samples))
        return self._next

    def read(self, frames: int) -> NDArray[np.int16]:
        """Read the next frames."""
        block = self._samples[self._next : self._next + frames]
        self._next += len(block)
        return as_frames(block, "audio")

    def close(self) -> None:
        """Do nothing."""


class WavFrames:
    """A file of uncompressed sound."""

    seekable = True

    def __init__(self, source: str | os.PathLike[str] | bytes, name: str) -> None:
        self._reader = WavReader(source)
        self._name = name
        self.sample_rate = self._reader.sample_rate
        self.channels = self._reader.channel_count
        self.frames: int | None = self._reader.frames

    def seek(self, frame: int) -> int:
        """Go on with *frame*."""
        self._reader.seek(min(frame, self._reader.frames))
        return self._reader.tell()

    def read(self, frames: int) -> NDArray[np.int16]:
        """Read the next frames."""
        wanted = min(frames, self._reader.frames - self._reader.tell())
        block = self._reader.read(frames, "int16")
        if len(block) < wanted:
            raise DecodeError(f"{self._name} became shorter while it was read")
        return block.reshape(-1, self.channels)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


class BlockFrames:
    """What comes as blocks, first to last: a decoder's output, or an iterator of chunks.

    To go back it begins anew and drops what comes before, so that each frame is the one of a whole decode.

    Parameters
    ----------
    begin : callable
        Returns an iterator of (rate in Hz, samples as `as_frames` takes them); rate and channels stay as in the first pair.
    name : str
        What errors call it.
    seekable : bool
        True if *begin* may be called again.
    """

    def __init__(
        self, begin: Callable[[], Iterator[tuple[int, Any]]], name: str, *, seekable: bool = True
    ) -> None:
        self._begin = begin
        self._name = name
        self.seekable = seekable
        self.frames: int | None = None
        self._blocks = begin()
        self._next = 0
        self._held = np.empty((0, 1), np.int16)
        first = next(self._blocks, None)
        if first is None:
            raise DecodeError(f"{name} holds no sound")
        self.sample_rate, block = first
        self._held = as_frames(block, name)
        self.channels = 1 if self._held.ndim == 1 else int(self._held.shape[1])
        self._held = self._shaped(self._held)

    def seek(self, frame: int) -> int:
        """Go on with *frame*."""
        if frame < self._next:
            self.close()
            self._blocks = self._begin()
            self._held = self._held[:0]
            self._next = 0
        while self._next < frame and len(self.read(frame - self._next)):
            pass
        return self._next

    def read(self, frames: int) -> NDArray[np.int16]:
        """Read the next frames: what is left of a block."""
        while not len(self._held):
            following = next(self._blocks, None)
            if following is None:
                return self._held
            self._held = self._shaped(as_frames(following[1], self._name))
        block, self._held = self._held[:frames], self._held[frames:]
        self._next += len(block)
        return block

    def _shaped(self, block: NDArray[np.int16]) -> NDArray[np.int16]:
        channels = 1 if block.ndim == 1 else block.shape[1]
        if channels != self.channels:
            raise ValueError(f"{self._name} has {channels} channels in one chunk and {self.channels} before")
        return block.reshape(-1, channels)

    def close(self) -> None:
        """End the iterator."""
        close = getattr(self._blocks, "close", None)
        if close is not None:
            close()


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
    if inspect.isasyncgen(audio) or hasattr(audio, "__aiter__"):
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
    with open_source(source) as (file, name):
        head = file.read(8192)
        kind = recognise(head)
        if kind is None:
            told = f"begins with {head[:12]!r}" if head else "is empty"
            raise DecodeError(f"{name} is not an audio file that is known here: it {told}")
        # What has no path stays in memory, as the bytes that it is.
        path: str | bytes | None = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
        data = b""
        if path is None:
            data = bytes(source) if isinstance(source, (bytes, bytearray, memoryview)) else head + file.read()
    if kind == "wav":
        try:
            return WavFrames(os.fsdecode(path) if path is not None else data, name)
        except UnknownCodecError:
            if importlib.util.find_spec("av") is None:
                raise
            kind = "other"
    # The decoders are loaded by those who decode.
    from wavtools.files.compressed_frames import open_compressed

    return open_compressed(path, data, head, kind, name)
