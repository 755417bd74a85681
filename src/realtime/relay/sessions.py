"""Keeps the connections and sessions of a relay: opens sessions, counts them, drains and ends them.

Thread: the event loop only.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

from .admission import Admission
from .context import RelayContext
from .journal import record, record_failure
from .pipe import Pipe
from .socket import WebSocket

__all__ = ["Sessions"]


class Sessions:
    """The open connections of clients, and the running sessions; iterating yields the sessions.

    Attributes
    ----------
    draining : bool
        True once the relay takes no more sessions.
    """

    def __init__(self, context: RelayContext) -> None:
        self._context = context
        self._connections: set[WebSocket] = set()
        self._pipes: set[Pipe] = set()
        self._per_client: Counter[str] = Counter()
        self._empty = asyncio.Event()
        self.draining = False

    def __len__(self) -> int:
        return len(self._pipes)

    def __iter__(self) -> Iterator[Pipe]:
        return iter(self._pipes)

    @property
    def is_full(self) -> bool:
        """True if no further session may be opened."""
        return len(self._pipes) >= self._context.policy.limits.sessions

    def of_client(self, client: str) -> int:
        """Number of sessions that count for *client* (`Admission.client`)."""
        return self._per_client[client]

    # --- connections

    def connected(self, socket: WebSocket) -> bool:
        """Count a connection; returns False if there are too many."""
        if len(self._connections) >= self._context.policy.limits.connections:
            self._context.totals.refused["connections"] += 1
            return False
        self._connections.add(socket)
        return True

    def disconnected(self, socket: WebSocket) -> None:
        """Uncount a closed connection."""
        self._connections.discard(socket)

    # --- sessions

    def open(self, socket: WebSocket, admission: Admission) -> None:
        """Open a session for a client whose handshake has been answered."""
        pipe = Pipe(self._context, socket, admission, self._ended)
        self._pipes.add(pipe)
        self._empty.clear()
        self._per_client[admission.client] += 1
        self._context.totals.sessions += 1
        record("session.opened", session=pipe.id, client=admission.client, model=admission.model)
        pipe.start()
        if self.draining:
            pipe.drain()

    def _ended(self, pipe: Pipe) -> None:
        self.disconnected(pipe.client)
        self._pipes.remove(pipe)
        client = pipe.admission.client
        self._per_client[client] -= 1
        if not self._per_client[client]:
            del self._per_client[client]
        self._note_empty()

    def _note_empty(self) -> None:
        if not self._pipes:
            self._empty.set()

    def tick(self, now: float) -> None:
        """Check the time limits of all sessions, and publish the metrics; called once a second."""
        for pipe in list(self._pipes):
            try:
                pipe.tick(now)
            except Exception as error:
                # Nobody foresaw it: this session ends, and those of others go on.
                record_failure("session.failed", error, session=pipe.id)
                pipe.abort()
        self.publish()

    def publish(self) -> None:
        """Bring the metrics up to date."""
        for pipe in self._pipes:
            pipe.count()
        self._context.metrics.publish(len(self._pipes), self.draining)

    # --- shutdown

    def drain(self) -> None:
        """Take no more sessions, and end each one between two turns."""
        self.draining = True
        for pipe in self._pipes:
            pipe.drain()

    def restart(self) -> None:
        """Take no more sessions, and end all of them now; clients are told to connect again."""
        self.draining = True
        for pipe in list(self._pipes):
            pipe.restart()

    async def wait_empty(self, seconds: float) -> bool:
        """Wait until no session is left; returns False after *seconds*."""
        self._note_empty()
        try:
            await asyncio.wait_for(self._empty.wait(), seconds)
        except asyncio.TimeoutError:
            return False
        return True

    def abort(self) -> None:
        """Drop all connections."""
        for pipe in list(self._pipes):
            pipe.abort()
        for connection in list(self._connections):
            connection.abort()
