"""The listening socket: admits connections, runs a session on each and closes them.

Thread: the event loop.
"""

from __future__ import annotations

import asyncio
import http
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from ssl import SSLContext
from types import TracebackType
from typing import Protocol

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from ..protocol.ids import generate_server_id
from .admission import Admission, AdmissionError, admit, is_our_path
from .beta import BetaDialect
from .calls import Calls
from .checks.session_object import SessionConfig
from .client_secrets import ClientSecrets
from .http_api import HttpAnswer, HttpApi, HttpRequest
from .http_front import front_with
from .models.choice import choose_voice
from .models.interfaces import Voice
from .models.workers import Models
from .replies.rules import Replier, RuleReplies
from .replies.script import ScriptedReplies, read_script
from .session.channel import Channel, describe_failure
from .session.outbox import FrameSink, FrameSocket, Outbox
from .session.session import Session, SessionOptions

# Longest frame: 15 MiB of audio in base64, and the rest of its event.
FRAME_BYTES = 21 << 20
PING_SECONDS = 20.0
# A pong waits behind all audio that the socket has buffered for a slow client: that client is alive.
PONG_SECONDS = 300.0
# Time for a client's answer to a close frame: a client that hangs must not delay the server's stop.
CLOSE_SECONDS = 1.0
CLOSE_TRY_AGAIN = 1013


class ClientSocket(FrameSocket, Protocol):
    """The websocket of a client with its request and its frames."""

    @property
    def request(self) -> Request | None:
        """The upgrade request."""

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """The frames of the client."""


def log_to_stderr(line: str) -> None:
    """Print one line of the log on stderr; a stderr that is closed loses it."""
    try:
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        # The reader of a pipe has gone, or the stream is closed: no reason to end a session.
        pass


