"""Ids for items and events, in the shape the original made them: a prefix, 21 characters in all, base58.

Thread: any.
"""

from __future__ import annotations

import secrets

__all__ = ["generate_id"]

# Bitcoin's alphabet: no 0, O, I, l.
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def generate_id(prefix: str, length: int = 21) -> str:
    """A random id of *length* characters that begins with *prefix*."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length - len(prefix)))
