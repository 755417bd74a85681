"""One websocket, from the upgrade to the close; of the protocol it knows a session's first event only.

"Open" means that ``session.created`` has arrived: servers accept the upgrade first and refuse the key
afterwards. The keepalive is our own, because it must tell a dead peer (found within 5 s) from a slow line and
from an event loop that was busy for as long (the connection stays); `Liveness` decides.

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from typing import Any, cast

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import ConnectionClosed, InvalidProxy, InvalidStatus
from websockets.protocol import State

from .. import background
from ..background import describe
from ..errors import ConfigurationError, ConnectError
from ..protocol import codec
from ..protocol.dialling import open_socket
from ..protocol.endpoint import Endpoint
from ..protocol.error_codes import error_of, is_final, is_limit
from ..protocol.liveness import PING_BYTES, PING_INTERVAL, PING_TIMEOUT, Liveness
from ..protocol.reading import Wire, text_of
from ..protocol.redact import Redactor, logger_with
from .closing import SocketClosed, is_fatal
from .refusals import retry_after_of, stated_error, uses_proxy

__all__ = ["Transport"]

# Long audio items have exceeded websockets' default of 1 MiB.
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
CLOSE_TIMEOUT = 1.0
# A timer this late means that the loop was busy; it says nothing about the peer.
STALL = 0.5
# After an error in the place of session.created: how long its close code, or the session after all, may take.
ERROR_GRACE = 0.3

# HTTP statuses after which no new attempt is made: the request itself is wrong.
FATAL_STATUS = frozenset((400, 401, 403, 404, 405, 410, 426))


class _Connect(websocket_connect):
    """Follows no redirect: only the configured address gets the key."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


class _Connection(ClientConnection):
    """Counts the bytes that came in."""

    received_bytes = 0

    def data_received(self, data: bytes) -> None:
        self.received_bytes += len(data)
        super().data_received(data)


