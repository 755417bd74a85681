"""Holds what a relay allows: one immutable object whose defaults are safe on a developer's machine.

Each section of the policy file is one class here, each key one field; `policy_file` reads and checks the file.

Thread: any; immutable.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigurationError
from ..protocol.endpoint import DEFAULT_MODEL
from ..protocol.event_types import CLIENT_EVENTS, SERVER_EVENTS
from ..protocol.redact import Secret

__all__ = [
    "APPROVAL",
    "CLIENT_EVENTS",
    "SERVER_EVENTS",
    "SESSION_KINDS",
    "AuthPolicy",
    "ClientPolicy",
    "LimitPolicy",
    "ListenPolicy",
    "OperationPolicy",
    "Policy",
    "SessionPolicy",
    "ToolPolicy",
    "UpstreamPolicy",
    "is_loopback",
    "is_one_of",
]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))

# Fields that a client may set in a session or a response. Left out, because they cost money or give away control:
# instructions, tools, tool_choice, prompt, model, tracing, truncation, reasoning, input, conversation.
_AUDIO_FIELDS = frozenset(
    (
        "audio",
        "voice",
        "speed",
        "modalities",
        "output_modalities",
        "output_audio_format",
        "temperature",
        "max_output_tokens",
        "max_response_output_tokens",
    )
)
SESSION_FIELDS = _AUDIO_FIELDS | {
    "type",
    "include",
    "turn_detection",
    "input_audio_format",
    "input_audio_transcription",
    "input_audio_noise_reduction",
}
RESPONSE_FIELDS = _AUDIO_FIELDS | {"metadata"}
# Item that answers an MCP server's request of approval: a client may approve only where the policy names it
APPROVAL = "mcp_approval_response"
ITEM_TYPES = frozenset(("message", "function_call", "function_call_output"))
# Without "system": a system message is an instruction.
ITEM_ROLES = frozenset(("user", "assistant"))

# Kinds of sessions; a client selects a transcription by ?intent=transcription.
SESSION_KINDS = ("realtime", "transcription")

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True)
class ListenPolicy:
    """``[listen]``: the address, and what permits an address beyond the loopback."""

    host: str = "127.0.0.1"
    port: int = 8081
    workers: int = 1
    paths: tuple[str, ...] = ("/", "/realtime", "/v1/realtime")
    tls_certificate: str | None = None
    tls_key: str | None = None
    insecure_no_tls: bool = False
    insecure_no_auth: bool = False
    trusted_proxies: tuple[Network, ...] = ()
    page: str | None = None


@dataclass(frozen=True)
class UpstreamPolicy:
    """``[upstream]``: the server that the relay connects to."""

    url: str = "wss://api.openai.com/v1/realtime"
    key_env: str = "OPENAI_API_KEY"
    model: str = DEFAULT_MODEL
    connect_seconds: float = 10.0
    max_message_bytes: int = 32 * MIB


@dataclass(frozen=True)
class AuthPolicy:
    """``[auth]``: how clients prove who they are. Without any of the three ways, every client may connect."""

    tokens: tuple[Secret, ...] = ()
    hmac_secrets: tuple[Secret, ...] = ()
    max_token_seconds: float = 86_400.0
    callable: str | None = None

    @property
    def required(self) -> bool:
        """True if a client must authenticate."""
        return bool(self.tokens or self.hmac_secrets or self.callable)


@dataclass(frozen=True)
class ClientPolicy:
    """``[clients]``: which clients may connect, and what they may request and send."""

    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()
    beta: bool = True
    calls: bool = False
    kinds: tuple[str, ...] = ("realtime",)
    client_secret_seconds: int = 0
    events: frozenset[str] = CLIENT_EVENTS
    server_events: frozenset[str] = SERVER_EVENTS
    session_fields: frozenset[str] = SESSION_FIELDS
    response_fields: frozenset[str] = RESPONSE_FIELDS
    item_types: frozenset[str] = ITEM_TYPES
    item_roles: frozenset[str] = ITEM_ROLES


@dataclass(frozen=True)
class LimitPolicy:
    """``[limits]``: limits of each worker. Sizes are in bytes of JSON text, rates in events per minute."""

    sessions: int = 1000
    sessions_per_client: int = 64
    connections: int = 2000
    session_minutes: float = 60.0
    idle_seconds: float = 900.0
    handshake_seconds: float = 5.0
    ping_seconds: float = 20.0
    stall_seconds: float = 15.0
    refused_logins_per_minute: float = 60.0
    messages_per_second: float = 400.0
    bytes_per_second: float = 2.0 * MIB
    refusals_per_minute: float = 240.0
    client_secrets_per_minute: float = 30.0
    sizes: Mapping[str, int] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)

    @property
    def session_seconds(self) -> float:
        """Longest session, in seconds."""
        return self.session_minutes * 60

    def size_of(self, kind: str) -> int:
        """Largest event of this type, in bytes."""
        return self.sizes.get(kind) or DEFAULT_SIZES.get(kind, SMALL_EVENT)

    @property
    def largest(self) -> int:
        """Largest event of any type, in bytes: the largest size that a frame's header may announce."""
        return max((SMALL_EVENT, *DEFAULT_SIZES.values(), *self.sizes.values()))

    def rate_of(self, kind: str) -> float | None:
        """Most events of this type a minute; None if this type has no limit of its own."""
        return self.rates.get(kind, DEFAULT_RATES.get(kind))


