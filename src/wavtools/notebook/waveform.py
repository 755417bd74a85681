"""The waveform of a sound as SVG: one vertical stroke for each pixel column, from its smallest to its largest sample.

The picture has the same size in bytes for a second and for a day.

Thread: any; pure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLUMNS", "STROKE", "as_float", "peaks", "waveform_svg"]

# Pixel columns of a picture.
COLUMNS = 600
# Its contrast is above 3 on white and on near-black backgrounds.
STROKE = "#2f80c9"
# Height in pixels of a lane, which is one channel; with several channels, all lanes share twice that.
LANE = 64
MAX_LANES = 8


def as_float(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Samples of any type that we hold, as float32; NaN becomes 0. Floats beyond full scale stay beyond."""
    with np.errstate(over="ignore"):
        values = samples.astype(np.float32)
    if samples.dtype.kind == "i":
        values /= np.float32(2.0 ** (8 * samples.itemsize - 1))
    return np.nan_to_num(values, copy=False)


def peaks(frames: NDArray[Any], columns: int = COLUMNS) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Smallest and largest sample of each column and channel.

    Parameters
    ----------
    frames : int16, int32, float32 or float64, shape (frames, channels)
    columns : int
        Pixel columns, 1 or more; fewer frames than that make as many columns.

    Returns
    -------
    low, high : float32, shape (columns, channels)
        Full scale 1.0; no columns without frames.
    """
    columns = min(columns, len(frames))
    if columns == 0:
        nothing = np.zeros((0, frames.shape[1]), np.float32)
        return nothing, nothing
    starts = np.arange(columns) * len(frames) // columns
    # fmin and fmax pass over NaN.
    low = np.fmin.reduceat(frames, starts, axis=0)
    high = np.fmax.reduceat(frames, starts, axis=0)
    return as_float(low), as_float(high)


def waveform_svg(low: NDArray[np.float32], high: NDArray[np.float32], label: str) -> str:
    """Draw the waveform.

    Parameters
    ----------
    low, high : float32, shape (columns, channels)
        As from peaks(). Each channel has a lane of its own, the first one on top; channels after the eighth are left out.
    label : str
        The text that stands for the picture where it cannot be seen. Plain text without markup.
    """
    low, high = np.clip(low[:, :MAX_LANES], -1, 1), np.clip(high[:, :MAX_LANES], -1, 1)
    columns, lanes = low.shape
    half = (LANE if lanes == 1 else 2 * LANE // lanes) / 2
    height = round(2 * half * lanes)
    middle = half * (2 * np.arange(lanes) + 1)
    tops = np.floor(middle - half * high).astype(int)
    # At least one pixel: silence is a line.
    bottoms = np.maximum(np.ceil(middle - half * low).astype(int), tops + 1)
    at = (np.arange(columns) + 0.5) * COLUMNS / max(columns, 1)
    strokes = "".join(
        f"M{x:g} {top}V{bottom}"
        for lane in range(lanes)
        for x, top, bottom in zip(at.round(1), tops[:, lane], bottoms[:, lane], strict=True)
    )
    width = min(COLUMNS / max(columns, 1), 4)
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {COLUMNS} {height}" preserveAspectRatio="none"'
        f' width="100%" height="{height}"><title>{label}</title>'
        f'<path d="{strokes}" stroke="{STROKE}" stroke-width="{width:g}" fill="none"/></svg>'
    )
