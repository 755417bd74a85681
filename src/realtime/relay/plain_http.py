"""Answers one HTTP request that is no upgrade: reads it with its body, calls a handler, writes the answer, closes.

`WebSocket` hands the connection over when the first line of a request has another method than GET, which the
websocket handshake does not know.

Thread: the event loop only.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.datastructures import Headers

from .. import background
from ..protocol import codec
from .journal import record_failure

__all__ = ["Answer", "HTTPExchange", "PlainRequest", "error_answer"]

MAX_BODY_BYTES = 64 * 1024
# After an answer: time for the client to read it
CLOSE_SECONDS = 2.0
_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) (\S+) HTTP/1\.[01]")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*?)[ \t]*")


@dataclass(frozen=True)
class PlainRequest:
    """A request: its method, its target as it was written, its headers and its body."""

    method: str
    target: str
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """A status, further headers, and a value that is written as JSON (None: no body)."""

    status: HTTPStatus
    value: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def error_answer(status: HTTPStatus, code: str, message: str, **headers: str) -> Answer:
    """An error as the vendor writes it; underscores in the names of *headers* stand for hyphens."""
    kind = (
        "server_error" if status >= 500 and status != HTTPStatus.NOT_IMPLEMENTED else "invalid_request_error"
    )
    error = {"type": kind, "code": code, "message": message, "param": None}
    return Answer(
        status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()}
    )


class HTTPExchange(asyncio.Protocol):
    """One request and its answer, on a connection that ends with it.

    Parameters
    ----------
    transport : asyncio.Transport
    handler : callable
        ``await handler(request)`` returns the `Answer`. It is called at most once.
    complete : callable
        Called once the request has arrived.
    closed : callable
        Called once the connection is gone.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        handler: Callable[[PlainRequest], Coroutine[Any, Any, Answer]],
        complete: Callable[[], None],
        closed: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._handler = handler
        self._complete = complete
        self._closed = closed
        self._data: bytes | None = b""
        self._task: asyncio.Task[None] | None = None
        transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._data is None:
            return
        self._data += data
        head, _, body = self._data.partition(b"\r\n\r\n")
        request = _read_head(head)
        if request is None:
            self._answer(error_answer(HTTPStatus.BAD_REQUEST, "bad_request", "the request cannot be read"))
            return
        if request.headers.get_all("Transfer-Encoding"):
            self._answer(
                error_answer(HTTPStatus.LENGTH_REQUIRED, "bad_request", "send the body with a Content-Length")
            )
            return
        size = _body_size(request.headers)
        if size is None or size > MAX_BODY_BYTES:
            message = f"a body has up to {MAX_BODY_BYTES} bytes"
            self._answer(error_answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", message))
        elif len(body) >= size:
            self._data = None
            self._complete()
            ready = PlainRequest(request.method, request.target, request.headers, body[:size])
            self._task = background.start(self._serve(ready), "relay: answer a request", self._failed)

    async def _serve(self, request: PlainRequest) -> None:
        self._answer(await self._handler(request))

    def _failed(self, name: str, error: BaseException) -> None:
        record_failure("request.failed", error)
        message = "this relay could not answer the request"
        self._answer(error_answer(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", message))

    def _answer(self, answer: Answer) -> None:
        self._data = None
        body = b"" if answer.value is None else codec.dumps(answer.value).encode()
        headers = {
            "Connection": "close",
            "Cache-Control": "no-store",
            "Content-Length": str(len(body)),
            **({"Content-Type": "application/json"} if body else {}),
            **answer.headers,
        }
        lines = [f"HTTP/1.1 {answer.status.value} {answer.status.phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._transport.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        # Input is read and discarded meanwhile: closing with unread input would reset the connection, and the client
        # would not receive the answer.
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._transport.abort)

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.BaseProtocol."""
        self._data = None
        if self._task is not None:
            self._task.cancel()
        self._closed()


def _read_head(head: bytes) -> PlainRequest | None:
    """The request without its body; None for a text that is none."""
    first, *rest = head.split(b"\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    fields = [_HEADER.fullmatch(one) for one in rest]
    if line is None:
        return None
    headers = Headers()
    for one in fields:
        if one is None:
            return None
        headers[one[1].decode()] = one[2].decode("latin-1")
    return PlainRequest(line[1].decode(), line[2].decode("latin-1"), headers)


def _body_size(headers: Headers) -> int | None:
    """The size that the headers announce, 0 without one; None if they contradict each other or are no number."""
    sizes = set(headers.get_all("Content-Length")) or {"0"}
    size = sizes.pop()
    return int(size) if not sizes and re.fullmatch(r"\d{1,9}", size, re.ASCII) else None
