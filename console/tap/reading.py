"""Finds the messages in the bytes of one direction of a websocket, after its upgrade.

`websockets` (its sans-I/O core) reads the frames; what it would answer is dropped, because the two ends answer each
other. Compressed messages are inflated.

Thread: the console's event loop.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from websockets.client import ClientProtocol
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

__all__ = ["Close", "MessageReader", "UnreadableError"]

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
# Outside of the logger tree: at DEBUG websockets logs what it reads
QUIET = logging.Logger("console.tap", level=logging.CRITICAL + 1)


class UnreadableError(Exception):
    """The bytes are no websocket frames that can be read; the message says why."""


@dataclass(frozen=True)
class Close:
    """A close frame: its code (1005: none) and its reason."""

    code: int
    reason: str


class MessageReader:
    """Reads the messages that the client, or the server, sends.

    Parameters
    ----------
    from_client : bool
        The direction; a client masks its frames.
    extensions : str
        The ``Sec-WebSocket-Extensions`` header of the server's answer.
    """

    def __init__(self, from_client: bool, extensions: str) -> None:
        options = {"state": State.OPEN, "max_size": MAX_MESSAGE_BYTES, "logger": QUIET}
        self._protocol: ServerProtocol | ClientProtocol = (
            ServerProtocol(**options)  # type: ignore[arg-type]
            if from_client
            else ClientProtocol(parse_uri("ws://tap"), **options)  # type: ignore[arg-type]
        )
        self._protocol.extensions = _extensions(from_client, extensions)
        self._parts: list[bytes] = []
        self._binary = False

    def feed(self, data: bytes) -> list[bytes | Close]:
        """The messages that *data* completes, as bytes, and the close frame. Raises UnreadableError."""
        found: list[bytes | Close] = []
        self._protocol.receive_data(data)
        # Pongs and close frames that an end of the connection would send
        self._protocol.data_to_send()
        for frame in self._protocol.events_received():
            if isinstance(frame, Frame):
                self._take(frame, found)
        if self._protocol.parser_exc is not None:
            raise UnreadableError(str(self._protocol.parser_exc) or type(self._protocol.parser_exc).__name__)
        return found

    def _take(self, frame: Frame, found: list[bytes | Close]) -> None:
        if frame.opcode is Opcode.CLOSE:
            received = self._protocol.close_rcvd
            found.append(Close(1005, "") if received is None else Close(int(received.code), received.reason))
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._parts.append(bytes(frame.data))
            if sum(map(len, self._parts)) > MAX_MESSAGE_BYTES:
                raise UnreadableError("a message of more than 64 MiB")
            if frame.fin:
                found.append(b"".join(self._parts))
                self._parts = []


def _extensions(from_client: bool, header: str) -> list[Extension]:
    """What decodes the frames of one direction. Raises UnreadableError for an unknown extension."""
    if not header.strip():
        return []
    name, *parameters = (part.strip() for part in header.split(";"))
    if name != "permessage-deflate" or "," in header:
        raise UnreadableError(f"the extension {name!r} is not known")
    given = {
        key.strip(): value.strip().strip('"') for key, _, value in (one.partition("=") for one in parameters)
    }
    side = "client" if from_client else "server"
    bits = given.get(f"{side}_max_window_bits") or "15"
    return [
        PerMessageDeflate(
            remote_no_context_takeover=f"{side}_no_context_takeover" in given,
            local_no_context_takeover=True,
            remote_max_window_bits=int(bits) if bits.isdecimal() and 8 <= int(bits) <= 15 else 15,
            local_max_window_bits=15,
        )
    ]
