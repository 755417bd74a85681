"""``wavtools plot``: draws the waveform or the spectrogram of a file as PNG or SVG.

It needs no drawing library. Long files are read block by block: the picture and the memory stay small.

Thread: the main one.
"""

from __future__ import annotations

import argparse
import base64
import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wavtools.command.errors import UserError
from wavtools.command.options import whole
from wavtools.command.terminal import Progress, one_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["add_arguments", "run"]

# Frames of one spectrum, and the range of levels that is drawn, in dBFS.
WINDOW = 1024
QUIET_DB, LOUD_DB = -100.0, -20.0
PAPER, INK, STROKE = (255, 255, 255), "#444", (47, 128, 201)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this verb."""
    parser.add_argument("source", type=Path, help="audio file")
    parser.add_argument("target", type=Path, help="picture: a name that ends in .png or .svg")
    parser.add_argument(
        "--kind", choices=("waveform", "spectrogram"), default="waveform", help="default: %(default)s"
    )
    parser.add_argument("--width", type=whole(64, 4096), default=1200, help="pixels (default: %(default)s)")
    parser.add_argument("--height", type=whole(64, 2048), default=320, help="pixels (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Draw; return the exit status."""
    from wavtools import info
    from wavtools.notebook.spectrogram import picture

    suffix = arguments.target.suffix.lower()
    if suffix not in (".png", ".svg"):
        raise UserError(f"{arguments.target.name}: plot writes .png or .svg; name the picture so")
    found = info(arguments.source)
    if not found.frames:
        raise UserError(f"{arguments.source}: there is nothing to draw; the file has no frames")
    width, height = min(arguments.width, found.frames), arguments.height
    with Progress("drawing") as progress:
        if arguments.kind == "waveform":
            lanes = _lanes(arguments.source, found.frames, width, min(found.channel_count, 8), progress)
            picture_file = _waveform_png(lanes, height) if suffix == ".png" else b""
            inner = "" if picture_file else _waveform_svg(lanes, height)
        else:
            picture_file = picture(
                _levels(arguments.source, found.frames, width, height, progress), QUIET_DB, LOUD_DB
            )
            inner = _image(picture_file, width, height)
    if suffix == ".svg":
        facts = f"{found.duration:.2f} s, 0 to {found.sample_rate / 2000:g} kHz"
        picture_file = _svg(
            inner, width, height, f"{arguments.kind} of {arguments.source.name}", facts
        ).encode()
    arguments.target.write_bytes(picture_file)
    print(f"{one_line(arguments.target)}: {arguments.kind}, {width} x {height}, {found.duration:.2f} s")
    return 0


def _lanes(source: Path, frames: int, width: int, channels: int, progress: Progress) -> NDArray[np.float32]:
    """The smallest and the largest sample of each column and channel: float32 (2, width, channels)."""
    import numpy as np

    from wavtools import blocks

    lanes = np.empty((2, width, channels), np.float32)
    lanes[0], lanes[1] = np.inf, -np.inf
    at = 0
    with blocks(source, frames=1 << 16) as parts:
        for part in parts:
            part = part.reshape(len(part), -1)[:, :channels]
            columns = (at + np.arange(len(part))) * width // frames
            first, starts = np.unique(columns[columns < width], return_index=True)
            if len(first):
                kept = part[: int(np.count_nonzero(columns < width))]
                lanes[0, first] = np.minimum(lanes[0, first], np.fmin.reduceat(kept, starts, axis=0))
                lanes[1, first] = np.maximum(lanes[1, first], np.fmax.reduceat(kept, starts, axis=0))
            at += len(part)
            progress.show(at / frames)
    lanes[~np.isfinite(lanes)] = 0
    return np.clip(lanes, -1, 1)


