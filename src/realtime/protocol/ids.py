"""Makes the ids of items, events and sessions, for clients and for servers.

Thread: any; stateless.
"""

from __future__ import annotations

import secrets

__all__ = ["ALPHABET", "generate_id", "generate_server_id"]

# Base58 as Bitcoin defines it: letters and digits without 0, O, I and l, which look alike.
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def generate_id(prefix: str, length: int = 21) -> str:
    """A random id of a client: *length* characters that begin with *prefix*, the rest base58.

    The same shape as the ids of the JavaScript original.
    """
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length - len(prefix)))


def generate_server_id(prefix: str) -> str:
    """A random id of a server, such as ``item_4f9c...``: *prefix*, an underscore and 20 hexadecimal digits."""
    return f"{prefix}_{secrets.token_hex(10)}"
