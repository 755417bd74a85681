"""What the page server gives by HTTP: the static files, the coastline, and the audio of an item.

The static files are read once. A path is looked up in a list and never joined to a folder, so no path leads out of it.

Thread: any.
"""

from __future__ import annotations

import functools
import http
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.protocol.page_files import PAGE_HEADERS, PAGE_TYPES

from ..world import coast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["HEADERS", "Document", "land", "note", "static_files", "wav"]

STATIC = Path(__file__).parent / "static"
HEADERS = {**PAGE_HEADERS, "Cache-Control": "no-store"}


@dataclass(frozen=True)
class Document:
    """An answer of the server: HTTP status, type and bytes."""

    status: http.HTTPStatus
    type: str
    body: bytes


def note(status: int, text: str) -> Document:
    """Return one line of text for a person who came here by mistake."""
    return Document(http.HTTPStatus(status), "text/plain; charset=utf-8", f"{text}\n".encode())


@functools.cache
def static_files() -> dict[str, Document]:
    """Return the static files by their path; "/" is the page."""
    found = {
        f"/{path.name}": Document(http.HTTPStatus.OK, PAGE_TYPES[path.suffix], path.read_bytes())
        for path in STATIC.iterdir()
        if path.suffix in PAGE_TYPES
    }
    found["/"] = found.pop("/index.html")
    return found


@functools.cache
def land() -> Document:
    """Return the coastline as JSON: lines of longitude and latitude in turn, in hundredths of a degree."""
    lines = [[round(value * 100) for point in line for value in point] for line in coast()]
    return Document(http.HTTPStatus.OK, "application/json", json.dumps(lines, separators=(",", ":")).encode())


def wav(samples: NDArray[np.int16], sample_rate: int) -> Document:
    """Return mono int16 *samples* of shape (n,) at *sample_rate* Hz as a WAV file."""
    data = samples.astype("<i2", copy=False).tobytes()
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, sample_rate, sample_rate * 2, 2, 16,
        b"data", len(data),
    )  # fmt: skip
    return Document(http.HTTPStatus.OK, "audio/wav", head + data)
