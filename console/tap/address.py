"""The two addresses of a tap: where clients connect, and the server that they reach through it.

Thread: any; stateless.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from ..errors import UserError

__all__ = ["DEFAULT_LISTEN", "DEFAULT_UPSTREAM", "Upstream", "is_loopback", "read_listen", "read_upstream"]

DEFAULT_LISTEN = "127.0.0.1:8082"
DEFAULT_UPSTREAM = "wss://api.openai.com/v1/realtime"
SECURE = {"ws": False, "http": False, "wss": True, "https": True}


@dataclass(frozen=True)
class Upstream:
    """The server behind a tap.

    Attributes
    ----------
    secure : bool
        True for TLS.
    host, port : str, int
    path, query : str
        As the URL states them; both may be empty.
    """

    secure: bool
    host: str
    port: int
    path: str
    query: str

    @property
    def authority(self) -> str:
        """Host and port as a Host header states them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @property
    def name(self) -> str:
        """The address in words for the user, without its query."""
        return f"{'wss' if self.secure else 'ws'}://{self.authority}{self.path}"

    def target(self, given: str) -> str:
        """The target of the request to this server for the target that a client named.

        The path of the client is kept, behind what this server's path has before ``/v1``. A client that names no path
        gets this server's own. Fields of this server's query are added where the client has none of that name.
        """
        path, _, query = _path_of(given).partition("?")
        prefix = self.path.removesuffix("/realtime").removesuffix("/v1")
        if path in ("", "/"):
            path = self.path or "/"
        elif prefix and not f"{path}/".startswith(f"{prefix}/"):
            path = prefix + path
        names = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
        fields = [field for field in self.query.split("&") if field and field.partition("=")[0] not in names]
        query = "&".join([query, *fields] if query else fields)
        return f"{path}?{query}" if query else path


def _path_of(target: str) -> str:
    """The path and query of a request's target, which may be a whole URL."""
    if target.startswith("/"):
        return target
    scheme, mark, rest = target.partition("://")
    if not mark or scheme.lower() not in SECURE:
        return f"/{target}"
    host, slash, path = rest.partition("/")
    return slash + path if slash else "/" + host[len(host.partition("?")[0]) :]


def read_upstream(text: str) -> Upstream:
    """The server that *text* names. Raises UserError."""
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        # Brackets or a port that no URL has
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in SECURE or not host or port == 0:
        raise UserError("--upstream is no server address; write it as wss://HOST/v1/realtime")
    if parts.username or parts.password:
        raise UserError("--upstream may hold no password: the tap passes on the headers of its clients")
    secure = SECURE[parts.scheme]
    return Upstream(secure, host, port or (443 if secure else 80), parts.path.rstrip("/"), parts.query)


def read_listen(text: str) -> tuple[str, int]:
    """Host and port of "HOST:PORT", "[IPV6]:PORT", ":PORT" or "PORT". Raises UserError."""
    host, _, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not (port.isascii() and port.isdecimal() and int(port) < 65536) or "/" in host:
        raise UserError(f"--listen is {text!r}; write it as HOST:PORT, such as {DEFAULT_LISTEN}")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """True if only programs of this machine can reach *host*."""
    # Imported here: the command line reads this module before the first paint
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
