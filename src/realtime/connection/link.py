"""One logical connection over as many sockets as it takes: connect, reconnect, renew, close once.

A fault is answered by a new session, with backoff, unless its code says that trying again cannot help.
Sessions expire; a new one is opened before that and takes over between two turns, without the application
noticing. What to say first in a new session is the delegate's affair (`LinkDelegate.begin`).

States: "disconnected" -> "connecting" -> "connected" <-> "reconnecting" -> "disconnected".

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from websockets.exceptions import ConnectionClosed

from ..errors import ConfigurationError, ConnectError
from ..events import CloseEvent, ConnectionEvent
from ..protocol.endpoint import Endpoint
from .transport import Transport, is_fatal

__all__ = ["Link", "LinkDelegate", "LinkOptions", "State"]

log = logging.getLogger("realtime")

State = Literal["disconnected", "connecting", "connected", "reconnecting"]

# Of the loop, until whoever waited for an event waits for the next: a task of its own takes two, and
# asyncio.wait_for() around it three (Python 3.11).
WAKE_TURNS = 6


@dataclass(frozen=True)
class LinkOptions:
    """How patient a connection is; all in seconds.

    ``max_attempts`` consecutive failures end it; an attempt that held for ``stable_after`` starts the count
    anew. ``renew_before`` is how long before its expiry a session is renewed, at most half its lifetime.
    """

    connect_timeout: float = 15.0
    reconnect: bool = True
    max_attempts: int = 10
    first_delay: float = 0.25
    max_delay: float = 10.0
    stable_after: float = 5.0
    renew_before: float = 300.0
    max_message_bytes: int = 64 * 1024 * 1024


class LinkDelegate(Protocol):
    """What a link asks of the client, and tells it."""

    def endpoint(self) -> Endpoint: ...
    def begin(self, created: dict[str, Any], *, resumed: bool) -> list[Any]: ...
    def receive(self, frame: bytes | str) -> bool: ...
    async def next_entry(self) -> Any: ...
    def put_back(self, entry: Any) -> None: ...
    def encode(self, entry: Any) -> tuple[str, Any] | None: ...
    def sent(self, event: Any) -> None: ...
    def sending(self, since: float | None) -> None: ...
    def at_boundary(self, *, forced: bool) -> bool: ...
    def lost(self, code: int, reason: str) -> None: ...
    def changed(self, event: ConnectionEvent) -> None: ...
    def closed(self, event: CloseEvent) -> None: ...


class Link:
    """See the module."""

    def __init__(self, delegate: LinkDelegate, options: LinkOptions) -> None:
        self._delegate = delegate
        self.options = options
        self.state: State = "disconnected"
        self.renewals = 0
        self.reconnections = 0
        self._transport: Transport | None = None
        self._next: Transport | None = None  # opened for a renewal, waiting for its moment
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._renewer: asyncio.Task[None] | None = None
        self._reconnector: asyncio.Task[None] | None = None
        self._connector: asyncio.Task[Any] | None = None
        self._leaving: set[asyncio.Task[None]] = set()  # closes of old sockets under way
        self._failures = 0

    async def connect(self) -> None:
        """Open the first session; only while disconnected. Raises ConnectError, ConfigurationError."""
        self._set_state("connecting")
        self._failures = 0
        self._connector = asyncio.current_task()
        try:
            transport = await self._open()
        except BaseException:
            self._set_state("disconnected")
            raise
        finally:
            self._connector = None
        self._set_state("connected")
        self._adopt(transport, resumed=False)

    async def disconnect(self, code: int = 1000, reason: str = "") -> None:
        """End it; at most about a second. Idempotent. Also from within a handler."""
        transport = self._stop(code, reason)
        if transport is not None:
            await transport.close(code, reason)
        if self._leaving:
            await asyncio.wait(tuple(self._leaving))

    def abandon(self) -> None:
        """The same without waiting: the socket closes in the background."""
        transport = self._stop(1000, "")
        if transport is not None:
            self._leave(transport)

    def _stop(self, code: int, reason: str) -> Transport | None:
        connector = self._connector
        if connector is not None and connector is not asyncio.current_task():
            connector.cancel()
        transport, was = self._detach(), self.state
        self._cancel("_reconnector")
        if was in ("connected", "reconnecting"):
            self._set_state("disconnected")
            self._delegate.closed(CloseEvent(code, reason, error=False))
        return transport

    def _cancel(self, *names: str) -> None:
        for name in names:
            task: asyncio.Task[None] | None = getattr(self, name)
            setattr(self, name, None)
            if task is not None and task is not asyncio.current_task():
                task.cancel()

    def _set_state(self, state: State, **details: Any) -> None:
        self.state = state
        self._delegate.changed(ConnectionEvent(state, **details))

    async def _open(self) -> Transport:
        return await Transport.open(
            self._delegate.endpoint(),
            timeout=self.options.connect_timeout,
            max_message_bytes=self.options.max_message_bytes,
        )

    # The current socket

    def _adopt(self, transport: Transport, *, resumed: bool) -> None:
        """Make *transport* the current one. No await: nothing happens between the old and the new."""
        self._detach()
        self._transport = transport
        prelude = self._delegate.begin(transport.created, resumed=resumed)
        for frame in transport.opening_frames:
            self._delegate.receive(frame)
        transport.opening_frames.clear()
        if self._transport is not transport:
            return  # a handler disconnected
        self._writer = self._start(self._write(transport, prelude))
        self._reader = self._start(self._read(transport))
        self._schedule_renewal(transport)

    def _detach(self) -> Transport | None:
        transport, self._transport = self._transport, None
        self._cancel("_reader", "_writer", "_renewer")
        self._delegate.sending(0.0)
        return transport

    @staticmethod
    def _start(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(coroutine)

    def _leave(self, transport: Transport) -> None:
        task = self._start(transport.close())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _read(self, transport: Transport) -> None:
        try:
            while True:
                if self._delegate.receive(await transport.receive()):
                    for _ in range(WAKE_TURNS):
                        await asyncio.sleep(0)
        except ConnectionClosed:
            self._on_lost(transport)

    async def _write(self, transport: Transport, prelude: list[Any]) -> None:
        delegate = self._delegate
        delegate.sending(None)
        try:
            for event in prelude:
                await self._send(transport, event)
            while True:
                await self._send(transport, await delegate.next_entry())
        except ConnectionClosed:
            pass  # the reader sees it too, and has the code

    async def _send(self, transport: Transport, entry: Any) -> None:
        encoded = self._delegate.encode(entry)
        if encoded is None:
            return
        text, event = encoded
        self._delegate.sending(time.monotonic())
        try:
            await transport.send(text)
        except ConnectionClosed:
            self._delegate.put_back(entry)
            raise
        self._delegate.sending(None)
        self._delegate.sent(event)

    # Faults

    def _on_lost(self, transport: Transport) -> None:
        if transport is not self._transport:
            return
        code, reason = transport.close_status
        self._detach()
        self._leave(transport)
        if time.monotonic() - transport.opened_at > self.options.stable_after:
            self._failures = 0
        self._delegate.lost(code, reason)
        if self.state != "connected":
            return  # a handler disconnected
        if not self.options.reconnect or is_fatal(code):
            self._give_up(code, reason)
        else:
            self._reconnector = self._start(self._reconnect(code, reason))

    def _give_up(self, code: int, reason: str) -> None:
        self._set_state("disconnected", code=code, reason=reason)
        self._delegate.closed(CloseEvent(code, reason, error=True))

    async def _reconnect(self, code: int, reason: str) -> None:
        while self._failures < self.options.max_attempts:
            delay = self._delay()
            self._failures += 1
            self._set_state("reconnecting", attempt=self._failures, delay=delay, code=code, reason=reason)
            await asyncio.sleep(delay)
            try:
                transport = await self._open()
            except (ConnectError, ConfigurationError) as error:
                failed = error if isinstance(error, ConnectError) else None
                code = (failed and failed.code) or 1006
                reason = str(error)
                log.info("reconnecting, attempt %d: %s", self._failures, reason)
                if failed is None or failed.fatal:
                    break
                continue
            self._reconnector = None
            self.reconnections += 1
            self._set_state("connected", attempt=self._failures)
            self._adopt(transport, resumed=True)
            return
        self._reconnector = None
        self._give_up(code, reason)

    def _delay(self) -> float:
        """Exponential, between half and the whole of it: many clients must not come back as one."""
        longest: float = min(self.options.first_delay * 2**self._failures, self.options.max_delay)
        return longest * (0.5 + random.random() / 2)

    # Renewal

    def _schedule_renewal(self, transport: Transport) -> None:
        session = transport.created.get("session")
        expires_at = session.get("expires_at") if isinstance(session, dict) else None
        if isinstance(expires_at, bool) or not isinstance(expires_at, (int, float)):
            return
        lifetime = expires_at - time.time()
        # A server whose clock is off by more than its sessions last cannot be planned for.
        if 0 < lifetime < 86_400 and self.options.reconnect:
            self._renewer = self._start(self._renew(transport, lifetime))

    async def _renew(self, old: Transport, lifetime: float) -> None:
        """Open the next session, and hand over to it between two turns."""
        margin = min(self.options.renew_before, lifetime / 2)
        last_moment = time.monotonic() + lifetime - min(5.0, margin / 5)
        await asyncio.sleep(lifetime - margin)
        delay = self.options.first_delay
        try:
            while self._next is None:
                try:
                    self._next = await self._open()
                except (ConnectError, ConfigurationError) as error:
                    log.info("renewing the session: %s", error)
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, self.options.max_delay)
            while not self._take_over(forced=time.monotonic() > last_moment):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        finally:
            if self._next is not None:
                self._leave(self._next)
                self._next = None

    def hand_over(self) -> None:
        """A response has ended: go over to the next session if one is open. Cheap otherwise."""
        self._failures = 0  # this server works
        self._take_over(forced=False)

    def _take_over(self, *, forced: bool) -> bool:
        old, new = self._transport, self._next
        if old is None or new is None or not self._delegate.at_boundary(forced=forced):
            return False
        self._next = None
        self.renewals += 1
        self._adopt(new, resumed=True)
        self._leave(old)
        self._delegate.changed(ConnectionEvent("connected", renewed=True))
        return True
