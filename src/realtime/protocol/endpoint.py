"""The address of a server: URL, query and headers, and the rule that keys stay off open networks.

Everything that comes from the application or the environment is checked here, before anything is looked up or sent.

Thread: any, except `Endpoint.resolve`, which is a coroutine.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from ..errors import ConfigurationError
from .profiles import PROFILES, Profile, profile_named, profile_of_host
from .redact import Redactor, Secret
from .request_secrets import secrets_in

__all__ = ["DEFAULT_MODEL", "DefaultModel", "Endpoint"]


class DefaultModel(str):
    """The name of a model that the application did not choose itself."""

    __slots__ = ()


DEFAULT_URL = "wss://api.openai.com/v1/realtime"
DEFAULT_MODEL = DefaultModel("gpt-realtime-2.1")
_VENDOR = "api.openai.com"
# In the public cloud, in that of the US government and in that of China.
_AZURE = re.compile(
    r"\.(openai|services\.ai|cognitiveservices|api\.cognitive)\.(azure|microsoft)\.(com|us|cn)$"
)
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_HOST = re.compile(r"[A-Za-z0-9._-]+")
# An IP address, perhaps with a zone.
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Characters of a path that stay as they are; "%" because the path may be escaped already.
_PATH_SAFE = "/%:@!$&'()*+,;=~"


class Endpoint:
    """A server, and the request that opens a connection to it.

    Parameters
    ----------
    url : str or None
        ``ws``, ``wss``, ``http`` or ``https``; it may hold a query. None takes ``OPENAI_BASE_URL``, else
        the vendor's address.
    api_key : str or None
        None takes the variable of the server's vendor (such as ``XAI_API_KEY``), else ``OPENAI_API_KEY``; an
        empty string sends no key.
    model : str or None
        Added to the query unless the URL itself names a model, a deployment or a call. One that the application
        did not choose (`DEFAULT_MODEL`) is also left out beside ``intent=``.
    dialect : str
        One of `profiles.DIALECTS`; "auto" goes by the host. "beta" requests the beta dialect by a header.
    call_id : str, optional
        A call to join; no model is added then.
    headers, query : mapping of str
        Added to the request. A header given here replaces the default header of that name.
    subprotocols : iterable of str
        Websocket subprotocols to offer.

    Raises
    ------
    ConfigurationError
        the URL is no server address, there is no key for the vendor's own address, or a key, a header, a
        subprotocol or a dialect that cannot work
    TypeError
        something else than text

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
    profile : Profile or None
        What the dialect or the host says about the server; None if neither says anything.
    model : str or None
        The model of the session.
    call_id : str or None
    subprotocols : list of str
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        model: str | None = DEFAULT_MODEL,
        dialect: str = "auto",
        *,
        call_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        subprotocols: Iterable[str] = (),
    ) -> None:
        parts = _split(_address_of(url))
        self.host = _host(parts)
        self.port = _port(parts)
        self.secure = _SCHEMES[parts.scheme] == "wss"
        self.profile = _profile(dialect, self.host)
        self.key = Secret(_key(api_key, self.profile))
        self.model = _model(model, self.profile)
        self.call_id = _optional_text(call_id, "call_id")
        self.subprotocols = _subprotocols(subprotocols)

        fields = _query(parts, {} if query is None else query, self.model, self.call_id, self.profile)
        path = _path(parts, base_is_root=url is None)
        authority = _authority(parts, self.host)
        self._url = urlunsplit((_SCHEMES[parts.scheme], authority, path, urlencode(fields), ""))
        self._headers = _request_headers(
            self.key, self.host, dialect, self.profile, _header_texts({} if headers is None else headers)
        )
        user = (parts.username or "", parts.password or "")
        secrets = [self.key.reveal(), *secrets_in(self._headers, fields, self.subprotocols, user)]
        self.has_secret = any(secrets)
        self.redactor = Redactor(secrets)
        if not self.has_secret and _is_vendor(self.host):
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

    async def resolve(self) -> list[str]:
        """Look up the host and return the IP addresses to connect to, in the resolver's order.

        A secret goes over plain ``ws://`` only to the loopback, decided by IP address and not by name. Connecting
        to these same addresses keeps a second look-up from leading elsewhere.

        Returns
        -------
        list of str
            at least one address

        Raises
        ------
        ConfigurationError
            a secret would go over plain ``ws://`` to an address outside the loopback
        OSError
            the host's name does not resolve
        """
        try:
            addresses = [self.host] if _is_address(self.host) else await _look_up(self.host, self.port)
        except (socket.gaierror, UnicodeError) as error:
            raise OSError(f"cannot resolve {self.host!r}: {getattr(error, 'strerror', error)}") from error
        open_network = self.has_secret and not self.secure
        if open_network and not (
            addresses and all(ipaddress.ip_address(one).is_loopback for one in addresses)
        ):
            raise ConfigurationError(
                f"refusing to send an API key over plain ws:// to {self.host}: use wss://, "
                "or pass api_key='' to connect without a key"
            )
        if not addresses:
            raise OSError(f"cannot resolve {self.host!r}: the name has no address")
        return addresses