class OfflineServer:
    """A server of the Realtime protocol: ``async with OfflineServer() as server: server.url``.

    The models run in processes that multiprocessing spawns, so a script that makes an OfflineServer must do so
    under ``if __name__ == "__main__"``.

    Parameters
    ----------
    host : str
        Address to listen on.
    port : int
        Port to listen on; 0: a free one.
    dialect : "auto", "ga" or "beta"
        "auto" follows each client; "ga" refuses beta clients; "beta" speaks beta with every client.
    key : str, optional
        The API key that a client must send; None (default): no key is needed.
    voice : Voice, optional
        The models; default: choose_voice().
    replier : Replier, optional
        Makes the text of answers; default: RuleReplies().
    options : SessionOptions, optional
        Settings of every session.
    workers : int
        Processes for each of speech recognition and synthesis.
    max_sessions : int
        Further connections are closed with 1013 (try again later).
    log : callable taking a str
        Receives the log, line by line; never a key, and no text or audio of a session.
    script : str or os.PathLike, optional
        Folder of a session that the console has saved: its answers and tool calls are repeated in their order, and spoken
        items get its words. Instead of *replier*.
    ssl : SSLContext, optional
        Serve wss:// with this certificate; ``realtime.offline.certificate`` makes one.

    Raises
    ------
    ValueError
        Another *dialect*, both *script* and *replier*, or a *script* that is no saved session.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        dialect: str = "auto",
        key: str | None = None,
        voice: Voice | None = None,
        replier: Replier | None = None,
        options: SessionOptions | None = None,
        workers: int = 1,
        max_sessions: int = 64,
        log: Callable[[str], None] = log_to_stderr,
        script: str | os.PathLike[str] | None = None,
        ssl: SSLContext | None = None,
    ) -> None:
        if dialect not in ("auto", "ga", "beta"):
            raise ValueError(f"dialect is {dialect!r}, expected 'auto', 'ga' or 'beta'")
        self.host = host
        self._port = port
        self._dialect = dialect
        self._key = key
        self._models = Models(voice or choose_voice(), workers)
        self._replier = replier or RuleReplies()
        self._options = options or SessionOptions()
        if script is not None:
            if replier is not None:
                raise ValueError("a script replaces the replier; pass one of them")
            recording = read_script(Path(script))
            self._replier = ScriptedReplies(recording)
            self._options = replace(self._options, recorded=recording.heard)
        self._max_sessions = max_sessions
        self._log = log
        self._ssl = ssl
        self._secrets = ClientSecrets()
        self._calls = Calls(max_sessions)
        self._api = HttpApi(self._secrets, key, self._calls.end)
        self._sessions = 0
        self._server: Server | None = None

    @property
    def voice(self) -> Voice:
        """The models."""
        return self._models.voice

    @property
    def url(self) -> str:
        """``ws://host:port``, with *ssl* ``wss://host:port``; raises RuntimeError before ``start``."""
        if self._server is None:
            raise RuntimeError("the server is not listening; await start() first")
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"{'ws' if self._ssl is None else 'wss'}://{host}:{port}"

    async def start(self) -> None:
        """Listen. A model is loaded at its first use, or by ``warm``. Raises OSError if the port is not available."""
        self._server = await serve(
            self.serve_client,
            self.host,
            self._port,
            ssl=self._ssl,
            create_connection=front_with(self.answer_http),
            process_request=_check_path,
            select_subprotocol=_select_subprotocol,
            max_size=FRAME_BYTES,
            compression=None,
            ping_interval=PING_SECONDS,
            ping_timeout=PONG_SECONDS,
            close_timeout=CLOSE_SECONDS,
            server_header="wavtools",
            logger=_socket_logger(),
        )

    async def warm(self) -> None:
        """Load the models and run each once. Raises ModelError if one cannot be loaded."""
        self._log(f"loading {', '.join(self._models.voice.names)} ...")
        await self._models.warm()
        self._log("ready")

    async def close(self) -> None:
        """End all sessions (close code 1001) and stop the workers."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        self._calls.close()
        self._models.close()

    async def __aenter__(self) -> OfflineServer:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # --- one connection -----------------------------------------------------------------------------------

    def answer_http(self, request: HttpRequest) -> HttpAnswer:
        """Answer a request that opens no websocket."""
        return self._api.answer(request)

    async def serve_client(self, connection: ClientSocket) -> None:
        """Run a session on an open websocket until one side ends it."""
        if self._sessions >= self._max_sessions:
            await connection.close(CLOSE_TRY_AGAIN, "too many sessions")
            return
        self._sessions += 1
        outbox = Outbox(connection, lambda error: self._log(describe_failure(error)))
        writer = asyncio.create_task(outbox.run())
        try:
            await self._serve(connection, outbox)
        finally:
            self._sessions -= 1
            outbox.close(1000, "")
            await asyncio.wait([writer], timeout=5)
            writer.cancel()

    async def _serve(self, connection: ClientSocket, outbox: Outbox) -> None:
        request = connection.request
        assert request is not None
        offered = _offered(request)
        try:
            admission = admit(request.path, request.headers, offered, self._dialect, self._key, self._secrets)
        except AdmissionError as refusal:
            channel = Channel(outbox, self._options.faults, self._log)
            channel.emit_error(refusal.error)
            channel.close(refusal.close_code, refusal.reason)
            return
        if admission.call_id is not None:
            await self._serve_call(connection, outbox, admission, admission.call_id)
            return
        session = self._session(outbox, admission)
        session.start()
        await _read(connection, session.handle, session.close)

    async def _serve_call(
        self, connection: ClientSocket, outbox: Outbox, admission: Admission, call_id: str
    ) -> None:
        call = self._calls.join(call_id, outbox, lambda audience: self._session(audience, admission))
        if call is None:
            outbox.close(CLOSE_TRY_AGAIN, "too many calls")
            return
        await _read(connection, call.handle, lambda: self._calls.leave(call_id, call, outbox))

    def _session(self, outbox: FrameSink, admission: Admission) -> Session:
        session_id = generate_server_id("sess")
        config = SessionConfig(admission.kind, session_id, admission.model, self._options.seconds)
        if admission.secret is not None:
            config.update(admission.secret.session)
        in_call = admission.call_id is not None
        beta = BetaDialect(admission.kind) if admission.dialect == "beta" and not in_call else None
        return Session(config, outbox, self._models, self._replier, self._options, self._log, beta, in_call)


async def _read(
    connection: ClientSocket, handle: Callable[[str | bytes], Awaitable[None]], end: Callable[[], None]
) -> None:
    """Give every frame to *handle* until the connection ends; then call *end*."""
    try:
        async for frame in connection:
            await handle(frame)
    except ConnectionClosed:
        # The client has gone without a close frame.
        pass
    finally:
        end()


def _socket_logger() -> logging.Logger:
    """The logger that the websockets library uses for this server's sockets.

    At DEBUG it would log request headers, and with them keys, so its level is INFO unless the application sets this
    logger's own. Without a handler Python would print tracebacks about port scans on stderr.
    """
    logger = logging.getLogger("realtime.offline.socket")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
        logger.addHandler(logging.NullHandler())
    return logger


def _offered(request: Request) -> list[str]:
    values = request.headers.get_all("Sec-WebSocket-Protocol")
    return [name.strip() for value in values for name in value.split(",")]


def _check_path(connection: ServerConnection, request: Request) -> Response | None:
    if is_our_path(request.path):
        return None
    return connection.respond(http.HTTPStatus.NOT_FOUND, "The Realtime API is at /v1/realtime.\n")


def _select_subprotocol(
    connection: ServerConnection, subprotocols: Sequence[Subprotocol]
) -> Subprotocol | None:
    return Subprotocol("realtime") if "realtime" in subprotocols else None
