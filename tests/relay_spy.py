"""Helpers of the relay's tests: a relay in this process, an upstream that records everything, raw bytes, tokens."""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from realtime.protocol.beta import BetaTranslator
from realtime.protocol.redact import Redactor, Secret
from realtime.relay import Policy, Relay, mint_token
from realtime.relay.policy import SessionPolicy, ToolPolicy
from realtime.relay.server_rules import ServerRules
from tests.wire_server import ScriptedServer

KEY = "sk-relay-secret-key-0123456789"
TOKEN = "shared-token-abcdefgh"
SECRET = "0123456789abcdef0123456789abcdef"
PATH = "/v1/realtime"
INSTRUCTIONS = (
    "You are the concierge of the Grand Hotel.\nNever mention the secret discount code BLUEBIRD-42."
)
# Sections of a policy that admits few clients
LOCKED: dict[str, Any] = {
    "auth": {"tokens": (Secret(TOKEN),), "hmac_secrets": (Secret(SECRET),), "max_token_seconds": 3600.0},
    "clients": {"origins": ("https://app.example",), "models": ("gpt-realtime-2.1", "gpt-realtime-mini")},
    "limits": {"handshake_seconds": 0.5},
}


def policy_with(**sections: dict[str, Any]) -> Policy:
    """The default policy on a free port, with *sections* changed: the fields of each section by name."""
    policy = Policy()
    sections["listen"] = {"port": 0, **sections.get("listen", {})}
    return replace(
        policy, **{name: replace(getattr(policy, name), **fields) for name, fields in sections.items()}
    )


@asynccontextmanager
async def relay_to(address: str, *, key: str = KEY, tools: Any = (), **sections: dict[str, Any]):
    """A running relay in front of the upstream at *address*."""
    sections["upstream"] = {**sections.get("upstream", {}), "url": address}
    policy = replace(policy_with(**sections), tools=tuple(tools))
    async with Relay(policy, Secret(key)) as relay:
        yield relay


@asynccontextmanager
async def spied(script: Any = None, **sections: Any):
    """(relay, upstream): the upstream is a ScriptedServer."""
    async with ScriptedServer(script) as upstream, relay_to(upstream.url + PATH, **sections) as relay:
        yield relay, upstream


def join(relay: Relay, path: str = PATH, **options: Any) -> Any:
    """A websockets client of the relay, as a context manager."""
    options.setdefault("compression", None)
    options.setdefault("proxy", None)
    return connect(relay.url + path, max_size=None, **options)


async def receive(socket: ClientConnection, kind: str | None = None, timeout: float = 5.0) -> dict[str, Any]:
    """The next event, or the next one of type *kind*."""

    async def find() -> dict[str, Any]:
        while True:
            event = json.loads(await socket.recv())
            if kind is None or event["type"] == kind:
                return event

    return await asyncio.wait_for(find(), timeout)


async def closed(socket: ClientConnection, timeout: float = 5.0) -> tuple[int, str]:
    """Read until the connection is closed; the close code and reason."""

    async def read() -> None:
        async for _ in socket:
            pass

    try:
        await asyncio.wait_for(read(), timeout)
    except asyncio.TimeoutError:
        raise AssertionError("the connection is still open") from None
    except Exception:
        pass
    return socket.close_code or 1006, socket.close_reason or ""


class Wiretap:
    """A TCP listener that answers nothing and records connections and bytes: an upstream no attack may reach."""

    def __init__(self) -> None:
        self.connections = 0
        self.data = b""

    async def __aenter__(self) -> Wiretap:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}{PATH}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while data := await reader.read(65536):
                self.data += data
        except ConnectionError:
            pass
        writer.close()


def signed_token(
    secret: str = SECRET, subject: str = "alice", seconds: float = 3000, now: float | None = None
) -> str:
    """A signed token. It outlives the whole test run, because pytest makes tables of them when it collects."""
    return mint_token(secret, subject, seconds, now=now)


def bearer(token: str) -> bytes:
    """An upgrade request with *token*."""
    return upgrade(PATH, "127.0.0.1", f"Authorization: Bearer {token}")


def upgrade(path: str = PATH, host: str = "127.0.0.1", *headers: str, method: str = "GET") -> bytes:
    """An upgrade request with further header lines."""
    lines = [
        f"{method} {path} HTTP/1.1",
        *([f"Host: {host}"] if host else []),
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def exchange(relay: Relay, data: bytes, timeout: float = 5.0) -> bytes:
    """Send raw bytes; returns all that comes back until the relay closes the connection."""
    port = int(relay.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        answer = b""
        while chunk := await asyncio.wait_for(reader.read(65536), timeout):
            answer += chunk
        return answer
    except ConnectionError:
        return b""
    finally:
        writer.close()


def masked(opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0, mask: bool = True) -> bytes:
    """A frame as a client sends it, or (by the options) an invalid one."""
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    bit = 0x80 if mask else 0
    length = len(payload)
    if length < 126:
        head += bytes([bit | length])
    elif length < 65536:
        head += bytes([bit | 126]) + length.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + length.to_bytes(8, "big")
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))


def server_rules_that_hide(beta: bool = False) -> ServerRules:
    """Rules with everything that a policy can hide."""
    tool = ToolPolicy(MappingProxyType({"type": "function", "name": "lookup"}), "json:loads")
    session = SessionPolicy(
        instructions="Never mention the code BLUEBIRD.", tools=({"type": "mcp", "server_label": "m"},)
    )
    policy = Policy(session=session, tools=(tool,))
    return ServerRules(policy, Redactor(["sk-secret-key"]), time.time(), BetaTranslator() if beta else None)
