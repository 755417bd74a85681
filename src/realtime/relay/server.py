"""The listening socket: answers health checks, lets clients in or not, keeps the sessions, drains.

    async with Relay(policy, key) as relay:
        print(relay.url)

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
import http
import ipaddress
import socket as sockets
import ssl
from collections import Counter
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from ..errors import ConfigurationError
from ..protocol.endpoint import Endpoint
from ..protocol.redact import Secret
from .admission import Admission, Gate, RefusedError, client_address
from .buckets import Buckets
from .journal import record
from .metrics import CONTENT_TYPE, Metrics, Totals
from .pipe import Pipe, Surroundings
from .policy import Policy
from .server_tools import import_handlers
from .socket import QUIET, WebSocket

__all__ = ["Relay"]

TICK_SECONDS = 1.0
BACKLOG = 512
Status = http.HTTPStatus


class Relay:
    """A relay, listening from `start` (or ``async with``) to `close`.

    Parameters
    ----------
    policy : Policy
    key : Secret
        For upstream; empty if it needs none.
    share_port : bool
        Several processes listen on the port (SO_REUSEPORT).

    Raises
    ------
    ConfigurationError  a policy that `Policy.check` refuses, a function or certificate that cannot be loaded, no key
                        for the vendor's own address, several workers where the system cannot share a port
    """

    def __init__(self, policy: Policy, key: Secret, *, share_port: bool = False) -> None:
        policy.check()
        if share_port and not hasattr(sockets, "SO_REUSEPORT"):
            raise ConfigurationError(
                "several workers on one port need SO_REUSEPORT, which this system does not have: start one relay for "
                "each port, behind a load balancer (deploy/haproxy.cfg)"
            )
        self.policy = policy
        self.totals = Totals()
        self.draining = False
        if not key and urlsplit(policy.upstream.url).hostname == "api.openai.com":
            raise ConfigurationError(
                f"no API key: set {policy.upstream.key_env}, or write it into .env (chmod 600); to try without one, "
                "start python -m realtime.offline and give its address as --upstream"
            )
        Endpoint(
            policy.upstream.url, key.reveal(), policy.upstream.model
        )  # says what is wrong with the address
        self._share_port = share_port
        self._gate = Gate(policy)
        self._metrics = Metrics(self.totals)
        self._tls = _server_tls(policy)
        self._shared = Surroundings(
            policy,
            key.reveal(),
            import_handlers(policy.tools),
            self.totals,
            self._metrics,
            ssl.create_default_context() if policy.upstream.url.startswith(("wss:", "https:")) else None,
            self._ended,
        )
        self._sessions: set[Pipe] = set()
        self._per_client: Counter[str] = Counter()
        self._connections: set[WebSocket] = set()
        rate = policy.limits.refused_logins_per_minute
        self._refused_logins = Buckets(rate / 60, max(rate, 1))
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()

    # --- listening

    @property
    def url(self) -> str:
        """``ws://host:port`` (or ``wss``); known once started."""
        if self._server is None:
            raise RuntimeError("the relay is not listening; await start() first")
        host, port = self.policy.listen.host, self._server.sockets[0].getsockname()[1]
        return f"{'wss' if self._tls else 'ws'}://{f'[{host}]' if ':' in host else host}:{port}"

    async def start(self) -> None:
        """Listen. Raises OSError if the port cannot be had."""
        listen = self.policy.listen
        options: dict[str, Any] = {}
        if self._tls is not None:
            options = {"ssl": self._tls, "ssl_handshake_timeout": self.policy.limits.handshake_seconds}
        self._server = await asyncio.get_running_loop().create_server(
            self._new_connection,
            listen.host,
            listen.port,
            backlog=BACKLOG,
            reuse_port=self._share_port or None,
            **options,
        )
        self._ticker = asyncio.get_running_loop().create_task(self._tick())
        record("relay.listening", url=self.url, upstream=urlsplit(self.policy.upstream.url).hostname)

    async def drain(self) -> None:
        """Take no more sessions, end each between two turns (close code 1012), and the rest after drain_seconds.

        Goes on answering ``/healthz`` and ``/readyz`` (503 now), so that a load balancer sees it.
        """
        self.draining = True
        record("relay.draining", sessions=len(self._sessions))
        for session in self._sessions:
            session.drain()
        self._note_empty()
        try:
            await asyncio.wait_for(self._empty.wait(), self.policy.operation.drain_seconds)
        except asyncio.TimeoutError:
            record("relay.drain_timeout", sessions=len(self._sessions))

    async def close(self) -> None:
        """Stop listening and end all sessions (1012). At most about three seconds. Idempotent."""
        self.draining = True
        if self._server is not None:
            self._server.close()
        for session in list(self._sessions):
            session.restart()
        self._note_empty()
        try:
            await asyncio.wait_for(self._empty.wait(), 2.5)
        except asyncio.TimeoutError:
            pass  # aborted below
        for session in list(self._sessions):
            session.abort()
        for connection in list(self._connections):
            connection.abort()
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

    @property
    def sessions(self) -> int:
        """Sessions now."""
        return len(self._sessions)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = loop.time()
            for session in list(self._sessions):
                session.tick(now)
            self._publish()

    def _publish(self) -> None:
        for session in self._sessions:
            session.count()
        self._metrics.publish(len(self._sessions), self.draining)

    # --- one connection

    def _new_connection(self) -> WebSocket:
        protocol = ServerProtocol(max_size=self.policy.limits.largest, logger=QUIET)
        return WebSocket(protocol, _Doorstep(self))

    def connected(self, socket: WebSocket) -> bool:
        """Count a connection; False for one too many."""
        if len(self._connections) >= self.policy.limits.connections:
            self.totals.refused["connections"] += 1
            return False
        self._connections.add(socket)
        return True

    def gone(self, socket: WebSocket) -> None:
        """The opposite."""
        self._connections.discard(socket)

    def check_in(self, socket: WebSocket, request: Request) -> Response | None:
        """Answer what is not a websocket's; check what needs no waiting. None: `admit` it. Raises RefusedError."""
        path = urlsplit(request.path).path
        if path == "/healthz":
            return _plain(socket, Status.OK, "ok\n")
        if path == "/readyz":
            if self.draining:
                return _plain(socket, Status.SERVICE_UNAVAILABLE, "draining\n")
            full = len(self._sessions) >= self.policy.limits.sessions
            return (
                _plain(socket, Status.SERVICE_UNAVAILABLE, "full\n")
                if full
                else _plain(socket, Status.OK, "ready\n")
            )
        if path == "/metrics":
            return self._answer_metrics(socket, request)
        self._gate.check_request(request)
        return None

    def _answer_metrics(self, socket: WebSocket, request: Request) -> Response:
        peer = ipaddress.ip_address(_peer(socket))
        # A request through a proxy comes from anywhere, whatever the proxy's own address.
        direct = "X-Forwarded-For" not in request.headers and "Forwarded" not in request.headers
        networks = self.policy.operation.metrics_from
        if not direct or not any(peer.version == one.version and peer in one for one in networks):
            raise RefusedError(Status.FORBIDDEN, "metrics", "metrics are not served to this address")
        self._publish()
        text = self._metrics.text()
        if text is None:
            return _plain(socket, Status.NOT_IMPLEMENTED, "metrics need: pip install 'wavtools[relay]'\n")
        response = _plain(socket, Status.OK, text.decode())
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = CONTENT_TYPE
        return response

    async def admit(self, socket: WebSocket, request: Request) -> Admission:
        """Credentials, model and room. Raises RefusedError."""
        listen, limits = self.policy.listen, self.policy.limits
        address = client_address(_peer(socket), request.headers, listen.trusted_proxies)
        if self.draining:
            raise RefusedError(
                Status.SERVICE_UNAVAILABLE, "draining", "this relay is restarting: connect again"
            )
        now = asyncio.get_running_loop().time()
        refused = self._refused_logins.of(address)
        if not refused.has(now):
            raise RefusedError(
                Status.TOO_MANY_REQUESTS, "logins", "too many refused tokens from this address"
            )
        try:
            admission = await self._gate.admit(request, address)
        except RefusedError as error:
            if error.status == Status.UNAUTHORIZED:
                refused.take(now)
            raise
        if len(self._sessions) >= limits.sessions:
            raise RefusedError(Status.SERVICE_UNAVAILABLE, "sessions", "this relay is full: try again later")
        if self._per_client[admission.client] >= limits.sessions_per_client:
            raise RefusedError(
                Status.TOO_MANY_REQUESTS,
                "sessions_per_client",
                f"a client may have {limits.sessions_per_client} sessions at once",
            )
        return admission

    def open_session(self, socket: WebSocket, admission: Admission) -> None:
        """The client's handshake has been answered: join it with upstream."""
        pipe = Pipe(self._shared, socket, admission)
        self._sessions.add(pipe)
        self._empty.clear()
        self._per_client[admission.client] += 1
        self.totals.sessions += 1
        record("session.opened", session=pipe.id, client=admission.client, model=admission.model)
        pipe.start()
        if self.draining:
            pipe.drain()

    def _ended(self, pipe: Pipe) -> None:
        self.gone(pipe.client)
        self._sessions.remove(pipe)
        self._per_client[pipe.admission.client] -= 1
        if not self._per_client[pipe.admission.client]:
            del self._per_client[pipe.admission.client]
        self._note_empty()

    def _note_empty(self) -> None:
        if not self._sessions:
            self._empty.set()


