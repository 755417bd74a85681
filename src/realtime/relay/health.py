"""Answers the HTTP requests of load balancers and monitoring: /healthz, /readyz, /metrics.

Thread: the event loop only.
"""

from __future__ import annotations

import ipaddress
from http import HTTPStatus

from websockets.http11 import Request, Response

from .admission import RefusedError
from .context import RelayContext
from .metrics import CONTENT_TYPE
from .sessions import Sessions
from .socket import WebSocket

__all__ = ["Health"]


class Health:
    """State of a relay as HTTP responses."""

    def __init__(self, context: RelayContext, sessions: Sessions) -> None:
        self._context = context
        self._sessions = sessions

    def answer(self, socket: WebSocket, request: Request) -> Response | None:
        """The response, or None if *request* asks for another path. Raises RefusedError."""
        path = request.path.partition("?")[0]
        if path == "/healthz":
            return socket.text_response(HTTPStatus.OK, "ok\n")
        if path == "/readyz":
            return self._readiness(socket)
        if path == "/metrics":
            return self._metrics(socket, request)
        return None

    def _readiness(self, socket: WebSocket) -> Response:
        if self._sessions.draining:
            return socket.text_response(HTTPStatus.SERVICE_UNAVAILABLE, "draining\n")
        if self._sessions.is_full:
            return socket.text_response(HTTPStatus.SERVICE_UNAVAILABLE, "full\n")
        return socket.text_response(HTTPStatus.OK, "ready\n")

    def _metrics(self, socket: WebSocket, request: Request) -> Response:
        peer = ipaddress.ip_address(socket.peer_address)
        # Through a proxy, the peer is the proxy, and the request may come from anywhere.
        direct = "X-Forwarded-For" not in request.headers and "Forwarded" not in request.headers
        networks = self._context.policy.operation.metrics_from
        if not direct or not any(peer.version == one.version and peer in one for one in networks):
            raise RefusedError(HTTPStatus.FORBIDDEN, "metrics", "metrics are not served to this address")
        self._sessions.publish()
        text = self._context.metrics.text()
        if text is None:
            return socket.text_response(
                HTTPStatus.NOT_IMPLEMENTED, "metrics need: pip install 'wavtools[relay]'\n"
            )
        response = socket.text_response(HTTPStatus.OK, text.decode())
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = CONTENT_TYPE
        return response
