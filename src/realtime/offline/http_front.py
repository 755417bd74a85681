"""The listening side of a connection: hands websocket upgrades to the websockets library and answers all other requests.

The library itself refuses requests with a body without an answer.

Thread: the event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake

from .http_api import HttpAnswer, HttpRequest, refusal

HEAD_BYTES = 64 << 10
BODY_BYTES = 1 << 20
# After an answer: time for the client to read it.
CLOSE_SECONDS = 2.0
_END_OF_HEAD = b"\r\n\r\n"
NO_HTTP = refusal(
    400, "This is no request of HTTP/1.1; without --tls the server speaks http:// and ws:// only."
)


class HttpFront(ServerConnection):
    """A connection whose first bytes decide what it is. ``answer_http`` is set by ``front_with``."""

    answer_http: Callable[[HttpRequest], HttpAnswer]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Bytes of the request so far; None once it has been handed on.
        self._request_bytes: bytearray | None = bytearray()
        self._answered = False

    def data_received(self, data: bytes) -> None:
        """Collect the request; from the upgrade on, pass everything to the websocket."""
        if self._answered:
            return
        if self._request_bytes is None:
            super().data_received(data)
            return
        self._request_bytes += data
        outcome = read_request(bytes(self._request_bytes))
        if outcome is None:
            return
        if outcome == "upgrade":
            received, self._request_bytes = bytes(self._request_bytes), None
            super().data_received(received)
            return
        answer = self.answer_http(outcome) if isinstance(outcome, HttpRequest) else outcome
        self._answered = True
        self.transport.write(answer.serialise())
        # Input is read and discarded meanwhile: closing with unread input would reset the connection, and the client
        # would not receive the answer.
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.loop.call_later(CLOSE_SECONDS, self.transport.abort)
        else:
            self.transport.close()


def front_with(answer_http: Callable[[HttpRequest], HttpAnswer]) -> type[HttpFront]:
    """A HttpFront class for one server: the websockets library makes the instances."""
    return type("HttpFront", (HttpFront,), {"answer_http": staticmethod(answer_http)})


def read_request(data: bytes) -> Any:
    """What *data*, the start of a connection, asks for.

    Returns
    -------
    None, "upgrade", HttpRequest or HttpAnswer
        None while more is to come; "upgrade" for a websocket, which the library shall read; a request with its body;
        or the refusal of one.
    """
    if not data[:1].isalpha():
        # A client that speaks TLS to a port without it would wait for an answer.
        return NO_HTTP
    head, found, body = data.partition(_END_OF_HEAD)
    if len(head) > HEAD_BYTES:
        return refusal(431, f"The head of the request is larger than {HEAD_BYTES} bytes.")
    if not found:
        return None
    try:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, version = first.split(" ")
        headers = _headers(lines)
    except (ValueError, InvalidHandshake):
        # The library refuses headers with control characters.
        return NO_HTTP
    if version not in ("HTTP/1.0", "HTTP/1.1"):
        return NO_HTTP
    if method == "GET" and any("websocket" in value.lower() for value in headers.get_all("Upgrade")):
        return "upgrade"
    length = _body_length(headers)
    if isinstance(length, HttpAnswer):
        return length
    return HttpRequest(method, target, headers, body[:length]) if len(body) >= length else None


def _headers(lines: list[str]) -> Headers:
    """The headers in *lines*. Raises ValueError for a line that is none."""
    headers = Headers()
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ValueError(line)
        headers[name.strip()] = value.strip()
    return headers


def _body_length(headers: Headers) -> int | HttpAnswer:
    """Bytes of the body, or the refusal of a body that cannot be taken."""
    if "Transfer-Encoding" in headers:
        return refusal(411, "Send the body with a Content-Length.")
    length, *others = set(headers.get_all("Content-Length")) or {"0"}
    if others or not (length.isascii() and length.isdecimal()):
        return refusal(400, "Content-Length is not one number.")
    if len(length) > 9 or int(length) > BODY_BYTES:
        return refusal(413, f"The body is larger than {BODY_BYTES} bytes.")
    return int(length)