def _rows(lanes: NDArray[np.float32], height: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first pixel row of each stroke, and the one after its last: shape (width, channels)."""
    import numpy as np

    half = height / lanes.shape[2] / 2
    middle = half * (2 * np.arange(lanes.shape[2]) + 1)
    tops = np.floor(middle - half * lanes[1]).astype(np.intp)
    # At least one pixel: silence is a line.
    bottoms = np.maximum(np.ceil(middle - half * lanes[0]).astype(np.intp), tops + 1)
    return tops, bottoms


def _waveform_png(lanes: NDArray[np.float32], height: int) -> bytes:
    import numpy as np

    from wavtools.notebook.spectrogram import png

    tops, bottoms = _rows(lanes, height)
    pixels = np.zeros((height, len(tops)), np.uint8)
    rows = np.arange(height)[:, None]
    for lane in range(tops.shape[1]):
        pixels |= (rows >= tops[:, lane]) & (rows < bottoms[:, lane])
    return png(pixels, np.array([PAPER, STROKE], np.uint8))


def _waveform_svg(lanes: NDArray[np.float32], height: int) -> str:
    tops, bottoms = _rows(lanes, height)
    strokes = "".join(
        f"M{x}.5 {top}V{bottom}"
        for lane in range(tops.shape[1])
        for x, (top, bottom) in enumerate(zip(tops[:, lane], bottoms[:, lane], strict=True))
    )
    return f'<path d="{strokes}" stroke="rgb{STROKE}" fill="none"/>'


def _levels(source: Path, frames: int, width: int, height: int, progress: Progress) -> NDArray[np.float32]:
    """Levels in dBFS, float32 (height, width): row 0 is half the sample rate."""
    import numpy as np

    from wavtools import blocks
    from wavtools.stft import spectrogram

    loudest = np.full((width, WINDOW // 2 + 1), -np.inf, np.float32)
    hop = max(WINDOW // 4, min(WINDOW, frames // width))
    at, kept = 0, np.zeros(0, np.float32)
    with blocks(source, frames=1 << 16) as parts:
        for part in parts:
            mono = part if part.ndim == 1 else part.mean(axis=1, dtype=np.float32)
            kept = np.concatenate([kept, mono])
            count = max(0, (len(kept) - WINDOW) // hop + 1)
            if count:
                at = _add(
                    loudest,
                    spectrogram(kept[: (count - 1) * hop + WINDOW], 48_000, WINDOW, hop),
                    at,
                    hop,
                    frames,
                )
                kept = kept[count * hop :]
            progress.show(at / frames)
    last = np.zeros(WINDOW, np.float32)
    last[: min(len(kept), WINDOW)] = kept[:WINDOW]
    _add(loudest, spectrogram(last, 48_000, WINDOW, hop), at, hop, frames)
    # Columns between two spectra take the one before.
    for column in range(1, width):
        if not np.isfinite(loudest[column]).any():
            loudest[column] = loudest[column - 1]
    bins = np.linspace(WINDOW // 2, 0, height).round().astype(np.intp)
    return np.ascontiguousarray(loudest[:, bins].T)


def _add(loudest: NDArray[np.float32], found: Any, at: int, hop: int, frames: int) -> int:
    """Put spectra that begin at frame *at* into their columns; return where the next one begins."""
    import numpy as np

    for row in found.decibels:
        column = min(at * len(loudest) // frames, len(loudest) - 1)
        np.maximum(loudest[column], row, out=loudest[column])
        at += hop
    return at


def _image(file: bytes, width: int, height: int) -> str:
    data = base64.b64encode(file).decode("ascii")
    return f'<image width="{width}" height="{height}" href="data:image/png;base64,{data}"/>'


def _svg(inner: str, width: int, height: int, title: str, facts: str) -> str:
    title, facts = html.escape(one_line(title)), html.escape(facts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height + 22}" width="{width}"'
        f' height="{height + 22}"><title>{title}</title><rect width="100%" height="100%" fill="rgb{PAPER}"/>{inner}'
        f'<text x="4" y="{height + 16}" font-family="sans-serif" font-size="13" fill="{INK}">{title}, {facts}</text></svg>'
    )
