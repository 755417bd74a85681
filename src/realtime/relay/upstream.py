"""Connects to the upstream server and sends the upgrade request.

Redirects are not followed and proxies are not used. Over plain ``ws://`` the key goes to a loopback address only
(`Endpoint.resolve`). The request contains nothing from the client's request.

Thread: the event loop only.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.uri import parse_uri

from ..errors import ConfigurationError
from ..protocol.dialling import open_socket
from ..protocol.endpoint import Endpoint
from .socket import QUIET, SocketDelegate, WebSocket

__all__ = ["UpstreamError", "dial", "handshake_error"]


class UpstreamError(Exception):
    """The connection could not be opened; ``retry`` is True if it may work later. The message holds no secret."""

    def __init__(self, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.retry = retry


async def dial(
    endpoint: Endpoint, delegate: SocketDelegate, *, max_message_bytes: int, tls: ssl.SSLContext | None
) -> WebSocket:
    """Connect and send the upgrade request; the delegate's ``on_handshake`` receives the answer.

    Cancel-safe: the connection is dropped. Raises UpstreamError if there is no connection.
    """
    uri = parse_uri(endpoint.reveal_url())
    protocol = ClientProtocol(uri, max_size=max_message_bytes, logger=QUIET)
    options: dict[str, Any] = {}
    if endpoint.secure:
        options = {"ssl": tls, "server_hostname": endpoint.host}
    try:
        connected = await open_socket(endpoint)
        _, socket = await asyncio.get_running_loop().create_connection(
            lambda: WebSocket(protocol, delegate), sock=connected, **options
        )
    except ConfigurationError as error:
        raise UpstreamError(str(error), retry=False) from None
    except OSError as error:
        # TLS reports a connection that is lost in its handshake without a text.
        reason = error.strerror or str(error) or "it hung up"
        raise UpstreamError(f"{endpoint.address} cannot be reached: {reason}", retry=True) from None
    request = protocol.connect()
    request.headers.update(endpoint.reveal_headers())
    protocol.send_request(request)
    socket.flush()
    return socket


def handshake_error(endpoint: Endpoint, socket: WebSocket) -> UpstreamError | None:
    """The error in the answer to the upgrade request; None if upstream accepted it, or has not answered."""
    error = socket.protocol.handshake_exc
    if error is None:
        return None
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        return UpstreamError(
            f"{endpoint.address} answered with HTTP status {status}", retry=status == 429 or status >= 500
        )
    if isinstance(error.__cause__ or error, EOFError):
        return UpstreamError(f"{endpoint.address} hung up before its answer was complete", retry=True)
    is_http = isinstance(error, InvalidHandshake) and not isinstance(error, InvalidMessage)
    what = "not with a websocket handshake" if is_http else "not in HTTP"
    return UpstreamError(f"{endpoint.address} answered {what}", retry=False)
