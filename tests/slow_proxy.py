"""A TCP proxy with a limited rate in each direction, which can also swallow everything: a line as networks have them.

async with SlowProxy(server.port, down=100_000) as proxy:
    client = RealtimeClient(url=proxy.url)
"""

from __future__ import annotations

import asyncio
from math import inf

__all__ = ["SlowProxy"]

# Seconds between two pieces of a limited direction.
TICK = 0.01


class SlowProxy:
    """Passes bytes on between clients and a local port.

    Parameters
    ----------
    port : int
        Where the server listens.
    up, down : float
        Bytes a second from the client and to it.

    Attributes
    ----------
    swallows : bool
        True keeps both connections open and passes nothing on: to each side the other has vanished.
    """

    def __init__(self, port: int, *, up: float = inf, down: float = inf) -> None:
        self.port = port
        self.up = up
        self.down = down
        self.swallows = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> SlowProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.port)
        for work in (
            self._pass_on(reader, server_writer, lambda: self.up),
            self._pass_on(server_reader, writer, lambda: self.down),
        ):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rate) -> None:
        try:
            while True:
                limited = rate() != inf
                data = await reader.read(int(rate() * TICK) if limited else 65536)
                if self.swallows:
                    await asyncio.Event().wait()
                if not data:
                    break
                writer.write(data)
                await writer.drain()
                if limited:
                    await asyncio.sleep(TICK)
        except OSError:
            pass
        finally:
            writer.close()