class _Doorstep:
    """SocketDelegate of a client until it is let in: bounded in time, and in what it may send."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._deadline: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def on_connected(self, socket: WebSocket) -> None:
        """See SocketDelegate."""
        if not self._relay.connected(socket):
            socket.abort()
            return
        seconds = self._relay.policy.limits.handshake_seconds
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._too_slow, socket)

    def _too_slow(self, socket: WebSocket) -> None:
        self._relay.totals.refused["handshake"] += 1
        record("connection.refused", reason="handshake", address=_peer(socket))
        socket.abort()

    def on_handshake(self, socket: WebSocket, event: Request | Response) -> None:
        """See SocketDelegate."""
        assert isinstance(event, Request)
        try:
            response = self._relay.check_in(socket, event)
        except RefusedError as error:
            self._refuse(socket, error)
            return
        if response is not None:
            socket.respond(response)
            return
        self._task = asyncio.get_running_loop().create_task(self._admit(socket, event))

    async def _admit(self, socket: WebSocket, request: Request) -> None:
        protocol = socket.protocol
        assert isinstance(protocol, ServerProtocol)
        try:
            admission = await self._relay.admit(socket, request)
        except RefusedError as error:
            self._refuse(socket, error)
            return
        except Exception as error:
            # The deployer's own authenticator: whatever it raises, nobody gets in by it.
            record("login.failed", error=type(error).__name__)
            self._refuse(
                socket, RefusedError(Status.INTERNAL_SERVER_ERROR, "authenticator", "cannot check tokens now")
            )
            return
        response = protocol.accept(request)
        if response.status_code != 101:
            self._relay.totals.refused["handshake"] += 1
            socket.respond(response)
            return
        if admission.subprotocol is not None:
            response.headers["Sec-WebSocket-Protocol"] = admission.subprotocol
        self._disarm()
        socket.respond(response)
        self._relay.open_session(socket, admission)

    def _refuse(self, socket: WebSocket, error: RefusedError) -> None:
        self._relay.totals.refused[error.kind] += 1
        record("connection.refused", reason=error.kind, status=error.status.value, address=_peer(socket))
        response = _plain(socket, error.status, f"{error}\n")
        if error.status == Status.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = "Bearer"
        if error.status in (Status.SERVICE_UNAVAILABLE, Status.TOO_MANY_REQUESTS):
            response.headers["Retry-After"] = "5"
        socket.respond(response)

    def on_message(self, socket: WebSocket, payload: bytes) -> None:
        """See SocketDelegate. Before the handshake there are none."""

    def on_writable(self, socket: WebSocket, writable: bool) -> None:
        """See SocketDelegate."""

    def on_closed(self, socket: WebSocket, code: int, reason: str) -> None:
        """See SocketDelegate."""
        self._disarm()
        if self._task is not None:
            self._task.cancel()
        self._relay.gone(socket)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


def _peer(socket: WebSocket) -> str:
    """The address at the other end of the TCP connection."""
    name = socket.transport.get_extra_info("peername")
    if not name:
        return "0.0.0.0"
    address = ipaddress.ip_address(str(name[0]).partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _plain(socket: WebSocket, status: http.HTTPStatus, text: str) -> Response:
    protocol = socket.protocol
    assert isinstance(protocol, ServerProtocol)
    response = protocol.reject(status, text)
    response.headers["Cache-Control"] = "no-store"
    return response


def _server_tls(policy: Policy) -> ssl.SSLContext | None:
    listen = policy.listen
    if listen.tls_certificate is None or listen.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(listen.tls_certificate, listen.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"cannot load the TLS certificate {listen.tls_certificate}: {error}"
        ) from None
    return context
