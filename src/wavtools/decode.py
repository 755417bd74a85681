"""Decoder: turns audio files and samples into float32 at a wanted rate.

Thread: any; stateless.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wavtools._arguments import integer
from wavtools._samples import as_int16_frames, check_shape
from wavtools.errors import DecodeError
from wavtools.files.containers import Layout
from wavtools.files.encodings import to_int16
from wavtools.files.found import find_sound
from wavtools.files.sound import read_sound
from wavtools.files.sources import are_a_file, open_source
from wavtools.pcm import float32_to_pcm16
from wavtools.resample import resample
from wavtools.wav import WavFile, WavPacker

__all__ = ["DecodedAudio", "decode", "decode_file"]

# The limit of the JavaScript original.
MIN_FROM_SAMPLE_RATE_HZ = 3_000
# The limits of the resampler.
_LOWEST_HZ, _HIGHEST_HZ = 8_000, 192_000
_MOST_CHANNELS = 8


@dataclasses.dataclass(frozen=True)
class DecodedAudio:
    """Decoded audio.

    Attributes
    ----------
    values : float32, shape (frames,) for one channel, else (frames, channels)
        Full scale 1.0; a file of floats may hold louder values.
    sample_rate : int
        Hz
    wav : WavFile
        The same audio as a file of int16, clamped.
    """

    values: NDArray[np.float32]
    sample_rate: int
    wav: WavFile

    def __repr__(self) -> str:
        channels = 1 if self.values.ndim == 1 else self.values.shape[1]
        return f"<DecodedAudio {len(self.values) / self.sample_rate:.3f} s, {self.sample_rate} Hz, channels={channels}>"

    def _repr_html_(self) -> str:
        from wavtools.notebook.page import sound_html

        return sound_html(self.values, self.sample_rate, "DecodedAudio")


def decode(audio: Any, sample_rate: int = 24_000, from_sample_rate: int | None = None) -> DecodedAudio:
    """Decode *audio* to float32 at *sample_rate*.

    Parameters
    ----------
    audio : file, or int16 or float32 samples
        A path, the bytes, or an object with ``read()`` of a file: WAV and its relatives (see `read_wav`), MP3, FLAC, Ogg
        Vorbis, and what PyAV reads where it is installed. Or samples of shape (frames,) or (frames, channels). With
        *from_sample_rate*, bytes are taken as mono int16 samples.
    sample_rate : int
        Hz, 8000 to 192000.
    from_sample_rate : int, optional
        Hz, 3000 to 192000: the rate of samples. Required for samples and not allowed for a file, which has its own.

    Returns
    -------
    DecodedAudio
        floor(frames * sample_rate / from_sample_rate) frames, without delay. Positive int16 values are divided by 32767
        and negative ones by 32768, as the original's browser does; wider samples by their full scale.

    Raises
    ------
    DecodeError
        the bytes are not an audio file, or of a format whose decoder is not installed
    ValueError
        a rate that is missing, not allowed or out of range
    TypeError
        samples that are neither int16 nor float32, a rate that is no integer
    """
    sample_rate = integer(
        sample_rate, "sample_rate", _LOWEST_HZ, _HIGHEST_HZ, "wavtools decodes to 8000 to 192000 Hz"
    )
    if from_sample_rate is None:
        if getattr(audio, "dtype", np.uint8) != np.uint8:
            raise ValueError("from_sample_rate is needed for samples; give the rate they were recorded at")
        values, pcm, from_sample_rate = decode_file(audio)
    else:
        from_sample_rate = integer(
            from_sample_rate,
            "from_sample_rate",
            MIN_FROM_SAMPLE_RATE_HZ,
            _HIGHEST_HZ,
            f"it must be {MIN_FROM_SAMPLE_RATE_HZ} to 192000 Hz",
        )
        if isinstance(audio, (bytes, bytearray, memoryview)) and are_a_file(audio):
            raise ValueError(
                "from_sample_rate is for samples; these bytes are a file, which has its own rate"
            )
        values, pcm = _samples_as_float(audio)
    if from_sample_rate != sample_rate:
        values, pcm = _resampled(values, from_sample_rate, sample_rate), None
    return DecodedAudio(values, sample_rate, _packed(to_int16(values) if pcm is None else pcm, sample_rate))


def _packed(pcm: NDArray[np.int16], sample_rate: int) -> WavFile:
    channels = 1 if pcm.ndim == 1 else pcm.shape[1]
    try:
        return WavPacker.pack(np.ascontiguousarray(pcm).reshape(-1), sample_rate, channels)
    except ValueError as error:
        raise DecodeError(f"no WAV file can hold this sound: {error}") from None


def decode_file(source: object) -> tuple[NDArray[np.float32], NDArray[np.int16] | None, int]:
    """Decode a file: floats, the int16 samples that they were made of (if they were), and the rate in Hz.

    Shape (frames,) for one channel, else (frames, channels). Raises as `decode`.
    """
    with open_source(source) as (file, name):
        found = find_sound(file, name)
        if found.layout is not None:
            return _decode_plain(found.file, found.layout, name)
        # The decoders are loaded by those who decode.
        from wavtools.files.compressed import decode_compressed

        values, rate, _ = decode_compressed(found.compressed(), found.kind, name, found.reason)
    return (values[:, 0] if values.shape[1] == 1 else values), None, _usable(rate, name)


def _decode_plain(
    file: BinaryIO, layout: Layout, name: str
) -> tuple[NDArray[np.float32], NDArray[np.int16] | None, int]:
    narrow = layout.encoding.is_narrow
    rate = _usable(layout.sample_rate, name)
    samples = read_sound(file, name, layout, np.dtype(np.int16 if narrow else np.float32)).pcm
    return (_int16_as_float(samples), samples, rate) if narrow else (samples, None, rate)


def _usable(rate: int, name: str) -> int:
    if not 1_000 <= rate <= 1_536_000:
        raise DecodeError(f"{name} says {rate} Hz; files of 1000 to 1536000 Hz can be decoded")
    return rate


def _samples_as_float(audio: Any) -> tuple[NDArray[np.float32], NDArray[np.int16] | None]:
    if isinstance(audio, np.ndarray) and audio.dtype == np.float32:
        check_shape(audio.shape, "audio")
        values = np.ascontiguousarray(audio)
        return values, float32_to_pcm16(values)
    pcm = as_int16_frames(audio, "audio")
    return _int16_as_float(pcm), pcm


def _int16_as_float(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    scaled: NDArray[np.float32] = pcm / np.where(pcm > 0, np.float32(32767), np.float32(32768))
    return scaled


def _resampled(values: NDArray[np.float32], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    """Resample between any rates: in two steps where one filter cannot."""
    frames = math.floor(len(values) * to_rate / from_rate)
    pair = _filter_rates(from_rate, to_rate)
    if pair is None:
        # A factor of eight first.
        between = from_rate * 8 if from_rate < to_rate else from_rate // 8
        first, pair = _filter_rates(from_rate, between), _filter_rates(between, to_rate)
        if first is None or pair is None:
            raise DecodeError(f"sound of {from_rate} Hz cannot be converted to {to_rate} Hz")
        values = _each(values, *first)
    return _each(values, *pair)[:frames]


def _each(values: NDArray[np.float32], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    """Resample any number of channels, as many at a time as the resampler takes."""
    if values.ndim == 1 or values.shape[1] <= _MOST_CHANNELS:
        return resample(values, from_rate, to_rate)
    groups = [
        values[:, first : first + _MOST_CHANNELS] for first in range(0, values.shape[1], _MOST_CHANNELS)
    ]
    parts = [resample(np.ascontiguousarray(group), from_rate, to_rate) for group in groups]
    # One channel comes back without its axis.
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def _filter_rates(from_rate: int, to_rate: int) -> tuple[int, int] | None:
    """Two rates of the same ratio that the resampler takes: its filter depends on the ratio only."""
    common = math.gcd(from_rate, to_rate)
    down, up = from_rate // common, to_rate // common
    factor = max(-(-_LOWEST_HZ // min(down, up)), 1)
    return (down * factor, up * factor) if max(down, up) * factor <= _HIGHEST_HZ else None
