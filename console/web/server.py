"""PageServer: one port for the page, its view socket and its audio socket, on a thread with an event loop of its own.

The sound has its own thread, so that a busy call does not hold it back. What needs the model crosses to the loop of the
call. Everything that comes in is bounded: connections, frames, their rate, the time of a handshake.

Thread: its own; `start` and `close` are called from the call's loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import logging
import ssl
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from ..errors import UserError
from .desk import Desk, View
from .files import HEADERS, Document, land, note, static_files, wav
from .gate import Gate
from .sound import Sound

__all__ = ["PageServer"]

T = TypeVar("T")
VIEW, SOUND, AUDIO = "/view", "/sound", "/audio/"
MAX_FRAME_BYTES = 262_144
MAX_CONNECTIONS = 64
MAX_VIEWS = 4
HANDSHAKE_SECONDS = 10.0
# A page sends a few verbs a second; a burst is allowed, a flood is not
VERBS_PER_SECOND, VERBS_AT_ONCE = 50.0, 200.0
TOO_FAST, REPLACED = 1008, 4001
# It would report each refused handshake and each browser that hangs up
logger = logging.getLogger("console.web")
logger.addHandler(logging.NullHandler())
logger.propagate = False


class _Connection(ServerConnection):
    """A connection; beyond MAX_CONNECTIONS it is closed at once, so that the process keeps its file handles."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if len(self.server.handler_tasks) > MAX_CONNECTIONS:
            self.transport.abort()


class PageServer:
    """The server of one desk.

    Parameters
    ----------
    desk : Desk
        What the pages see.
    host, port : str, int
        Where to listen; port 0 takes a free one.
    tls : ssl.SSLContext, optional
        Speak https.
    origins : tuple of str
        More origins under which the page may be reached.

    Attributes
    ----------
    gate : Gate
        Who may come in; there after `start`.
    port : int
        The port in use.
    """

    def __init__(
        self,
        desk: Desk,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: ssl.SSLContext | None = None,
        origins: tuple[str, ...] = (),
    ) -> None:
        self.port = port
        self.gate: Gate
        self._desk = desk
        self._host = host
        self._tls = tls
        self._origins = origins
        self._sound = Sound(desk.device)
        self._calls = asyncio.get_running_loop()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="console-page", daemon=True)
        self._server: Server | None = None
        self._views: list[ServerConnection] = []

    @property
    def address(self) -> str:
        """The address that lets one browser in."""
        return self.gate.address(self._host)

    async def start(self) -> None:
        """Listen. Raises UserError if the address cannot be used."""
        await asyncio.to_thread(static_files)
        self._thread.start()
        try:
            await self._there(self._start())
        except OSError as error:
            await self.close()
            raise UserError(
                f"cannot listen on {self._host}:{self.port}: {error.strerror or error}; choose another --port"
            ) from error

    async def _start(self) -> None:
        self._server = await serve(
            self._on_socket,
            self._host,
            self.port,
            ssl=self._tls,
            process_request=self._on_request,
            max_size=MAX_FRAME_BYTES,
            open_timeout=HANDSHAKE_SECONDS,
            close_timeout=1,
            server_header=None,
            logger=logger,
            create_connection=_Connection,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        self.gate = Gate(self._host, self.port, secure=self._tls is not None, origins=self._origins)

    async def close(self) -> None:
        """Close all sockets, and end the thread."""
        await self._there(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, 5)
        self._loop.close()

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close(code=1001, reason="the console has ended")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._server.wait_closed(), 3)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        """Do *work* on the loop of this server."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _here(self, work: Coroutine[Any, Any, T]) -> T:
        """Do *work* on the loop of the call. Thread: this server's."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._calls))

    # HTTP. Thread: this server's

    async def _on_request(self, connection: ServerConnection, request: Request) -> Response | None:
        path = urlsplit(request.path)
        socket = path.path in (VIEW, SOUND)
        refusal = self.gate.refuse(request.headers, socket=socket)
        if refusal is not None:
            return _response(note(refusal.status, refusal.reason))
        let_in: str | None = None
        if not self.gate.has_cookie(request.headers):
            token = parse_qs(path.query, max_num_fields=10).get("token", [""])[0] if path.path == "/" else ""
            if not self.gate.use_token(token):
                return _response(note(403, "not let in: open the address that the terminal printed"))
            let_in = self.gate.set_cookie()
        if socket:
            if request.headers.get("Upgrade", "").lower() != "websocket":
                return _response(note(426, "this is a websocket"))
            if path.path == SOUND:
                # Sound does not become smaller, and compressing it takes time
                connection.protocol.available_extensions = None
            return None
        return _response(await self._document(path.path), let_in)

    async def _document(self, path: str) -> Document:
        if path == "/land.json":
            return land()
        if path.startswith(AUDIO):
            found = await self._here(self._desk.audio(unquote(path[len(AUDIO) :])))
            return note(404, "no such audio") if found is None else await asyncio.to_thread(wav, *found)
        return static_files().get(path) or note(404, "no such page")

    # Websockets. Thread: this server's

    async def _on_socket(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        if urlsplit(socket.request.path).path == SOUND:
            await self._sound.serve(socket)
        else:
            await self._show(socket)

    async def _show(self, socket: ServerConnection) -> None:
        self._views.append(socket)
        if len(self._views) > MAX_VIEWS:
            await self._views[0].close(REPLACED, "too many pages are open; reload this one to use it")
        view = await self._here(self._desk.open())
        writer = asyncio.create_task(self._write(socket, view))
        try:
            await self._read(socket, view)
        except ConnectionClosed:
            pass
        finally:
            self._views.remove(socket)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            await self._here(view.close())

    async def _write(self, socket: ServerConnection, view: View) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.send(await self._here(view.next()))

    async def _read(self, socket: ServerConnection, view: View) -> None:
        loop = asyncio.get_running_loop()
        credit, since = VERBS_AT_ONCE, loop.time()
        async for frame in socket:
            now = loop.time()
            credit, since = min(VERBS_AT_ONCE, credit + (now - since) * VERBS_PER_SECOND) - 1, now
            if credit < 0:
                await socket.close(TOO_FAST, "too many verbs a second")
                return
            await self._here(view.ask(frame))


def _response(document: Document, cookie: str | None = None) -> Response:
    headers = Headers(HEADERS)
    headers["Content-Type"] = document.type
    headers["Content-Length"] = str(len(document.body))
    headers["Connection"] = "close"
    if cookie is not None:
        headers["Set-Cookie"] = cookie
    status = http.HTTPStatus(document.status)
    return Response(status.value, status.phrase, headers, document.body)
