"""One client's connection and its connection to the server: every byte is passed on first, and reported after.

Nothing is encoded anew: masks, fragments, compression, pings and close codes are those of the two ends. While one end
does not read, reading from the other one pauses, so memory is bounded.

Thread: the event loop's of the forwarding process.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from .address import Upstream, is_loopback
from .http_head import END, MAX_HEAD_BYTES, Head, HeadError, error_answer, read_head, request_to
from .report import Kind, Reporter

__all__ = ["Link"]

DIAL_SECONDS = 15.0
WRITE_HIGH_BYTES = 256 * 1024
# An answer of the tap itself: time for the client to read it
CLOSE_SECONDS = 2.0
# Of the answer to a request that is no upgrade: its head, and what an error says. The rest may be large
MAX_PLAIN_BYTES = 16 * 1024
_SECRET_HEADERS = ("authorization", "cookie")


class _End(asyncio.Protocol):
    """One end of a link."""

    transport: asyncio.Transport

    def __init__(self, received: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        self.other: _End | None = None
        self.ended = False
        self._received = received
        self._lost = lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)

    def data_received(self, data: bytes) -> None:
        self._received(data)

    def eof_received(self) -> bool:
        """Pass the end on; the other direction stays open until it ends too, if both ends can do that."""
        self.ended = True
        if self.other is None or self.other.ended or not self.other.transport.can_write_eof():
            return False
        self.other.transport.write_eof()
        return self.transport.can_write_eof()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost()

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.transport.resume_reading()


class Link:
    """One client, from its request to the end of both connections.

    Parameters
    ----------
    number : int
        Its number in reports.
    upstream : Upstream
        The server.
    tls : SSLContext or None
        For the connection to it.
    reporter : Reporter
        Gets copies.
    closed : callable
        Called once both connections are gone.
    """

    def __init__(
        self,
        number: int,
        upstream: Upstream,
        tls: ssl.SSLContext | None,
        reporter: Reporter,
        closed: Callable[[Link], None],
    ) -> None:
        self._number = number
        self._upstream = upstream
        self._tls = tls
        self._reporter = reporter
        self._closed = closed
        self._reporting = True
        self._plain_left = MAX_PLAIN_BYTES
        # The request so far; None once it has been sent on
        self._request: bytearray | None = bytearray()
        self._head: Head | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._server: _End | None = None
        self._ends = 1
        self.client = _End(self._from_client, self._client_lost)

    @property
    def is_open(self) -> bool:
        """True once the client has asked for something."""
        return self._head is not None

    # From the client

    def _from_client(self, data: bytes) -> None:
        if self._server is not None and self._request is None:
            self._server.transport.write(data)
            self._report(Kind.CLIENT, data)
            return
        if self._request is None:
            # After an answer of the tap itself
            return
        self._request += data
        if self._head is None:
            self._read_request(self._request)

    def _read_request(self, data: bytearray) -> None:
        end = data.find(END)
        if end < 0 and len(data) <= MAX_HEAD_BYTES:
            return
        try:
            if not 0 <= end <= MAX_HEAD_BYTES:
                raise HeadError(f"the head of a request has up to {MAX_HEAD_BYTES} bytes")
            self._head = read_head(bytes(data[:end]))
        except HeadError as error:
            self._refuse("400 Bad Request", "bad_request", str(error))
            return
        del data[: end + len(END)]
        self._send(Kind.OPENED, "\r\n".join([self._head.start, *map(": ".join, self._head.fields)]))
        self.client.transport.pause_reading()
        self._dialling = asyncio.get_running_loop().create_task(self._dial(self._head))

    async def _dial(self, head: Head) -> None:
        upstream = self._upstream
        end = _End(self._from_server, self._server_lost)
        end.other = self.client
        dialled = asyncio.get_running_loop().create_connection(
            lambda: end, upstream.host, upstream.port, ssl=self._tls
        )
        try:
            await asyncio.wait_for(dialled, DIAL_SECONDS)
        except asyncio.TimeoutError:
            self._unreachable(f"no answer within {DIAL_SECONDS:g} s")
            return
        except (OSError, UnicodeError) as error:
            # TLS reports a connection that is lost in its handshake without a text
            self._unreachable(getattr(error, "strerror", None) or str(error) or "it hung up")
            return
        self._ends += 1
        peer = end.transport.get_extra_info("peername")
        if not upstream.secure and _holds_a_key(head) and not is_loopback(str(peer[0]) if peer else ""):
            end.transport.abort()
            message = f"the tap does not send a key over plain ws:// to {upstream.host}: use wss://"
            self._refuse("502 Bad Gateway", "insecure_upstream", message)
            return
        self._server = end
        assert self._request is not None
        body, self._request = bytes(self._request), None
        end.transport.write(request_to(upstream, head) + body)
        self.client.other = end
        self.client.transport.resume_reading()

    def _unreachable(self, reason: str) -> None:
        message = f"the tap cannot reach {self._upstream.name}: {reason}"
        self._refuse("502 Bad Gateway", "upstream_unreachable", message)

    def _refuse(self, status: str, code: str, message: str) -> None:
        """Answer the client in the tap's own words, and close."""
        self._request = None
        self._send(Kind.REFUSED, message)
        transport = self.client.transport
        transport.write(error_answer(status, code, message))
        # Input is read and discarded meanwhile: closing with unread input would reset the connection, and the client
        # would not receive the answer
        transport.resume_reading()
        if transport.can_write_eof():
            transport.write_eof()
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, transport.abort)
        else:
            transport.close()

    # From the server

    def _from_server(self, data: bytes) -> None:
        self.client.transport.write(data)
        if self._head is not None and not self._head.is_upgrade:
            data, self._plain_left = data[: self._plain_left], max(self._plain_left - len(data), 0)
        self._report(Kind.SERVER, data)

    # The end

    def _client_lost(self) -> None:
        if self._dialling is not None:
            self._dialling.cancel()
        if self._server is not None:
            self._server.transport.close()
        self._one_lost()

    def _server_lost(self) -> None:
        if self._request is None and self.client.other is not None:
            self.client.transport.close()
        self._one_lost()

    def _one_lost(self) -> None:
        self._ends -= 1
        if self._ends == 0:
            if self._head is not None:
                self._reporter.send(Kind.CLOSED, self._number)
            self._closed(self)

    # Reports

    def _report(self, kind: Kind, data: bytes) -> None:
        """Report bytes that have been passed on; after one that could not be queued, no more."""
        if self._reporting and data and not self._reporter.send(kind, self._number, data):
            self._reporting = False
            self._reporter.send(Kind.LOST, self._number)

    def _send(self, kind: Kind, text: str) -> None:
        self._report(kind, text.encode("utf-8", "backslashreplace"))


def _holds_a_key(head: Head) -> bool:
    """True if the request may hold a secret, by the names of its headers, its query and its subprotocols."""
    names = [name.lower() for name, _ in head.fields]
    texts = f"{head.target} {head.get('sec-websocket-protocol')}".lower()
    return (
        any(
            name in _SECRET_HEADERS or name.endswith(("key", "token"))
            for name in names
            if name != "sec-websocket-key"
        )
        or "key" in texts
        or "token" in texts
    )
