"""One websocket as an asyncio protocol: whole text messages in, whole text messages out.

`websockets` (its sans-I/O core) handles the opening handshake, control frames, fragments, closing and every
error. This module adds a fast path for complete text frames, which are nearly all of the traffic: it cuts the
payload out of the input and delivers it without objects, queues or tasks in between. One core thereby carries
several times as many sessions as a relay that uses a message API.

Memory is bounded: a frame that is too large is refused from its header, before its payload is received. While a
peer does not read, its full write buffer pauses reading from the other side (`Pipe.on_writable`).

Thread: the event loop only.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Protocol, cast

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from .addresses import plain_address
from .close_codes import ABNORMAL, POLICY_VIOLATION, TOO_BIG, UNSUPPORTED_DATA

try:
    from websockets.speedups import apply_mask
except ImportError:  # a build of websockets without its C extension
    from websockets.utils import apply_mask

__all__ = ["QUIET", "SocketDelegate", "WebSocket"]

# A separate logger outside the logger tree: at DEBUG, websockets logs headers, which hold keys and tokens.
QUIET = logging.Logger("realtime.relay.websocket", level=logging.CRITICAL + 1)

CLOSE_TIMEOUT_SECONDS = 2.0
WRITE_HIGH_BYTES = 256 * 1024
# Per message: a 1-byte fragment costs the relay 1000 times what it costs the sender.
MAX_FRAGMENTS = 256
MAX_HEAD_BYTES = 16 * 1024
# Between two messages: a browser sends none, a library one ping in 20 s.
MAX_CONTROL_FRAMES = 64
# FIN, no reserved bits, opcode 1
_FINAL_TEXT = 0x81
_MASKED = 0x80


class SocketDelegate(Protocol):
    """Receives the events of a `WebSocket`, on the event loop, in order. Its methods must not raise."""

    def on_connected(self, socket: WebSocket) -> None:
        """The TCP (or TLS) connection exists."""

    def on_handshake(self, socket: WebSocket, event: Request | Response) -> None:
        """The peer's part of the opening handshake has arrived: a request on the server side, else a response."""

    def on_message(self, socket: WebSocket, payload: bytes) -> None:
        """A text message has arrived, unless `WebSocket.deliver` was replaced.

        Before the handshake: the beginning of an HTTP request with another method than GET. The delegate takes the
        connection over.
        """

    def on_writable(self, socket: WebSocket, writable: bool) -> None:
        """The write buffer is full (False) or has room again (True)."""

    def on_closed(self, socket: WebSocket, code: int, reason: str) -> None:
        """The connection is gone; called once."""


@dataclass
class _Closing:
    """How far a connection has closed."""

    # Aborts the connection when the peer does not finish the closing handshake.
    timer: asyncio.TimerHandle | None = None
    # Code and reason passed to `WebSocket.close`
    sent: tuple[int, str] | None = None
    # True once the transport is gone
    lost: bool = False