# What is given


def _optional_text(value: Any, what: str) -> str | None:
    """*value* without spaces around it; None for None and for an empty text."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{what} must be text or None, not {type(value).__name__}")
    value = (value or "").strip()
    if _CONTROL.search(value):
        raise ConfigurationError(f"{what} holds a control character: copy it again, without line breaks")
    return value or None


def _address_of(url: str | None) -> str:
    if url is None:
        return _optional_text(os.environ.get("OPENAI_BASE_URL"), "OPENAI_BASE_URL") or DEFAULT_URL
    return _optional_text(url, "url") or ""


def _profile(dialect: str, host: str) -> Profile | None:
    try:
        return profile_named(dialect) or profile_of_host(host)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _key(given: str | None, profile: Profile | None) -> str:
    if given is not None:
        key = _optional_text(given, "api_key") or ""
    else:
        variables = (profile or PROFILES["ga"]).key_variables
        found = (_optional_text(os.environ.get(name), name) for name in variables)
        key = next((value for value in found if value), "")
    if not (key.isascii() and " " not in key):
        raise ConfigurationError(
            "the API key holds a space or a character that is not ASCII, which no key does: copy it again"
        )
    return key


def _model(given: str | None, profile: Profile | None) -> str | None:
    if isinstance(given, DefaultModel):
        return DefaultModel(profile.default_model) if profile and profile.default_model else given
    return _optional_text(given, "model")


def _subprotocols(given: Iterable[str]) -> list[str]:
    if isinstance(given, str):
        raise TypeError("subprotocols must be a list of names, not one text")
    names = list(given)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"a subprotocol must be text, not {type(name).__name__}")
        if not _TOKEN.fullmatch(name):
            raise ConfigurationError("a subprotocol holds a character that no subprotocol may have")
    return names


def _header_texts(given: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise TypeError(f"headers must be a mapping, not {type(given).__name__}")
    for name, value in given.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TypeError("names and values of headers must be text")
        if not _TOKEN.fullmatch(name):
            raise ConfigurationError(f"{name!r} is no name of a header")
        if _CONTROL.search(value.replace("\t", "")):
            raise ConfigurationError(f"the header {name!r} holds a control character, such as a line break")
        if any(character > "\xff" for character in value):
            raise ConfigurationError(
                f"the header {name!r} holds a character outside of Latin-1, which no header can hold: percent-encode it"
            )
    return dict(given)


# Parts of the address


def _split(url: str) -> SplitResult:
    """The parts of *url*. Raises ConfigurationError for one that is no server address."""
    try:
        parts = urlsplit(url)
        # A user without a valid escape, or with a colon, cannot be sent.
        users = unquote(parts.username or "", errors="strict"), unquote(parts.password or "", errors="strict")
        if parts.scheme in _SCHEMES and parts.port != 0 and _host(parts) and ":" not in users[0]:
            return parts
    except ValueError:
        # Brackets, a port or a host name that no URL may have.
        pass
    raise ConfigurationError(f"{_shown(url)} is not a server address; write it as wss://HOST/v1/realtime")


def _shown(url: str) -> str:
    """*url* without user, password and query, and nothing of a text that may be a key."""
    head, _, query = url.partition("?")
    if "@" in query or (len(url) >= 16 and "/" not in url and "." not in url):
        return "this url"
    return repr(head.rpartition("@")[2])


def _host(parts: SplitResult) -> str:
    """The host's name in ASCII, or its IP address. Raises ValueError for what can be neither."""
    host = parts.hostname or ""
    if _is_address(host) and _ADDRESS.fullmatch(host):
        return host
    # Raises UnicodeError, a ValueError, for an empty label and for one that is too long.
    name = host.encode("idna").decode()
    if not _HOST.fullmatch(name) or len(name) > 253:
        raise ValueError(host)
    return name


