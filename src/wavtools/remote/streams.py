"""Streams: carries frames over a pair of byte streams, each frame after its length.

Thread: two of its own for each connection ("wavtools-remote-in", "wavtools-remote-out"); everything else: any.
"""

from __future__ import annotations

import contextlib
import queue
import struct
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from wavtools.remote_device import RemoteDevice

__all__ = ["ByteReader", "ByteWriter", "Connection", "Pump", "connect"]

MAX_FRAME = 65_536
# Frames that may wait to be written: the window of a second, and what is asked meanwhile
MAX_WAITING = 4096
_LENGTH = struct.Struct("<I")


class ByteReader(Protocol):
    """A binary file that blocks, such as ``sys.stdin.buffer`` or ``socket.makefile("rb")``."""

    def read(self, count: int, /) -> bytes: ...


class ByteWriter(Protocol):
    """Its counterpart."""

    def write(self, data: bytes, /) -> object: ...
    def flush(self) -> object: ...


class Pump:
    """Reads frames in one thread and writes them in another one.

    Parameters
    ----------
    reader : ByteReader
    writer : ByteWriter
    close : callable
        Closes both, from any thread; a blocked read must end then.
    """

    def __init__(self, reader: ByteReader, writer: ByteWriter, close: Callable[[], object]) -> None:
        self._reader = reader
        self._writer = writer
        self._close = close
        self._waiting: queue.Queue[bytes | None] = queue.Queue(MAX_WAITING)
        self._ended = threading.Event()
        # What ended it; "" for the end of the stream.
        self.reason = ""

    def send(self, frame: bytes) -> None:
        """Write *frame* in its turn; never blocks. Raises OSError if the other side does not read."""
        try:
            self._waiting.put_nowait(_LENGTH.pack(len(frame)) + frame)
        except queue.Full:
            raise OSError("the other side does not read") from None

    def start(self, receive: Callable[[bytes], object], ended: Callable[[], object]) -> None:
        """Start both threads: *receive* gets each frame, *ended* is called once after the last one."""

        def read() -> None:
            try:
                self._read(receive)
            except (OSError, ValueError) as error:
                # ValueError: a file that was closed meanwhile.
                self.reason = self.reason or str(error)
            finally:
                self.close()
                ended()

        threading.Thread(target=read, name="wavtools-remote-in", daemon=True).start()
        threading.Thread(target=self._write, name="wavtools-remote-out", daemon=True).start()

    def finish(self) -> None:
        """Close once what waits is written. Never blocks."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
            return
        self.close()

    def close(self) -> None:
        """Close both streams now. Again is fine."""
        if not self._ended.is_set():
            self._ended.set()
            self.finish()
            with contextlib.suppress(OSError, ValueError):
                self._close()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; False if *timeout* seconds passed first."""
        return self._ended.wait(timeout)

    def _read(self, receive: Callable[[bytes], object]) -> None:
        while len(head := self._exactly(_LENGTH.size)) == _LENGTH.size:
            (length,) = _LENGTH.unpack(head)
            if length > MAX_FRAME:
                self.reason = "the other side does not speak this protocol"
                return
            frame = self._exactly(length)
            if len(frame) < length:
                return
            receive(frame)

    def _exactly(self, count: int) -> bytes:
        """*count* bytes, or fewer at the end of the stream."""
        data = b""
        while len(data) < count and (more := self._reader.read(count - len(data))):
            data += more
        return data

    def _write(self) -> None:
        try:
            while (data := self._waiting.get()) is not None:
                self._writer.write(data)
                if self._waiting.empty():
                    self._writer.flush()
            self._writer.flush()
        except (OSError, ValueError):
            # The reading side tells why.
            pass
        finally:
            self.close()


class Connection:
    """A peer of a RemoteDevice on a pair of byte streams; `connect` makes it."""

    def __init__(self, pump: Pump) -> None:
        self._pump = pump

    def close(self) -> None:
        """End the connection; player and recorder of the device go on. Thread: any."""
        self._pump.close()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the connection has ended; False if *timeout* seconds passed first. Thread: any."""
        return self._pump.wait(timeout)


def connect(
    device: RemoteDevice, reader: ByteReader, writer: ByteWriter, close: Callable[[], object] = lambda: None
) -> Connection:
    """Let what is at the other end of two byte streams be the peer of *device*, such as a process behind ssh.

    Parameters
    ----------
    device : RemoteDevice
    reader, writer : binary files
        From and to the peer; they may block.
    close : callable, optional
        Closes both.

    Returns
    -------
    Connection
    """
    pump = Pump(reader, writer, close)
    peer = device.accept(pump.send, lambda code, reason: pump.finish())
    pump.start(peer.receive, peer.detach)
    return Connection(pump)
