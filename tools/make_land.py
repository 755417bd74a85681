"""Makes console/land.bin from Natural Earth's 110 m land: ``python tools/make_land.py land-110m.json``.

The TopoJSON comes from the npm package world-atlas 2.0.2 (``npm pack world-atlas``). Natural Earth's data is in the
public domain. The file holds the coastline in units of 0.01 degree: for each line its length and the differences of its
points, all int16, little-endian, compressed.

Thread: the main one.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from pathlib import Path

UNITS_PER_DEGREE = 100


def main(source: str, target: str = "console/land.bin") -> None:
    """Read TopoJSON from *source* and write the coastline to *target*."""
    topology = json.loads(Path(source).read_text(encoding="utf-8"))
    (sx, sy), (tx, ty) = topology["transform"]["scale"], topology["transform"]["translate"]
    packed, points = b"", 0
    for arc in topology["arcs"]:
        x = y = 0
        lines: list[list[tuple[int, int]]] = [[]]
        for dx, dy in arc:
            x, y = x + dx, y + dy
            point = (round((x * sx + tx) * UNITS_PER_DEGREE), round((y * sy + ty) * UNITS_PER_DEGREE))
            # A step over the date line begins another line
            if lines[-1] and abs(point[0] - lines[-1][-1][0]) > 180 * UNITS_PER_DEGREE:
                lines.append([])
            lines[-1].append(point)
        for line in lines:
            values, last = [len(line)], (0, 0)
            for point in line:
                values += [point[0] - last[0], point[1] - last[1]]
                last = point
            packed += struct.pack(f"<{len(values)}h", *values)
            points += len(line)
    data = zlib.compress(packed, 9)
    Path(target).write_bytes(data)
    print(f"{target}: {len(topology['arcs'])} lines, {points} points, {len(data)} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
