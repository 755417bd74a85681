"""Reads values and files that anybody may have written: whatever they hold, a plain value comes back.

Thread: any.
"""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import UserError
from .text import clean, one_line

__all__ = ["document", "lines_of_json", "mapping", "number", "plain_file", "sequence", "text", "whole"]

# Of times and counts: a number beyond it is damaged
MOST = 1e12
MAX_LINE_BYTES = 4 * 1024 * 1024


def text(value: object, limit: int, *, lines: bool = False) -> str:
    """Return *value* as clean text of at most *limit* characters; "" for None."""
    if value is None:
        return ""
    return clean(value, limit) if lines else one_line(value, limit)


def number(value: object, low: float = -MOST, high: float = MOST) -> float | None:
    """Return *value* within [*low*, *high*]; None for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    # Compared before it is converted: a large int has no float
    return float(min(max(value, low), high))


def whole(value: object, low: int = 0, high: int = int(MOST)) -> int | None:
    """Return *value* as a whole number within [*low*, *high*]; None for what is no finite number."""
    found = number(value, low, high)
    return None if found is None else int(found)


def mapping(value: object) -> dict[str, Any]:
    """Return a dictionary itself, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """Return a list itself, and an empty one for anything else."""
    return value if isinstance(value, list) else []


def plain_file(path: Path, most_bytes: int) -> None:
    """Raise OSError for a missing file, and UserError for one that is no plain file, or too large to be read."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{path} is not a plain file; replace it by one")
    if status.st_size > most_bytes:
        raise UserError(f"{path} has {status.st_size} bytes; at most {most_bytes} are read")


def document(path: Path, most_bytes: int) -> Any:
    """Return the JSON value in a file.

    Raises
    ------
    OSError
        it cannot be read
    UserError
        it is too large, no plain file, or no JSON
    """
    plain_file(path, most_bytes)
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {one_line(error, 120)}") from error


def lines_of_json(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file with one JSON object a line; a line that holds none is left out.

    Raises
    ------
    OSError
        the file cannot be read
    """
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE_BYTES):
            if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                    pass
                continue
            try:
                entry = json.loads(line.decode("utf-8", "replace"))
            except (ValueError, RecursionError):
                # Torn, binary, edited, or nested too deep
                continue
            if isinstance(entry, dict):
                yield entry
