"""A line that is long: passes what it gets on after a delay, each direction with a jitter of its own."""

from __future__ import annotations

import asyncio
import random

__all__ = ["Line"]


class Line:
    """A TCP proxy to a local port.

    Parameters
    ----------
    delay : float
        Seconds, each way.
    jitter : float
        Seconds on top, of an exponential distribution; the order stays.

    Attributes
    ----------
    port : int
        Where it listens; 0 before `start`.
    """

    def __init__(self, delay: float, jitter: float = 0.0, seed: int = 21) -> None:
        self.port = 0
        self._delay = delay
        self._jitter = jitter
        self._random = random.Random(seed)
        self._to = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        """Listen; what connects waits for `lead_to`."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def lead_to(self, port: int) -> None:
        """Lead to a local port."""
        self._to = port

    async def stop(self) -> None:
        """Close all connections."""
        self._server.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers += [writer, back]
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, data = await waiting.get()
                await asyncio.sleep(max(due - loop.time(), 0.0))
                writer.write(data)
                if not data:
                    writer.close()
                    return

        delivery = asyncio.create_task(deliver())
        last = 0.0
        try:
            while True:
                data = await reader.read(65_536)
                jitter = self._random.expovariate(1 / self._jitter) if self._jitter else 0.0
                last = max(last, loop.time() + self._delay + jitter)
                waiting.put_nowait((last, data))
                if not data:
                    await delivery
                    return
        except OSError:
            pass
        finally:
            delivery.cancel()
