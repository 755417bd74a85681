"""What the relay and the offline server have in common as ASGI applications: dispatch, lifespan, requests, answers.

The framework above gives each request as a scope. A server of ours sees it as if it had come by its own port: the
path without the prefix of the mount, the headers without those that belong to the connection.

Thread: the event loop of the application.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from types import TracebackType
from typing import Any
from urllib.parse import quote

from websockets.datastructures import Headers
from websockets.http11 import Request

__all__ = [
    "Application",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "answer",
    "json_body",
    "read_body",
    "refuse",
    "request_of",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# They belong to the connection that the framework serves. Subprotocols stand in the scope.
OF_THE_CONNECTION = frozenset(
    (
        "connection",
        "content-length",
        "keep-alive",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "te",
        "transfer-encoding",
        "upgrade",
    )
)
# What a path may contain unquoted, RFC 3986
IN_PATHS = "/:@!$&'()*+,;=~"


class Application(ABC):
    """An ASGI application; a subclass says what a request gets.

    Mount it, or serve it alone. ``lifespan=app.lifespan`` closes it with the framework's application; a mounted
    application is not told when the framework starts and ends.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one websocket, or the life of the application."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await self.serve_websocket(scope, receive, send)
        else:
            await self.serve_http(scope, receive, send)

    async def open(self) -> None:  # noqa: B027
        """Get ready; requests may come before."""

    @abstractmethod
    async def close(self) -> None:
        """End all sessions."""

    @abstractmethod
    async def serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""

    @abstractmethod
    async def serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one websocket, from its request on."""

    def lifespan(self, app: object) -> Application:
        """Return what Starlette and FastAPI take as ``lifespan``: a context that opens and closes this one."""
        return self

    async def __aenter__(self) -> None:
        await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})


def request_of(scope: Scope) -> Request:
    """Return the request as our servers read it: target below the mount, headers of the request alone."""
    path, root = scope["path"], scope.get("root_path", "").rstrip("/")
    if root and (path == root or path.startswith(f"{root}/")):
        path = path[len(root) :] or "/"
    query = scope.get("query_string", b"").decode("latin-1")
    headers = Headers()
    for name, value in scope["headers"]:
        text = name.decode("latin-1").lower()
        if text not in OF_THE_CONNECTION:
            headers[text] = value.decode("latin-1")
    if scope.get("subprotocols"):
        headers["Sec-WebSocket-Protocol"] = ", ".join(scope["subprotocols"])
    return Request(quote(path, safe=IN_PATHS) + (f"?{query}" if query else ""), headers)


async def read_body(receive: Receive, most: int) -> bytes:
    """Return the body of a request; of one that is larger than *most* bytes, one byte more than *most*."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > most or not message.get("more_body"):
            return bytes(body[: most + 1])


async def answer(
    send: Send, status: int, headers: Iterable[tuple[str, str]], body: bytes, kind: str = "http.response"
) -> None:
    """Send a whole answer; *headers* without Content-Length.

    Parameters
    ----------
    send : callable
        Of the request.
    status : int
        HTTP status.
    headers : iterable of (str, str)
        Further headers.
    body : bytes
        The whole body.
    kind : str
        ``websocket.http.response`` answers the request of a websocket.
    """
    given = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    given.append((b"content-length", str(len(body)).encode()))
    await send({"type": f"{kind}.start", "status": status, "headers": given})
    await send({"type": f"{kind}.body", "body": body})


async def refuse(
    scope: Scope, send: Send, status: int, headers: Iterable[tuple[str, str]], body: bytes
) -> None:
    """Refuse the request of a websocket; a framework that cannot pass an answer says 403 by itself."""
    if "websocket.http.response" in scope.get("extensions", {}):
        await answer(send, status, headers, body, "websocket.http.response")
    else:
        await send({"type": "websocket.close"})


def json_body(value: Any) -> bytes:
    """Return *value* as the body of an answer."""
    return json.dumps(value).encode()
