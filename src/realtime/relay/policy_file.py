"""Reads a policy file (TOML) into a `Policy`; an error names file, line, key and what the key accepts.

    [auth]
    hmac_secret_env = "RELAY_SECRET"

    [clients]
    origins = ["https://app.example.org"]
    models = ["gpt-realtime-2.1", "gpt-realtime-2.1-mini"]

    [session]
    instructions_file = "instructions.txt"

The file holds no secrets: ``*_env`` is the name of an environment variable that holds one.

Thread: any; called once, at the start.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..protocol.redact import Secret
from .policy import (
    SESSION_KINDS,
    AuthPolicy,
    ClientPolicy,
    LimitPolicy,
    ListenPolicy,
    OperationPolicy,
    Policy,
    SessionPolicy,
    ToolPolicy,
    UpstreamPolicy,
)
from .tokens import MIN_SECRET_BYTES

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - on Python 3.10 alone
    try:
        import tomli as tomllib
    # The [relay] extra installs it.
    except ImportError:
        tomllib = None  # type: ignore[assignment]

__all__ = ["load_policy"]

# Value in the file -> value in the policy. Raises ValueError that says what the value must be.
Check = Callable[[Any], Any]
MAX_FILE_BYTES = 1 << 20


def load_policy(path: str | Path) -> Policy:
    """The policy in the file at *path*. Each value is checked; `Policy.check` checks the whole.

    Raises
    ------
    ConfigurationError
        The file cannot be read, or a value is not allowed: ``FILE:LINE: KEY must be ..., not ...``.
    """
    path = Path(path)
    if tomllib is None:
        raise ConfigurationError(
            "reading a policy file needs tomli on Python 3.10: pip install 'wavtools[relay]'"
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read the policy file {path}: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ConfigurationError(f"{path} has {len(data)} bytes, at most {MAX_FILE_BYTES} are allowed")
    try:
        text = data.decode()
        document = tomllib.loads(text)
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        # Besides TOMLDecodeError: a number of too many digits, nesting that is too deep
        raise ConfigurationError(f"{path}: {error}") from None
    try:
        return _build(document, path.parent)
    except _KeyError as error:
        line = _line_of(text, error.keys)
        raise ConfigurationError(f"{path}:{line}: {'.'.join(error.keys)} {error}") from None


class _KeyError(Exception):
    """The value at *keys* is not allowed."""

    def __init__(self, keys: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.keys = keys


def _line_of(text: str, keys: tuple[str, ...]) -> int:
    """Number of the line that sets *keys*.

    The TOML parser gives no positions, and a second parser could disagree with it. So this parses ever longer
    beginnings of the file until one contains *keys*; this takes quadratic time, but only after an error.
    """
    lines = text.splitlines(keepends=True)
    start = 0
    for count in range(1, len(lines)):
        try:
            value: Any = tomllib.loads("".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            # The beginning ends inside a value of several lines.
            continue
        for key in keys:
            if key not in value:
                start = count
                break
            value = value[key]
        else:
            return start + 1
    # Only the whole file contains the key.
    return start + 1


# --- checks of values


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a non-empty string")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _integer(lowest: int, highest: int) -> Check:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return value

    return check


def _number(lowest: float, highest: float) -> Check:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not lowest <= value <= highest:
            raise ValueError(f"must be a number from {lowest:g} to {highest:g}")
        return float(value)

    return check


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise ValueError("must be a list of non-empty strings")
    return tuple(value)


def _text_set(value: Any) -> frozenset[str]:
    return frozenset(_texts(value))


def _kinds(value: Any) -> tuple[str, ...]:
    if not value or not set(_texts(value)) <= set(SESSION_KINDS):
        raise ValueError(f"must be a list of kinds of sessions: {', '.join(SESSION_KINDS)}")
    return tuple(value)


def _networks(value: Any) -> tuple[Any, ...]:
    try:
        return tuple(ipaddress.ip_network(one) for one in _texts(value))
    except ValueError:
        raise ValueError('must be a list of networks such as "10.0.0.0/8"') from None


def _origins(value: Any) -> tuple[str, ...]:
    for origin in _texts(value):
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#@\s*]+|null", origin):
            raise ValueError('must be a list of origins such as "https://app.example.org", without a path')
    return tuple(value)


def _url(value: Any) -> str:
    if not re.match(r"(wss?|https?)://[^/]", _text(value)):
        raise ValueError('must be an address such as "wss://HOST/v1/realtime"')
    return str(value)


def _variable(value: Any) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", _text(value)):
        raise ValueError("must be the name of an environment variable, not a secret itself")
    return str(value)


def _secrets(value: Any) -> tuple[Secret, ...]:
    """The comma-separated values of an environment variable."""
    name = _variable(value)
    found = [part.strip() for part in os.environ.get(name, "").split(",") if part.strip()]
    if not found:
        raise ValueError(f"names the environment variable {name}, which is not set")
    return tuple(Secret(part) for part in found)


def _hmac_secrets(value: Any) -> tuple[Secret, ...]:
    secrets = _secrets(value)
    for secret in secrets:
        size = len(secret.reveal().encode())
        if size < MIN_SECRET_BYTES:
            raise ValueError(
                f"names a variable with a secret of {size} bytes, at least {MIN_SECRET_BYTES} are needed"
            )
    return secrets


def _function(value: Any) -> str:
    if not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", _text(value)):
        raise ValueError('must name a function as "package.module:function"')
    return str(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be a table")
    return value


def _each(check: Check) -> Check:
    def check_all(value: Any) -> dict[str, Any]:
        return {key: check(one) for key, one in _mapping(value).items()}

    return check_all


def _tools(value: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list) or not all(isinstance(one, dict) and one.get("type") for one in value):
        raise ValueError(
            'must be an array of tables, each with a type: [[session.tools]] type = "function" ...'
        )
    return tuple(value)


_SECONDS = _number(0.05, 86_400 * 7)
_RATE = _number(0.01, 1e9)
_SECTIONS: dict[str, tuple[Callable[..., Any], dict[str, Check]]] = {
    "listen": (
        ListenPolicy,
        {
            "host": _text,
            "port": _integer(0, 65535),
            "workers": _integer(1, 256),
            "paths": _texts,
            "tls_certificate": _text,
            "tls_key": _text,
            "insecure_no_tls": _boolean,
            "insecure_no_auth": _boolean,
            "trusted_proxies": _networks,
            "page": _text,
        },
    ),
    "upstream": (
        UpstreamPolicy,
        {
            "url": _url,
            "key_env": _variable,
            "model": _text,
            "connect_seconds": _SECONDS,
            "max_message_bytes": _integer(1024, 1 << 30),
        },
    ),
    "auth": (
        AuthPolicy,
        {
            "token_env": _secrets,
            "hmac_secret_env": _hmac_secrets,
            "max_token_seconds": _SECONDS,
            "callable": _function,
        },
    ),
    "clients": (
        ClientPolicy,
        {
            "origins": _origins,
            "hosts": _texts,
            "models": _texts,
            "voices": _texts,
            "beta": _boolean,
            "calls": _boolean,
            "kinds": _kinds,
            "client_secret_seconds": _integer(0, 7200),
            "events": _text_set,
            "server_events": _text_set,
            "session_fields": _text_set,
            "response_fields": _text_set,
            "item_types": _text_set,
            "item_roles": _text_set,
        },
    ),
    "limits": (
        LimitPolicy,
        {
            "sessions": _integer(1, 1_000_000),
            "sessions_per_client": _integer(1, 1_000_000),
            "connections": _integer(1, 1_000_000),
            "session_minutes": _number(0.01, 1e6),
            "idle_seconds": _SECONDS,
            "handshake_seconds": _SECONDS,
            "ping_seconds": _SECONDS,
            "stall_seconds": _SECONDS,
            "refused_logins_per_minute": _RATE,
            "messages_per_second": _RATE,
            "bytes_per_second": _RATE,
            "refusals_per_minute": _RATE,
            "client_secrets_per_minute": _RATE,
            "sizes": _each(_integer(64, 32 << 20)),
            "rates": _each(_RATE),
        },
    ),
    "session": (
        SessionPolicy,
        {"instructions": _text, "instructions_file": _text, "tools": _tools, "fields": _mapping},
    ),
    "operation": (OperationPolicy, {"drain_seconds": _number(0, 86_400), "metrics_from": _networks}),
}
_TOOL: dict[str, Check] = {
    "handler": _function,
    "description": _text,
    "parameters": _mapping,
    "timeout_seconds": _SECONDS,
}
_RENAMED = {"token_env": "tokens", "hmac_secret_env": "hmac_secrets"}


def _build(document: Mapping[str, Any], folder: Path) -> Policy:
    parts: dict[str, Any] = {}
    for name, section in document.items():
        if name == "tools":
            parts["tools"] = _build_tools(section)
            continue
        if name not in _SECTIONS:
            known = ", ".join((*_SECTIONS, "tools"))
            raise _KeyError((name,), f"is not a section; the sections are {known}")
        kind, checks = _SECTIONS[name]
        values = _checked((name,), section, checks)
        if name == "session" and (file := values.pop("instructions_file", None)) is not None:
            values["instructions"] = _read_text(folder / file, ("session", "instructions_file"))
        parts[name] = kind(**{_RENAMED.get(key, key): value for key, value in values.items()})
    return Policy(**parts)


def _build_tools(section: Any) -> tuple[ToolPolicy, ...]:
    if not isinstance(section, dict):
        raise _KeyError(("tools",), "must be tables [tools.NAME]")
    tools = []
    for name, table in section.items():
        keys = ("tools", name)
        values = _checked(keys, table, _TOOL)
        if "handler" not in values:
            raise _KeyError(keys, 'needs handler = "package.module:function"')
        definition: dict[str, Any] = {
            "type": "function",
            "name": name,
            "description": values.get("description", ""),
            "parameters": values.get("parameters", {"type": "object", "properties": {}}),
        }
        limits = {key: values[key] for key in ("timeout_seconds",) if key in values}
        tools.append(ToolPolicy(definition, values["handler"], **limits))
    return tuple(tools)


def _checked(keys: tuple[str, ...], table: Any, checks: Mapping[str, Check]) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise _KeyError(keys, "must be a section")
    values = {}
    for key, value in table.items():
        check = checks.get(key)
        if check is None:
            raise _KeyError((*keys, key), f"is not known; {'.'.join(keys)} has {', '.join(checks)}")
        try:
            values[key] = check(value)
        except ValueError as error:
            # A value may be a secret in the wrong place, so of a string only its length is shown.
            shown = (
                f"a string of {len(value)} characters" if isinstance(value, str) and value else repr(value)
            )
            message = f"{error}, not {shown}" if str(error).startswith("must ") else str(error)
            raise _KeyError((*keys, key), message[:400]) from None
    return values


def _read_text(path: Path, keys: tuple[str, ...]) -> str:
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise _KeyError(keys, f"names {path}, which cannot be read: {error}") from None
    if not text:
        raise _KeyError(keys, f"names {path}, which is empty")
    return text
