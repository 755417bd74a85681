"""OfflineApp: an offline server as an ASGI application, to mount in Starlette or FastAPI beside what they serve.

    voice = OfflineApp(OfflineServer())
    app = FastAPI(lifespan=voice.lifespan)
    app.mount("/voice", voice)

Thread: the event loop only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from websockets.exceptions import ConnectionClosedError
from websockets.frames import CloseCode
from websockets.http11 import Request

from ..protocol.asgi import (
    Application,
    Message,
    Receive,
    Scope,
    Send,
    answer,
    json_body,
    read_body,
    refuse,
    request_of,
)
from .admission import is_our_path
from .http_api import HttpAnswer, HttpRequest, refusal
from .http_front import BODY_BYTES
from .server import OfflineServer

__all__ = ["OfflineApp"]

JSON = ("Content-Type", "application/json")


class OfflineApp(Application):
    """An offline server without a port of its own.

    Parameters
    ----------
    server : OfflineServer
        Not started; its *host*, *port* and *ssl* are not used.

    Attributes
    ----------
    server : OfflineServer
    """

    def __init__(self, server: OfflineServer) -> None:
        self.server = server

    async def close(self) -> None:
        """Stop the models; the framework has ended the connections."""
        await self.server.close()

    async def serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        body = await read_body(receive, BODY_BYTES)
        request = request_of(scope)
        if len(body) > BODY_BYTES:
            found = refusal(413, f"The body is larger than {BODY_BYTES} bytes.")
        else:
            found = self.server.answer_http(HttpRequest(scope["method"], request.path, request.headers, body))
        await answer(send, found.status, (JSON, *found.headers), json_body(found.body))

    async def serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client."""
        request = request_of(scope)
        if not is_our_path(request.path):
            found: HttpAnswer = refusal(404, "The Realtime API is at /v1/realtime.")
            await refuse(scope, send, found.status, (JSON,), json_body(found.body))
            return
        subprotocol = "realtime" if "realtime" in scope.get("subprotocols", ()) else None
        await send({"type": "websocket.accept", "subprotocol": subprotocol})
        client = _Client(request, receive, send)
        await self.server.serve_client(client)
        await client.close(CloseCode.INTERNAL_ERROR, "")


class _Client:
    """One websocket of the framework, as `OfflineServer.serve_client` takes it."""

    def __init__(self, request: Request, receive: Receive, send: Send) -> None:
        self.request = request
        self._receive = receive
        self._send = send
        self._open = True
        # Set: no more frames are read
        self._over = asyncio.Event()

    @property
    def transport(self) -> _Client:
        """This object: it can be aborted."""
        return self

    async def send(self, message: str) -> None:
        """Send a text frame. Raises ConnectionClosedError if the client has gone."""
        await self._pass({"type": "websocket.send", "text": message})

    async def close(self, code: int, reason: str) -> None:
        """Close the websocket, and end its frames. Idempotent."""
        try:
            await self._pass({"type": "websocket.close", "code": int(code), "reason": reason})
        except ConnectionClosedError:
            # It was closed before
            pass
        self._end()

    def abort(self) -> None:
        """End the frames. ASGI cannot drop a connection: it is closed with 1011."""
        self._over.set()

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while (message := await self._next()) is not None and message["type"] == "websocket.receive":
            text = message.get("text")
            yield message["bytes"] if text is None else text
        if message is not None:
            self._end()

    async def _next(self) -> Message | None:
        """The next message of the framework; None once no more are read."""
        receiving = asyncio.ensure_future(self._receive())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((receiving, over), return_when=asyncio.FIRST_COMPLETED)
            return receiving.result() if receiving.done() else None
        finally:
            over.cancel()
            receiving.cancel()

    async def _pass(self, message: Message) -> None:
        if not self._open:
            raise ConnectionClosedError(None, None)
        try:
            await self._send(message)
        except (OSError, RuntimeError):
            # The client has gone; before ASGI 2.4 each framework says so in its own way
            self._end()
            raise ConnectionClosedError(None, None) from None

    def _end(self) -> None:
        self._open = False
        self._over.set()
