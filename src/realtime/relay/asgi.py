"""RelayApp: a relay as an ASGI application, to mount in Starlette or FastAPI beside what they serve.

    app = FastAPI(lifespan=(voice := RelayApp(Relay(policy, find_key()))).lifespan)
    app.mount("/voice", voice)

Each request becomes a connection of the relay in memory: whatever the policy says, it says here too. The framework has
the port and TLS, so the policy's ``[listen]`` counts as far as it says who may come without a token or without TLS.

Thread: the event loop only.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from .. import background
from ..protocol.asgi import Application, Receive, Scope, Send, answer, read_body, refuse, request_of
from .journal import record, record_failure
from .memory_transport import MemoryTransport
from .plain_http import MAX_BODY_BYTES
from .policy import Policy, is_loopback
from .server import Relay
from .socket import QUIET

__all__ = ["RelayApp"]

TEXT = (("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store"))
HERE = parse_uri("ws://relay/")
FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\r\nthis relay is full: try again later\n"
# Codes that no close frame may hold: the connection broke, or the client gave none
NOT_SENT = (1005, 1006, 1015)


class RelayApp(Application):
    """A relay without a port of its own.

    Parameters
    ----------
    relay : Relay
        Not started.

    Attributes
    ----------
    relay : Relay
    """

    def __init__(self, relay: Relay) -> None:
        self.relay = relay

    async def open(self) -> None:
        """Begin; the first request does so too."""
        self.relay.begin()

    async def close(self) -> None:
        """End all sessions (close code 1012). Idempotent."""
        await self.relay.close()

    async def serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request: health, metrics, client secrets."""
        reason = self._refusal(scope)
        if reason is not None:
            await answer(send, HTTPStatus.FORBIDDEN, TEXT, reason)
            return
        transport = self._connect(scope)
        try:
            transport.feed(await _written(scope, receive))
            read = b""
            while data := await transport.read():
                read += data
        finally:
            transport.hang_up()
        # Without an answer: there are too many connections
        head, _, body = (read or FULL).partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = [line.partition(": ") for line in lines]
        headers = [(name, text) for name, _, text in fields if name not in ("Connection", "Content-Length")]
        await answer(send, int(first.split(" ")[1]), headers, body)

    async def serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client."""
        reason = self._refusal(scope)
        if reason is not None:
            await refuse(scope, send, HTTPStatus.FORBIDDEN, TEXT, reason)
            return
        transport = self._connect(scope)
        try:
            await _Client(transport, scope, receive, send).run()
        finally:
            transport.hang_up()

    def _connect(self, scope: Scope) -> MemoryTransport:
        self.relay.begin()
        client = scope.get("client")
        return MemoryTransport(
            self.relay.new_connection(), None if client is None else (client[0], client[1])
        )

    def _refusal(self, scope: Scope) -> bytes | None:
        """Why the request may not come from there: what `Policy.check` asks of an address beyond the loopback."""
        address = (scope.get("client") or ("",))[0]
        reason = None if is_loopback(address) else _missing(self.relay.policy, scope["scheme"])
        if reason is None:
            return None
        self.relay.totals.refused["listen"] += 1
        record("connection.refused", reason="listen", status=HTTPStatus.FORBIDDEN.value, address=address)
        return f"{reason}\n".encode()


def _missing(policy: Policy, scheme: str) -> str | None:
    """What the policy lacks for clients beyond the loopback; None if nothing."""
    if not policy.auth.required and not policy.listen.insecure_no_auth:
        return "this relay serves its own machine only: its policy has no [auth]"
    if scheme not in ("https", "wss") and not policy.listen.insecure_no_tls:
        return "this relay needs TLS (its policy can say insecure_no_tls, behind a proxy that handles TLS)"
    return None


async def _written(scope: Scope, receive: Receive) -> bytes:
    """The request as bytes of HTTP/1.1."""
    body = await read_body(receive, MAX_BODY_BYTES)
    request = request_of(scope)
    lines = [f"{scope['method']} {request.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers.raw_items()]
    if scope["method"] != "GET":
        lines.append(f"content-length: {len(body)}")
    else:
        body = b""
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class _Client:
    """The client of one connection in memory: the framework's messages on one side, websocket frames on the other."""

    def __init__(self, transport: MemoryTransport, scope: Scope, receive: Receive, send: Send) -> None:
        self._transport = transport
        self._scope = scope
        self._receive = receive
        self._send = send
        subprotocols = [Subprotocol(name) for name in scope.get("subprotocols", ())]
        self._gone = False
        self._protocol = ClientProtocol(HERE, subprotocols=subprotocols or None, max_size=None, logger=QUIET)

    async def run(self) -> None:
        """Pass messages until one side ends."""
        request = request_of(self._scope)
        for name, value in (
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", self._protocol.key),
            ("Sec-WebSocket-Version", "13"),
        ):
            request.headers[name] = value
        self._protocol.send_request(Request(request.path, request.headers))
        self._flush()
        reader: asyncio.Task[None] | None = None
        try:
            while data := await self._transport.read():
                self._protocol.receive_data(data)
                self._flush()
                for event in self._protocol.events_received():
                    if isinstance(event, Response):
                        if not await self._admitted(event):
                            return
                        reader = background.start(self._read(), "relay: read an ASGI client", self._failed)
                    elif isinstance(event, Frame) and event.opcode is Opcode.TEXT and not self._gone:
                        text = bytes(event.data).decode(errors="replace")
                        await self._send({"type": "websocket.send", "text": text})
            if not self._gone:
                await self._end()
        except (OSError, RuntimeError):
            # The client has gone; before ASGI 2.4 each framework says so in its own way
            return
        finally:
            if reader is not None:
                reader.cancel()

    async def _admitted(self, response: Response) -> bool:
        """Pass the relay's answer to the request; True if the websocket is open."""
        if self._protocol.state is State.OPEN:
            await self._send({"type": "websocket.accept", "subprotocol": self._protocol.subprotocol})
            return True
        headers = [
            (name, value)
            for name, value in response.headers.raw_items()
            if name not in ("Connection", "Content-Length")
        ]
        await refuse(self._scope, self._send, response.status_code, headers, bytes(response.body or b""))
        return False

    async def _read(self) -> None:
        """Pass the client's messages to the relay until it goes."""
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._disconnected(message.get("code", CloseCode.NO_STATUS_RCVD))
                return
            await self._transport.wait_reading()
            if self._protocol.state is not State.OPEN:
                continue
            text = message.get("text")
            if text is None:
                self._protocol.send_binary(message["bytes"])
            else:
                self._protocol.send_text(text.encode())
            self._flush()

    def _disconnected(self, code: int) -> None:
        self._gone = True
        if self._protocol.state is State.OPEN and code not in NOT_SENT:
            self._protocol.send_close(code)
            self._flush()
        self._transport.hang_up()

    async def _end(self) -> None:
        """The relay has ended the connection."""
        if self._protocol.state is State.CONNECTING:
            await refuse(self._scope, self._send, 503, TEXT, FULL.partition(b"\r\n\r\n")[2])
            return
        close = self._protocol.close_rcvd
        code, reason = (CloseCode.INTERNAL_ERROR, "") if close is None else (close.code, close.reason)
        if code in NOT_SENT:
            code = CloseCode.NORMAL_CLOSURE
        await self._send({"type": "websocket.close", "code": int(code), "reason": reason})

    def _flush(self) -> None:
        self._transport.feed(b"".join(self._protocol.data_to_send()))

    def _failed(self, name: str, error: BaseException) -> None:
        record_failure("asgi.failed", error)
        self._transport.hang_up()
