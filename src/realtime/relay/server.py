"""Listens for clients: the `Relay` starts, ticks once a second, drains and closes.

    async with Relay(policy, key) as relay:
        print(relay.url)

Thread: the event loop only.
"""

from __future__ import annotations

import asyncio
import socket as sockets
import ssl
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from .. import background
from ..errors import ConfigurationError
from ..protocol.endpoint import Endpoint
from ..protocol.redact import Secret
from .admission import Gate
from .context import RelayContext
from .handshake import Handshakes
from .journal import record, record_failure
from .metrics import Metrics, Totals
from .policy import Policy
from .server_tools import import_handlers
from .sessions import Sessions

__all__ = ["Relay"]

TICK_SECONDS = 1.0
BACKLOG = 512
# How long `Relay.close` waits for clients to answer the close frame, which WebSocket allows 2 s
CLOSE_SECONDS = 2.5


class Relay:
    """A relay; listens from `start` (or ``async with``) to `close`.

    Parameters
    ----------
    policy : Policy
    key : Secret
        The key for upstream; empty if upstream needs none.
    share_port : bool
        True if several processes listen on the port (SO_REUSEPORT).

    Attributes
    ----------
    policy : Policy
    totals : Totals
        Counts since the relay was made.

    Raises
    ------
    ConfigurationError
        `Policy.check` refuses the policy, a function or certificate cannot be loaded, the vendor's address is used
        without a key, or this system cannot share a port.
    """

    def __init__(self, policy: Policy, key: Secret, *, share_port: bool = False) -> None:
        policy.check()
        if share_port and not hasattr(sockets, "SO_REUSEPORT"):
            raise ConfigurationError(
                "several workers on one port need SO_REUSEPORT, which this system does not have: start one relay on "
                "each of several ports, behind a load balancer (deploy/haproxy.cfg)"
            )
        if not key and urlsplit(policy.upstream.url).hostname == "api.openai.com":
            raise ConfigurationError(
                f"no API key: set {policy.upstream.key_env}, or write it into .env (chmod 600); to try without one, "
                "start python -m realtime.offline and give its address as --upstream"
            )
        # Raises an error in the address now, not for each session.
        Endpoint(policy.upstream.url, key.reveal(), policy.upstream.model)
        self.policy = policy
        self.totals = Totals()
        self._share_port = share_port
        gate = Gate(policy)
        self._tls = _server_tls(policy)
        self._metrics = Metrics(self.totals)
        secure = policy.upstream.url.startswith(("wss:", "https:"))
        context = RelayContext(
            policy,
            key.reveal(),
            import_handlers(policy.tools),
            self.totals,
            self._metrics,
            ssl.create_default_context() if secure else None,
        )
        self._sessions = Sessions(context)
        self._handshakes = Handshakes(context, self._sessions, gate)
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """``ws://HOST:PORT`` (or ``wss``). Raises RuntimeError before `start`."""
        if self._server is None:
            raise RuntimeError("the relay is not listening; await start() first")
        host, port = self.policy.listen.host, self._server.sockets[0].getsockname()[1]
        return f"{'wss' if self._tls else 'ws'}://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def sessions(self) -> int:
        """Number of running sessions."""
        return len(self._sessions)

    @property
    def draining(self) -> bool:
        """True once the relay takes no more sessions."""
        return self._sessions.draining

    def begin(self) -> None:
        """Enforce the time limits of sessions; `start` does so, and who brings connections without a port. Idempotent."""
        if self._ticker is None:
            self._ticker = background.start(self._tick(), "relay: time limits", self._ticker_failed)

    def new_connection(self) -> asyncio.Protocol:
        """The relay's side of a new connection, for a transport with its bytes."""
        return self._handshakes.new_connection()

    async def start(self) -> None:
        """Listen. Raises OSError if the port cannot be opened."""
        listen = self.policy.listen
        options: dict[str, Any] = {}
        if self._tls is not None:
            options = {"ssl": self._tls, "ssl_handshake_timeout": self.policy.limits.handshake_seconds}
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                self._handshakes.new_connection,
                listen.host,
                listen.port,
                backlog=BACKLOG,
                reuse_port=self._share_port or None,
                **options,
            )
        except ValueError:
            # A label of more than 63 characters, a null byte
            raise OSError(f"{listen.host[:64]!r} is no host name") from None
        self.begin()
        record("relay.listening", url=self.url, upstream=urlsplit(self.policy.upstream.url).hostname)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._sessions.tick(loop.time())

    def _ticker_failed(self, name: str, error: BaseException) -> None:
        """Nobody foresaw this error: it is logged, and the time limits go on."""
        record_failure("ticker.failed", error)
        self._ticker = background.start(self._tick(), name, self._ticker_failed)

    async def drain(self) -> None:
        """Take no more sessions and end each one between two turns (close code 1012).

        Returns once no session is left, or after ``operation.drain_seconds``. Meanwhile ``/healthz`` answers 200 and
        ``/readyz`` 503, so that load balancers notice.
        """
        record("relay.draining", sessions=self.sessions)
        self._sessions.drain()
        if not await self._sessions.wait_empty(self.policy.operation.drain_seconds):
            record("relay.drain_timeout", sessions=self.sessions)

    async def close(self) -> None:
        """Stop listening and end all sessions (close code 1012), within about three seconds. Idempotent."""
        if self._server is not None:
            self._server.close()
        self._sessions.restart()
        await self._sessions.wait_empty(CLOSE_SECONDS)
        self._sessions.abort()
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
            self._metrics.publish(0, True)
            await asyncio.sleep(0)
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None
            record("relay.closed")

    async def __aenter__(self) -> Relay:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def _server_tls(policy: Policy) -> ssl.SSLContext | None:
    listen = policy.listen
    if listen.tls_certificate is None or listen.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(listen.tls_certificate, listen.tls_key)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"cannot load the TLS certificate {listen.tls_certificate}: {error}"
        ) from None
    return context
