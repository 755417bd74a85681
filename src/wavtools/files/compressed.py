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
from wavtools.files.formats import FileFormat
from wavtools.files.mpeg import end_of_frames
from wavtools.files.ogg import is_plain_vorbis, links

__all__ = [
    "av_blocks",
    "decode_compressed",
    "flac_facts",
    "too_wide",
    "vorbis_command",
    "vorbis_input",
    "vorbis_links",
]

_ENCODINGS = {"mp3": lib.ma_encoding_format_mp3, "flac": lib.ma_encoding_format_flac}
_NAMES = {"mp3": "an MP3", "flac": "a FLAC"}
_VORBIS_CHILD = Path(__file__).with_name("vorbis_child.py")
# Of the child, in seconds: its start, and a decoder that reads at least 256 kB/s of Vorbis.
_CHILD_START, _CHILD_BYTES_PER_SECOND = 5.0, 256_000
_INSTALL = 'pip install "wavtools[formats]" (it brings PyAV)'


def decode_compressed(
    data: bytes, kind: FileFormat, name: str, reason: str = ""
) -> tuple[NDArray[np.float32], int, bool]:
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
    truncated : bool
        True if a FLAC file states more frames than could be decoded.

    Raises
    ------
    DecodeError
        damaged, without sound, or of a format whose decoder is not installed
    """
    stated = 0
    if kind == "flac":
        bits, stated = flac_facts(data)
        if bits > 24:
            kind, reason = "other", too_wide(bits, name)
    if kind in _ENCODINGS:
        samples, rate = _decode_miniaudio(data, kind, name)
    elif kind == "ogg":
        samples, rate = _decode_ogg(data, name, reason)
    else:
        samples, rate = _decode_av(data, name, reason)
    if rate < 1 or not len(samples):
        raise DecodeError(f"{name} holds no sound: {len(samples)} frames at {rate} Hz")
    return samples, rate, len(samples) < stated


def _can_start_python() -> bool:
    """False in a frozen program (Nuitka compiles this module) and in one that embeds Python: it would start itself."""
    frozen = getattr(sys, "frozen", False) or "__compiled__" in globals()
    return not frozen and Path(sys.executable or "").name.lower().startswith(("python", "pypy"))


def vorbis_links(data: bytes) -> list[memoryview] | None:
    """The links of an Ogg file if the child can decode all of them, else None."""
    parts = links(data)
    return parts if _can_start_python() and all(map(is_plain_vorbis, parts)) else None


def flac_facts(data: bytes) -> tuple[int, int]:
    """Bits of a sample, and the number of frames if it is known, else 0, of a FLAC file that begins with *data*."""
    facts = int.from_bytes(data[18:26], "big")
    return (facts >> 36 & 31) + 1, facts & (1 << 36) - 1


def too_wide(bits: int, name: str) -> str:
    """Why a FLAC file of more than 24 bits needs PyAV."""
    return f"{name} has FLAC samples of {bits} bits, which only PyAV may decode"


def _decode_ogg(data: bytes, name: str, reason: str) -> tuple[NDArray[np.float32], int]:
    if (plain := vorbis_links(data)) is not None:
        return _decode_vorbis(plain, name)
    decoded = [
        _decode_vorbis([part], name)
        if _can_start_python() and is_plain_vorbis(part)
        else _decode_av(bytes(part), name, reason)
        for part in links(data)
    ]
    if len({(samples.shape[1], rate) for samples, rate in decoded}) > 1:
        raise DecodeError(f"{name} cannot be decoded: its parts have different rates or channels")
    return np.concatenate([samples for samples, _ in decoded]), decoded[0][1]


def _decode_miniaudio(data: bytes, kind: str, name: str) -> tuple[NDArray[np.float32], int]:
    config = lib.ma_decoder_config_init(lib.ma_format_f32, 0, 0)
    config.encodingFormat = _ENCODINGS[kind]
    frames = ffi.new("ma_uint64 *")
    memory = ffi.new("void **")
    size = end_of_frames(data) if kind == "mp3" else len(data)
    code = lib.ma_decode_memory(data, size, ffi.addressof(config), frames, memory)
    if code != lib.MA_SUCCESS or frames[0] == 0 or config.channels == 0:
        why = "it holds no sound" if code == lib.MA_SUCCESS else result_name(code)
        raise DecodeError(f"{name} begins like {_NAMES[kind]} file, but cannot be decoded ({why})")
    # The memory lives as long as the array that shows it.
    held = ffi.gc(memory[0], lambda pointer: lib.ma_free(pointer, ffi.NULL))
    channels = int(config.channels)
    samples = np.frombuffer(ffi.buffer(held, int(frames[0]) * channels * 4), np.float32)
    return samples.reshape(-1, channels), int(config.sampleRate)


def vorbis_command() -> list[str]:
    """The command of the child, which decodes what it reads from stdin."""
    # Isolated, so that no module of the present folder is imported; it finds miniaudio where this process does.
    return [sys.executable, "-I", str(_VORBIS_CHILD), *sys.path]


def vorbis_input(parts: list[memoryview]) -> bytes:
    """What the child reads: the links of an Ogg file and their sizes."""
    sizes = [len(one).to_bytes(8, "little") for one in (parts, *parts)]
    return b"".join([*sizes, *parts])


def _decode_vorbis(parts: list[memoryview], name: str) -> tuple[NDArray[np.float32], int]:
    command, data = vorbis_command(), vorbis_input(parts)
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
    pairs = list(av_blocks(io.BytesIO(data), name, reason))
    if not pairs:
        return np.empty((0, 1), np.float32), 0
    return np.concatenate([block for _, block in pairs]), pairs[0][0]


def av_blocks(
    source: str | BinaryIO, name: str, reason: str = ""
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Decode a path or a binary file by PyAV, block by block: the rate in Hz, and samples of shape (frames, channels).

    Raises DecodeError as `decode_compressed`.
    """
    told = reason or f"{name} is of a format that only PyAV reads"
    try:
        import av
    except ImportError:
        raise DecodeError(f"{told}: {_INSTALL}") from None
    try:
        with av.open(source) as container:
            if not container.streams.audio:
                raise DecodeError(f"{name} holds no sound")
            yield from _read_av(container, container.streams.audio[0])
    except (av.error.FFmpegError, ValueError, OverflowError) as error:
        if isinstance(error, DecodeError):
            raise
        told = f"{reason}, and it cannot" if reason else f"{name} cannot be decoded by PyAV"
        raise DecodeError(f"{told}: {error}") from error


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
