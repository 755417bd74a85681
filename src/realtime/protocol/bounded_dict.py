"""A dictionary of bounded size: what servers announce and nobody asks for must not fill the memory.

Thread: any; stateless.
"""

from __future__ import annotations

from typing import Any

__all__ = ["MAX_REMEMBERED", "remember"]

MAX_REMEMBERED = 256  # ranges, ids and the like that nothing asked for yet


def remember(table: dict[str, Any], key: str, value: Any) -> None:
    """Keep *value*, and the size of *table* bounded: what nobody asked for goes first."""
    table[key] = value
    if len(table) > MAX_REMEMBERED:
        del table[next(iter(table))]
