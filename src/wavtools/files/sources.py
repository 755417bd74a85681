"""Sources: opens what callers hold of a file (a path, its bytes, or an object with read()), and recognises its format.

Thread: any.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from typing import BinaryIO, Literal, cast

__all__ = ["FileFormat", "are_a_file", "is_source", "open_seekable", "open_source", "recognise"]

FileFormat = Literal["wav", "flac", "mp3", "ogg", "other"]

# Formats that only PyAV reads, by their first bytes.
_OTHERS = (
    b"\x1aE\xdf\xa3",
    b"caff",
    b".snd",
    b"#!AMR",
    b"\x30\x26\xb2\x75",
    b"ADIF",
    b"MAC ",
    b"wvpk",
    b"FLV\x01",
)
_W64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
# Bits a second of MPEG layers: [version 1, versions 2 and 2.5][layer][index], in kbit/s.
_LAYER_3: tuple[tuple[int, ...], ...] = ((32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),)
_LAYER_3 += ((8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),)
_MPEG_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


@contextlib.contextmanager
def open_source(source: object) -> Iterator[tuple[BinaryIO, str]]:
    """Open *source* for reading bytes at any position.

    Parameters
    ----------
    source : str, os.PathLike, bytes-like, or binary file object
        A file object is read from its present position, and stays open.

    Yields
    ------
    file : binary file object
        It can seek.
    name : str
        What errors call the source.

    Raises
    ------
    TypeError
        another object; or a file opened in text mode
    OSError
        the file cannot be read
    """
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:  # noqa: PTH123 - a path of bytes is a path too
            yield file, repr(os.fspath(source))
        return
    if isinstance(source, (bytes, bytearray, memoryview)):
        yield io.BytesIO(source), "the data"
        return
    read = getattr(source, "read", None)
    if not callable(read):
        raise TypeError(
            f"a path, the bytes of a file, or an object with read() is needed, not {_kind_of(source)}"
        )
    name = getattr(source, "name", None)
    data = read()
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"the file must be open for bytes (mode 'rb'); read() gave {type(data).__name__}")
    yield io.BytesIO(data), repr(name) if isinstance(name, str) else "the file"


def open_seekable(source: object) -> tuple[BinaryIO, str, bool]:
    """Open *source* without reading it: the file, its name for errors, and True if the caller must close it.

    Raises as `open_source`; TypeError also for a file object that cannot seek.
    """
    if isinstance(source, (str, os.PathLike)):
        return open(source, "rb"), repr(os.fspath(source)), True  # noqa: PTH123
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source), "the data", True
    seekable = getattr(source, "seekable", None)
    if not callable(getattr(source, "read", None)) or seekable is None or not seekable():
        raise TypeError(
            f"a path, the bytes of a file, or a file object that can seek is needed, not {_kind_of(source)}"
        )
    if isinstance(source, io.TextIOBase):
        raise TypeError("the file must be open for bytes (mode 'rb')")
    name = getattr(source, "name", None)
    return cast("BinaryIO", source), repr(name) if isinstance(name, str) else "the file", False


def is_source(given: object) -> bool:
    """True for what names or holds a file: a path, an object with ``read()``, bytes that begin like an audio file."""
    if isinstance(given, (bytes, bytearray, memoryview)):
        return are_a_file(given)
    return isinstance(given, (str, os.PathLike)) or callable(getattr(given, "read", None))


def are_a_file(data: bytes | bytearray | memoryview) -> bool:
    """True if *data* begins like an audio file and not by chance: MP3 without a tag counts with two frames in a row."""
    head = bytes(memoryview(data).cast("B")[:8192]) if len(data) else b""
    kind = recognise(head)
    if kind != "mp3" or head[:3] == b"ID3":
        return kind is not None
    length = _frame_bytes(head) or 0
    return length > 0 and _frame_bytes(head[length : length + 4]) is not None


def _kind_of(source: object) -> str:
    shape = getattr(source, "shape", None)
    return f"an array of shape {shape}" if isinstance(shape, tuple) else type(source).__name__


def recognise(head: bytes | bytearray | memoryview) -> FileFormat | None:
    """The format of a file that begins with *head* (64 bytes suffice; more make MP3 surer); None for no audio file.

    "wav" stands for the whole family: RIFF, RIFX, RF64, BW64, W64, AIFF and AIFF-C.
    """
    data = bytes(head[:8192])
    if data[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
        return "wav" if data[8:12] == b"WAVE" else None
    if data[:4] == b"FORM":
        return "wav" if data[8:12] in (b"AIFF", b"AIFC") else None
    if data[:16] == _W64:
        return "wav"
    if data[:4] == b"fLaC":
        return "flac"
    if data[:4] == b"OggS":
        return "ogg"
    if (
        data[:3] == b"ID3"
        and len(data) >= 10
        and data[3] < 0xFF
        and not any(byte & 0x80 for byte in data[6:10])
    ):
        size = 10 + (data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9])
        # A tag may stand before FLAC too; behind a long tag MP3 is what remains.
        return "flac" if data[size : size + 4] == b"fLaC" else "mp3"
    if data[4:8] == b"ftyp" or data.startswith(_OTHERS):
        return "other"
    return "mp3" if _is_mp3(data) else None


def _is_mp3(data: bytes) -> bool:
    """True for a frame of MPEG layer III, followed by another one where *data* goes so far."""
    data = data.lstrip(b"\0")
    length = _frame_bytes(data)
    if length is None:
        return False
    following = data[length : length + 4] if length else b""
    return len(following) < 4 or _frame_bytes(following) is not None


def _frame_bytes(header: bytes) -> int | None:
    """The length of the MP3 frame that begins here; 0 for a free bit rate, None if none begins."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    rate_index, bits_index = header[2] >> 2 & 3, header[2] >> 4
    if version == 1 or layer != 1 or rate_index == 3 or bits_index == 15:
        return None
    if bits_index == 0:
        return 0
    bits = _LAYER_3[0 if version == 3 else 1][bits_index - 1] * 1000
    padding = header[2] >> 1 & 1
    return (144 if version == 3 else 72) * bits // _MPEG_RATES[version][rate_index] + padding
