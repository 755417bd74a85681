"""Makes ids for items and events: a prefix and random base58 digits, 21 characters in all.

The JavaScript client makes ids of the same form.

Thread: any.
"""

from __future__ import annotations

import secrets

__all__ = ["generate_id"]

# Base58 as Bitcoin defines it: letters and digits without 0, O, I and l, which look alike.
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def generate_id(prefix: str, length: int = 21) -> str:
    """A random id of *length* characters that begins with *prefix*."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length - len(prefix)))
