"""The address of a server: URL, query and headers, and the rule that keys stay off open networks.

Thread: any, except `Endpoint.resolve`, which is a coroutine.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import Iterable, Mapping
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from ..errors import ConfigurationError
from .dialect import Dialect
from .redact import Redactor, Secret

__all__ = ["DEFAULT_MODEL", "Endpoint"]

DEFAULT_URL = "wss://api.openai.com/v1/realtime"
DEFAULT_MODEL = "gpt-realtime-2.1"
_VENDOR = "api.openai.com"
_AZURE = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_SECRET_HEADERS = frozenset(("authorization", "api-key", "x-api-key", "cookie", "proxy-authorization"))
_SECRET_QUERY = frozenset(("key", "api_key", "api-key", "apikey", "token", "access_token"))
_SECRET_SUBPROTOCOL = "openai-insecure-api-key."


class Endpoint:
    """A server, and the request that opens a connection to it.

    Parameters
    ----------
    url : str or None
        ``ws``, ``wss``, ``http`` or ``https``; it may hold a query. None takes ``OPENAI_BASE_URL``, else
        the vendor's address.
    api_key : str or None
        None takes ``OPENAI_API_KEY``; an empty string sends no key.
    model : str or None
        Added to the query unless the URL itself names a model, a deployment or a call.
    dialect : "auto", "ga" or "beta"
        "beta" requests the beta dialect by a header.
    headers, query : mapping
        Added to the request. A header given here replaces the default header of that name.
    subprotocols : iterable of str
        Websocket subprotocols to offer.

    Raises
    ------
    ConfigurationError
        the URL is no server address, or there is no key for the vendor's own address

    Attributes
    ----------
    host, port : str, int
    secure : bool
        True for ``wss``.
    key : Secret
    has_secret : bool
        True if the request holds a key, a password or a token.
    redactor : Redactor
        Removes the secrets of the request from texts.
    dialect_hint : "ga", "beta" or None
        The dialect asked for; None for "auto".
    subprotocols : list of str
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        model: str | None = DEFAULT_MODEL,
        dialect: str = "auto",
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        subprotocols: Iterable[str] = (),
    ) -> None:
        key = os.environ.get("OPENAI_API_KEY", "") if api_key is None else api_key
        self.key = Secret(key.strip())
        base = os.environ.get("OPENAI_BASE_URL") if url is None else url
        parts = _split(base or DEFAULT_URL)
        scheme = _SCHEMES[parts.scheme]
        self.secure = scheme == "wss"
        self.host = parts.hostname or ""
        self.port = _port(parts)
        self.subprotocols = list(subprotocols)
        self.dialect_hint: Dialect | None = "beta" if dialect == "beta" else "ga" if dialect == "ga" else None

        fields = _query(parts, query, model)
        path = _path(parts, base_is_root=url is None)
        self._url = urlunsplit((scheme, _authority(parts), path, urlencode(fields), ""))
        self._headers = _request_headers(self.key, self.host, dialect, headers or {})
        secrets = [self.key.reveal(), parts.password or ""]
        secrets += _secrets_in(self._headers, fields, self.subprotocols)
        self.has_secret = any(secrets)
        self.redactor = Redactor(secrets)
        if not self.has_secret and self.host == _VENDOR:
            raise ConfigurationError(
                "no API key: set OPENAI_API_KEY or pass api_key=; "
                "without one, start python -m realtime.offline and pass its address as url="
            )

    def reveal_url(self) -> str:
        """The URL to connect to. It may hold a secret in its query."""
        return self._url

    def reveal_headers(self) -> dict[str, str]:
        """A copy of the request's headers. They may hold the key."""
        return dict(self._headers)

    @property
    def address(self) -> str:
        """The address for messages: the URL without user, password and query."""
        return f"{'wss' if self.secure else 'ws'}://{_bracketed(self.host)}:{self.port}{urlsplit(self._url).path}"

    def __repr__(self) -> str:
        return f"Endpoint({self.address!r})"

    async def resolve(self) -> str | None:
        """Look up the host and return the IP address to connect to; None where the host's name is safe to use.

        A secret goes over plain ``ws://`` only to the loopback, decided by IP address and not by name. Connecting
        to that same address keeps a second look-up from leading elsewhere.

        Returns
        -------
        str or None
            an IP address of the loopback; None for ``wss://`` and for a request without a secret

        Raises
        ------
        ConfigurationError
            a secret would go over plain ``ws://`` to an address outside the loopback
        OSError
            the host's name does not resolve
        """
        if self.secure or not self.has_secret:
            return None
        try:
            addresses = [self.host] if _is_address(self.host) else await _look_up(self.host, self.port)
        except socket.gaierror as error:
            raise OSError(f"cannot resolve {self.host!r}: {error.strerror}") from error
        if not addresses or not all(ipaddress.ip_address(one).is_loopback for one in addresses):
            raise ConfigurationError(
                f"refusing to send an API key over plain ws:// to {self.host}: use wss://, "
                "or pass api_key='' to connect without a key"
            )
        return addresses[0]


