"""Where to connect and with what: URL, query, headers, and the rule that a key stays off open networks.

Thread: any, but `resolve`, which is a coroutine.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ..errors import ConfigurationError
from .dialect import Dialect
from .redact import Redactor, Secret

__all__ = ["DEFAULT_MODEL", "Endpoint"]

DEFAULT_URL = "wss://api.openai.com/v1/realtime"
DEFAULT_MODEL = "gpt-realtime-2.1"
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_SECRET_HEADERS = frozenset(("authorization", "api-key", "x-api-key", "cookie", "proxy-authorization"))
_SECRET_QUERY = frozenset(("key", "api_key", "api-key", "apikey", "token", "access_token"))
_SECRET_SUBPROTOCOL = "openai-insecure-api-key."


class Endpoint:
    """One server to talk to.

    Parameters
    ----------
    url : str or None
        ``ws``, ``wss``, ``http`` or ``https``; it may hold a query. None takes ``OPENAI_BASE_URL``, else
        the vendor's address.
    api_key : str or None
        None takes ``OPENAI_API_KEY``; an empty string sends none.
    model : str or None
        Goes into the query, unless the URL names a model, a deployment or a call itself.
    dialect : "auto", "ga" or "beta"
        "beta" asks for the old dialect by header.
    headers, query : mapping
        Added to the request; a header given here replaces ours.
    subprotocols : iterable of str

    Raises
    ------
    ConfigurationError  a URL that is none, or no key for the vendor's own address
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
        parts = urlsplit(base or DEFAULT_URL)
        scheme = _SCHEMES.get(parts.scheme)
        try:
            self.host, port = parts.hostname or "", parts.port
        except ValueError:
            self.host, port = "", None
        if scheme is None or not self.host:
            raise ConfigurationError(
                f"{_without_query(base)!r} is not a server address; write it as wss://HOST/v1/realtime"
            )
        self.port = port or (443 if scheme == "wss" else 80)
        self.secure = scheme == "wss"
        azure = self.host.endswith(
            (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
        )
        path = parts.path.rstrip("/")
        # OPENAI_BASE_URL is the root of all of a vendor's APIs; a url is the address itself, unless it is
        # such a root.
        is_root = url is None or path.endswith("/v1") or (path == "" and self.host == "api.openai.com")
        if is_root and not path.endswith("/realtime"):
            path = f"{path}/realtime" if path or self.host != "api.openai.com" else "/v1/realtime"
        fields = dict(parse_qsl(parts.query, keep_blank_values=True))
        fields.update(query or {})
        if model and not fields.keys() & {"model", "deployment", "call_id", "intent"}:
            fields["model"] = model
        user = f"{parts.username}:{parts.password or ''}@" if parts.username else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        netloc = f"{user}{host}:{port}" if port else f"{user}{host}"
        self._url = urlunsplit((scheme, netloc, path or "/", urlencode(fields), ""))
        self.subprotocols = list(subprotocols)
        self.dialect_hint: Dialect | None = "beta" if dialect == "beta" else "ga" if dialect == "ga" else None

        self._headers: dict[str, str] = {}
        if self.key:
            if azure:
                self._headers["api-key"] = self.key.reveal()
            else:
                self._headers["Authorization"] = f"Bearer {self.key.reveal()}"
        if dialect == "beta" and not azure:
            self._headers["OpenAI-Beta"] = "realtime=v1"
        given = dict(headers or {})
        lower = {name.lower() for name in given}
        self._headers = {name: value for name, value in self._headers.items() if name.lower() not in lower}
        self._headers.update(given)

        secrets = [self.key.reveal(), parts.password or ""]
        secrets += [
            value.rpartition(" ")[2]
            for name, value in self._headers.items()
            if name.lower() in _SECRET_HEADERS
        ]
        secrets += [value for name, value in fields.items() if name.lower() in _SECRET_QUERY]
        secrets += [
            name.removeprefix(_SECRET_SUBPROTOCOL)
            for name in self.subprotocols
            if name.startswith(_SECRET_SUBPROTOCOL)
        ]
        self.has_secret = any(secrets)
        self.redactor = Redactor(secrets)
        if not self.has_secret and self.host == "api.openai.com":
            raise ConfigurationError(
                "no API key: set OPENAI_API_KEY or pass api_key=; "
                "without one, start python -m realtime.offline and pass its address as url="
            )

    def reveal_url(self) -> str:
        """The URL to connect to; it may hold a secret in its query."""
        return self._url

    def reveal_headers(self) -> dict[str, str]:
        return dict(self._headers)

    @property
    def address(self) -> str:
        """For messages: without query and user."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self.secure else 'ws'}://{host}:{self.port}{urlsplit(self._url).path}"

    def __repr__(self) -> str:
        return f"Endpoint({self.address!r})"

    async def resolve(self) -> str | None:
        """The address to dial in place of the host's name, where the name alone is not to be trusted.

        A secret goes over plain ``ws://`` to the loopback only, judged by address and not by name; that
        very address is dialled then.

        Raises ConfigurationError otherwise. OSError: the name does not resolve.
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


def _without_query(url: str | None) -> str:
    return (url or "").partition("?")[0].rpartition("@")[2]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _look_up(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]
