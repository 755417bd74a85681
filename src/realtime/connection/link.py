"""One logical connection over as many sockets as it needs: connect, reconnect, renew, close once.

After a fault the link opens a new session, with backoff, unless the close code says that trying again cannot
help. Sessions expire; the link opens the next one before that and changes over between two turns, which the
application does not notice. The delegate says what is sent first in a new session (`LinkDelegate.begin`).

Whatever a delegate raises is reported to it (`LinkDelegate.failed`) and ends nothing: one frame or one entry is
dropped. A task of the link that ends by anything unforeseen is reported and treated as a lost connection.
KeyboardInterrupt and SystemExit end the program; the link reports itself closed then.

States: "disconnected" -> "connecting" -> "connected" <-> "reconnecting" -> "disconnected".

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .. import background
from ..background import describe, is_failure
from ..errors import ConfigurationError, ConnectError
from ..events import CloseEvent, ConnectionEvent
from ..protocol.endpoint import Endpoint
from ..protocol.reading import dict_of
from .closing import SocketClosed, is_fatal
from .options import LinkOptions

if TYPE_CHECKING:
    from .transport import Transport

__all__ = ["Link", "LinkDelegate", "State"]

log = logging.getLogger("realtime")

State = Literal["disconnected", "connecting", "connected", "reconnecting"]

# Sessions longer than this are not renewed: the server's clock is probably wrong.
MAX_LIFETIME = 86_400
# Failed attempts to renew a session until it is told; a refusal is told at once.
RENEWAL_TRIES = 3


class LinkDelegate(Protocol):
    """What a link asks of its owner, and what it reports to it.

    Entries are opaque to the link: it passes what `next_entry` and `begin` return to `encode`.
    """

    # Opening

    async def endpoint(self) -> Endpoint:
        """Where to connect; asked anew for each socket. Raises ConfigurationError and ConnectError."""

    def begin(self, created: dict[str, Any], *, resumed: bool) -> list[Any]:
        """A session was opened: the entries to send first.

        Parameters
        ----------
        created : dict
            The ``session.created`` event.
        resumed : bool
            True if the session replaces an earlier one, of which it must be told.
        """

    # Reading

    def receive(self, frame: bytes | str) -> None:
        """Take one frame from the server. Raises nothing."""

    # Writing

    async def next_entry(self) -> Any:
        """The next entry to send, as soon as there is one. Cancel-safe."""

    def encode(self, entry: Any) -> tuple[str, Any] | None:
        """The frame of an entry and the event in it; None if nothing is to be sent."""

    def send_started(self) -> None:
        """The socket was given a frame."""

    def send_finished(self) -> None:
        """The socket has taken the frame, or is open and can take the first one."""

    def sent(self, event: Any) -> None:
        """The event that `encode` returned was sent."""

    def put_back(self, entry: Any) -> None:
        """The connection ended before this entry could be sent."""

    # Changes of the connection

    def failed(self, what: str, error: BaseException) -> None:
        """Something unforeseen was raised, by this delegate or inside the link; the link goes on."""

    def at_boundary(self, *, forced: bool) -> bool:
        """True if changing over to another session now would lose nothing.

        With *forced* the session is about to expire, and only an answer that is under way counts.
        """

    def disconnected(self) -> None:
        """There is no socket now; another may follow."""

    def final_error(self) -> str | None:
        """The text of an error after which another session cannot work either; None without one."""

    def renewal_refused(self, error: Exception, seconds_left: float) -> None:
        """The next session cannot be opened so far; the current one ends in *seconds_left*."""

    def lost(self, code: int, reason: str, by_server: bool) -> bool:
        """The socket was closed, by the server itself or by a fault. Returns False if another session cannot help."""

    def changed(self, event: ConnectionEvent) -> None:
        """The state of the link changed, or the session was renewed."""

    def closed(self, event: CloseEvent) -> None:
        """The connection has ended and will not be restored."""


class Link:
    """Keeps a session open and moves frames between the socket and its delegate.

    Attributes
    ----------
    state : str
        "disconnected", "connecting", "connected" or "reconnecting".
    renewals, reconnections : int
        How often a session was replaced, by plan and after a fault.
    """

    def __init__(self, delegate: LinkDelegate, options: LinkOptions) -> None:
        self._delegate = delegate
        self.options = options
        self.state: State = "disconnected"
        self.renewals = 0
        self.reconnections = 0
        self._transport: Transport | None = None
        # Opened for a renewal; it takes over between two turns.
        self._next: Transport | None = None
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._renewer: asyncio.Task[None] | None = None
        self._reconnector: asyncio.Task[None] | None = None
        self._connector: asyncio.Task[Any] | None = None
        # Tasks that close old sockets.
        self._leaving: set[asyncio.Task[None]] = set()
        self._failures = 0

    async def connect(self) -> None:
        """Open the first session; call it while disconnected. Raises ConnectError, ConfigurationError."""
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
        try:
            self._adopt(transport, resumed=False)
        except BaseException as error:
            self._detach()
            self._leave(transport)
            self._set_state("disconnected")
            if not is_failure(error):
                raise
            raise ConnectError(f"the session could not be begun: {describe(error)}") from error

    async def disconnect(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection; takes at most about a second. Idempotent. A handler may call it."""
        transport = self._stop(code, reason)
        if transport is not None:
            await transport.close(code, reason)
        if self._leaving:
            await asyncio.wait(tuple(self._leaving))

    def abandon(self) -> None:
        """Close the connection without waiting: the socket closes in the background."""
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
            self._tell(self._delegate.closed, CloseEvent(code, reason, error=False))
        return transport

    def _cancel(self, *names: str) -> None:
        for name in names:
            task: asyncio.Task[None] | None = getattr(self, name)
            setattr(self, name, None)
            if task is not None and task is not asyncio.current_task():
                task.cancel()

    def _set_state(self, state: State, **details: Any) -> None:
        self.state = state
        self._tell(self._delegate.changed, ConnectionEvent(state, **details))

    def _tell(self, hook: Callable[..., Any], *arguments: Any) -> Any:
        """Call a hook of the delegate and return its result; report what it raises, and return None then."""
        try:
            return hook(*arguments)
        except BaseException as error:
            if not is_failure(error):
                raise
            self._report(f"{hook.__name__}() of the connection's owner failed", error)
            return None

    def _report(self, what: str, error: BaseException) -> None:
        try:
            self._delegate.failed(what, error)
        except BaseException as failure:
            if not is_failure(failure):
                raise
            # The application's logging may be what fails.
            with contextlib.suppress(Exception):
                log.exception("%s, and could not be reported", what)

    async def _open(self) -> Transport:
        # websockets and ssl take longer to import than the rest of the client.
        from .transport import Transport

        timeout = self.options.connect_timeout
        try:
            endpoint = await asyncio.wait_for(self._delegate.endpoint(), timeout)
            return await Transport.open(
                endpoint, timeout=timeout, max_message_bytes=self.options.max_message_bytes
            )
        except (ConnectError, ConfigurationError):
            raise
        except asyncio.TimeoutError:
            raise ConnectError(f"the api_key function gave no key within {timeout:g} s") from None
        except BaseException as error:
            if not is_failure(error, awaited=True):
                raise
            if self.state != "connecting":
                # Nobody waits for the exception.
                self._report("could not connect", error)
            raise ConnectError(f"could not connect: {describe(error)}") from error

    # The current socket

    def _adopt(self, transport: Transport, *, resumed: bool) -> None:
        """Make *transport* the current one. Without an await, so that no event comes in between."""
        self._detach()
        self._transport = transport
        prelude = self._delegate.begin(transport.created, resumed=resumed)
        for frame in transport.opening_frames:
            self._tell(self._delegate.receive, frame)
        transport.opening_frames.clear()
        if self._transport is not transport:
            # A handler disconnected.
            return
        self._writer = self._start(self._write(transport, prelude), "writer")
        self._reader = self._start(self._read(transport), "reader")
        self._schedule_renewal(transport)

    def _resume(self, transport: Transport) -> None:
        """Adopt the transport of a later session; one that cannot be begun counts as lost."""
        try:
            self._adopt(transport, resumed=True)
        except BaseException as error:
            if not is_failure(error):
                raise
            self._report("the session could not be resumed", error)
            self._on_lost(transport, 1006, f"the session could not be resumed: {describe(error)}")

    def _detach(self) -> Transport | None:
        transport, self._transport = self._transport, None
        self._cancel("_reader", "_writer", "_renewer")
        self._tell(self._delegate.disconnected)
        return transport

    def _start(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        transport = self._transport
        return background.start(coroutine, name, lambda name, error: self._on_ended(name, transport, error))

    def _on_ended(self, name: str, transport: Transport | None, error: BaseException) -> None:
        """A task of the link ended by anything unforeseen."""
        what = f"the {name} of the connection ended"
        self._report(what, error)
        if name == "closer" or transport is not self._transport:
            return
        reason = f"{what}: {describe(error)}"
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self._end(1006, reason)
        elif transport is not None:
            self._on_lost(transport, 1006, reason)
        elif self.state in ("connected", "reconnecting"):
            self._reconnector = self._start(self._reconnect(1006, reason), "reconnector")

    def _end(self, code: int, reason: str) -> None:
        """The program ends: close without another attempt."""
        transport = self._detach()
        self._cancel("_reconnector")
        if transport is not None:
            transport.abort()
        if self.state != "disconnected":
            self._give_up(code, reason)

    def _leave(self, transport: Transport) -> None:
        task = self._start(transport.close(), "closer")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _read(self, transport: Transport) -> None:
        receive = self._delegate.receive
        try:
            while True:
                frame = await transport.receive()
                try:
                    receive(frame)
                except BaseException as error:
                    if not is_failure(error):
                        raise
                    self._report("a frame could not be taken and was dropped", error)
        except SocketClosed:
            self._on_lost(transport, *transport.close_status)

    async def _write(self, transport: Transport, prelude: list[Any]) -> None:
        delegate = self._delegate
        self._tell(delegate.send_finished)
        try:
            for entry in prelude:
                await self._send(transport, entry)
            while True:
                await self._send(transport, await delegate.next_entry())
        except SocketClosed:
            # The reader sees the end as well, and handles it: it has the close code.
            pass

    async def _send(self, transport: Transport, entry: Any) -> None:
        encoded = self._tell(self._delegate.encode, entry)
        if encoded is None:
            return
        text, event = encoded
        self._tell(self._delegate.send_started)
        try:
            await transport.send(text)
        except SocketClosed:
            self._tell(self._delegate.put_back, entry)
            raise
        except asyncio.CancelledError:
            # Cancelled by the reader, which saw the end of the connection first.
            if self._transport is None:
                self._tell(self._delegate.put_back, entry)
            raise
        self._tell(self._delegate.send_finished)
        self._tell(self._delegate.sent, event)

    # Faults

    def _on_lost(self, transport: Transport, code: int, reason: str) -> None:
        if transport is not self._transport:
            return
        self._detach()
        self._leave(transport)
        if time.monotonic() - transport.opened_at > self.options.stable_after:
            self._failures = 0
        may_help = self._tell(self._delegate.lost, code, reason, transport.closed_by_server) is not False
        if self.state != "connected":
            # A handler disconnected.
            return
        final = self._tell(self._delegate.final_error)
        if final is not None:
            self._give_up(code, final)
        elif not self.options.reconnect or is_fatal(code, reason) or not may_help:
            self._give_up(code, reason, error=not (self.options.call and code == 1000))
        else:
            self._reconnector = self._start(self._reconnect(code, reason), "reconnector")

    def _give_up(self, code: int, reason: str, *, error: bool = True) -> None:
        self._set_state("disconnected", code=code, reason=reason)
        self._tell(self._delegate.closed, CloseEvent(code, reason, error=error))

    async def _reconnect(self, code: int, reason: str) -> None:
        asked_to_wait = 0.0
        error = True
        while self._failures < self.options.max_attempts:
            delay = max(self._delay(), asked_to_wait)
            self._failures += 1
            self._set_state("reconnecting", attempt=self._failures, delay=delay, code=code, reason=reason)
            await asyncio.sleep(delay)
            try:
                transport = await self._open()
            except (ConnectError, ConfigurationError) as failure:
                failed = failure if isinstance(failure, ConnectError) else None
                code = (failed and failed.code) or 1006
                reason = str(failure)
                log.info("reconnecting, attempt %d: %s", self._failures, reason)
                # A call that has ended is not found any more.
                error = not (self.options.call and failed is not None and failed.status in (404, 410))
                asked_to_wait = (failed and failed.retry_after) or 0.0
                if failed is None or failed.fatal or asked_to_wait > self.options.max_retry_after:
                    break
                continue
            self._reconnector = None
            self.reconnections += 1
            self._set_state("connected", attempt=self._failures)
            self._resume(transport)
            return
        self._reconnector = None
        self._give_up(code, reason, error=error)

    def _delay(self) -> float:
        """Exponential backoff, times 0.5 to 1 at random so that many clients do not return at once."""
        longest: float = min(self.options.first_delay * 2**self._failures, self.options.max_delay)
        return longest * (0.5 + random.random() / 2)

    # Renewal

    def _schedule_renewal(self, transport: Transport) -> None:
        expires_at = dict_of(transport.created.get("session")).get("expires_at")
        if isinstance(expires_at, bool) or not isinstance(expires_at, (int, float)):
            return
        now = time.time()
        # Out of range if the server's clock is wrong by more than its sessions last.
        renewable = self.options.reconnect and not self.options.call
        if renewable and now < expires_at < now + MAX_LIFETIME:
            self._renewer = self._start(self._renew(expires_at - now), "renewer")

    async def _renew(self, lifetime: float) -> None:
        """Open the next session, and change over to it between two turns."""
        margin = min(self.options.renew_before, lifetime / 2)
        end = time.monotonic() + lifetime
        last_moment = end - min(5.0, margin / 5)
        await asyncio.sleep(lifetime - margin)
        delay = self.options.first_delay
        failures = 0
        try:
            while self._next is None:
                try:
                    self._next = await self._open()
                except (ConnectError, ConfigurationError) as error:
                    log.info("renewing the session: %s", error)
                    failures += 1
                    if _is_refusal(error) and failures < RENEWAL_TRIES:
                        # Told at once, and once: a new key is needed.
                        failures = RENEWAL_TRIES
                    if failures == RENEWAL_TRIES:
                        self._tell(self._delegate.renewal_refused, error, end - time.monotonic())
                    await asyncio.sleep(max(delay, getattr(error, "retry_after", None) or 0.0))
                    delay = min(delay * 2, self.options.max_delay)
            while not self._take_over(forced=time.monotonic() > last_moment):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        finally:
            if self._next is not None:
                self._leave(self._next)
                self._next = None

    def hand_over(self) -> None:
        """Change over to the next session if one is open; called when a response has ended."""
        # A whole response came: earlier failures say nothing about the server any more.
        self._failures = 0
        self._take_over(forced=False)

    def _take_over(self, *, forced: bool) -> bool:
        old, new = self._transport, self._next
        if old is None or new is None or not self._delegate.at_boundary(forced=forced):
            return False
        self._next = None
        self.renewals += 1
        self._resume(new)
        self._leave(old)
        if self._transport is new:
            self._tell(self._delegate.changed, ConnectionEvent("connected", renewed=True))
        return True


def _is_refusal(error: Exception) -> bool:
    """True if trying again with the same key cannot succeed."""
    return not isinstance(error, ConnectError) or error.fatal
