"""What `RealtimeClient.ask` takes as a question: text, parts of a message, samples, a recording or a file.

Thread: any; stateless.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from wavtools.pcm import as_int16, mix_to_mono

from ..protocol.audio_format import Int16Array
from ..protocol.reading import Wire

__all__ = ["MIN_SECONDS", "spoken", "written"]

# A server refuses to make a turn of less.
MIN_SECONDS = 0.1


def written(content: Any) -> list[Wire] | None:
    """The parts of a question that is text or a message's parts; None for one that is spoken."""
    if isinstance(content, str):
        return [{"type": "input_text", "text": content}]
    if isinstance(content, Mapping):
        return [dict(content)]
    if isinstance(content, (list, tuple)) and all(isinstance(part, Mapping) for part in content):
        return [dict(part) for part in content]
    return None


def spoken(content: Any, sample_rate: int) -> Int16Array:
    """The samples of a spoken question: a copy, mono at *sample_rate*, at least `MIN_SECONDS` long.

    Parameters
    ----------
    content : int16 samples, os.PathLike, or an object with ``pcm`` and ``sample_rate``
        A recording (`wavtools.Sound`, `WavFile`, `RecordedAudio`) has its own rate, bare samples are at *sample_rate*.

    Raises
    ------
    TypeError
        anything else
    DecodeError, OSError
        a file that cannot be read
    """
    rate = sample_rate
    if isinstance(content, os.PathLike):
        from wavtools import load

        content = load(content)
    pcm = getattr(content, "pcm", None)
    if pcm is not None:
        rate, content = int(content.sample_rate), _int16_mono(np.asarray(pcm))
    elif not isinstance(content, (np.ndarray, bytes, bytearray, memoryview)):
        raise TypeError(
            "a question is text, message parts, int16 samples, a recording or a pathlib.Path,"
            f" not {type(content).__name__}"
        )
    samples: Int16Array = as_int16(content, "the question").copy()
    if rate != sample_rate:
        from wavtools.resample import resample

        samples = resample(samples, rate, sample_rate)
    missing = int(MIN_SECONDS * sample_rate) - len(samples)
    return np.pad(samples, (0, missing)) if missing > 0 else samples


def _int16_mono(pcm: Any) -> Int16Array:
    """The mean of the channels as int16; floats have full scale 1.0."""
    if pcm.dtype == np.int32:
        pcm = pcm * np.float32(2.0**-31)
    if pcm.dtype.kind == "f":
        pcm = np.clip(np.rint(pcm * np.float32(32768)), -32768, 32767).astype(np.int16)
    mono: Int16Array = mix_to_mono(np.ascontiguousarray(pcm)) if pcm.ndim == 2 else pcm
    return mono