def _split(url: str) -> SplitResult:
    """The parts of *url*. Raises ConfigurationError for one that is no server address."""
    try:
        parts = urlsplit(url)
        if parts.scheme in _SCHEMES and parts.hostname and _port(parts):
            return parts
    except ValueError:
        # Brackets or a port that no URL may have.
        pass
    # Without user, password and query, which may hold secrets.
    shown = url.partition("?")[0].rpartition("@")[2]
    raise ConfigurationError(f"{shown!r} is not a server address; write it as wss://HOST/v1/realtime")


def _port(parts: SplitResult) -> int:
    """The port, by default the one of the scheme. Raises ValueError for a port out of range."""
    return parts.port or (443 if parts.scheme in ("wss", "https") else 80)


def _path(parts: SplitResult, *, base_is_root: bool) -> str:
    """The path of the realtime API.

    ``OPENAI_BASE_URL`` is the root of all of a vendor's APIs (*base_is_root*). A url given by the application is
    the full address, unless it ends like such a root.
    """
    path = parts.path.rstrip("/")
    vendor = parts.hostname == _VENDOR
    is_root = base_is_root or path.endswith("/v1") or (path == "" and vendor)
    if is_root and not path.endswith("/realtime"):
        path = f"{path}/realtime" if path or not vendor else "/v1/realtime"
    return path or "/"


def _query(parts: SplitResult, added: Mapping[str, str] | None, model: str | None) -> dict[str, str]:
    fields = dict(parse_qsl(parts.query, keep_blank_values=True))
    fields.update(added or {})
    if model and not fields.keys() & {"model", "deployment", "call_id", "intent"}:
        fields["model"] = model
    return fields


def _authority(parts: SplitResult) -> str:
    """User, password, host and port as *parts* state them."""
    user = f"{parts.username}:{parts.password or ''}@" if parts.username else ""
    host = _bracketed(parts.hostname or "")
    return f"{user}{host}:{parts.port}" if parts.port else f"{user}{host}"


def _bracketed(host: str) -> str:
    """*host* as URLs write it: IPv6 addresses stand in brackets."""
    return f"[{host}]" if ":" in host else host


def _request_headers(key: Secret, host: str, dialect: str, given: Mapping[str, str]) -> dict[str, str]:
    """The default headers, except those that *given* replaces, and *given*."""
    azure = host.endswith(_AZURE)
    headers: dict[str, str] = {}
    if key and azure:
        headers["api-key"] = key.reveal()
    elif key:
        headers["Authorization"] = f"Bearer {key.reveal()}"
    if dialect == "beta" and not azure:
        headers["OpenAI-Beta"] = "realtime=v1"
    replaced = {name.lower() for name in given}
    return {name: value for name, value in headers.items() if name.lower() not in replaced} | dict(given)


def _secrets_in(headers: Mapping[str, str], query: Mapping[str, str], subprotocols: list[str]) -> list[str]:
    secrets = [value.rpartition(" ")[2] for name, value in headers.items() if name.lower() in _SECRET_HEADERS]
    secrets += [value for name, value in query.items() if name.lower() in _SECRET_QUERY]
    secrets += [
        name.removeprefix(_SECRET_SUBPROTOCOL)
        for name in subprotocols
        if name.startswith(_SECRET_SUBPROTOCOL)
    ]
    return secrets


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _look_up(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]
