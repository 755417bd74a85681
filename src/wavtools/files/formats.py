"""Formats: recognises an audio file by its first bytes, so that only what was recognised reaches a decoder.

Thread: any; pure but for reading the file that is given.
"""

from __future__ import annotations

from typing import BinaryIO, Literal

from wavtools.errors import DecodeError
from wavtools.files import mpeg

__all__ = ["FileFormat", "identify", "recognise"]

FileFormat = Literal["wav", "flac", "mp3", "ogg", "other"]

# Bytes of a file's head that are looked at.
_HEAD = 8192
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
    b"TTA1",
    b"MPCK",
    b"MP+",
    b"Creative Voice File",
)
_W64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
# Bytes in which an MP3 file may begin behind junk, and the frames in a row that make it one.
_JUNK, _FRAMES_IN_A_ROW = 1 << 16, 4


def identify(file: BinaryIO, name: str) -> tuple[FileFormat, int]:
    """The format of a file, and the position where its decoder should begin: behind tags and, for MP3, junk.

    Raises DecodeError for what is no audio file.
    """
    start = 0
    # Tags may follow each other.
    for _ in range(16):
        file.seek(start)
        head = file.read(_HEAD)
        size = mpeg.tag_bytes(head)
        if size is None:
            break
        start += size
    kind = recognise(head)
    if start and kind == "other":
        # PyAV reads tags by itself.
        return kind, 0
    if kind == "mp3":
        return kind, start + len(head) - len(head.lstrip(b"\0"))
    if kind is None:
        # A tag may lie about its size.
        for at in (start, 10) if start else (0,):
            file.seek(at)
            first = mpeg.first_frame(file.read(_JUNK), _FRAMES_IN_A_ROW)
            if first is not None:
                return "mp3", at + first
        if start:
            raise DecodeError(f"{name} has a tag of {start} bytes, and no sound that is known here behind it")
        told = f"begins with {head[:12]!r}" if head else "is empty"
        raise DecodeError(f"{name} is not an audio file that is known here: it {told}")
    return kind, start


def recognise(head: bytes) -> FileFormat | None:
    """The format of a file that begins with *head* (64 bytes suffice; more make MP3 surer); None for no audio file.

    "wav" stands for the whole family: RIFF, RIFX, RF64, BW64, W64, AIFF and AIFF-C.
    """
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
        return "wav" if head[8:12] == b"WAVE" else "other" if head[8:12] == b"AVI " else None
    if head[:4] == b"FORM":
        return "wav" if head[8:12] in (b"AIFF", b"AIFC") else None
    if head[:16] == _W64:
        return "wav"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg"
    tag = mpeg.tag_bytes(head)
    if tag is not None:
        # Behind a tag that is longer than *head*, MP3 is what is usual.
        return recognise(head[tag:]) if tag < len(head) else "mp3"
    if head[4:8] == b"ftyp" or head.startswith(_OTHERS):
        return "other"
    data = head.lstrip(b"\0")
    length = mpeg.frame_bytes(data)
    if length is None:
        return "other" if mpeg.is_raw_aac(head) else None
    following = data[length : length + 4] if length else b""
    if len(following) == 4 and mpeg.frame_bytes(following) is None:
        return None
    if mpeg.is_layer_3(data):
        return "mp3"
    # Layers I and II; one frame may be chance.
    return "other" if len(following) == 4 else None
