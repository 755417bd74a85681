"""A network of our own: a TCP proxy that delays, loses, limits, swallows and resets, for tests of everything above it.

async with ShapedProxy(server.url, down=Shape(delay_s=0.08, jitter_s=0.04, loss=0.03, bytes_per_s=100_000)) as proxy:
    client = RealtimeClient(url=proxy.url)

TCP hides loss from programs: what they see is that everything behind the lost segment waits for its repetition. The
proxy does the same. It needs no privileges and runs on every system (``tc netem`` is missing in many containers).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

SEGMENT_BYTES = 1448
# A sender repeats a lost segment after one round trip, and after this time at least.
LEAST_REPETITION_S = 0.2
# What waits in front of a bottleneck; a longer queue holds the sender back.
BOTTLENECK_BYTES = 64 << 10


@dataclass(frozen=True)
class Shape:
    """One direction of a line.

    Attributes
    ----------
    delay_s, jitter_s : float
        Each segment takes the delay plus or minus the jitter; segments never overtake each other.
    loss : float
        Share of the segments that are lost once.
    bytes_per_s : float, optional
        Rate; None: no limit.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    bytes_per_s: float | None = None


class Line:
    """One proxied connection."""

    def __init__(self, writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self.writers = writers
        self.swallows = False

    def reset(self) -> None:
        """End both sides by RST."""
        for writer in self.writers:
            raw = writer.get_extra_info("socket")
            # Without a socket the side has ended already.
            if raw is not None and raw.fileno() >= 0:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class ShapedProxy:
    """Listens on 127.0.0.1 and passes connections on to the server at *target*, a ws:// URL."""

    def __init__(self, target: str, up: Shape = Shape(), down: Shape = Shape(), seed: int = 1) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._up, self._down = up, down
        self._dice = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self.lines: list[Line] = []
        self.url = ""

    async def __aenter__(self) -> ShapedProxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for line in self.lines:
            line.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def swallow(self) -> None:
        """From now on every byte of the present connections disappears, and both ends stay open: half-open sockets."""
        for line in self.lines:
            line.swallows = True

    def reset(self) -> None:
        """End the present connections by RST."""
        for line in self.lines:
            line.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        line = Line((writer, server_writer))
        self.lines.append(line)
        try:
            await asyncio.gather(
                self._pump(line, reader, server_writer, self._up),
                self._pump(line, server_reader, writer, self._down),
            )
        except asyncio.CancelledError:
            # The proxy closes; asyncio would print a task that ends by it.
            pass
        finally:
            line.reset()

    async def _pump(
        self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, shape: Shape
    ) -> None:
        """Carry one direction until it ends."""
        arrivals: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        deliver = asyncio.create_task(_deliver(line, writer, arrivals))
        now = asyncio.get_running_loop().time
        free_at = arrival = 0.0
        try:
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(SEGMENT_BYTES if shape.bytes_per_s or shape.loss else 65536):
                    free_at = max(free_at, now())
                    if shape.bytes_per_s is not None:
                        free_at += len(data) / shape.bytes_per_s
                    arrival = max(arrival, free_at + self._travel_time(shape))
                    arrivals.put_nowait((arrival, data))
                    if shape.bytes_per_s is not None:
                        await asyncio.sleep(free_at - now() - BOTTLENECK_BYTES / shape.bytes_per_s)
            arrivals.put_nowait((arrival, b""))
            await deliver
        finally:
            deliver.cancel()

    def _travel_time(self, shape: Shape) -> float:
        time = shape.delay_s + self._dice.uniform(-shape.jitter_s, shape.jitter_s)
        if self._dice.random() < shape.loss:
            time += max(2 * shape.delay_s, LEAST_REPETITION_S)
        return max(0.0, time)


async def _deliver(
    line: Line, writer: asyncio.StreamWriter, arrivals: asyncio.Queue[tuple[float, bytes]]
) -> None:
    """Write every segment at its time; an empty one ends this direction."""
    now = asyncio.get_running_loop().time
    with contextlib.suppress(ConnectionError):
        while True:
            at, data = await arrivals.get()
            await asyncio.sleep(at - now())
            if line.swallows:
                continue
            if not data:
                if writer.can_write_eof():
                    writer.write_eof()
                return
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def swallowing_port(family: socket.AddressFamily, host: str, port: int = 0) -> AsyncIterator[int]:
    """A port whose packets vanish: nobody accepts, and the queue of connections is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(8):
            filler = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            filler.setblocking(False)
            filler.connect_ex(address)
        await asyncio.sleep(0.05)
        yield address[1]