class WebSocket(asyncio.Protocol):
    """One end of a websocket connection, server or client.

    Parameters
    ----------
    protocol : ServerProtocol or ClientProtocol
        Its ``max_size`` also bounds the fast path.
    delegate : SocketDelegate

    Attributes
    ----------
    deliver : callable
        ``deliver(payload)`` is called for each message; a `Pipe` replaces it.
    heard : int
        Grows with each piece of input: a sign that the peer is alive.
    """

    transport: asyncio.Transport

    def __init__(self, protocol: ServerProtocol | ClientProtocol, delegate: SocketDelegate) -> None:
        self.protocol = protocol
        self.delegate = delegate
        self.heard = 0
        self.deliver: Callable[[bytes], None] = partial(delegate.on_message, self)
        self._is_server = isinstance(protocol, ServerProtocol)
        # The mask bit that incoming frames must have (clients mask, servers do not) and the size of the mask
        self._mask_bit = _MASKED if self._is_server else 0
        self._mask_size = 4 if self._is_server else 0
        size = protocol.max_message_size
        self._max_bytes = size if size is not None else 1 << 62
        # Second byte and header size of frames of 126 to 65535 bytes, the usual ones; -1 if these are too large.
        self._usual = 126 | self._mask_bit if self._max_bytes > 65535 else -1
        self._usual_head = 4 + self._mask_size
        # The beginning of a frame whose end has not arrived
        self._rest = b""
        self._fragments: list[bytes] = []
        self._masks: list[bytes] = []
        self._send_bit = _MASKED ^ self._mask_bit
        self._control_frames = 0
        # A copy of the protocol's state: every message asks for it, and the protocol's property costs a call.
        self._open = protocol.state is State.OPEN
        self._head_done = False
        self._reading = True
        self._closing = _Closing()

    # --- from the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.BaseProtocol."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        self.delegate.on_connected(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self.heard += 1
        if self._rest:
            data = self._rest + data
            self._rest = b""
        if not self._reading:
            # The transport may deliver one more piece after reading was paused.
            self._rest = data
            return
        if not self._open and not (data := self._not_open(data)):
            return
        position, end = 0, len(data)
        if (
            end > 126
            and data[0] == _FINAL_TEXT
            and data[1] == self._usual
            and end - self._usual_head == data[2] << 8 | data[3]
            and not self._fragments
        ):
            # Exactly one text frame. The loop below does the same, but takes 1.5 times as long.
            self._control_frames = 0
            payload = data[self._usual_head :]
            self.deliver(apply_mask(payload, data[4:8]) if self._is_server else payload)
            return
        while position < end:
            # A frame's header: RFC 6455, 5.2.
            if end - position < 14 and end - position < _head_size(data, position, end):
                self._rest = data[position:]
                return
            flags = data[position + 1]
            length = flags & 0x7F
            start = position + 2
            if length > 125:
                start += 2 if length == 126 else 8
                length = int.from_bytes(data[position + 2 : start], "big")
            if length > self._max_bytes or flags & _MASKED != self._mask_bit:
                # websockets refuses the frame, from its header alone.
                self._feed(data[position:])
                return
            start += self._mask_size
            stop = start + length
            if stop > end:
                self._rest = data[position:]
                return
            if data[position] == _FINAL_TEXT and not self._fragments:
                self._control_frames = 0
                payload = data[start:stop]
                if self._is_server:
                    payload = apply_mask(payload, data[start - 4 : start])
                self.deliver(payload)
            else:
                self._unusual_frame(data[position:stop])
            position = stop
            if not self._open:
                self._feed(data[position:])
                return
            if not self._reading:
                self._rest = data[position:]
                return

    def _not_open(self, data: bytes) -> bytes:
        """Handle bytes of the handshake or of a closing connection; returns those that belong to frames."""
        if self.protocol.state is State.CONNECTING:
            return self._handshake(data)
        self._feed(data)
        return b""

    def _unusual_frame(self, frame: bytes) -> None:
        """Handle a control frame, a fragment, or an invalid frame."""
        self._control_frames += frame[0] & 0x08 != 0
        if self._control_frames > MAX_CONTROL_FRAMES:
            self.close(POLICY_VIOLATION, "too many control frames")
        else:
            self._feed(frame)

    def _handshake(self, data: bytes) -> bytes:
        """Give websockets the head of the handshake; returns the bytes that follow it, if they are frames."""
        if not self._head_done:
            end = data.find(b"\r\n\r\n") + 4
            if end < 4:
                if len(data) > MAX_HEAD_BYTES:
                    self.transport.abort()
                self._rest = data
                return b""
            self._head_done = True
            if self._is_server and not data.startswith(b"GET "):
                self.deliver(data)
                return b""
            if self._is_server:
                # Until the request is answered
                self.pause_reading()
            self._feed(data[:end])
            data = data[end:]
        if self.protocol.state is State.CONNECTING and self._is_server and self._closing.timer is None:
            # The request waits for its answer. Input after a refusal (then the timer runs) is not kept.
            self._rest = data
            return b""
        if self.protocol.state is not State.OPEN:
            self._feed(data)
            return b""
        return data

    def _feed(self, data: bytes) -> None:
        """Pass bytes through websockets: the slow path."""
        if not data:
            return
        self.protocol.receive_data(data)
        self._open = self.protocol.state is State.OPEN
        self.flush()
        for event in self.protocol.events_received():
            if not isinstance(event, Frame):
                self.delegate.on_handshake(self, event)
            elif event.opcode is Opcode.TEXT or event.opcode is Opcode.CONT:
                self._fragment(event)
            elif event.opcode is Opcode.BINARY:
                self.close(UNSUPPORTED_DATA, "only text messages are accepted")
        self._check_close()

    def _fragment(self, frame: Frame) -> None:
        self._fragments.append(bytes(frame.data))
        if len(self._fragments) > MAX_FRAGMENTS:
            self.close(TOO_BIG, f"a message in more than {MAX_FRAGMENTS} fragments")
        elif frame.fin:
            payload = b"".join(self._fragments)
            self._fragments = []
            if self._open:
                self.deliver(payload)

    def eof_received(self) -> bool:
        """See asyncio.Protocol."""
        self._open = False
        if self._rest and not self._is_server and self.protocol.state is State.CONNECTING:
            # The beginning of an answer shows what kind of server it was.
            self.protocol.receive_data(self._rest)
            self._rest = b""
        self.protocol.receive_eof()
        self.flush()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.BaseProtocol."""
        self._closing.lost = True
        self._open = False
        if self._closing.timer is not None:
            self._closing.timer.cancel()
        self.delegate.on_closed(self, *self._close_status())

    def pause_writing(self) -> None:
        """See asyncio.BaseProtocol."""
        self.delegate.on_writable(self, False)

    def resume_writing(self) -> None:
        """See asyncio.BaseProtocol."""
        self.delegate.on_writable(self, True)

    # --- to the peer

    @property
    def is_open(self) -> bool:
        """True if messages can be sent."""
        return self._open

    def send(self, payload: bytes) -> None:
        """Send one text message; dropped while closing. Back-pressure is the caller's task (`on_writable`)."""
        if not self._open:
            return
        length = len(payload)
        bit = self._send_bit
        if length < 126:
            head = bytes((_FINAL_TEXT, length | bit))
        elif length < 65536:
            head = bytes((_FINAL_TEXT, 126 | bit, length >> 8, length & 255))
        else:
            head = bytes((_FINAL_TEXT, 127 | bit)) + length.to_bytes(8, "big")
        if bit:
            # Masks must be unpredictable (RFC 6455, 10.3). 256 are drawn at once, because a system call for each
            # would cost more than the masking.
            if not self._masks:
                drawn = os.urandom(1024)
                self._masks = [drawn[at : at + 4] for at in range(0, 1024, 4)]
            mask = self._masks.pop()
            self.transport.write(head + mask + apply_mask(payload, mask))
        else:
            self.transport.write(head + payload)

    def ping(self) -> None:
        """Send a ping; `heard` grows when the answer arrives."""
        if self.is_open:
            self.protocol.send_ping(b"")
            self.flush()

    def close(self, code: int | None = 1000, reason: str = "") -> None:
        """Begin the closing handshake; the connection ends within 2 s, whatever the peer does. Idempotent."""
        if self._closing.lost:
            return
        if self.protocol.state is State.OPEN:
            self._closing.sent = (1005 if code is None else code, reason)
            # A reason holds at most 123 bytes of UTF-8; a longer one would be a protocol error.
            self.protocol.send_close(code, reason.encode()[:123].decode("utf-8", "ignore") if code else "")
            self._open = False
            # While reading is paused, the peer's answer could not arrive.
            self.resume_reading()
        elif self.protocol.state is State.CONNECTING:
            self.transport.abort()
            return
        self.flush()
        self._check_close()

    @property
    def peer_address(self) -> str:
        """The IP address of the peer; ``0.0.0.0`` if the connection has none, such as one of a socket pair."""
        name = self.transport.get_extra_info("peername")
        if not name:
            return "0.0.0.0"
        return plain_address(str(name[0]))

    def text_response(self, status: HTTPStatus, text: str) -> Response:
        """A plain-text response for `respond`, which does not upgrade the connection."""
        assert isinstance(self.protocol, ServerProtocol)
        response = self.protocol.reject(status, text)
        response.headers["Cache-Control"] = "no-store"
        return response

    def respond(self, response: Response) -> None:
        """Answer the peer's request."""
        assert isinstance(self.protocol, ServerProtocol)
        self.protocol.send_response(response)
        self._open = self.protocol.state is State.OPEN
        self.flush()
        self._check_close()
        self.resume_reading()

    def abort(self) -> None:
        """Drop the connection without a closing handshake."""
        self.transport.abort()

    @property
    def is_reading(self) -> bool:
        """True unless reading is paused."""
        return self._reading

    def pause_reading(self) -> None:
        """Stop reading; once the kernel's buffer is full, the peer waits. Idempotent."""
        if self._reading and not self._closing.lost:
            self._reading = False
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again, first what was received but not handled. Idempotent."""
        if not self._reading and not self._closing.lost:
            self._reading = True
            self.transport.resume_reading()
            if self._rest:
                asyncio.get_running_loop().call_soon(self.data_received, b"")

    # --- closing

    def flush(self) -> None:
        """Send the bytes that `protocol` has produced."""
        for data in self.protocol.data_to_send():
            if data:
                self.transport.write(data)
            elif self.transport.can_write_eof():
                self.transport.write_eof()
            else:
                # TLS cannot close one direction alone.
                self.transport.close()

    def _check_close(self) -> None:
        if self._closing.timer is None and self.protocol.close_expected():
            # Input is read and discarded meanwhile: closing with unread input would reset the connection, and the
            # peer would not receive the close code.
            loop = asyncio.get_running_loop()
            self._closing.timer = loop.call_later(CLOSE_TIMEOUT_SECONDS, self.transport.abort)

    def _close_status(self) -> tuple[int, str]:
        """Code and reason of the close: ours from `close`, else the peer's, else the one websockets sent, else 1006."""
        if self._closing.sent is not None:
            return self._closing.sent
        close = self.protocol.close_rcvd or self.protocol.close_sent
        return (ABNORMAL, "") if close is None else (close.code, close.reason)


def _head_size(data: bytes, position: int, end: int) -> int:
    """Size in bytes of the frame header at *position*, without its mask; 2 if fewer than 2 bytes have arrived."""
    if end - position < 2:
        return 2
    length = data[position + 1] & 0x7F
    return 2 + (0 if length < 126 else 2 if length == 126 else 8)