def _port(parts: SplitResult) -> int:
    """The port, by default the one of the scheme. Raises ValueError for a port out of range."""
    return parts.port or (443 if parts.scheme in ("wss", "https") else 80)


def _is_vendor(host: str) -> bool:
    """True for the vendor's own address, worldwide or of a region."""
    return host == _VENDOR or host.endswith(f".{_VENDOR}")


def _path(parts: SplitResult, *, base_is_root: bool) -> str:
    """The path of the realtime API.

    ``OPENAI_BASE_URL`` is the root of all of a vendor's APIs (*base_is_root*). A url given by the application is
    the full address, unless it ends like such a root.
    """
    path = quote(parts.path.rstrip("/"), safe=_PATH_SAFE)
    vendor = _is_vendor(parts.hostname or "")
    is_root = base_is_root or path.endswith("/v1") or (path == "" and vendor)
    if is_root and not path.endswith("/realtime"):
        path = f"{path}/realtime" if path or not vendor else "/v1/realtime"
    return path or "/"


def _query(
    parts: SplitResult,
    added: Mapping[str, str],
    model: str | None,
    call_id: str | None,
    profile: Profile | None,
) -> list[tuple[str, str]]:
    """The fields of the query; one that is given replaces one of the URL."""
    if not isinstance(added, Mapping):
        raise TypeError(f"query must be a mapping, not {type(added).__name__}")
    if not all(isinstance(text, str) for field in added.items() for text in field):
        raise TypeError("names and values of the query must be text")
    if any(_CONTROL.search(text) for field in added.items() for text in field):
        raise ConfigurationError("the query holds a control character, such as a line break")
    given = parse_qsl(parts.query, keep_blank_values=True)
    fields = [(name, value) for name, value in given if name not in added] + list(added.items())
    names = {name for name, _ in fields}
    if call_id is not None:
        # The call has its model.
        return [field for field in fields if field[0] not in ("call_id", "model")] + [("call_id", call_id)]
    # "intent" opens a transcription session, which the default model cannot serve.
    instead = {"model", "deployment", "call_id"} | ({"intent"} if isinstance(model, DefaultModel) else set())
    if model and not names & instead and not (profile and profile.model_in_session):
        fields.append(("model", model))
    return fields


def _authority(parts: SplitResult, host: str) -> str:
    """User, password, host and port as *parts* state them."""
    user = f"{parts.username}:{parts.password or ''}@" if parts.username else ""
    user = quote(user, safe="%:@!$&'()*+,;=~")
    return f"{user}{_bracketed(host)}:{parts.port}" if parts.port else f"{user}{_bracketed(host)}"


def _bracketed(host: str) -> str:
    """*host* as URLs write it: IPv6 addresses stand in brackets."""
    return f"[{host}]" if ":" in host else host


# Headers


def _request_headers(
    key: Secret, host: str, dialect: str, profile: Profile | None, given: Mapping[str, str]
) -> dict[str, str]:
    """The default headers, except those that *given* replaces, and *given*."""
    azure = _AZURE.search(host) is not None
    name = (
        "api-key"
        if azure and not _is_access_token(key)
        else profile.key_header
        if profile
        else "Authorization"
    )
    headers: dict[str, str] = {}
    if key:
        headers[name] = f"Bearer {key.reveal()}" if name == "Authorization" else key.reveal()
    if dialect == "beta" and not azure:
        headers["OpenAI-Beta"] = "realtime=v1"
    replaced = {name.lower() for name in given}
    return {name: value for name, value in headers.items() if name.lower() not in replaced} | dict(given)


def _is_access_token(key: Secret) -> bool:
    """True for a token of Entra ID (a JWT), which Azure takes in another header than a key."""
    return key.reveal().startswith("eyJ") and key.reveal().count(".") == 2


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _look_up(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))