SMALL_EVENT = 16 * KIB
DEFAULT_SIZES: Mapping[str, int] = {
    # 16 s of PCM16 at 24 kHz in base64
    "input_audio_buffer.append": MIB,
    # An image, or a spoken turn in a replayed history
    "conversation.item.create": 2 * MIB,
    "session.update": 64 * KIB,
    "response.create": 64 * KIB,
}
DEFAULT_RATES: Mapping[str, float] = {
    # Each response is billed for the whole conversation.
    "response.create": 120.0,
    "session.update": 240.0,
    # A client that reconnects replays its history at once.
    "conversation.item.create": 2400.0,
    "conversation.item.retrieve": 600.0,
}


@dataclass(frozen=True)
class ToolPolicy:
    """``[tools.NAME]``: a tool whose handler runs in the relay. *handler* is ``module:function``."""

    definition: Mapping[str, Any]
    handler: str
    timeout_seconds: float = 20.0


@dataclass(frozen=True)
class SessionPolicy:
    """``[session]``: settings of every session, hidden from the client.

    *fields* are further fields of the session object (GA names); the client sees these.
    """

    instructions: str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OperationPolicy:
    """``[operation]``: shutdown and metrics."""

    drain_seconds: float = 60.0
    metrics_from: tuple[Network, ...] = LOOPBACK


@dataclass(frozen=True)
class Policy:
    """The whole policy: one field for each section of the policy file, with its defaults."""

    listen: ListenPolicy = field(default_factory=ListenPolicy)
    upstream: UpstreamPolicy = field(default_factory=UpstreamPolicy)
    auth: AuthPolicy = field(default_factory=AuthPolicy)
    clients: ClientPolicy = field(default_factory=ClientPolicy)
    limits: LimitPolicy = field(default_factory=LimitPolicy)
    session: SessionPolicy = field(default_factory=SessionPolicy)
    tools: tuple[ToolPolicy, ...] = ()
    operation: OperationPolicy = field(default_factory=OperationPolicy)

    @property
    def injects_tools(self) -> tuple[Mapping[str, Any], ...]:
        """Tool definitions that are hidden from the client: the session's, and those of server-side tools."""
        return (*self.session.tools, *(tool.definition for tool in self.tools))

    @property
    def session_settings(self) -> dict[str, Any]:
        """The session object that the policy sets for every session; empty if it sets nothing."""
        session: dict[str, Any] = dict(self.session.fields)
        if self.session.instructions is not None:
            session["instructions"] = self.session.instructions
        if self.injects_tools:
            session["tools"] = [dict(tool) for tool in self.injects_tools]
        return {"type": "realtime", **session} if session else {}

    def check(self) -> None:
        """Raise ConfigurationError if the relay would be open to everyone, or if settings contradict each other."""
        listen = self.listen
        if (listen.tls_certificate is None) != (listen.tls_key is None):
            raise ConfigurationError(
                "TLS needs both a certificate and its key: --tls-certificate and --tls-key"
            )
        if not is_loopback(listen.host):
            if not self.auth.required and not listen.insecure_no_auth:
                raise ConfigurationError(
                    f"{listen.host} is not a loopback address, so clients must authenticate: give --token, "
                    "[auth] in a policy file, or --insecure-no-auth (then everyone who can reach the port spends your "
                    "key)"
                )
            if listen.tls_certificate is None and not listen.insecure_no_tls:
                raise ConfigurationError(
                    f"{listen.host} is not a loopback address, so connections must be encrypted: give "
                    "--tls-certificate and --tls-key, or --insecure-no-tls (then tokens and speech cross the network "
                    "unencrypted; use it only behind a proxy that handles TLS, on a private network)"
                )
        if self.session.instructions is not None:
            for name, fields in (
                ("session_fields", self.clients.session_fields),
                ("response_fields", self.clients.response_fields),
            ):
                if fields & {"instructions", "prompt"}:
                    raise ConfigurationError(
                        f"clients.{name} lets clients replace the instructions that session.instructions sets: "
                        "remove one of the two"
                    )
        self._check_tools()
        if self.clients.client_secret_seconds:
            try:
                import httpx  # noqa: F401
            except ImportError:
                raise ConfigurationError(
                    "clients.client_secret_seconds needs httpx: pip install 'wavtools[relay]'"
                ) from None

    def _check_tools(self) -> None:
        names = []
        for tool in self.injects_tools:
            name = tool.get("name") or tool.get("server_label")
            if not isinstance(name, str):
                raise ConfigurationError("each tool needs a name, or an MCP server a server_label, as a text")
            if name in names:
                raise ConfigurationError(f"two tools are named {name!r}")
            names.append(name)
        try:
            json.dumps(self.session_settings, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            # A date of TOML, nan, inf
            raise ConfigurationError(f"[session] holds a value that JSON does not have: {error}") from None


def is_one_of(value: Any, names: Collection[Any]) -> bool:
    """True if *value* is one of the texts *names*; False for a value of any other type, hashable or not."""
    return isinstance(value, str) and value in names


def is_loopback(host: str) -> bool:
    """True if *host* is a loopback address or ``localhost`` (RFC 6761, 6.3)."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