class Transport:
    """An open websocket on which ``session.created`` has arrived.

    Attributes
    ----------
    created : dict
        The ``session.created`` event.
    opening_frames : list of bytes
        All frames up to that event, not dispatched yet.
    opened_at : float
        When the websocket was opened, on the monotonic clock.
    closed_by_server : bool
        True after `receive` has raised if the server sent a close, and this side none before.
    """

    def __init__(self, socket: _Connection, redactor: Redactor) -> None:
        self._socket = socket
        self._redactor = redactor
        self._keepalive: asyncio.Task[None] | None = None
        self._dead: str | None = None
        self._peer = Liveness(time.monotonic(), PING_INTERVAL, PING_TIMEOUT)
        self._written = 0
        # Bytes written before the last ping.
        self._pinged_behind = 0
        self._status = (1006, "")
        self.closed_by_server = False
        self.created: dict[str, Any] = {}
        self.opening_frames: list[bytes] = []
        self.opened_at = time.monotonic()

    @classmethod
    async def open(
        cls, endpoint: Endpoint, *, timeout: float, max_message_bytes: int = MAX_MESSAGE_BYTES
    ) -> Transport:
        """Connect and wait for ``session.created``.

        Parameters
        ----------
        endpoint : Endpoint
            Where to connect.
        timeout : float
            Seconds until ``session.created`` must have arrived.
        max_message_bytes : int
            Largest message accepted from the server.

        Raises
        ------
        ConnectError
            with code, reason, status and the server's message, as far as they exist
        ConfigurationError
            a key that would go over an open network
        """
        try:
            return await asyncio.wait_for(cls._open(endpoint, max_message_bytes), timeout)
        except asyncio.TimeoutError:
            raise ConnectError(f"{endpoint.address} did not open a session within {timeout:g} s") from None

    @classmethod
    async def _open(cls, endpoint: Endpoint, max_message_bytes: int) -> Transport:
        socket = await _dial(endpoint, max_message_bytes)
        # The repr of the socket would show the request's headers, and the key in them.
        assert socket.request is not None
        socket.request.headers.clear()
        transport = cls(cast(_Connection, socket), endpoint.redactor)
        try:
            await transport._await_created(endpoint)
        except BaseException:
            socket.transport.abort()
            raise
        transport._keepalive = background.start(
            transport._keep_alive(), "keepalive", transport._on_keepalive_failed
        )
        return transport

    async def _await_created(self, endpoint: Endpoint) -> None:
        error: Wire | None = None
        try:
            while True:
                frame = await asyncio.wait_for(
                    self._socket.recv(decode=False), ERROR_GRACE if error is not None else None
                )
                self.opening_frames.append(frame)
                try:
                    event = codec.loads(frame, prune=True)
                except ValueError:
                    # Dispatched with the other opening frames, and reported then.
                    continue
                if not isinstance(event, dict):
                    continue
                event = self._redactor.event(event)
                kind = text_of(event.get("type")) or ""
                if kind in ("session.created", "transcription_session.created"):
                    self.created = event
                    return
                if kind.endswith("error") or event.get("error"):
                    error = error_of(event) if event.get("error") else event
        except asyncio.TimeoutError:
            assert error is not None
            said = _text_of_error(error)
            raise ConnectError(
                f"{endpoint.address} answered with an error: {said}",
                server_message=said,
                fatal=is_final(error),
            ) from None
        except ConnectionClosed as closed:
            raise self._closed_early(endpoint, closed, error) from None

    def _closed_early(self, endpoint: Endpoint, closed: ConnectionClosed, error: Wire | None) -> ConnectError:
        code, reason = _close_of(closed)
        reason = self._redactor.text(reason)
        said = None if error is None else _text_of_error(error)
        parts = [f"{endpoint.address} closed the connection before the session began (code {code}"]
        parts.append(f", {reason})" if reason else ")")
        if said is not None:
            parts.append(f": {said}")
        texts = [reason, *(text_of(value) or "" for value in (error or {}).values())]
        passes = is_limit(" ".join(texts))
        fatal = is_final(error or {}) or (is_fatal(code) and not passes)
        return ConnectError("".join(parts), code=code, reason=reason, server_message=said, fatal=fatal)

    async def receive(self) -> bytes | str:
        """The next frame, text as UTF-8 bytes. Raises SocketClosed at the end. Cancel-safe."""
        try:
            return await self._socket.recv(decode=False)
        except ConnectionClosed as closed:
            code, reason = _close_of(closed)
            self._status = code, self._redactor.text(reason)
            self.closed_by_server = closed.rcvd is not None and closed.rcvd_then_sent is not False
            raise SocketClosed from None

    async def send(self, text: str) -> None:
        """Send one text message; waits while the peer does not read. Raises SocketClosed.

        A large one goes in fragments with pings between them, as browsers send it.
        """
        try:
            if len(text) > PING_BYTES:
                await self._socket.send(self._fragments(text))
                return
            self._written += len(text)
            await self._socket.send(text)
        except ConnectionClosed:
            raise SocketClosed from None
        if self._written - self._pinged_behind >= PING_BYTES:
            await self._ping()

    async def _fragments(self, text: str) -> AsyncIterator[str]:
        for start in range(0, len(text), PING_BYTES):
            fragment = text[start : start + PING_BYTES]
            self._written += len(fragment)
            yield fragment
            await self._ping()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the socket; takes at most about a second, whatever the peer does."""
        assert self._keepalive is not None
        self._keepalive.cancel()
        await self._socket.close(code, reason)
        self._socket.transport.abort()

    def abort(self, why: str = "") -> None:
        """End the connection without a close; `receive` raises then."""
        assert self._keepalive is not None
        self._keepalive.cancel()
        self._dead = why
        self._socket.transport.abort()

    @property
    def close_status(self) -> tuple[int, str]:
        """Close code and reason after `receive` has raised; 1006 if the connection ended without a close."""
        return (1006, self._dead) if self._dead is not None else self._status

    async def _keep_alive(self) -> None:
        """Ping, and abort the socket when the peer gives no sign of life."""
        socket, peer, pause = self._socket, self._peer, PING_INTERVAL / 4
        now = time.monotonic()
        while socket.state is State.OPEN:
            before = now
            await asyncio.sleep(pause)
            now = time.monotonic()
            # Nothing is read while the loop is busy, or while frames wait for a slow reader.
            if now - before - pause > STALL or not socket.transport.is_reading():
                peer.forgive(now)
            kernel = _unacknowledged(socket.transport.get_extra_info("socket"))
            if peer.is_dead(
                now,
                received=socket.received_bytes,
                written=self._written,
                waiting=socket.transport.get_write_buffer_size() + (kernel or 0),
                waiting_is_exact=kernel is not None,
            ):
                self.abort(f"no answer to a ping within {PING_TIMEOUT:g} s")
                return
            if peer.is_ping_due(now):
                # Written in a task of its own, because it waits while the peer does not read.
                background.start(self._ping(), "ping", self._on_keepalive_failed)
        # A peer may leave its side open after a close or a fault.
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(socket.wait_closed(), CLOSE_TIMEOUT)
        socket.transport.abort()

    async def _ping(self) -> None:
        """Write a ping; its answer is awaited in the background."""
        behind = self._pinged_behind = self._written
        self._peer.asked(time.monotonic(), behind)
        with contextlib.suppress(ConnectionClosed):
            pong = await self._socket.ping()
            background.start(self._await_pong(pong, behind), "pong", self._on_keepalive_failed)

    async def _await_pong(self, pong: Any, behind: int) -> None:
        with contextlib.suppress(ConnectionClosed):
            await pong
            self._peer.answered(time.monotonic(), behind)

    def _on_keepalive_failed(self, name: str, error: BaseException) -> None:
        # A connection that nobody watches could be dead unnoticed: the reader sees its end and has it replaced.
        self.abort(f"the {name} ended: {describe(error)}")


def _unacknowledged(socket: Any) -> int | None:
    """Bytes that the operating system has taken and the peer's side has not; None where it does not say."""
    try:
        import fcntl
        import termios

        answer = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, bytes(4))
    except (ImportError, AttributeError, OSError, ValueError):
        # Windows; a system without this question; a socket that is closed by now.
        return None
    return int.from_bytes(answer, sys.byteorder)


