"""ASGI applications for tests: served by uvicorn on a free port, or called message by message, as older servers do."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn


@asynccontextmanager
async def served(app: Any, **options: Any) -> AsyncIterator[str]:
    """``127.0.0.1:PORT`` of *app*, served by uvicorn in this process; its lifespan is run as far as it has one."""
    options = {"ws": "websockets-sansio", "log_level": "critical", "timeout_graceful_shutdown": 5, **options}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, **options))
        task = asyncio.create_task(server.serve([listener]))
        while not server.started and not task.done():
            await asyncio.sleep(0.01)
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


class Call:
    """One call of an ASGI application: what it sends is in ``sent``, what it gets comes from `say`."""

    def __init__(self, app: Any, kind: str = "websocket", path: str = "/v1/realtime", **scope: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        # Raised by the next send
        self.broken: Exception | None = None
        # Cleared: sending waits
        self.free = asyncio.Event()
        self.free.set()
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._news = asyncio.Event()
        whole = {
            "type": kind,
            "method": "GET",
            "scheme": "ws" if kind == "websocket" else "http",
            "path": path,
            "query_string": b"model=gpt-realtime-2.1",
            "headers": [(b"host", b"localhost")],
            "client": ("127.0.0.1", 40_000),
            **scope,
        }
        if kind == "websocket":
            self.say("websocket.connect")
        self.task = asyncio.create_task(app(whole, self._queue.get, self._send))

    def say(self, kind: str, **fields: Any) -> None:
        """Give the application a message."""
        self._queue.put_nowait({"type": kind, **fields})

    async def _send(self, message: dict[str, Any]) -> None:
        await self.free.wait()
        if self.broken is not None:
            raise self.broken
        self.sent.append(message)
        self._news.set()

    async def until(self, kind: str, seconds: float = 10.0) -> dict[str, Any]:
        """Wait for a message of the application."""

        async def find() -> dict[str, Any]:
            while True:
                for message in self.sent:
                    if message["type"] == kind:
                        return message
                self._news.clear()
                await self._news.wait()

        return await asyncio.wait_for(find(), seconds)

    async def end(self, seconds: float = 10.0) -> list[dict[str, Any]]:
        """Wait until the application returns; all that it sent."""
        await asyncio.wait_for(self.task, seconds)
        return self.sent
