"""Reads what an encoded image is: PNG or JPEG, and its size in pixels.

Thread: any; stateless.
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

__all__ = ["MAX_PIXELS_PER_SIDE", "ImageInfo", "from_data_url", "image_info"]

MAX_PIXELS_PER_SIDE = 65_535
_PNG = b"\x89PNG\r\n\x1a\n"
# Markers of a JPEG's frame header, which holds the size: all SOF but the tables DHT, JPG and DAC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Formats that people try, for the message.
_OTHERS = {b"GIF8": "a GIF", b"RIFF": "a WebP", b"BM": "a BMP", b"%PDF": "a PDF", b"<svg": "an SVG"}


class ImageInfo(NamedTuple):
    """Media type ("image/png" or "image/jpeg"), width and height in pixels."""

    media_type: str
    width: int
    height: int


def image_info(data: bytes) -> ImageInfo:
    """What the encoded image *data* is; its pixels are not decoded.

    Raises ValueError for anything but a PNG or a JPEG, and for one that ends before its size.
    """
    if data.startswith(_PNG):
        kind, size = "image/png", _png_size(data)
    elif data.startswith(b"\xff\xd8\xff"):
        kind, size = "image/jpeg", _jpeg_size(data)
    else:
        what = next((name for magic, name in _OTHERS.items() if data.startswith(magic)), "no image")
        what = what if data else "empty"
        raise ValueError(f"the data is {what}: servers take PNG and JPEG")
    if size is None or not all(0 < side <= MAX_PIXELS_PER_SIDE for side in size):
        raise ValueError(f"the {kind} is damaged: it states no size")
    return ImageInfo(kind, *size)


def _png_size(data: bytes) -> tuple[int, int] | None:
    if len(data) < 33 or data[12:16] != b"IHDR":
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            # Padding before a marker.
            at += 1
        elif marker in _FRAMES:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None


def from_data_url(url: str) -> bytes:
    """The bytes of an image in a ``data:`` URL. Raises ValueError for any other URL and for damaged base64."""
    head, comma, data = url.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64") or not comma:
        raise ValueError("an image is a URL of the form data:image/png;base64,...")
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ValueError(f"the image is not base64: {error}") from None
