"""P10b: processor time of one 200 ms audio delta over a real websocket: ``python -m benchmarks.bench_client_socket``.

A server in another process sends deltas; each program reads them in a process of its own, in turn, and counts all of its
processor time. What a bare websocket takes for the same frames is taken off: it is the same library in both programs.
Ours queues the samples in a player, the peer, the openai package's connection, decodes them into a deque.
"""

from __future__ import annotations

import asyncio
import base64
import os
import statistics
import subprocess
import sys
import time
from collections import deque
from typing import Any

import numpy as np

from benchmarks.bench_client_delta import FRAME, SAMPLES
from benchmarks.bench_client_sessions import KEY, created
from benchmarks.sections import machine, write_section

DELTAS, AT_ONCE, PAUSE, ROUNDS = 5_000, 50, 0.005, 7
GOAL = 1 / 6


async def serve() -> None:
    """Prints its port; sends each client all deltas, in bursts."""
    from websockets.asyncio.server import serve

    async def session(socket: Any) -> None:
        await socket.send(created("audio/pcm"))
        await asyncio.sleep(0.5)
        for _ in range(DELTAS // AT_ONCE):
            for _ in range(AT_ONCE):
                await socket.send(FRAME)
            await asyncio.sleep(PAUSE)
        await socket.wait_closed()

    async with serve(session, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


def finish(begin: float) -> None:
    """Print the processor time of a delta since *begin*, and end the process without a farewell."""
    print((time.process_time() - begin) / DELTAS, flush=True)
    os._exit(0)


async def bare(url: str) -> None:
    from websockets.asyncio.client import connect

    async with connect(url, compression=None, max_size=None) as socket:
        await socket.recv()
        begin = time.process_time()
        for _ in range(DELTAS):
            await socket.recv(decode=False)
        finish(begin)


async def openai(url: str) -> None:
    from openai import AsyncOpenAI

    queue: deque[Any] = deque(maxlen=64)
    sdk = AsyncOpenAI(api_key=KEY, websocket_base_url=url)
    options: Any = {"compression": None}
    async with sdk.realtime.connect(model="none", websocket_connection_options=options) as connection:
        await connection.recv()
        begin, count = time.process_time(), 0
        async for event in connection:
            if event.type == "response.output_audio.delta":
                queue.append(np.frombuffer(base64.b64decode(event.delta), np.int16))
                count += 1
                if count == DELTAS:
                    finish(begin)


async def ours(url: str) -> None:
    from realtime import RealtimeClient
    from wavtools import OfflineDevice, WavStreamPlayer

    device = OfflineDevice(sample_rate=24_000)
    player = WavStreamPlayer(device=device)
    player.connect()
    client = RealtimeClient(api_key=KEY, url=url, keep_audio_seconds=60)
    begin, count = 0.0, 0

    def play(event: Any) -> None:
        nonlocal begin, count
        if event.delta is not None and event.delta.audio is not None:
            player.add_16bit_pcm(event.delta.audio, event.item.id)
            count += 1
            if not count % AT_ONCE:
                # The sound device's part is not ours.
                before = time.process_time()
                device.render(AT_ONCE * len(SAMPLES))
                begin += time.process_time() - before
            if count == DELTAS:
                finish(begin)

    client.on("conversation.updated", play)
    await client.connect()
    begin = time.process_time()
    await asyncio.Future()


PROGRAMS = {"bare websocket": bare, "openai": openai, "ours": ours}


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """Median seconds of processor time for one delta, by program."""
    command = [sys.executable, "-m", "benchmarks.bench_client_socket"]
    server = subprocess.Popen([*command, "serve"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    try:
        url = f"ws://127.0.0.1:{server.stdout.readline().strip()}"
        for _ in range(rounds):
            for name, found in times.items():
                done = subprocess.run([*command, name, url], stdout=subprocess.PIPE, text=True, check=True)
                found.append(float(done.stdout))
    finally:
        server.kill()
        server.wait()
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> None:
    times = measure()
    floor = times["bare websocket"]
    ratio = (times["ours"] - floor) / (times["openai"] - floor)
    lines = [
        "## P10b: an audio delta over a websocket\n",
        f"`python -m benchmarks.bench_client_socket` on {machine()}. Processor time of a whole process for one delta of "
        f"200 ms, medians of {ROUNDS} rounds in turn.\n",
        "| | µs | without the bare websocket |",
        "|---|---:|---:|",
        *(f"| {name} | {found * 1e6:.1f} | {(found - floor) * 1e6:.1f} |" for name, found in times.items()),
        f"\nOurs / openai: {ratio:.2f}, wanted ≤ {GOAL:.2f}: {'met' if ratio <= GOAL else '**missed**'}.",
    ]
    write_section("socket", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    elif sys.argv[1] == "serve":
        asyncio.run(serve())
    else:
        asyncio.run(PROGRAMS[sys.argv[1]](sys.argv[2]))
