"""Formats: recognises an audio file by its first bytes, so that only what was recognised reaches a decoder.

Thread: any; pure but for reading the file that is given.
"""

from __future__ import annotations

from typing import BinaryIO, Literal

from wavtools.errors import DecodeError

__all__ = ["FileFormat", "identify", "recognise", "starts_two_frames"]

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
# kbit/s of MPEG audio by bit rate index: of version 1 by layer; of versions 2 and 2.5.
_KBITS = {
    (3, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_KBITS[2, 3] = _KBITS[2, 2]
_MPEG_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
# Frames in a row that make an MP3 file that begins with something else: junk, or the rest of a frame.
_FRAMES_IN_A_ROW = 4


def identify(file: BinaryIO, name: str) -> tuple[FileFormat, int]:
    """The format of a file, and the position where its decoder should begin: behind tags and, for MP3, junk.

    Raises DecodeError for what is no audio file.
    """
    start = 0
    # Tags may follow each other.
    for _ in range(16):
        file.seek(start)
        head = file.read(_HEAD)
        size = _tag_bytes(head)
        if size is None:
            break
        start += size
    kind = recognise(head)
    if start and kind == "other":
        # PyAV reads tags by itself.
        return kind, 0
    if kind is None:
        first = _first_mp3_frame(head)
        if first is not None:
            return "mp3", start + first
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
    tag = _tag_bytes(head)
    if tag is not None:
        # Behind a tag that is longer than *head*, MP3 is what is usual.
        return recognise(head[tag:]) if tag < len(head) else "mp3"
    if head[4:8] == b"ftyp" or head.startswith(_OTHERS):
        return "other"
    data = head.lstrip(b"\0")
    length = _mpeg_frame_bytes(data)
    if length is None:
        return "other" if _is_adts(head) else None
    following = data[length : length + 4] if length else b""
    if len(following) == 4 and _mpeg_frame_bytes(following) is None:
        return None
    if data[1] >> 1 & 3 == 1:
        return "mp3"
    # Layers I and II; one frame may be chance.
    return "other" if len(following) == 4 else None


def starts_two_frames(head: bytes) -> bool:
    """True for two MP3 frames in a row at the beginning."""
    return _frames_at(head, 0, 2)


def _tag_bytes(head: bytes) -> int | None:
    """The length of the ID3v2 or APE tag that begins here, None if none does."""
    if head[:3] == b"ID3" and len(head) >= 10 and head[3] < 0xFF and not any(b & 0x80 for b in head[6:10]):
        # A footer repeats the header.
        footer = 10 if head[5] & 0x10 else 0
        return 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]) + footer
    if head[:8] == b"APETAGEX" and len(head) >= 32:
        return 32 + int.from_bytes(head[12:16], "little")
    return None


def _first_mp3_frame(head: bytes) -> int | None:
    """Where several MP3 frames in a row begin, behind junk or the rest of a frame; None if nowhere."""
    at = head.find(b"\xff")
    while at >= 0:
        if _frames_at(head, at, _FRAMES_IN_A_ROW):
            return at
        at = head.find(b"\xff", at + 1)
    return None


def _frames_at(head: bytes, at: int, count: int) -> bool:
    """True for *count* frames of MPEG layer III in a row."""
    for _ in range(count):
        header = head[at : at + 4]
        length = _mpeg_frame_bytes(header)
        if not length or header[1] >> 1 & 3 != 1:
            return False
        at += length
    return True


def _mpeg_frame_bytes(header: bytes) -> int | None:
    """The length of the MPEG audio frame that begins here; 0 for a free bit rate, None if none begins."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    rate_index, bits_index = header[2] >> 2 & 3, header[2] >> 4
    if version == 1 or layer == 4 or rate_index == 3 or bits_index == 15:
        return None
    if bits_index == 0:
        return 0
    bits = _KBITS[3 if version == 3 else 2, layer][bits_index - 1] * 1000
    padding = header[2] >> 1 & 1
    rate = _MPEG_RATES[version][rate_index]
    if layer == 1:
        return (12 * bits // rate + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // rate + padding


def _is_adts(head: bytes) -> bool:
    """True for two frames of raw AAC in a row."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return False
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    following = head[length : length + 2]
    return length >= 7 and len(following) == 2 and following[0] == 0xFF and following[1] & 0xF6 == 0xF0
