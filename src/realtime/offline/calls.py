"""Calls: sessions that sideband connections (``?call_id=``) join, leave and join again.

There is no telephone and no WebRTC here: the first connection that names a call id begins the call.

Thread: the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .session.outbox import Outbox
from .session.session import Session

# A call without connections is kept this long for one that reconnects.
KEPT_SECONDS = 60.0


class Audience:
    """The outboxes of all connections of a call; a session writes to it as to one Outbox."""

    def __init__(self) -> None:
        self.outboxes: list[Outbox] = []
        # True once the session has ended: nobody can join it again.
        self.closed = False

    def put(self, frame: str) -> None:
        """Queue a frame for every connection."""
        for outbox in self.outboxes:
            outbox.put(frame)

    async def drain(self) -> None:
        """Wait until no connection has too much queued."""
        for outbox in list(self.outboxes):
            await outbox.drain()

    def close(self, code: int, reason: str) -> None:
        """Close every connection after its queued frames."""
        self.closed = True
        for outbox in self.outboxes:
            outbox.close(code, reason)

    def cut(self) -> None:
        """Drop every connection."""
        for outbox in self.outboxes:
            outbox.cut()


class Call:
    """One call: its session, and the connections that have joined it."""

    def __init__(self, make_session: Callable[[Audience], Session]) -> None:
        self.audience = Audience()
        self.session = make_session(self.audience)
        self._turn = asyncio.Lock()
        self._begun = False
        self.expiry: asyncio.TimerHandle | None = None

    def join(self, outbox: Outbox) -> None:
        """Add a connection; it is told the session as it is now."""
        if self.expiry is not None:
            self.expiry.cancel()
            self.expiry = None
        if self._begun:
            self.session.greet(outbox)
            self.audience.outboxes.append(outbox)
        else:
            self._begun = True
            self.audience.outboxes.append(outbox)
            self.session.start()

    async def handle(self, frame: str | bytes) -> None:
        """Carry out one client frame; the connections take turns."""
        async with self._turn:
            await self.session.handle(frame)

    def end(self) -> None:
        """End the call and close its connections."""
        if self.expiry is not None:
            self.expiry.cancel()
        self.audience.close(1000, "call ended")
        self.session.close()


class Calls:
    """The calls of one server, at most *most* at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._calls: dict[str, Call] = {}

    def join(self, call_id: str, outbox: Outbox, make_session: Callable[[Audience], Session]) -> Call | None:
        """Join a call, or begin it; None if there are too many."""
        call = self._calls.get(call_id)
        if call is not None and call.audience.closed:
            self.end(call_id)
            call = None
        if call is None:
            if len(self._calls) >= self._most:
                return None
            call = self._calls[call_id] = Call(make_session)
        call.join(outbox)
        return call

    def leave(self, call_id: str, call: Call, outbox: Outbox) -> None:
        """Take a connection out of its call; a call that nobody joins again ends after KEPT_SECONDS."""
        call.audience.outboxes.remove(outbox)
        if not call.audience.outboxes and self._calls.get(call_id) is call:
            call.expiry = asyncio.get_running_loop().call_later(KEPT_SECONDS, self.end, call_id)

    def end(self, call_id: str) -> bool:
        """End a call; False if there is none of that id."""
        call = self._calls.pop(call_id, None)
        if call is not None:
            call.end()
        return call is not None

    def close(self) -> None:
        """End all calls."""
        for call_id in list(self._calls):
            self.end(call_id)
