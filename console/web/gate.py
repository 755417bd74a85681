"""Gate: decides which requests may come in: host, origin, one-time token, cookie.

A page of another site can send requests to a server on this machine, and can rename its own host to 127.0.0.1. So every
request must name a host on the list, a websocket must come from the same origin, and everything needs a cookie, which
only the holder of the printed address gets.

Thread: the page server's.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

__all__ = ["Gate", "Refusal", "is_loopback"]

# 192 bits
TOKEN_BYTES = 24
MAX_COOKIE_CHARS = 4_096
WILDCARDS = ("0.0.0.0", "::", "")


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused: HTTP status, and one line that says what to do."""

    status: int
    reason: str


class Gate:
    """The rules of one server.

    Parameters
    ----------
    host : str
        Address on which the server listens.
    port : int
        Its port.
    secure : bool
        The server speaks TLS.
    origins : iterable of str
        More origins under which the page may be reached, such as ``https://talk.example``.

    Attributes
    ----------
    cookie_name : str
        Holds the port, because browsers send a cookie to every port of a host.
    """

    def __init__(self, host: str, port: int, *, secure: bool = False, origins: tuple[str, ...] = ()) -> None:
        self._scheme = "https" if secure else "http"
        self._port = port
        self._wildcard = host in WILDCARDS
        names = {"127.0.0.1", "localhost", "[::1]"}
        if not self._wildcard:
            names.add(f"[{host}]" if ":" in host else host.lower())
        usual = 443 if secure else 80
        self._origins = {origin.lower().rstrip("/") for origin in origins}
        self._origins |= {f"{self._scheme}://{name}:{port}" for name in names}
        if port == usual:
            self._origins |= {f"{self._scheme}://{name}" for name in names}
        self._hosts = {origin.partition("://")[2] for origin in self._origins}
        self._token = secrets.token_urlsafe(TOKEN_BYTES)
        self._session = secrets.token_urlsafe(TOKEN_BYTES)
        self._secure = secure
        self.cookie_name = f"realtime_console_{port}"

    @property
    def token(self) -> str:
        """The token of the next address; it lets in once."""
        return self._token

    def address(self, host: str) -> str:
        """Return the address that lets one browser in."""
        name = "127.0.0.1" if host in WILDCARDS else f"[{host}]" if ":" in host else host
        return f"{self._scheme}://{name}:{self._port}/?token={self._token}"

    def refuse(self, headers: Mapping[str, str], *, socket: bool) -> Refusal | None:
        """Return why a request with the right cookie may not come in; None if it may.

        Parameters
        ----------
        headers : mapping
            Of the request, names in any case.
        socket : bool
            It opens a websocket, so it must come from a page of the same origin.
        """
        host = _one(headers, "Host").lower()
        if not self._knows(host):
            return Refusal(403, "unknown host: open the address that the terminal printed")
        origin = _one(headers, "Origin").lower()
        wanted = self._origin_of(host)
        if (socket or origin) and origin not in wanted:
            return Refusal(403, "foreign origin: open the address that the terminal printed")
        if _one(headers, "Sec-Fetch-Site") not in ("", "none", "same-origin") and (
            _one(headers, "Sec-Fetch-Mode") != "navigate"
        ):
            return Refusal(403, "foreign site: open the address that the terminal printed")
        return None

    def has_cookie(self, headers: Mapping[str, str]) -> bool:
        """Return True if the request has the cookie of this server."""
        return _same(self._cookie(headers), self._session)

    def use_token(self, token: str) -> bool:
        """Return True if *token* is the one-time token; it is replaced by a new one."""
        if not _same(token, self._token):
            return False
        self._token = secrets.token_urlsafe(TOKEN_BYTES)
        return True

    def set_cookie(self) -> str:
        """Return the value of the header Set-Cookie."""
        secure = "; Secure" if self._secure else ""
        return f"{self.cookie_name}={self._session}; Path=/; HttpOnly; SameSite=Strict{secure}"

    def _knows(self, host: str) -> bool:
        if host in self._hosts:
            return True
        # A site can rename itself to any address, but a number is never a name
        name, _, port = host.rpartition(":")
        return self._wildcard and port == str(self._port) and _is_number(name)

    def _origin_of(self, host: str) -> set[str]:
        same = {origin for origin in self._origins if origin.partition("://")[2] == host}
        return same or {f"{self._scheme}://{host}"}

    def _cookie(self, headers: Mapping[str, str]) -> str:
        text = _one(headers, "Cookie")
        if len(text) > MAX_COOKIE_CHARS:
            return ""
        # Another application on this host may have set anything, so each cookie is read by itself
        for part in text.split(";"):
            try:
                found = SimpleCookie(part.strip()).get(self.cookie_name)
            except CookieError:
                continue
            if found is not None:
                return found.value
        return ""


def is_loopback(host: str) -> bool:
    """Return True if only programs of this machine can reach *host*."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())


def _one(headers: Mapping[str, str], name: str) -> str:
    """Return a header that came once, and "" for one that is missing, or came twice, which no browser sends."""
    values = headers.get_all(name) if hasattr(headers, "get_all") else [headers.get(name, "")]
    return values[0] if len(values) == 1 else "" if not values else "\0"
