"""One websocket as a protocol of the event loop: whole text messages in, whole text messages out.

`websockets` (its sans-I/O core) does the opening handshake, control frames, fragments, closing and every
error. What this module adds is the short way for the frame that makes up all of the traffic, a complete
text frame: it is cut out of the input and handed on without objects, queues or tasks in between. That is
what lets one core carry several times the sessions of a relay that goes through a message API.

Bounded: a frame is refused by its header, before it is received; the write buffer of a peer that does not
read pauses the other side's reading (`Pipe` does that).

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

try:
    from websockets.speedups import apply_mask
except ImportError:  # a build of websockets without its C extension
    from websockets.utils import apply_mask

__all__ = ["QUIET", "SocketDelegate", "WebSocket"]

# A logger of its own, outside the tree: at DEBUG websockets logs headers, and with them keys and tokens.
QUIET = logging.Logger("realtime.relay.websocket", level=logging.CRITICAL + 1)

CLOSE_TIMEOUT_SECONDS = 2.0
WRITE_HIGH_BYTES = 256 * 1024
MAX_FRAGMENTS = 256  # of one message: 1-byte fragments cost us 1000 times what they cost the sender
MAX_HEAD_BYTES = 16 * 1024
MAX_CONTROL_FRAMES = 64  # between two messages; a browser sends none, a library a ping in 20 s
_FINAL_TEXT = 0x81  # FIN, no reserved bits, opcode 1
_MASKED = 0x80


class SocketDelegate(Protocol):
    """Who is told what arrives. Called on the loop, in order; must not raise."""

    def on_connected(self, socket: WebSocket) -> None: ...
    def on_handshake(self, socket: WebSocket, event: Request | Response) -> None: ...
    def on_message(self, socket: WebSocket, payload: bytes) -> None: ...
    def on_writable(self, socket: WebSocket, writable: bool) -> None: ...
    def on_closed(self, socket: WebSocket, code: int, reason: str) -> None: ...


class WebSocket(asyncio.Protocol):
    """See the module.

    Parameters
    ----------
    protocol : ServerProtocol or ClientProtocol
        Its ``max_size`` also bounds the short way.
    delegate : SocketDelegate
    """

    transport: asyncio.Transport

    def __init__(self, protocol: ServerProtocol | ClientProtocol, delegate: SocketDelegate) -> None:
        self.protocol = protocol
        self.delegate = delegate
        self.deliver: Callable[[bytes], None] = partial(delegate.on_message, self)  # a pipe sets its own
        self._is_server = isinstance(protocol, ServerProtocol)
        self._mask_bit = _MASKED if self._is_server else 0  # what we must see in frames that come in
        self._mask_size = 4 if self._is_server else 0
        size = protocol.max_message_size
        self._max_bytes = size if size is not None else 1 << 62
        # Second byte and header size of a frame of 126 to 65535 bytes, the usual ones; -1 where that is too large.
        self._usual = 126 | self._mask_bit if self._max_bytes > 65535 else -1
        self._usual_head = 4 + self._mask_size
        self._rest = b""  # the beginning of a frame whose end has not come
        self._fragments: list[bytes] = []
        self._masks: list[bytes] = []
        self._send_bit = _MASKED ^ self._mask_bit
        self._closing: asyncio.TimerHandle | None = None
        self._control_frames = 0
        self._lost = False
        self._open = (
            protocol.state is State.OPEN
        )  # its property costs a call, and this is asked for every message
        self._head_done = False
        self._reading = True
        self._forced: tuple[int, str] | None = None
        self.heard = 0  # grows with whatever arrives: that the peer is alive

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
            self._rest = data  # what was under way when reading stopped
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
            # Exactly one text frame: the loop below does the same, in 1.5 times the time.
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
                self._feed(data[position:])  # websockets refuses it, from the header alone
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
        """Bytes of the handshake or of a closing connection; returns those that belong to frames."""
        if self.protocol.state is State.CONNECTING:
            return self._handshake(data)
        self._feed(data)
        return b""

    def _unusual_frame(self, frame: bytes) -> None:
        """A control frame, a fragment, or a fault."""
        self._control_frames += frame[0] & 0x08 != 0
        if self._control_frames > MAX_CONTROL_FRAMES:
            self.close(1008, "too many control frames")
        else:
            self._feed(frame)

    def _handshake(self, data: bytes) -> bytes:
        """Give websockets the head of the handshake and nothing behind it; returns what came behind it."""
        if not self._head_done:
            end = data.find(b"\r\n\r\n") + 4
            if end < 4:
                if len(data) > MAX_HEAD_BYTES:
                    self.transport.abort()
                self._rest = data
                return b""
            self._head_done = True
            if self._is_server:
                self.pause_reading()  # until the request is answered
            self._feed(data[:end])
            data = data[end:]
        if self.protocol.state is State.CONNECTING and self._is_server and self._closing is None:
            self._rest = data  # still being judged; what comes behind a refusal is not kept
            return b""
        if self.protocol.state is not State.OPEN:
            self._feed(data)
            return b""
        return data

    def _feed(self, data: bytes) -> None:
        """The long way: through websockets."""
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
                self.close(1003, "only text messages are understood")
        self._check_close()

    def _fragment(self, frame: Frame) -> None:
        self._fragments.append(bytes(frame.data))
        if len(self._fragments) > MAX_FRAGMENTS:
            self.close(1009, f"a message in more than {MAX_FRAGMENTS} fragments")
        elif frame.fin:
            payload = b"".join(self._fragments)
            self._fragments = []
            if self._open:
                self.deliver(payload)

    def eof_received(self) -> bool:
        """See asyncio.Protocol."""
        self._open = False
        self.protocol.receive_eof()
        self.flush()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.BaseProtocol."""
        self._lost = True
        self._open = False
        if self._closing is not None:
            self._closing.cancel()
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
        """Whether messages can be sent."""
        return self._open

    def send(self, payload: bytes) -> None:
        """Send one text message. The caller watches `on_writable`. Dropped when closing."""
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
            # Unpredictable (RFC 6455, 10.3). 256 at a time: a system call for each would cost more than masking.
            if not self._masks:
                drawn = os.urandom(1024)
                self._masks = [drawn[at : at + 4] for at in range(0, 1024, 4)]
            mask = self._masks.pop()
            self.transport.write(head + mask + apply_mask(payload, mask))
        else:
            self.transport.write(head + payload)

    def ping(self) -> None:
        """Send a ping; `heard` grows when the answer comes."""
        if self.is_open:
            self.protocol.send_ping(b"")
            self.flush()

    def close(self, code: int | None = 1000, reason: str = "") -> None:
        """Begin the closing handshake; the connection is gone 2 s later, whatever the peer does. Idempotent."""
        if self._lost:
            return
        if self.protocol.state is State.OPEN:
            self._forced = (1005 if code is None else code, reason)
            # A reason may hold 123 bytes of UTF-8; a longer one would be a protocol error of ours.
            self.protocol.send_close(code, reason.encode()[:123].decode("utf-8", "ignore") if code else "")
            self._open = False
            self.resume_reading()  # a paused side would never see the peer's answer
        elif self.protocol.state is State.CONNECTING:
            self.transport.abort()
            return
        self.flush()
        self._check_close()

    def respond(self, response: Response) -> None:
        """Answer the opening handshake."""
        assert isinstance(self.protocol, ServerProtocol)
        self.protocol.send_response(response)
        self._open = self.protocol.state is State.OPEN
        self.flush()
        self._check_close()
        self.resume_reading()

    def abort(self) -> None:
        """Cut the connection."""
        self.transport.abort()

    @property
    def is_reading(self) -> bool:
        """Whether input is taken."""
        return self._reading

    def pause_reading(self) -> None:
        """Stop taking input; the kernel's buffer fills and then the peer waits. Idempotent."""
        if self._reading and not self._lost:
            self._reading = False
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Idempotent."""
        if not self._reading and not self._lost:
            self._reading = True
            self.transport.resume_reading()
            if self._rest:
                asyncio.get_running_loop().call_soon(self.data_received, b"")

    # --- closing

    def flush(self) -> None:
        """Send what `protocol` has written."""
        for data in self.protocol.data_to_send():
            if data:
                self.transport.write(data)
            elif self.transport.can_write_eof():
                self.transport.write_eof()
            else:
                self.transport.close()  # TLS knows no half-closed connection

    def _check_close(self) -> None:
        if self._closing is None and self.protocol.close_expected():
            # We go on reading, and discard: closing with unread input would reset the connection, and the
            # peer would never learn the code.
            self._closing = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_SECONDS, self.transport.abort)

    def _close_status(self) -> tuple[int, str]:
        """Who spoke first decides: we, by `close`; the peer; else websockets, for a fault of the peer; else 1006."""
        if self._forced is not None:
            return self._forced
        close = self.protocol.close_rcvd or self.protocol.close_sent
        return (1006, "") if close is None else (close.code, close.reason)


def _head_size(data: bytes, position: int, end: int) -> int:
    """Bytes of the header at *position*, as far as they can be known; 2 if not even that much is there."""
    if end - position < 2:
        return 2
    length = data[position + 1] & 0x7F
    return 2 + (0 if length < 126 else 2 if length == 126 else 8)
