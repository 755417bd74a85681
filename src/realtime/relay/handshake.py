"""Handles a client's connection from its first byte until its upgrade request is accepted or refused.

Time, input and the number of connections are bounded. `Gate` judges the request; this module adds the relay's state:
draining, too many refused tokens, too many sessions.

Thread: the event loop only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from .. import background
from .addresses import client_address
from .admission import Admission, Gate, RefusedError, target_of
from .buckets import Buckets
from .context import RelayContext
from .health import Health
from .journal import record, record_failure
from .minting import Minting
from .page import Page
from .plain_http import Answer, HTTPExchange, PlainRequest, error_answer
from .sessions import Sessions
from .socket import QUIET, WebSocket

__all__ = ["Handshakes"]


class Handshakes:
    """Accepts connections and answers their requests.

    Parameters
    ----------
    context : RelayContext
    sessions : Sessions
        Accepted clients become sessions there.
    gate : Gate
    """

    def __init__(self, context: RelayContext, sessions: Sessions, gate: Gate) -> None:
        self.context = context
        self.sessions = sessions
        self._gate = gate
        self._health = Health(context, sessions)
        page = context.policy.listen.page
        self._page = None if page is None else Page(page)
        self._minting = Minting(context, gate)
        rate = context.policy.limits.refused_logins_per_minute
        self._refused_logins = Buckets(rate / 60, max(rate, 1))

    def new_connection(self) -> WebSocket:
        """The asyncio protocol of a new connection."""
        protocol = ServerProtocol(max_size=self.context.policy.limits.largest, logger=QUIET)
        return WebSocket(protocol, PendingClient(self))

    def check(self, socket: WebSocket, request: Request) -> Response | None:
        """Answer a request for health, metrics or the page, and check an upgrade request as far as that needs no waiting.

        Returns None if `admit` must decide. Raises RefusedError.
        """
        response = self._health.answer(socket, request)
        if response is None and self._page is not None:
            self._gate.check_headers(target_of(request.path), request.headers)
            response = self._page.answer(socket, request)
        if response is None:
            self._gate.check_request(request)
        return response

    async def answer(self, socket: WebSocket, request: PlainRequest) -> Answer:
        """Answer a request with another method than GET."""
        address = self._address(socket, request.headers)
        try:
            with self._counting_logins(address):
                return await self._minting.answer(request, address)
        except RefusedError as error:
            self.context.totals.refused[error.kind] += 1
            record("connection.refused", reason=error.kind, status=error.status.value, address=address)
            return error_answer(error.status, error.kind, str(error), **_headers_of(error))

    def _address(self, socket: WebSocket, headers: Headers) -> str:
        return client_address(socket.peer_address, headers, self.context.policy.listen.trusted_proxies)

    @contextmanager
    def _counting_logins(self, address: str) -> Iterator[None]:
        """Count a refused token against *address*. Raises RefusedError if there were too many."""
        now = asyncio.get_running_loop().time()
        refused = self._refused_logins.of(address)
        if not refused.has(now):
            raise RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS, "logins", "too many refused tokens from this address"
            )
        try:
            yield
        except RefusedError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                refused.take(now)
            raise

    async def admit(self, socket: WebSocket, request: Request) -> Admission:
        """Check credentials, model and the number of sessions. Raises RefusedError."""
        policy = self.context.policy
        address = self._address(socket, request.headers)
        if self.sessions.draining:
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE, "draining", "this relay is restarting: connect again"
            )
        with self._counting_logins(address):
            admission = await self._gate.admit(request, address)
        if self.sessions.is_full:
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE, "sessions", "this relay is full: try again later"
            )
        most = policy.limits.sessions_per_client
        if self.sessions.of_client(admission.client) >= most:
            raise RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "sessions_per_client",
                f"a client may have {most} sessions at once",
            )
        return admission


class PendingClient:
    """SocketDelegate of a connection that is not a session yet."""

    def __init__(self, handshakes: Handshakes) -> None:
        self._handshakes = handshakes
        self._sessions = handshakes.sessions
        self._totals = handshakes.context.totals
        self._deadline: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def on_connected(self, socket: WebSocket) -> None:
        """See SocketDelegate."""
        if not self._sessions.connected(socket):
            socket.abort()
            return
        seconds = self._handshakes.context.policy.limits.handshake_seconds
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._too_slow, socket)

    def on_message(self, socket: WebSocket, payload: bytes) -> None:
        """See SocketDelegate. Called for a request with another method than GET."""
        exchange = HTTPExchange(
            socket.transport,
            partial(self._handshakes.answer, socket),
            complete=self._stop_timer,
            closed=partial(self.on_closed, socket, 0, ""),
        )
        exchange.data_received(payload)

    def _too_slow(self, socket: WebSocket) -> None:
        self._totals.refused["handshake"] += 1
        record("connection.refused", reason="handshake", address=socket.peer_address)
        socket.abort()

    def on_handshake(self, socket: WebSocket, event: Request | Response) -> None:
        """See SocketDelegate."""
        assert isinstance(event, Request)
        try:
            response = self._handshakes.check(socket, event)
        except RefusedError as error:
            self._refuse(socket, error)
            return
        if response is not None:
            socket.respond(response)
            return
        self._task = background.start(
            self._admit(socket, event), "relay: admit a client", partial(self._failed, socket)
        )

    def _failed(self, socket: WebSocket, name: str, error: BaseException) -> None:
        """Nobody foresaw this error: the client's connection ends, and the log says why."""
        record_failure("admission.failed", error)
        socket.abort()

    async def _admit(self, socket: WebSocket, request: Request) -> None:
        try:
            admission = await self._handshakes.admit(socket, request)
        except RefusedError as error:
            self._refuse(socket, error)
            return
        except Exception as error:
            # Raised by the deployer's authenticator: the client is refused, whatever the error.
            record("login.failed", error=type(error).__name__)
            refused = RefusedError(
                HTTPStatus.INTERNAL_SERVER_ERROR, "authenticator", "cannot check tokens at the moment"
            )
            self._refuse(socket, refused)
            return
        self._accept(socket, request, admission)

    def _accept(self, socket: WebSocket, request: Request, admission: Admission) -> None:
        protocol = socket.protocol
        assert isinstance(protocol, ServerProtocol)
        response = protocol.accept(request)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._totals.refused["handshake"] += 1
            socket.respond(response)
            return
        if admission.subprotocol is not None:
            response.headers["Sec-WebSocket-Protocol"] = admission.subprotocol
        self._stop_timer()
        socket.respond(response)
        self._sessions.open(socket, admission)

    def _refuse(self, socket: WebSocket, error: RefusedError) -> None:
        self._totals.refused[error.kind] += 1
        record(
            "connection.refused", reason=error.kind, status=error.status.value, address=socket.peer_address
        )
        response = socket.text_response(error.status, f"{error}\n")
        for name, value in _headers_of(error).items():
            response.headers[name] = value
        socket.respond(response)

    def on_writable(self, socket: WebSocket, writable: bool) -> None:
        """See SocketDelegate."""

    def on_closed(self, socket: WebSocket, code: int, reason: str) -> None:
        """See SocketDelegate."""
        self._stop_timer()
        if self._task is not None:
            self._task.cancel()
        self._sessions.disconnected(socket)

    def _stop_timer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


def _headers_of(error: RefusedError) -> dict[str, str]:
    """Further headers of the answer to a refused request."""
    if error.status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": "Bearer"}
    if error.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        return {"Retry-After": "5"}
    return {}
