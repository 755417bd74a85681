"""Adds entries to a dictionary and bounds its size, so that ids and audio from a server cannot fill the memory.

Thread: any; stateless.
"""

from __future__ import annotations

from typing import Any

__all__ = ["MAX_REMEMBERED", "remember"]

# Entries in one table, for ids, ranges and other values that may never be read.
MAX_REMEMBERED = 256


def remember(table: dict[str, Any], key: str, value: Any) -> None:
    """Set ``table[key]``, and remove the oldest entry beyond `MAX_REMEMBERED`."""
    table[key] = value
    if len(table) > MAX_REMEMBERED:
        del table[next(iter(table))]
