"""Compressed files: MP3 and FLAC through miniaudio, Ogg Vorbis in a child process, everything else through PyAV.

Only what was recognised reaches a decoder. The Vorbis decoder of miniaudio's package trusts the lengths in a file and can be
made to write outside its memory: a damaged file ends the child, not the program.

Thread: any; decoding releases the GIL.
"""

from __future__ import annotations

import io
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
from wavtools.files.mpeg import end_of_frames
from wavtools.files.ogg import is_plain_vorbis, links

__all__ = ["decode_compressed"]

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
        bits, stated = _flac_facts(data)
        if bits > 24:
            kind, reason = "other", f"{name} has FLAC samples of {bits} bits, which only PyAV may decode"
    if kind in _ENCODINGS:
        samples, rate = _decode_miniaudio(data, kind, name)
    elif kind == "ogg":
        samples, rate = _decode_ogg(data, name, reason)
    else:
        samples, rate = _decode_av(data, name, reason)
    if rate < 1 or not len(samples):
        raise DecodeError(f"{name} holds no sound: {len(samples)} frames at {rate} Hz")
    return samples, rate, len(samples) < stated


def _flac_facts(data: bytes) -> tuple[int, int]:
    """Bits of a sample, and the number of frames if it is known, else 0."""
    facts = int.from_bytes(data[18:26], "big")
    return (facts >> 36 & 31) + 1, facts & (1 << 36) - 1


def _decode_ogg(data: bytes, name: str, reason: str) -> tuple[NDArray[np.float32], int]:
    parts = links(data)
    can_start = bool(sys.executable) and not getattr(sys, "frozen", False)
    plain = [can_start and is_plain_vorbis(part) for part in parts]
    if all(plain):
        return _decode_vorbis(parts, name)
    decoded = [
        _decode_vorbis([part], name) if simple else _decode_av(bytes(part), name, reason)
        for part, simple in zip(parts, plain, strict=True)
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


def _decode_vorbis(parts: list[memoryview], name: str) -> tuple[NDArray[np.float32], int]:
    # Isolated, so that no module of the present folder is imported; it finds miniaudio where this process does.
    command = [sys.executable, "-I", str(_VORBIS_CHILD), *sys.path]
    sizes = [len(one).to_bytes(8, "little") for one in (parts, *parts)]
    data = b"".join([*sizes, *parts])
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
        told = f"{reason}, and it cannot" if reason else f"{name} cannot be decoded by PyAV"
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
