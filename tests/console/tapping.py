"""Taps in tests, in this event loop or in a thread; and a recorder that stands behind one and knows what has passed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from console.tap.tap import Tap, TapSettings
from tests.waiting import until, until_blocking

Wire = dict[str, Any]
KEY = "sk-tap-0123456789abcdef"
# What distinguishes a request to a server of the protocol
PASSED = ("authorization", "openai-beta", "api-key")


class LoopThread:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class ThreadedTap:
    """A running tap. ``lines`` holds, by the number of the client, each event as (source, event)."""

    def __init__(self, upstream: str, **settings: Any) -> None:
        self.lines: dict[int, list[tuple[str, Wire]]] = {}
        self._thread = LoopThread()
        self.tap = Tap(TapSettings("127.0.0.1", 0, upstream, **settings))
        self.tap.on_session = self._follow
        self.url = self._thread.run(self.tap.start())

    def _follow(self, session: Any) -> None:
        lines = self.lines.setdefault(session.number, [])

        def add(line: str) -> None:
            entry = json.loads(line)
            lines.append((entry["source"], entry["event"]))

        session.model.events.tap = add

    def ended(self, number: int) -> Any:
        """Wait until client *number* has gone; return its session."""
        until_blocking(lambda: any(one.number == number and not one.open for one in self.tap.sessions), 20)
        return next(one for one in self.tap.sessions if one.number == number)

    def __enter__(self) -> ThreadedTap:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.run(self.tap.close())
        self._thread.stop()


class Recorder:
    """A proxy that reads and writes whole messages, and keeps them: what a tap shows is compared with it."""

    def __init__(self, upstream: str) -> None:
        self.sent: dict[str, list[Wire]] = {"client": [], "server": []}
        self._upstream = upstream
        self._thread = LoopThread()
        self._server = self._thread.run(self._start())
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _start(self) -> Any:
        return await serve(
            self._pass,
            "127.0.0.1",
            0,
            max_size=None,
            select_subprotocol=lambda _, offered: (offered or [None])[0],
        )

    async def _pass(self, client: ServerConnection) -> None:
        assert client.request is not None
        headers = {
            name: value for name, value in client.request.headers.raw_items() if name.lower() in PASSED
        }
        offered = client.request.headers.get("Sec-WebSocket-Protocol", "").split(", ")
        subprotocols: Any = [name for name in offered if name] or None
        url = self._upstream + client.request.path
        async with connect(
            url, additional_headers=headers, subprotocols=subprotocols, max_size=None
        ) as server:
            await asyncio.gather(self._pump(client, server, "client"), self._pump(server, client, "server"))

    async def _pump(self, source: Any, target: Any, side: str) -> None:
        try:
            async for message in source:
                await target.send(message)
                self.sent[side].append(json.loads(message))
        except ConnectionClosed:
            pass
        await target.close(source.close_code if source.close_code not in (None, 1005, 1006) else 1000)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async def close() -> None:
            self._server.close()

        self._thread.run(close())
        self._thread.stop()


def outline(event: Wire) -> tuple[Any, ...]:
    """What two copies of an event share when one has the size in place of its audio."""
    audio = event.get("audio") if event["type"] == "input_audio_buffer.append" else event.get("delta")
    size: Any = None
    if isinstance(audio, str) and event["type"].endswith(("append", "audio.delta")):
        size = int(audio[1:].split(" ")[0]) if audio.startswith("<") else len(audio) * 3 // 4
    return event["type"], event.get("event_id"), event.get("item_id"), event.get("output_index"), size


@asynccontextmanager
async def tap_to(upstream: str, **settings: Any) -> AsyncIterator[Tap]:
    tap = Tap(TapSettings("127.0.0.1", 0, upstream, **settings))
    await tap.start()
    try:
        yield tap
    finally:
        await tap.close()


@asynccontextmanager
async def server_of(handler: Any, **options: Any) -> AsyncIterator[str]:
    """A websocket server with *handler*; its address."""
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def raw_server(serve_one: Any) -> AsyncIterator[str]:
    """A TCP server; its address."""
    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def gone(tap: Tap, number: int = 1) -> None:
    """Wait until client *number* has come, and none is connected."""
    await until(
        lambda: tap.sessions and tap.sessions[-1].number >= number and not any(s.open for s in tap.sessions)
    )


def rows(session: Any) -> list[tuple[str, str, int]]:
    return [(row.source, row.type, row.count) for row in session.model.events.rows]


def everything(session: Any) -> str:
    """All that a view could show or save of a session."""
    model = session.model
    return "\n".join(
        [
            session.request,
            session.status,
            *model.events.journal(),
            *(row.payload for row in model.events.rows),
            *(row.text for row in model.transcript),
            *(notice.text for notice in model.notices),
        ]
    )
