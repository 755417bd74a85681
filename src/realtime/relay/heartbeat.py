"""Pings both sides of a session and finds a side that no longer answers.

Thread: the event loop only; the caller passes the time.
"""

from __future__ import annotations

from collections.abc import Iterable

from .socket import WebSocket

__all__ = ["Heartbeat"]


class Heartbeat:
    """Pings of one session, every *interval* seconds from *now* on."""

    def __init__(self, interval: float, now: float) -> None:
        self._interval = interval
        self._next = now + interval
        # Socket -> its `heard` at the last ping
        self._pinged: dict[WebSocket, int] = {}

    def is_due(self, now: float) -> bool:
        """True once in each interval."""
        if now < self._next:
            return False
        self._next = now + self._interval
        return True

    def ping(self, sockets: Iterable[WebSocket]) -> WebSocket | None:
        """Ping *sockets*; returns the first one from which nothing has arrived since its last ping."""
        for socket in sockets:
            # While reading is paused, silence says nothing.
            if not socket.is_reading:
                continue
            if self._pinged.get(socket) == socket.heard:
                return socket
            self._pinged[socket] = socket.heard
            socket.ping()
        return None
