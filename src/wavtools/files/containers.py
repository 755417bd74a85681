"""Containers of uncompressed sound: finds format and samples in RIFF, RIFX, RF64, BW64, W64, AIFF and AIFF-C files.

A size that a file states is a claim: what is there decides. A data chunk that says more than there is, or nothing although
sound follows (a recorder that was killed), ends with the file.

Thread: any.
"""

from __future__ import annotations

import dataclasses
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from wavtools.errors import DecodeError
from wavtools.files.encodings import Encoding

__all__ = ["Layout", "UnknownCodecError", "are_chunks", "read_layout"]

_PCM, _FLOAT, _ALAW, _ULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_CODECS = {
    2: "ADPCM",
    0x11: "IMA ADPCM",
    0x31: "GSM 6.10",
    0x50: "MPEG",
    0x55: "MP3",
    0x161: "WMA",
    0xFF: "AAC",
}
# GUIDs of W64 and of WAVE_FORMAT_EXTENSIBLE: a four-byte name or tag, and one of these.
_W64_RIFF_TAIL = bytes.fromhex("2e91cf11a5d628db04c10000")
_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
_AIFC = {
    b"NONE": ("int", True),
    b"twos": ("int", True),
    b"in24": ("int", True),
    b"in32": ("int", True),
    b"sowt": ("int", False),
    b"42ni": ("int", False),
    b"23ni": ("int", False),
    b"raw ": ("unsigned", True),
    b"fl32": ("float", True),
    b"fl64": ("float", True),
    b"ulaw": ("ulaw", True),
    b"alaw": ("alaw", True),
}
# A file has a handful of chunks before its sound; one made of empty chunks would take seconds.
_MAX_CHUNKS = 10_000


class UnknownCodecError(DecodeError):
    """The container is whole, but its samples are compressed in a way that only PyAV may decode.

    Attributes
    ----------
    reason : str
        What was found. The message adds what to do.
    """

    @property
    def reason(self) -> str:
        return str(self.args[0])

    def __str__(self) -> str:
        return f"{self.reason}: wavtools.load() does so where it is installed"


@dataclass(frozen=True)
class Layout:
    """Where the sound of a file is, and how it is stored.

    Attributes
    ----------
    container : str
        "WAV", "RIFX", "RF64", "BW64", "W64", "AIFF" or "AIFF-C".
    encoding : Encoding
    channels, sample_rate : int
        At least 1.
    offset : int
        Bytes before the first sample.
    frames : int
        Whole frames that are there.
    truncated : bool
        True if the file states another length than it has.
    """

    container: str
    encoding: Encoding
    channels: int
    sample_rate: int
    offset: int
    frames: int
    truncated: bool

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return self.channels * self.encoding.sample_bytes


@dataclass(frozen=True)
class _Format:
    encoding: Encoding
    channels: int
    sample_rate: int


@dataclass(frozen=True)
class _Chunk:
    """One chunk: its name, where its body begins, the size that it states, and the bytes that are there."""

    kind: bytes
    start: int
    size: int
    present: int


