"""Decoder: turns audio files and samples into float32 at a wanted rate.

Thread: any; stateless.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavtools._samples import as_int16
from wavtools.pcm import float32_to_pcm16
from wavtools.resample import resample
from wavtools.wav import WavFile, WavPacker, read_wav

__all__ = ["DecodedAudio", "decode"]

# The limit of the JavaScript original.
MIN_FROM_SAMPLE_RATE_HZ = 3_000


@dataclasses.dataclass(frozen=True)
class DecodedAudio:
    """Decoded audio.

    Attributes
    ----------
    values : float32, shape (frames,) for one channel, else (frames, channels)
        Between -1 and 1.
    sample_rate : int
        Hz
    wav : WavFile
        The same audio as a file.
    """

    values: NDArray[np.float32]
    sample_rate: int
    wav: WavFile


def decode(audio: Any, sample_rate: int = 24_000, from_sample_rate: int | None = None) -> DecodedAudio:
    """Decode *audio* to float32 at *sample_rate*.

    Parameters
    ----------
    audio : bytes, or int16 or float32 samples
        The bytes of a WAV, MP3, FLAC or Ogg Vorbis file; or mono samples. With *from_sample_rate*, bytes are taken as
        int16 samples.
    sample_rate : int
        Hz, 8000 to 192000.
    from_sample_rate : int, optional
        Hz, 3000 to 192000: the rate of samples. Required for samples and not allowed for a file, which has its own.

    Returns
    -------
    DecodedAudio
        floor(frames * sample_rate / from_sample_rate) frames, without delay. Positive int16 values are divided by 32767
        and negative ones by 32768, as the original's browser does.

    Raises
    ------
    DecodeError
        the bytes are not an audio file
    ValueError
        a rate that is missing, not allowed or out of range
    TypeError
        samples that are neither int16 nor float32
    """
    if not 8_000 <= sample_rate <= 192_000:
        raise ValueError(f"sample_rate is {sample_rate} Hz; wavtools decodes to 8000 to 192000 Hz")
    if from_sample_rate is None:
        if not isinstance(audio, (bytes, bytearray, memoryview)):
            raise ValueError("from_sample_rate is needed for samples; give the rate they were recorded at")
        values, from_sample_rate = _decode_file(bytes(audio))
    else:
        if not MIN_FROM_SAMPLE_RATE_HZ <= from_sample_rate <= 192_000:
            raise ValueError(
                f"from_sample_rate is {from_sample_rate} Hz; it must be {MIN_FROM_SAMPLE_RATE_HZ} to 192000 Hz"
            )
        if isinstance(audio, (bytes, bytearray)) and audio[:4] in (b"RIFF", b"OggS", b"fLaC", b"ID3\x03"):
            raise ValueError(
                "from_sample_rate is for samples; these bytes are a file, which has its own rate"
            )
        values = _samples_as_float(audio)
    if from_sample_rate != sample_rate:
        frames = math.floor(len(values) * sample_rate / from_sample_rate)
        # The filter depends on the ratio only. Rates below its range are multiplied into it.
        lift = -(-8_000 // from_sample_rate)
        values = resample(values, from_sample_rate * lift, sample_rate * lift)[:frames]
    pcm = float32_to_pcm16(values)
    return DecodedAudio(
        values,
        sample_rate,
        WavPacker.pack(pcm.reshape(-1), sample_rate, 1 if values.ndim == 1 else values.shape[1]),
    )


def _decode_file(data: bytes) -> tuple[NDArray[np.float32], int]:
    if data[:4] == b"RIFF":
        wav = read_wav(data)
        return _int16_as_float(wav.pcm), wav.sample_rate
    from wavtools._miniaudio import decode_audio

    frames, rate = decode_audio(data)
    return (frames[:, 0] if frames.shape[1] == 1 else frames), rate


def _samples_as_float(audio: Any) -> NDArray[np.float32]:
    if isinstance(audio, np.ndarray) and audio.dtype == np.float32:
        return np.ascontiguousarray(audio)
    return _int16_as_float(as_int16(audio, "audio"))


def _int16_as_float(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    return (pcm / np.where(pcm > 0, 32767.0, 32768.0)).astype(np.float32)
