"""Reports from the forwarding process to the console: what passed, when, and in which direction.

One report is a header (kind, connection, seconds since the epoch, size) and its bytes. The sender never waits for the
reader: reports are queued up to a bound, and beyond it the forwarding process stops copying that connection.

Thread: `Reporter.send` is the forwarding loop's, and a thread of its own writes; a thread of the console reads.
"""

from __future__ import annotations

import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from enum import IntEnum
from typing import IO, BinaryIO, NamedTuple

__all__ = ["Kind", "Report", "Reporter", "read_reports"]

HEADER = struct.Struct("<BIdI")
# Waiting reports: minutes of audio of one session
MAX_WAITING_BYTES = 64 * 1024 * 1024


class Kind(IntEnum):
    """What a report tells."""

    # The address that clients use; or why there is none
    LISTENING = 1
    FAILED = 2
    # The head of a client's request; bytes of the client and of the server
    OPENED = 3
    CLIENT = 4
    SERVER = 5
    # The server could not be reached (a message); both sides are gone; nothing more of this connection is reported
    REFUSED = 6
    CLOSED = 7
    LOST = 8


class Report(NamedTuple):
    """One report; *time* is in seconds since the epoch."""

    kind: Kind
    connection: int
    time: float
    data: bytes


class Reporter:
    """Writes reports to *stream* in a thread of its own."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting: deque[bytes] = deque()
        # Of the waiting reports, and of those that are being written
        self._bytes = 0
        self._writing = False
        self._broken = False
        self._wake = threading.Condition()
        threading.Thread(target=self._write, name="tap-reports", daemon=True).start()

    def send(self, kind: Kind, connection: int = 0, data: bytes = b"") -> bool:
        """Queue a report; False if too many wait. Those without bytes are always queued."""
        with self._wake:
            if self._broken:
                return True
            if data and self._bytes + len(data) > MAX_WAITING_BYTES:
                return False
            self._waiting.append(HEADER.pack(kind, connection, time.time(), len(data)) + data)
            self._bytes += len(data)
            self._wake.notify()
        return True

    def finish(self, seconds: float) -> None:
        """Wait until everything is written, at most so long."""
        with self._wake:
            self._wake.wait_for(lambda: self._broken or not (self._waiting or self._writing), seconds)

    def _write(self) -> None:
        try:
            while True:
                with self._wake:
                    self._writing = False
                    self._wake.notify_all()
                    while not self._waiting:
                        self._wake.wait()
                    piece = b"".join(self._waiting)
                    payload = len(piece) - HEADER.size * len(self._waiting)
                    self._waiting.clear()
                    self._writing = True
                self._stream.write(piece)
                self._stream.flush()
                with self._wake:
                    self._bytes -= payload
        except (OSError, ValueError):
            # The console has gone: the clients stay
            with self._wake:
                self._broken = True
                self._waiting.clear()
                self._wake.notify_all()


def read_reports(stream: IO[bytes]) -> Iterator[Report]:
    """Yield the reports of *stream*, a buffered one, until it ends."""
    while len(head := stream.read(HEADER.size)) == HEADER.size:
        kind, connection, at, size = HEADER.unpack(head)
        data = stream.read(size)
        if len(data) < size:
            return
        yield Report(Kind(kind), connection, at, data)
