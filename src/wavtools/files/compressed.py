"""Compressed files: MP3 and FLAC through miniaudio, Ogg Vorbis in a child process, everything else through PyAV.

Only what was recognised reaches a decoder. The Vorbis decoder of miniaudio's package trusts the lengths in a file and can be
made to write outside its memory: a damaged file ends the child, not the program.

Thread: any; decoding releases the GIL.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wavtools._miniaudio import ffi, lib, result_name
from wavtools.errors import DecodeError
from wavtools.files.sources import FileFormat

__all__ = ["av_blocks", "decode_compressed", "is_plain_vorbis", "vorbis_command"]

_ENCODINGS = {"mp3": lib.ma_encoding_format_mp3, "flac": lib.ma_encoding_format_flac}
_NAMES = {"mp3": "an MP3", "flac": "a FLAC"}
_VORBIS_CHILD = Path(__file__).with_name("vorbis_child.py")
# Of the child, in seconds: its start, and a decoder that reads at least 256 kB/s of Vorbis.
_CHILD_START, _CHILD_BYTES_PER_SECOND = 5.0, 256_000
_INSTALL = 'pip install "wavtools[formats]" (it brings PyAV)'


def decode_compressed(data: bytes, kind: FileFormat, name: str) -> tuple[NDArray[np.float32], int]:
    """Decode a whole file that `recognise` knows as *kind*.

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
    elif kind == "ogg" and is_plain_vorbis(data):
        samples, rate = _decode_vorbis(data, name)
    else:
        samples, rate = _decode_av(data, name)
    if rate < 1 or not len(samples):
        raise DecodeError(f"{name} holds no sound: {len(samples)} frames at {rate} Hz")
    return samples, rate


def is_plain_vorbis(data: bytes) -> bool:
    """True for what the decoder in the child reads: its first packet is Vorbis's of one or two channels."""
    start = data.find(b"\x01vorbis", 0, 512)
    return _can_start_python() and start > 0 and data[start + 11 : start + 12] in (b"\x01", b"\x02")


def _can_start_python() -> bool:
    """False in a frozen program (Nuitka compiles this module) and in one that embeds Python: it would start itself."""
    frozen = getattr(sys, "frozen", False) or "__compiled__" in globals()
    return not frozen and Path(sys.executable or "").name.lower().startswith(("python", "pypy"))


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
    try:
        channels = int(config.channels)
        count = int(frames[0]) * channels
        samples = np.frombuffer(ffi.buffer(memory[0], count * 4), np.float32).copy()
    finally:
        lib.ma_free(memory[0], ffi.NULL)
    return samples.reshape(-1, channels), int(config.sampleRate)


def vorbis_command() -> list[str]:
    """The command of the child, which decodes what it reads from stdin."""
    # Isolated, so that no module of the present folder is imported; it finds miniaudio where this process does.
    return [sys.executable, "-I", str(_VORBIS_CHILD), *sys.path]


def _decode_vorbis(data: bytes, name: str) -> tuple[NDArray[np.float32], int]:
    command = vorbis_command()
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
    return np.frombuffer(child.stdout, np.float32, offset=8).reshape(-1, channels), rate


def _decode_av(data: bytes, name: str) -> tuple[NDArray[np.float32], int]:
    pairs = list(av_blocks(io.BytesIO(data), name))
    if not pairs:
        return np.empty((0, 1), np.float32), 0
    return np.concatenate([block for _, block in pairs]), pairs[0][0]


def av_blocks(source: str | BinaryIO, name: str) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Decode a path or a binary file by PyAV, block by block: the rate in Hz, and samples of shape (frames, channels).

    Raises DecodeError as `decode_compressed`.
    """
    try:
        import av
    except ImportError:
        raise DecodeError(f"{name} is of a format that only PyAV reads: {_INSTALL}") from None
    try:
        with av.open(source) as container:
            if not container.streams.audio:
                raise DecodeError(f"{name} holds no sound")
            yield from _read_av(container, container.streams.audio[0])
    except (av.error.FFmpegError, ValueError, OverflowError) as error:
        raise DecodeError(f"{name} cannot be decoded by PyAV: {error}") from error


def _read_av(container: Any, stream: Any) -> Iterator[tuple[int, NDArray[np.float32]]]:
    import av

    rate, left = 0, sys.maxsize
    converter: Any = None
    for frame in chain(container.decode(stream), [None]):
        if converter is None:
            if frame is None:
                return
            rate = frame.sample_rate
            converter = av.AudioResampler("flt", frame.layout, rate)
            if container.format.name == "ogg" and stream.duration and stream.time_base == Fraction(1, rate):
                # The last block of Vorbis is longer than the sound.
                left = stream.duration
        for block in converter.resample(frame):
            samples = _interleaved(block)[:left]
            left -= len(samples)
            yield rate, samples


def _interleaved(block: Any) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = block.to_ndarray().reshape(-1, len(block.layout.channels))
    return samples
