"""Reads the target of an HTTP request: host, path and query.

A client names a path (``/v1/realtime?model=...``); a client that takes the relay for a proxy names a whole URL
(``http://HOST/v1/realtime``). Then the host of the URL counts, and not the Host header (RFC 9112, 3.2.2).

Thread: any; stateless.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["Target", "TargetError", "read_target"]


class TargetError(ValueError):
    """The text is no target of a request for a path."""


@dataclass(frozen=True)
class Target:
    """The target of a request.

    Attributes
    ----------
    host : str or None
        Host and port as a whole URL names them; None if the target names none.
    path : str
    query : str
    """

    host: str | None
    path: str
    query: str


def read_target(text: str) -> Target:
    """The target of a request. Raises TargetError.

    A path is taken as it is. Two slashes at its beginning do not begin a host, as they would in a link.
    """
    if text.startswith("/"):
        path, _, query = text.partition("#")[0].partition("?")
        return Target(None, path, query)
    try:
        parts = urlsplit(text)
    except ValueError:
        raise TargetError("the target cannot be read") from None
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.netloc:
        raise TargetError("the target must be a path")
    return Target(parts.netloc, parts.path or "/", parts.query)
