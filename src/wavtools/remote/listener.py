"""Listener: waits on a TCP port for the Python that has the hardware, and makes it the peer of a RemoteDevice.

A connection begins with one line, ``wavtools-remote 1 TOKEN``, and the answer ``ok`` or ``no`` with a reason.

Thread: one of its own ("wavtools-remote-accept"), and those of each connection (see streams.py); its methods: any.
"""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import secrets
import socket
import threading
from typing import TYPE_CHECKING

from wavtools._arguments import integer
from wavtools.remote.streams import Connection, connect
from wavtools.remote_device import RemoteDevice

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["GREETING", "MAX_LINE", "Listener", "listen"]

GREETING = "wavtools-remote 1"
MAX_LINE = 256
# Seconds that a connection may take for its first line, and how many may be in that state
GREETING_SECONDS = 5.0
MAX_GREETING = 8


def listen(
    port: int = 0,
    *,
    host: str = "127.0.0.1",
    token: str | None = None,
    device: RemoteDevice | None = None,
    insecure_host: bool = False,
) -> Listener:
    """Wait for ``python -m wavtools.remote`` on another machine, which then plays and captures for this one.

    Nothing on the wire is encrypted: connect through ssh (``ssh -L PORT:127.0.0.1:PORT this-machine``).

    Parameters
    ----------
    port : int
        0 to 65535; 0 for a free one.
    host : str
        The address to listen on.
    token : str, optional
        What the other side must know; a random one when not given. `Listener.command` shows it.
    device : RemoteDevice, optional
        A new one when not given.
    insecure_host : bool
        True allows a *host* that other machines reach: everybody on the way can then hear and speak.

    Returns
    -------
    Listener
        Its ``device`` is for players and recorders.

    Raises
    ------
    TypeError, ValueError
        a port out of range, a *token* that is no plain text of 8 to 200 characters, or a *host* that other machines reach
        without *insecure_host*
    OSError
        the port is taken

    Examples
    --------
    >>> with wavtools.remote.listen() as listener:
    ...     print(listener.command)                       # doctest: +SKIP
    ...     player = wavtools.WavStreamPlayer(device=listener.device)
    """
    port = integer(port, "port", 0, 65_535, "a port is 0 to 65535")
    if token is None:
        token = secrets.token_urlsafe(24)
    if not isinstance(token, str) or not 8 <= len(token) <= 200 or not token.isascii() or " " in token:
        raise ValueError("token must be 8 to 200 plain characters without spaces")
    if not token.isprintable():
        raise ValueError("token must be printable")
    if not (insecure_host or _is_loopback(host)):
        raise ValueError(
            f"other machines reach {host!r}, and nothing is encrypted; leave host= out and use ssh -L, or pass "
            "insecure_host=True"
        )
    server = socket.create_server((host, port), backlog=MAX_GREETING)
    return Listener(server, token, RemoteDevice() if device is None else device)


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


class Listener:
    """A port that waits for a peer; `listen` makes it. ``with`` closes it at the end of the block.

    Attributes
    ----------
    device : RemoteDevice
        Give it as ``device=`` to a player and a recorder.
    host : str
    port : int
    token : str
    """

    def __init__(self, server: socket.socket, token: str, device: RemoteDevice) -> None:
        self._server = server
        self.device = device
        self.token = token
        self.host, self.port = server.getsockname()[:2]
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self._greeting = threading.BoundedSemaphore(MAX_GREETING)
        self._closed = False
        threading.Thread(target=self._accept, name="wavtools-remote-accept", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Listener on {self.host}:{self.port}, {self.device!r}>"

    @property
    def command(self) -> str:
        """What to run on the machine with the hardware, the token included; after ``ssh -L`` where this is not here."""
        return f"python -m wavtools.remote {self.port} --token {self.token}"

    def close(self) -> None:
        """Close the port and the connection; player and recorder of the device stay. Again is fine."""
        self._closed = True
        # A blocked accept() does not end by close() alone.
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            if not self._greeting.acquire(blocking=False):
                client.close()
                continue
            threading.Thread(
                target=self._greet, args=(client,), name="wavtools-remote-greet", daemon=True
            ).start()

    def _greet(self, client: socket.socket) -> None:
        """Check the first line of a connection; then it is the peer."""
        try:
            client.settimeout(GREETING_SECONDS)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line = _first_line(client)
            if not hmac.compare_digest(line, f"{GREETING} {self.token}".encode()):
                client.sendall(b"no: the token is wrong, or the versions differ\n")
                client.close()
                return
            client.sendall(b"ok\n")
            client.settimeout(None)
        except OSError:
            client.close()
            return
        finally:
            self._greeting.release()

        def close() -> None:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()

        connection = connect(self.device, client.makefile("rb"), client.makefile("wb"), close)
        with self._lock:
            self._connections = [one for one in self._connections if not one.wait(0)]
            self._connections.append(connection)
        if self._closed:
            connection.close()


def _first_line(client: socket.socket) -> bytes:
    """Byte by byte, because what follows is the wire's; at most MAX_LINE bytes."""
    line = b""
    while len(line) < MAX_LINE and (byte := client.recv(1)) not in (b"", b"\n"):
        line += byte
    return line
