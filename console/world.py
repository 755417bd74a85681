"""The world map in braille characters, two by four dots each: Natural Earth's coastline and a marker.

The projection is equirectangular. The outline of each window and size is drawn once and kept; only the marker moves.
The data is ``land.bin`` (Natural Earth 110 m land, public domain; made by tools/make_land.py), which is read once.

Thread: any.
"""

from __future__ import annotations

import array
import functools
import itertools
import sys
import zlib
from pathlib import Path

__all__ = ["MARKER", "coast", "position", "world_map"]

MARKER = "◆"
UNITS_PER_DEGREE = 100
# The least that is shown. Antarctica would take a fifth of the height, so it appears only where there is room
NORTH, SOUTH = 84.0, -58.0
# Width of the zoomed window; the coastline is too coarse for less
REGION_DEGREES = 40.0
# Bit of the dot at [y][x] of a braille cell
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


@functools.cache
def coast() -> list[list[tuple[float, float]]]:
    """Return the coastline as lines of (longitude, latitude)."""
    values = array.array("h", zlib.decompress((Path(__file__).parent / "land.bin").read_bytes()))
    if sys.byteorder == "big":
        values.byteswap()
    lines, at = [], 0
    while at < len(values):
        line, x, y = [], 0, 0
        for i in range(at + 1, at + 1 + 2 * values[at], 2):
            x, y = x + values[i], y + values[i + 1]
            line.append((x / UNITS_PER_DEGREE, y / UNITS_PER_DEGREE))
        at += 1 + 2 * values[at]
        lines.append(line)
    return lines


def _window(
    latitude: float, longitude: float, zoomed: bool, columns: int, rows: int
) -> tuple[float, float, float, float]:
    """Return west, north, degrees per column and degrees per row."""
    # A cell is twice as high as wide, so a row holds twice the degrees of a column, in windows of every shape
    if not zoomed:
        step = max(360.0 / columns, (NORTH - SOUTH) / (2 * rows))
        return -step * columns / 2, (NORTH + SOUTH) / 2 + step * rows, step, step * 2
    step = REGION_DEGREES / columns
    # Whole steps, so that a nearby place has the same window, whose outline is kept
    west = round((longitude - REGION_DEGREES / 2) / 5) * 5.0
    height = step * 2 * rows
    return west, round((latitude + height / 2) / 5) * 5.0, step, step * 2


@functools.lru_cache(maxsize=16)
def _outline(
    west: float, north: float, x_step: float, y_step: float, columns: int, rows: int
) -> tuple[str, ...]:
    cells = [bytearray(columns) for _ in range(rows)]
    for line in coast():
        for (x1, y1), (x2, y2) in itertools.pairwise(line):
            left, right = (x1 - west) / x_step * 2, (x2 - west) / x_step * 2
            upper, lower = (north - y1) / y_step * 4, (north - y2) / y_step * 4
            if (
                max(left, right) < 0
                or min(left, right) > columns * 2
                or max(upper, lower) < 0
                or min(upper, lower) > rows * 4
            ):
                continue
            steps = int(max(abs(right - left), abs(lower - upper))) + 1
            for i in range(steps + 1):
                x, y = int(left + (right - left) * i / steps), int(upper + (lower - upper) * i / steps)
                if 0 <= x < columns * 2 and 0 <= y < rows * 4:
                    cells[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
    return tuple("".join(chr(0x2800 + dots) if dots else " " for dots in row) for row in cells)


def world_map(latitude: float, longitude: float, columns: int, rows: int, zoomed: bool = False) -> list[str]:
    """Return the map as *rows* lines of *columns* characters, with MARKER at the place (degrees)."""
    window = _window(latitude, longitude, zoomed, columns, rows)
    lines = list(_outline(*window, columns, rows))
    west, north, x_step, y_step = window
    x, y = int((longitude - west) / x_step), int((north - latitude) / y_step)
    x, y = min(max(x, 0), columns - 1), min(max(y, 0), rows - 1)
    lines[y] = lines[y][:x] + MARKER + lines[y][x + 1 :]
    return lines


def position(latitude: float, longitude: float) -> str:
    """Return coordinates as text, for users who cannot see the map."""
    north, east = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.3f}° {north}  {abs(longitude):.3f}° {east}"
