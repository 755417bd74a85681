"""Compressed files: MP3 and FLAC through miniaudio, Ogg Vorbis in a child process, everything else through PyAV.

Only what was recognised reaches a decoder. The Vorbis decoder of miniaudio's package trusts the lengths in a file and can be
made to write outside its memory: a damaged file ends the child, not the program.

Thread: any; decoding releases the GIL.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavtools._miniaudio import ffi, lib, result_name
from wavtools.errors import DecodeError
from wavtools.files.formats import FileFormat

__all__ = ["decode_compressed"]

_ENCODINGS = {"mp3": lib.ma_encoding_format_mp3, "flac": lib.ma_encoding_format_flac}
_NAMES = {"mp3": "an MP3", "flac": "a FLAC"}
_VORBIS_CHILD = Path(__file__).with_name("vorbis_child.py")
# Of the child, in seconds: its start, and a decoder that reads at least 256 kB/s of Vorbis.
_CHILD_START, _CHILD_BYTES_PER_SECOND = 5.0, 256_000
# The beginning of a stream: bit 1 of the flags.
_FIRST_PAGE = re.compile(rb"OggS\0[\2\3\6\7]")
_INSTALL = 'pip install "wavtools[formats]" (it brings PyAV)'


def decode_compressed(
    data: bytes, kind: FileFormat, name: str, reason: str = ""
) -> tuple[NDArray[np.float32], int]:
    """Decode a whole file that `identify` knows as *kind*.

    Parameters
    ----------
    data : bytes
        The file.
    kind : FileFormat
    name : str
        What errors call it.
    reason : str
        Why it is not read without a decoder: errors begin with it.

    Returns
    -------
    samples : float32, shape (frames, channels)
        Full scale 1.0.
    sample_rate : int
        Hz, of the file.

    Raises
    ------
    DecodeError
        damaged, without sound, or of a format whose decoder is not installed
    """
    if kind in _ENCODINGS:
        samples, rate = _decode_miniaudio(data, kind, name)
    elif kind == "ogg" and _is_plain_vorbis(data):
        samples, rate = _decode_vorbis(data, name)
    else:
        samples, rate = _decode_av(data, name, reason)
    if rate < 1 or not len(samples):
        raise DecodeError(f"{name} holds no sound: {len(samples)} frames at {rate} Hz")
    return samples, rate


def _is_plain_vorbis(data: bytes) -> bool:
    """True for what the decoder in the child reads: one stream, whose first packet is Vorbis's of one or two channels.

    Several streams may be mixed, or follow each other.
    """
    if _FIRST_PAGE.search(data, 1):
        return False
    start = data.find(b"\x01vorbis", 0, 512)
    can_start = bool(sys.executable) and not getattr(sys, "frozen", False)
    return can_start and start > 0 and data[start + 11 : start + 12] in (b"\x01", b"\x02")


def _decode_miniaudio(data: bytes, kind: str, name: str) -> tuple[NDArray[np.float32], int]:
    config = lib.ma_decoder_config_init(lib.ma_format_f32, 0, 0)
    config.encodingFormat = _ENCODINGS[kind]
    frames = ffi.new("ma_uint64 *")
    memory = ffi.new("void **")
    code = lib.ma_decode_memory(data, len(data), ffi.addressof(config), frames, memory)
    if code != lib.MA_SUCCESS:
        raise DecodeError(
            f"{name} begins like {_NAMES[kind]} file, but cannot be decoded ({result_name(code)})"
        )
    # The memory lives as long as the array that shows it.
    held = ffi.gc(memory[0], lambda pointer: lib.ma_free(pointer, ffi.NULL))
    channels = int(config.channels)
    samples = np.frombuffer(ffi.buffer(held, int(frames[0]) * channels * 4), np.float32)
    return samples.reshape(-1, channels), int(config.sampleRate)


def _decode_vorbis(data: bytes, name: str) -> tuple[NDArray[np.float32], int]:
    # Isolated, so that no module of the present folder is imported; it finds miniaudio where this process does.
    command = [sys.executable, "-I", str(_VORBIS_CHILD), *sys.path]
    limit = _CHILD_START + len(data) / _CHILD_BYTES_PER_SECOND
    try:
        child = subprocess.run(command, input=data, capture_output=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        raise DecodeError(f"{name} is a damaged Ogg file: its decoder did not end in {limit:.0f} s") from None
    except OSError as error:
        raise DecodeError(
            f"{name} cannot be decoded: the decoder's process did not start ({error})"
        ) from error
    if child.returncode != 0 or len(child.stdout) < 8:
        # A signal, or a reason on its last line.
        reason = child.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        told = reason[0] if reason and child.returncode > 0 else "it is damaged"
        raise DecodeError(f"{name} begins like an Ogg file, but cannot be decoded: {told}")
    channels, rate = np.frombuffer(child.stdout, "<u4", 2).tolist()
    # A copy, which can be written.
    return np.frombuffer(child.stdout, np.float32, offset=8).reshape(-1, channels).copy(), rate


def _decode_av(data: bytes, name: str, reason: str) -> tuple[NDArray[np.float32], int]:
    told = reason or f"{name} is of a format that only PyAV reads"
    try:
        import av
    except ImportError:
        raise DecodeError(f"{told}: {_INSTALL}") from None
    try:
        with av.open(io.BytesIO(data)) as container:
            if not container.streams.audio:
                raise DecodeError(f"{name} holds no sound")
            return _read_av(container, container.streams.audio[0])
    except (av.error.FFmpegError, ValueError, OverflowError) as error:
        if isinstance(error, DecodeError):
            raise
        told = f"{reason}; PyAV cannot decode it either" if reason else f"{name} cannot be decoded by PyAV"
        raise DecodeError(f"{told}: {error}") from error


def _read_av(container: Any, stream: Any) -> tuple[NDArray[np.float32], int]:
    import av

    blocks: list[NDArray[np.float32]] = []
    rate = 0
    converter: Any = None
    for frame in container.decode(stream):
        if converter is None:
            rate = frame.sample_rate
            converter = av.AudioResampler("flt", frame.layout, rate)
        blocks += [_interleaved(block) for block in converter.resample(frame)]
    if converter is not None:
        blocks += [_interleaved(block) for block in converter.resample(None)]
    samples = np.concatenate(blocks) if blocks else np.empty((0, 1), np.float32)
    if container.format.name == "ogg" and stream.duration and stream.time_base == Fraction(1, rate or 1):
        # The last block of Vorbis is longer than the sound.
        samples = samples[: stream.duration]
    return samples, rate


def _interleaved(block: Any) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = block.to_ndarray().reshape(-1, len(block.layout.channels))
    return samples
