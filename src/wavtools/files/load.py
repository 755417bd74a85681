"""load(), save() and info(): whole files with one call each.

Thread: any.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike

from wavtools.files.encodings import sample_type
from wavtools.files.found import Found, find_sound
from wavtools.files.replacing import replaced
from wavtools.files.sound import Sound, read_sound, typed_samples
from wavtools.files.sources import open_source
from wavtools.files.wav_writer import WavWriter, as_frames

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["AudioInfo", "info", "load", "save"]


@dataclass(frozen=True)
class AudioInfo:
    """What a file holds.

    Attributes
    ----------
    format : str
        "WAV", "RF64", "AIFF", "MP3", "FLAC", "Ogg" ...
    encoding : str
        How samples are stored, such as "PCM of 24 bits"; "compressed" for other formats.
    sample_rate : int
        Hz
    channel_count, frames : int
    duration : float
        Seconds.
    truncated : bool
        True if the header states another length than the file has.
    """

    format: str
    encoding: str
    sample_rate: int
    channel_count: int
    frames: int
    duration: float
    truncated: bool = False


def load(source: str | os.PathLike[str] | Buffer | BinaryIO, dtype: DTypeLike = "float32") -> Sound:
    """Read a file of any known format, with all its channels and at its own rate.

    Parameters
    ----------
    source : str, os.PathLike, bytes-like, or binary file object
        WAV and its relatives (see `read_wav`), MP3, FLAC and Ogg Vorbis; what PyAV reads where it is installed.
    dtype : "int16", "int32", "float32" or "float64"
        Of the samples; full scale is 1.0 for floats.

    Returns
    -------
    Sound
        With the samples in ``.pcm``.

    Raises
    ------
    DecodeError
        not such a file, damaged, or its decoder is not installed; the message says what to install
    TypeError, ValueError
        a source or a *dtype* of another kind
    OSError
        the file cannot be read
    """
    wanted = sample_type(dtype)
    with open_source(source) as (file, name):
        return _load(find_sound(file, name), name, wanted)


def _load(found: Found, name: str, wanted: np.dtype[Any]) -> Sound:
    if found.layout is not None:
        return read_sound(found.file, name, found.layout, wanted)
    # The decoders are loaded by those who decode.
    from wavtools.files.compressed import decode_compressed

    values, rate, truncated = decode_compressed(found.compressed(), found.kind, name, found.reason)
    return Sound(typed_samples(values, wanted), rate, truncated)


def info(source: str | os.PathLike[str] | Buffer | BinaryIO) -> AudioInfo:
    """Say what a file holds. Compressed files are decoded for their exact length. Raises as `load`."""
    with open_source(source) as (file, name):
        found = find_sound(file, name)
        if found.layout is not None:
            facts = found.layout
            seconds = facts.frames / facts.sample_rate
            numbers = (facts.sample_rate, facts.channels, facts.frames, seconds, facts.truncated)
            return AudioInfo(facts.container, str(facts.encoding), *numbers)
        sound = _load(found, name, np.dtype(np.float32))
    return AudioInfo(
        {"mp3": "MP3", "flac": "FLAC", "ogg": "Ogg"}.get(found.kind, "other"),
        "compressed",
        sound.sample_rate,
        sound.channel_count,
        len(sound.pcm),
        sound.duration,
        sound.truncated,
    )


def save(
    target: str | os.PathLike[str] | BinaryIO,
    audio: Any,
    sample_rate: int | None = None,
    *,
    encoding: str | None = None,
) -> None:
    """Write a WAV file.

    Parameters
    ----------
    target : str, os.PathLike, or binary file object that can seek
        A file is replaced once the new one is whole: after an error, such as a full disk, the old one is there. A file
        object is written in place.
    audio : WavFile, Sound, or samples
        Samples are int16, int32 or floats, shape (frames,) or (frames, channels).
    sample_rate : int, optional
        Hz, of samples; required for them. A WavFile or Sound has its own.
    encoding : str, optional
        As for `WavWriter`; when not given, what holds *audio* best: "float32" for floats, "int32", else "int16".

    Raises
    ------
    TypeError, ValueError
        samples of another type or shape, an unknown *encoding*, a rate that is missing or not allowed
    OSError
        the file cannot be written
    """
    pcm = getattr(audio, "pcm", None)
    if pcm is not None:
        if sample_rate is not None:
            raise ValueError("sample_rate is for samples; this audio has its own rate")
        sample_rate = audio.sample_rate
    # Everything is checked before a file is replaced.
    samples = as_frames(audio if pcm is None else pcm)
    if encoding is None:
        wide = "int32" if samples.dtype.itemsize == 4 else "int16"
        encoding = "float32" if samples.dtype.kind == "f" else wide
    channels = samples.shape[1] if samples.ndim == 2 else 1
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(replaced(target)) if isinstance(target, (str, os.PathLike)) else target
        with WavWriter(file, sample_rate, channels, encoding=encoding) as writer:
            writer.write(samples)