def _close_of(closed: ConnectionClosed) -> tuple[int, str]:
    if closed.rcvd is not None:
        return closed.rcvd.code, closed.rcvd.reason
    if closed.sent is not None:
        return closed.sent.code, closed.sent.reason
    return 1006, ""


async def _dial(endpoint: Endpoint, max_message_bytes: int) -> ClientConnection:
    """Open the websocket. Raises ConnectError and ConfigurationError, and nothing else."""
    redactor = endpoint.redactor
    try:
        through_proxy = uses_proxy(endpoint)
        options: dict[str, Any] = {} if through_proxy else {"sock": await open_socket(endpoint)}
        return await _Connect(
            endpoint.reveal_url(),
            additional_headers=endpoint.reveal_headers(),
            subprotocols=endpoint.subprotocols or None,  # type: ignore[arg-type]
            # A compressed message could unpack to 1000 times its size; audio does not compress.
            compression=None,
            create_connection=_Connection,
            max_size=max_message_bytes,
            open_timeout=None,
            ping_interval=None,
            close_timeout=CLOSE_TIMEOUT,
            proxy=True if through_proxy else None,
            logger=logger_with(redactor, "realtime.websocket"),
            **options,
        )
    except (ConnectError, ConfigurationError):
        raise
    except InvalidStatus as error:
        raise _refused(endpoint, error) from None
    except InvalidProxy as error:
        # Without the proxy's address, which may hold a password.
        raise ConfigurationError(
            f"the proxy in the environment (HTTPS_PROXY) cannot be used: {error.msg}"
        ) from None
    except ImportError as error:
        raise ConfigurationError(
            "the proxy in the environment is a SOCKS proxy, for which python-socks is missing: "
            "pip install 'python-socks[asyncio]', or unset HTTPS_PROXY"
        ) from error
    except Exception as error:
        # Whatever a proxy, a resolver or a broken answer leads to: it is one failed attempt.
        reason = redactor.text(str(error) or type(error).__name__)
        raise ConnectError(f"could not connect to {endpoint.address}: {reason}") from error


def _refused(endpoint: Endpoint, error: InvalidStatus) -> ConnectError:
    response = error.response
    status = response.status_code
    stated = stated_error(bytes(response.body or b""))
    body = text_of(stated.get("message")) or (response.body or b"").decode("utf-8", "replace").strip()
    # Cut after the secrets were removed: half of one would not be found.
    body = endpoint.redactor.text(body)[:300]
    message = f"{endpoint.address} refused the connection with HTTP status {status}"
    message = f"{message}: {body}" if body else message
    wait = retry_after_of(response.headers)
    return ConnectError(
        message if wait is None else f"{message} (asks to come back after {wait:g} s)",
        status=status,
        server_message=body or None,
        fatal=status in FATAL_STATUS or 300 <= status < 400 or is_final(stated),
        retry_after=wait,
    )


def _text_of_error(error: Wire) -> str:
    texts = (text_of(error.get(key)) for key in ("message", "code", "type"))
    return next((text for text in texts if text), "no reason given")
