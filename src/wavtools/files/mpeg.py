"""MPEG audio: finds its frames, and the tags and junk before and behind them.

Thread: any; pure.
"""

from __future__ import annotations

__all__ = [
    "end_of_frames",
    "first_frame",
    "frame_bytes",
    "frames_at",
    "is_layer_3",
    "is_raw_aac",
    "tag_bytes",
]

# kbit/s by bit rate index: of version 1, and of versions 2 and 2.5, by layer.
_KBITS = {
    (3, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
# Bytes at the end of a file in which its last frames are looked for, and how many in a row are sure.
_TAIL, _IN_A_ROW = 1 << 14, 4


def frame_bytes(header: bytes) -> int | None:
    """The length of the frame that begins here; 0 for a free bit rate, None if none begins."""
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
    rate = _RATES[version][rate_index]
    if layer == 1:
        return (12 * bits // rate + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // rate + padding


def is_layer_3(header: bytes) -> bool:
    """True for the header of an MP3 frame."""
    return header[1] >> 1 & 3 == 1


def frames_at(data: bytes, at: int, count: int) -> bool:
    """True for *count* MP3 frames of one version and rate in a row at position *at*."""
    first = data[at : at + 4]
    for _ in range(count):
        length = _next_frame(data, at, first)
        if not length:
            return False
        at += length
    return True


def _next_frame(data: bytes, at: int, first: bytes) -> int:
    """The length of the MP3 frame at *at* if it is of the stream of the header *first*, else 0."""
    header = data[at : at + 4]
    length = frame_bytes(header) or 0
    same = (
        length
        and is_layer_3(header)
        and not (header[1] ^ first[1]) & 0xFE
        and not (header[2] ^ first[2]) & 12
    )
    return length if same else 0


def first_frame(data: bytes, count: int) -> int | None:
    """Where *count* MP3 frames in a row begin, behind junk or the rest of a frame; None if nowhere."""
    at = data.find(b"\xff")
    while at >= 0:
        if frames_at(data, at, count):
            return at
        at = data.find(b"\xff", at + 1)
    return None


def end_of_frames(data: bytes) -> int:
    """Where the last MP3 frame ends: behind it are tags or junk, with which a decoder may drop that frame."""
    end = len(data)
    while True:
        size = _tag_bytes_before(data, end)
        if size == 0:
            break
        end -= size
    tail = data[max(0, end - _TAIL) : end]
    at = first_frame(tail, _IN_A_ROW)
    if at is None:
        return end
    first = tail[at : at + 4]
    while (length := _next_frame(tail, at, first)) and at + length <= len(tail):
        at += length
    return end - len(tail) + at


def tag_bytes(head: bytes) -> int | None:
    """The length of the ID3v2 or APE tag that begins here; None if none does."""
    if head[:3] == b"ID3" and len(head) >= 10 and head[3] < 0xFF and not any(b & 0x80 for b in head[6:10]):
        # A footer repeats the header.
        footer = 10 if head[5] & 0x10 else 0
        return 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]) + footer
    if head[:8] == b"APETAGEX" and len(head) >= 32:
        return 32 + int.from_bytes(head[12:16], "little")
    return None


def _tag_bytes_before(data: bytes, end: int) -> int:
    """The length of the ID3v1 or APE tag that ends at *end*; 0 if none does."""
    if data[max(0, end - 128) : end][:3] == b"TAG":
        return min(128, end)
    footer = data[max(0, end - 32) : end]
    if footer[:8] != b"APETAGEX":
        return 0
    # Its size counts the footer, and not the header.
    size = int.from_bytes(footer[12:16], "little") + (32 if footer[23] & 0x80 else 0)
    return size if 32 <= size <= end else 0


def is_raw_aac(head: bytes) -> bool:
    """True for two frames of raw AAC (ADTS) in a row."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return False
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    following = head[length : length + 2]
    return length >= 7 and len(following) == 2 and following[0] == 0xFF and following[1] & 0xF6 == 0xF0
