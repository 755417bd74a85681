"""The spectrogram of a sound as a PNG: one column of the picture for each spectrum, low frequencies at the bottom.

The work and the picture are bounded: of a long sound, the spectra of some windows in each column are taken.

Thread: any; pure.
"""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavtools.notebook.waveform import COLUMNS, as_float
from wavtools.stft import spectrogram

__all__ = ["ROWS", "image_html", "picture", "png", "spectrogram_of"]

# Pixel rows of a spectrogram.
ROWS = 128
# Samples of one spectrum.
WINDOW = 1024
# Most spectra for each column.
SPECTRA = 4
# Decibels below full scale that are drawn black, and that are drawn brightest.
QUIET_DB, LOUD_DB = -100.0, -20.0
# Fewer shades make smaller files, and are hard to tell from 256.
SHADES = 48
# Colours from quiet to loud; the brightness grows evenly, so that the picture can be read without colours too.
_RAMP = np.array([(8, 6, 24), (56, 18, 96), (134, 36, 112), (206, 66, 86), (246, 138, 62), (252, 240, 190)])


def spectrogram_of(frames: NDArray[Any]) -> NDArray[np.float32]:
    """Levels over time and frequency.

    Parameters
    ----------
    frames : int16, int32, float32 or float64, shape (frames, channels)
        At least one frame. Channels are averaged.

    Returns
    -------
    float32, shape (ROWS, columns)
        Decibels; row 0 is the highest frequency, half the sample rate.
    """
    columns = max(1, min(COLUMNS, 8 * len(frames) // WINDOW))
    count = columns * max(1, min(SPECTRA, len(frames) // (columns * WINDOW)))
    starts = np.linspace(0, max(0, len(frames) - WINDOW), count).astype(np.intp)
    windows = np.zeros((count, WINDOW), np.float32)
    for row, start in zip(windows, starts, strict=True):
        piece = as_float(frames[start : start + WINDOW]).mean(axis=1)
        row[: len(piece)] = piece
    # The windows lie one after another; the rate gives the axes alone, which are not used.
    levels = spectrogram(windows.reshape(-1), 48_000, WINDOW, WINDOW).decibels[:, 1:]
    loudest: NDArray[np.float32] = levels.reshape(columns, -1, ROWS, WINDOW // 2 // ROWS).max(axis=(1, 3))
    rows: NDArray[np.float32] = loudest.T[::-1]
    return rows


def picture(levels: NDArray[np.float32], quiet: float = QUIET_DB, loud: float = LOUD_DB) -> bytes:
    """A PNG file of *levels*, shape (rows, columns): *quiet* and below are dark, *loud* and above are bright."""
    scaled = np.nan_to_num((levels - quiet) / (loud - quiet), nan=0.0, posinf=1.0, neginf=0.0)
    shades = (np.clip(scaled, 0, 1) * (SHADES - 1)).round().astype(np.uint8)
    steps = np.linspace(0, len(_RAMP) - 1, SHADES)
    colours = np.stack([np.interp(steps, range(len(_RAMP)), part) for part in _RAMP.T], axis=1)
    return png(shades, colours.round().astype(np.uint8))


def png(indices: NDArray[np.uint8], colours: NDArray[np.uint8]) -> bytes:
    """Encode a picture of up to 256 colours as a PNG file (ISO/IEC 15948, colour type 3).

    Parameters
    ----------
    indices : uint8, shape (rows, columns)
        The number of each pixel's colour; at least one pixel.
    colours : uint8, shape (colours, 3)
        Red, green and blue.
    """
    rows, columns = indices.shape
    # Each row begins with its filter: 0, none.
    lines = np.zeros((rows, columns + 1), np.uint8)
    lines[:, 1:] = indices
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
        (b"PLTE", colours.tobytes()),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    ]
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, data in chunks:
        parts += [struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(kind + data))]
    return b"".join(parts)


def image_html(file: bytes, label: str, height: int = ROWS) -> str:
    """An HTML image of a PNG *file*, as wide as there is room; *label* is plain text without markup."""
    data = base64.b64encode(file).decode("ascii")
    return (
        f'<img alt="{label}" title="{label}" src="data:image/png;base64,{data}"'
        f' style="width:100%;height:{height}px;image-rendering:auto">'
    )
