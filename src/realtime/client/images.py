"""Makes the part of a message that shows an image to the model: files as they are, arrays as PNG.

Thread: any; stateless.
"""

from __future__ import annotations

import base64
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..protocol.images import MAX_PIXELS_PER_SIDE, image_info
from ..protocol.outgoing import MAX_EVENT_BYTES
from ..protocol.reading import Wire

__all__ = ["image_part", "png"]

DETAILS = ("auto", "low", "high")
# Bytes of an image: base64 makes four of three, and the event around it has some hundred.
MAX_IMAGE_BYTES = MAX_EVENT_BYTES * 3 // 4 - 1024
# Channels of an array, and the colour type that PNG has for them.
_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}


def image_part(image: Any, detail: str = "auto") -> Wire:
    """The ``input_image`` part for *image*; see `RealtimeClient.send_image`.

    Raises TypeError, ValueError and OSError as that method does.
    """
    if detail not in DETAILS:
        raise ValueError(f"detail is one of {', '.join(DETAILS)}, not {detail!r}")
    data = _bytes_of(image)
    if len(data) > MAX_IMAGE_BYTES:
        raise ValueError(
            f"the image has {len(data):,} bytes and servers take {MAX_IMAGE_BYTES:,}: "
            "scale it down, or save it as JPEG"
        )
    kind = image_info(data).media_type
    url = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return {"type": "input_image", "image_url": url, "detail": detail}


def _bytes_of(image: Any) -> bytes:
    if isinstance(image, (str, os.PathLike)):
        if isinstance(image, str) and image.startswith(("http://", "https://", "data:")):
            raise ValueError("servers fetch no images: give the path, the bytes or the pixels of one")
        path = Path(image)
        size = path.stat().st_size
        if size > MAX_IMAGE_BYTES:
            raise ValueError(
                f"{path} has {size:,} bytes and servers take {MAX_IMAGE_BYTES:,}: scale it down, or save it as JPEG"
            )
        return path.read_bytes()
    if isinstance(image, (bytes, bytearray)):
        return bytes(image)
    if isinstance(image, memoryview) and image.ndim == 1:
        return image.tobytes()
    if hasattr(image, "__array__") or hasattr(image, "__array_interface__"):
        return png(np.asarray(image))
    raise TypeError(
        f"an image is a path, the bytes of a PNG or JPEG file, or an array of uint8, not {type(image).__name__}"
    )


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    """A PNG file of *pixels*.

    Parameters
    ----------
    pixels : array of uint8 or bool, shape (height, width) or (height, width, channels)
        Grey; grey with alpha (2 channels), RGB (3) or RGBA (4), 0 to 255.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    TypeError
        another dtype
    ValueError
        another shape, or a side of 0 or of more than 65,535 pixels
    """
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype != np.uint8:
        raise TypeError(
            f"pixels are uint8 from 0 to 255, not {pixels.dtype}: convert them, as in (image * 255).astype('uint8')"
        )
    if pixels.ndim == 2:
        pixels = pixels[:, :, np.newaxis]
    if pixels.ndim != 3 or pixels.shape[2] not in _COLOURS:
        raise ValueError(
            f"an image has the shape (height, width) or (height, width, 1 to 4 channels), not {pixels.shape}"
        )
    height, width, channels = pixels.shape
    if not (0 < height <= MAX_PIXELS_PER_SIDE and 0 < width <= MAX_PIXELS_PER_SIDE):
        raise ValueError(f"an image has 1 to {MAX_PIXELS_PER_SIDE:,} pixels a side, not {width} by {height}")
    # Each row begins with its filter: 1 stores differences to the pixel on the left, which compress well.
    rows = np.empty((height, 1 + width * channels), np.uint8)
    rows[:, 0] = 1
    filtered = rows[:, 1:].reshape(height, width, channels)
    filtered[:, 0] = pixels[:, 0]
    np.subtract(pixels[:, 1:], pixels[:, :-1], out=filtered[:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    body = zlib.compress(rows.tobytes(), 6)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
