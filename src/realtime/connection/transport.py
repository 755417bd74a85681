"""One websocket, from the upgrade to the close; of the protocol it knows a session's first event only.

"Open" means that ``session.created`` has arrived: servers accept the upgrade first and refuse the key
afterwards. The keepalive is our own, because it must tell a dead peer (found within 5 s) from an event loop
that was busy for as long (the connection stays).

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import ConnectionClosed, InvalidProxy, InvalidStatus

from ..errors import ConfigurationError, ConnectError
from ..protocol import codec
from ..protocol.dialling import open_socket
from ..protocol.endpoint import Endpoint
from ..protocol.error_codes import error_of, is_final, is_limit
from ..protocol.reading import Wire, text_of
from ..protocol.redact import Redactor, logger_with
from .refusals import retry_after_of, uses_proxy

__all__ = ["FATAL_CODES", "Transport", "is_fatal"]

# Long audio items have exceeded websockets' default of 1 MiB.
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
PING_INTERVAL = 2.0
PING_TIMEOUT = 2.0
CLOSE_TIMEOUT = 1.0
# A timer this late means that the loop was busy; it says nothing about the peer.
STALL = 0.5
# After an error in the place of session.created: how long its close code, or the session after all, may take.
ERROR_GRACE = 0.3

# Trying again cannot help: normal end, unacceptable data, policy, and the vendor's 3000 (key) and 4000
# (request).
FATAL_CODES = frozenset((1000, 1003, 1008, 1010))
FATAL_STATUS = frozenset((400, 401, 403, 404, 405, 410, 426))


def is_fatal(code: int, text: str = "") -> bool:
    """True if no new session is to be opened after one that was closed with *code* and this *text*.

    A policy code whose text speaks of a limit, such as "slots in use", passes.
    """
    if (code == 1008 or 4000 <= code < 5000) and is_limit(text):
        return False
    return code in FATAL_CODES or 3000 <= code < 5000


class _Connect(websocket_connect):
    """Follows no redirect: only the configured address gets the key."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


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
    """

    def __init__(self, socket: ClientConnection, redactor: Redactor) -> None:
        self._socket = socket
        self._redactor = redactor
        self._keepalive: asyncio.Task[None] | None = None
        self._dead: str | None = None
        self._status = (1006, "")
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
        transport = cls(socket, endpoint.redactor)
        try:
            await transport._await_created(endpoint)
        except BaseException:
            socket.transport.abort()
            raise
        transport._keepalive = asyncio.get_running_loop().create_task(transport._keep_alive())
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
                    event = codec.loads(frame)
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
        """The next frame, text as UTF-8 bytes. Raises ConnectionClosed at the end. Cancel-safe."""
        try:
            return await self._socket.recv(decode=False)
        except ConnectionClosed as closed:
            code, reason = _close_of(closed)
            self._status = code, self._redactor.text(reason)
            raise

    async def send(self, text: str) -> None:
        """Send one text frame; waits while the peer does not read. Raises ConnectionClosed."""
        await self._socket.send(text)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the socket; takes at most about a second, whatever the peer does."""
        assert self._keepalive is not None
        self._keepalive.cancel()
        await self._socket.close(code, reason)
        self._socket.transport.abort()

    @property
    def close_status(self) -> tuple[int, str]:
        """Close code and reason after `receive` has raised; 1006 if the connection ended without a close."""
        return (1006, self._dead) if self._dead is not None else self._status

    async def _keep_alive(self) -> None:
        """Ping; abort the socket when no pong comes. After a late timer the ping is repeated once."""
        while True:
            await asyncio.sleep(PING_INTERVAL)
            for _ in range(2):
                started = time.monotonic()
                try:
                    await asyncio.wait_for(self._ping(), PING_TIMEOUT)
                    break
                except ConnectionClosed:
                    return
                except asyncio.TimeoutError:
                    if time.monotonic() - started < PING_TIMEOUT + STALL:
                        self._dead = f"no answer to a ping within {PING_TIMEOUT:g} s"
                        self._socket.transport.abort()
                        return

    async def _ping(self) -> None:
        await (await self._socket.ping())


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
    body = (response.body or b"")[:300].decode("utf-8", "replace").strip()
    body = endpoint.redactor.text(body)
    message = f"{endpoint.address} refused the connection with HTTP status {status}"
    message = f"{message}: {body}" if body else message
    wait = retry_after_of(response.headers)
    return ConnectError(
        message if wait is None else f"{message} (asks to come back after {wait:g} s)",
        status=status,
        server_message=body or None,
        fatal=status in FATAL_STATUS or 300 <= status < 400,
        retry_after=wait,
    )


def _text_of_error(error: Wire) -> str:
    texts = (text_of(error.get(key)) for key in ("message", "code", "type"))
    return next((text for text in texts if text), "no reason given")
