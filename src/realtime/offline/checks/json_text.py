"""Reads the JSON text of clients, bounded in depth.

Thread: any; pure.
"""

from __future__ import annotations

from typing import Any

from ...protocol import codec
from ...protocol.schema import RequestError

# Levels of arrays and objects; copying and encoding a value recurse as deep.
LEVELS = 100


def parse_json(text: str | bytes) -> Any:
    """The JSON value in *text*. Raises RequestError for invalid JSON and for JSON nested deeper than LEVELS."""
    try:
        value = codec.loads(text)
    except ValueError as error:
        raise RequestError("invalid_json", f"Invalid JSON: {error}.") from None
    if _is_deeper(value, LEVELS):
        raise RequestError("invalid_json", f"Invalid JSON: nested deeper than {LEVELS} levels.")
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    """True if arrays and objects in *value* are nested deeper than *levels*."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return False
    return levels == 0 or any(_is_deeper(inner, levels - 1) for inner in value)