def read_layout(file: BinaryIO, name: str, *, strict: bool = False) -> Layout:
    """Find the sound in a file.

    Parameters
    ----------
    file : binary file object
        Read from its beginning; it can seek.
    name : str
        What errors call it.
    strict : bool
        Refuse a file that states another length than it has.

    Raises
    ------
    DecodeError
        another kind of file, a sample format that is not read here, or a header that contradicts itself
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(16)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        layout = _read_riff(file, size, name, head[:4])
    elif head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        layout = _read_aiff(file, size, name, compressed=head[8:12] == b"AIFC")
    elif head == b"riff" + _W64_RIFF_TAIL:
        layout = _read_w64(file, size, name)
    elif not head:
        raise DecodeError(f"{name} is empty, not a WAV file")
    else:
        raise DecodeError(f"{name} is not a WAV file: it begins with {head[:12]!r}, not with RIFF....WAVE")
    if strict and layout.truncated:
        raise DecodeError(
            f"{name} is cut short: its header states another length than the {layout.frames} whole frames that are there"
        )
    return layout


def _chunks(file: BinaryIO, size: int, start: int, order: str) -> Iterator[_Chunk]:
    """The chunks of a RIFF or AIFF file from *start* on."""
    position = start
    for _ in range(_MAX_CHUNKS):
        file.seek(position)
        header = file.read(8)
        if len(header) < 8:
            return
        kind, stated = struct.unpack(f"{order}4sI", header)
        position += 8
        yield _Chunk(kind, position, stated, size - position)
        # Chunks are padded to an even length. Some writers forget that.
        position += stated
        if stated % 2:
            file.seek(position)
            position += 0 if file.read(5)[:4] in (b"data", b"fmt ", b"LIST", b"SSND", b"COMM") else 1


def _body(file: BinaryIO, name: str, chunk: _Chunk, most: int = 4096) -> bytes:
    if chunk.size > chunk.present:
        raise DecodeError(
            f"{name} is cut short: its chunk {chunk.kind!r} says {chunk.size} bytes, {chunk.present} are there"
        )
    file.seek(chunk.start)
    return file.read(min(chunk.size, most))


def _read_riff(file: BinaryIO, size: int, name: str, magic: bytes) -> Layout:
    order = ">" if magic == b"RIFX" else "<"
    container = "WAV" if magic == b"RIFF" else magic.decode("ascii")
    found: _Format | None = None
    long_size: int | None = None
    for chunk in _chunks(file, size, 12, order):
        if chunk.kind == b"fmt ":
            found = _wave_format(_body(file, name, chunk), name, order)
        elif chunk.kind == b"ds64":
            body = _body(file, name, chunk)
            long_size = struct.unpack_from("<Q", body, 8)[0] if len(body) >= 16 else None
        elif chunk.kind == b"data":
            if found is None:
                raise DecodeError(f"{name} has no fmt chunk before its data")
            stated = chunk.size
            if stated in (0, 0xFFFFFFFF) and long_size is not None:
                stated = long_size
            if stated == 0 and chunk.present > 1 and not are_chunks(file, chunk.start, order):
                # The size was never filled in: a data chunk that is really empty is followed by whole chunks.
                stated = chunk.present + 1
            return _layout(container, found, chunk.start, stated, chunk.present)
        elif chunk.size > chunk.present:
            _body(file, name, chunk)
    raise DecodeError(f"{name} has no data chunk")


def are_chunks(file: BinaryIO, start: int, order: str = "<") -> bool:
    """True if the file from *start* on is one or more whole chunks, and perhaps a byte of padding."""
    size = file.seek(0, io.SEEK_END)
    end = start
    for chunk in _chunks(file, size, start, order):
        if chunk.size > chunk.present or not chunk.kind.isascii() or not chunk.kind.decode().isprintable():
            return False
        end = chunk.start + chunk.size
    return end > start and size - end <= 1


def _read_w64(file: BinaryIO, size: int, name: str) -> Layout:
    position = 40
    found: _Format | None = None
    for _ in range(_MAX_CHUNKS):
        if position >= size:
            break
        file.seek(position)
        header = file.read(24)
        if len(header) < 24:
            break
        kind = header[:4] if header[4:16] == _W64_TAIL else b""
        stated = int.from_bytes(header[16:24], "little") - 24
        chunk = _Chunk(kind, position + 24, stated, size - position - 24)
        if kind == b"data":
            if found is None:
                raise DecodeError(f"{name} has no fmt chunk before its data")
            unknown = stated <= 0 and chunk.present
            stated = chunk.present + 1 if unknown else stated
            # Some writers count the padding.
            return _layout("W64", found, chunk.start, stated, chunk.present, padding=7)
        if stated < 0:
            raise DecodeError(f"{name} has a chunk of {stated + 24} bytes; a chunk of W64 has at least 24")
        if kind == b"fmt ":
            found = _wave_format(_body(file, name, chunk), name, "<")
        position += 24 + (stated + 7) // 8 * 8
    raise DecodeError(f"{name} has no data chunk")


def _layout(
    container: str, found: _Format, start: int, stated: int, present: int, padding: int = 0
) -> Layout:
    frame_bytes = found.channels * found.encoding.sample_bytes
    length = max(0, min(stated, present))
    return Layout(
        container,
        found.encoding,
        found.channels,
        found.sample_rate,
        start,
        length // frame_bytes,
        truncated=stated > present or length % frame_bytes > padding,
    )


def _wave_format(body: bytes, name: str, order: str) -> _Format:
    if len(body) < 16:
        raise DecodeError(f"{name} has a fmt chunk of {len(body)} bytes, expected at least 16")
    tag, channels, sample_rate, _, frame_bytes, bits = struct.unpack_from(f"{order}HHIIHH", body)
    valid_bits = bits
    if tag == _EXTENSIBLE:
        if len(body) < 40:
            raise DecodeError(f"{name} has an extensible fmt chunk of {len(body)} bytes, expected 40")
        valid_bits = struct.unpack_from(f"{order}H", body, 18)[0] or bits
        # The sub-format's GUID begins with the plain tag.
        tag = struct.unpack_from(f"{order}H", body, 24)[0]
    if channels == 0 or sample_rate == 0:
        raise DecodeError(f"{name} says {channels} channels at {sample_rate} Hz")
    if tag in (_ALAW, _ULAW) and frame_bytes == channels:
        # Some writers state the bits of the decoded samples.
        bits = 8
    if tag in (_ALAW, _ULAW) and bits != 8:
        raise DecodeError(f"{name} contradicts itself: G.711 has samples of 8 bits, not {bits}")
    width = (bits + 7) // 8
    if tag == _PCM and bits > 16 and frame_bytes == 4 * channels:
        # 20 or 24 bits in words of four bytes.
        width = 4
    readable = {_PCM: 1 <= bits <= 32, _FLOAT: bits in (32, 64), _ALAW: bits == 8, _ULAW: bits == 8}
    if tag in readable and (bits == 0 or frame_bytes not in (0, channels * width)):
        raise DecodeError(
            f"{name} contradicts itself: frames of {frame_bytes} bytes, but {channels} channels of {bits} bits"
        )
    if not readable.get(tag, False):
        codec = f"{_CODECS[tag]} (format {tag:#x})" if tag in _CODECS else f"format {tag:#x}"
        raise UnknownCodecError(f"{name} has samples of {codec} with {bits} bits, which only PyAV may decode")
    big = order == ">"
    if tag == _PCM:
        encoding = Encoding("unsigned" if width == 1 else "int", width, big, min(valid_bits, 8 * width))
    elif tag == _FLOAT:
        encoding = Encoding("float", width, big, bits)
    else:
        encoding = Encoding("ulaw" if tag == _ULAW else "alaw", 1)
    return _Format(encoding, channels, sample_rate)


def _read_aiff(file: BinaryIO, size: int, name: str, *, compressed: bool) -> Layout:
    found: _Format | None = None
    sound: tuple[int, int, int] | None = None
    frames = 0
    for chunk in _chunks(file, size, 12, ">"):
        if chunk.kind == b"COMM":
            found, frames = _aiff_format(_body(file, name, chunk), name, compressed)
        elif chunk.kind == b"SSND":
            sound = _sound_chunk(file, chunk, name)
        if found is not None and sound is not None:
            start, stated, present = sound
            layout = _layout("AIFF-C" if compressed else "AIFF", found, start, stated, present)
            if frames == 0 or layout.truncated:
                return layout
            # The number of frames is stated twice: the smaller one counts.
            return dataclasses.replace(
                layout, frames=min(frames, layout.frames), truncated=frames > layout.frames
            )
    if sound is None and found is not None and frames == 0:
        # The standard leaves SSND out where there is no sound.
        return _layout("AIFF-C" if compressed else "AIFF", found, size, 0, 0)
    raise DecodeError(f"{name} has no {'COMM' if found is None else 'SSND'} chunk")


def _sound_chunk(file: BinaryIO, chunk: _Chunk, name: str) -> tuple[int, int, int]:
    """Where the samples of an SSND chunk begin, the bytes that it states, and those that are there."""
    file.seek(chunk.start)
    skipped = 8 + int.from_bytes(file.read(8)[:4], "big")
    start, stated, present = chunk.start + skipped, chunk.size - skipped, chunk.present - skipped
    if chunk.size <= 8 and chunk.present > 9 and not are_chunks(file, chunk.start + 8, ">"):
        # The size was never filled in: a chunk that is really empty is followed by whole chunks.
        stated = max(present, 0) + 1
    if present < 0 < chunk.present:
        raise DecodeError(
            f"{name} contradicts itself: its sound begins {skipped} bytes into a chunk that ends after {chunk.present}"
        )
    return start, stated, present


def _aiff_format(body: bytes, name: str, compressed: bool) -> tuple[_Format, int]:
    needed = 22 if compressed else 18
    if len(body) < needed:
        raise DecodeError(f"{name} has a COMM chunk of {len(body)} bytes, expected at least {needed}")
    channels, frames, bits = struct.unpack_from(">HIH", body)
    sample_rate = _extended(body[8:18])
    kind = body[18:22] if compressed else b"NONE"
    kind = kind.lower() if kind.lower() in _AIFC else kind
    if kind not in _AIFC:
        raise UnknownCodecError(f"{name} has samples of AIFF-C's format {kind!r}, which only PyAV may decode")
    if not 0 < channels < 0x8000 or sample_rate == 0:
        raise DecodeError(f"{name} says {channels} channels at {sample_rate} Hz")
    stored, big = _AIFC[kind]
    if stored in ("ulaw", "alaw"):
        return _Format(Encoding("ulaw" if stored == "ulaw" else "alaw", 1), channels, sample_rate), frames
    if stored == "float":
        return _Format(
            Encoding("float", int(kind[2:]) // 8, True, int(kind[2:])), channels, sample_rate
        ), frames
    if not 1 <= bits <= 32:
        raise DecodeError(f"{name} has samples of {bits} bits; PCM of 1 to 32 bits can be read")
    unsigned = stored == "unsigned"
    encoding = Encoding("unsigned" if unsigned else "int", 1 if unsigned else (bits + 7) // 8, big, bits)
    return _Format(encoding, channels, sample_rate), frames


def _extended(data: bytes) -> int:
    """An 80-bit float as a whole number of Hz; 0 if it is none between 1 and 2**32."""
    exponent = int.from_bytes(data[:2], "big") - 16383
    mantissa = int.from_bytes(data[2:], "big")
    if not 0 <= exponent < 32:
        return 0
    return (mantissa + (1 << 62 - exponent)) >> (63 - exponent)
