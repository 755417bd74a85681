"""Finds the secrets of a request: keys, tokens and passwords in its headers, its query and its subprotocols.

Thread: any; stateless.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus, unquote

__all__ = ["is_secret_name", "secrets_in"]

_SECRET_WORDS = ("key", "token", "secret", "auth", "password", "passwd", "cookie", "credential", "signature")
# Separates the parts of a header such as "Bearer KEY" or "a=1; b=2".
_SEPARATORS = re.compile(r"[\s;,]+")


def is_secret_name(name: str) -> bool:
    """True if the value under this name of a header, a query field or a setting is to be kept secret."""
    name = name.lower()
    return any(word in name for word in _SECRET_WORDS) or name == "sig"


def secrets_in(
    headers: Mapping[str, str],
    query: Iterable[tuple[str, str]],
    subprotocols: Iterable[str] = (),
    user: tuple[str, str] | None = None,
) -> list[str]:
    """Every text by which a secret of this request may appear elsewhere; empty texts are left out.

    Parameters
    ----------
    headers : mapping
    query : iterable of (name, value)
    subprotocols : iterable of str
        The part after the first dot of "openai-insecure-api-key.KEY" and the like is a secret.
    user : tuple of two str, optional
        Name and password in the address, as the address writes them.
    """
    found: list[str] = []
    for name, value in headers.items():
        if is_secret_name(name):
            words = _SEPARATORS.split(value)
            found += [value, *words, *(word.partition("=")[2].strip('"') for word in words)]
    found += [value for name, value in query if is_secret_name(name)]
    for offered in subprotocols:
        name, _, value = offered.partition(".")
        if is_secret_name(name):
            found.append(value)
    if user is not None and user[1]:
        name, password = unquote(user[0]), unquote(user[1])
        found += [user[1], password, base64.b64encode(f"{name}:{password}".encode()).decode()]
    # An echoed address holds them as a URL writes them.
    escaped = [*map(quote_plus, found), *(quote(text, safe="") for text in found)]
    # The first word of "Bearer KEY" names the scheme.
    schemes = ("bearer", "basic", "token", "apikey")
    return [text for text in dict.fromkeys([*found, *escaped]) if text and text.lower() not in schemes]
