"""A page server in this process, and what a browser would send to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect

from console.call import Call
from console.endpoint import Endpoint
from console.keys import Key
from console.settings import Settings
from console.web.desk import Desk
from console.web.server import PageServer
from wavtools import RemoteDevice


class Site:
    """A running server, and a browser's way to it.

    Attributes
    ----------
    cookie : str
        Empty until `enter`.
    """

    def __init__(self, server: PageServer, desk: Desk) -> None:
        self.server = server
        self.desk = desk
        self.model = desk.call.model
        self.origin = f"http://127.0.0.1:{server.port}"
        self.cookie = ""

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Answer to a request with the cookie and *headers*, whose underscores are hyphens."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            given.setdefault("cookie", self.cookie)
        async with httpx.AsyncClient(trust_env=False) as http:
            return await http.get(self.origin + path, headers=given)

    async def enter(self) -> None:
        """Use the one-time token, and keep the cookie."""
        parts = urlsplit(self.server.address)
        answer = await self.get(f"/?{parts.query}")
        assert answer.status_code == 200
        self.cookie = answer.headers["set-cookie"].partition(";")[0]

    def socket(self, path: str = "/view", **more: Any) -> connect:
        """A websocket as the page opens it; *more* replaces origin and cookie."""
        headers = {"Cookie": more.pop("cookie", self.cookie), **more.pop("headers", {})}
        return connect(
            f"ws://127.0.0.1:{self.server.port}{path}",
            origin=more.pop("origin", self.origin),
            additional_headers=headers,
            proxy=None,
            compression=more.pop("compression", None),
            **more,
        )


@contextlib.asynccontextmanager
async def site(url: str | None = None, **options: Any) -> AsyncIterator[Site]:
    """A server whose call goes to *url*; its page has the sound through a RemoteDevice."""
    endpoint = Endpoint(url=url or "ws://127.0.0.1:9", key=Key("", "none"))
    call = Call(Settings(mode="manual"), endpoint)
    device = RemoteDevice()
    await call.use_microphone(device, "this page")  # type: ignore[arg-type]
    await call.use_speaker(device, "this page")  # type: ignore[arg-type]
    call.model.notices.clear()
    desk = Desk(call, device)
    server = PageServer(desk, **options)
    await server.start()
    ticks = asyncio.create_task(desk.run())
    try:
        yield Site(server, desk)
    finally:
        ticks.cancel()
        await server.close()
        await desk.close()
        await call.close()


async def told(socket: ClientConnection, wanted: Any, seconds: float = 10.0) -> dict[str, Any]:
    """Read messages until *wanted*(message) is true, and return that one."""

    async def read() -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(await socket.recv())
            if wanted(message):
                return message

    return await asyncio.wait_for(read(), seconds)
