"""P16: what a session costs where one process has twenty of them: ``python -m benchmarks.bench_client_sessions``.

Each session gets 50 audio deltas of 20 ms a second and sends as much audio of its own, as pcm16 or as G.711, over real
websockets from a server in another process. Ours keeps the conversation and calls a handler; the peer is the openai
package's connection, whose events the program decodes. Each run is a process of its own; programs take turns. The figure
is the process's own processor time for one session, as a share of a core.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import time
from collections import deque
from typing import Any

import numpy as np

from benchmarks.sections import machine, write_section

SESSIONS, RATE, SECONDS, WARM_UP, ROUNDS = 20, 50, 5.0, 1.5, 5
GOAL = 3.0
# Name of the format in a session -> one chunk of 20 ms on the wire.
CHUNKS = {
    "audio/pcm": (np.arange(480) * 7).astype(np.int16).tobytes(),
    "audio/pcmu": bytes(range(160)),
}
NAMES = {"audio/pcm": "pcm16, 24 kHz", "audio/pcmu": "G.711, 8 kHz"}
KEY = "sk-only-for-benchmarks"


def created(kind: str) -> str:
    side = {"format": {"type": kind, "rate": 24_000} if kind == "audio/pcm" else {"type": kind}}
    session = {"type": "realtime", "audio": {"input": {**side, "turn_detection": None}, "output": side}}
    return json.dumps({"type": "session.created", "event_id": "event_0", "session": session})


def delta(kind: str) -> str:
    ids = {"event_id": "event_123456789012345", "response_id": "resp_123456789012345"}
    place = {"item_id": "item_123456789012345", "output_index": 0, "content_index": 0}
    audio = base64.b64encode(CHUNKS[kind]).decode()
    return json.dumps({"type": "response.output_audio.delta", **ids, **place, "delta": audio})


async def every_chunk(send: Any) -> None:
    """Call *send* 50 times a second for ever."""
    due = asyncio.get_running_loop().time()
    while True:
        due += 1 / RATE
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        await send()


async def serve(kind: str) -> None:
    """The server of both programs: prints its port, sends deltas, reads and drops what comes."""
    from websockets.asyncio.server import serve
    from websockets.exceptions import ConnectionClosed

    first, frame = created(kind), delta(kind)

    async def session(socket: Any) -> None:
        await socket.send(first)
        writer = asyncio.create_task(every_chunk(lambda: socket.send(frame)))
        # The programs end without a close.
        with contextlib.suppress(ConnectionClosed):
            async for _ in socket:
                pass
        writer.cancel()
        with contextlib.suppress(ConnectionClosed, asyncio.CancelledError):
            await writer

    async with serve(session, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


async def ours(url: str, kind: str, count: Any) -> None:
    """One session of our client; *count* is called for each delta."""
    from realtime import RealtimeClient

    chunk = np.frombuffer(CHUNKS[kind], np.int16) if kind == "audio/pcm" else np.zeros(160, np.int16)
    heard: deque[Any] = deque(maxlen=64)
    client = RealtimeClient(api_key=KEY, url=url, keep_audio_seconds=10, keep_input_seconds=10)

    def take(event: Any) -> None:
        heard.append(event.delta.audio)
        count()

    client.on("conversation.updated", take)
    await client.connect()

    async def send() -> None:
        client.append_input_audio(chunk)

    await every_chunk(send)


async def peer(url: str, kind: str, count: Any) -> None:
    """One session of the openai package."""
    from openai import AsyncOpenAI

    from wavtools import pcm

    g711 = kind == "audio/pcmu"
    chunk = np.zeros(160, np.int16) if g711 else np.frombuffer(CHUNKS[kind], np.int16)
    heard: deque[Any] = deque(maxlen=64)
    sdk = AsyncOpenAI(api_key=KEY, websocket_base_url=url)
    async with sdk.realtime.connect(
        model="none", websocket_connection_options={"compression": None}
    ) as connection:

        async def send() -> None:
            data = pcm.ulaw_encode(chunk) if g711 else chunk
            await connection.input_audio_buffer.append(audio=base64.b64encode(data).decode())

        writer = asyncio.create_task(every_chunk(send))
        async for event in connection:
            if event.type == "response.output_audio.delta":
                data = base64.b64decode(event.delta)
                heard.append(
                    pcm.ulaw_decode(np.frombuffer(data, np.uint8)) if g711 else np.frombuffer(data, np.int16)
                )
                count()
        writer.cancel()


PROGRAMS = {"ours": ours, "openai": peer}


async def run(program: str, url: str, kind: str) -> None:
    """Hold the sessions, and print the processor time of one, as a share of a core."""
    deltas = 0

    def count() -> None:
        nonlocal deltas
        deltas += 1

    tasks = []
    for _ in range(SESSIONS):
        tasks.append(asyncio.create_task(PROGRAMS[program](url, kind, count)))
        # Calls do not begin at the same moment.
        await asyncio.sleep(0.013)
    await asyncio.sleep(WARM_UP)
    before, begin, busy = deltas, time.monotonic(), time.process_time()
    await asyncio.sleep(SECONDS)
    busy, took, came = time.process_time() - busy, time.monotonic() - begin, deltas - before
    failed = [task for task in tasks if task.done()]
    if failed or came < 0.9 * took * RATE * SESSIONS:
        sys.exit(f"{program}: {came} deltas in {took:.1f} s, {len(failed)} sessions ended")
    # Time for what really came: a busy machine delays some.
    print(busy / came * RATE, flush=True)
    # The sessions need no farewell.
    os._exit(0)


def measure(kind: str, rounds: int = ROUNDS) -> dict[str, float]:
    """Share of a core that one session takes, by program: the median of the rounds."""
    command = [sys.executable, "-m", __spec__.name if __spec__ else "benchmarks.bench_client_sessions"]
    server = subprocess.Popen([*command, "serve", kind], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        url = f"ws://127.0.0.1:{server.stdout.readline().strip()}"
        shares: dict[str, list[float]] = {name: [] for name in PROGRAMS}
        for _ in range(rounds):
            for name, found in shares.items():
                done = subprocess.run(
                    [*command, name, kind, url], stdout=subprocess.PIPE, text=True, check=True
                )
                found.append(float(done.stdout))
    finally:
        server.kill()
        server.wait()
    return {name: statistics.median(found) for name, found in shares.items()}


def main() -> None:
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("openai", "websockets", "orjson")
    )
    lines = [
        "## P16: sessions in one process\n",
        f"`python -m benchmarks.bench_client_sessions` on {machine()}; {versions}. {SESSIONS} sessions in a process, each "
        f"with {RATE} messages of 20 ms a second both ways; processor time of the process, medians of {ROUNDS} rounds in "
        "turn.\n",
        "| audio | ours, % of a core a session | openai | sessions on a core, times openai's | wanted | |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for kind, name in NAMES.items():
        shares = measure(kind)
        ratio = shares["openai"] / shares["ours"]
        verdict = "met" if ratio >= GOAL else "**missed**"
        cells = f"{shares['ours']:.2%} | {shares['openai']:.2%} | {ratio:.2f}"
        lines.append(f"| {name} | {cells} | ≥ {GOAL:g} | {verdict} |".replace("% |", " |"))
    lines.append("")
    write_section("sessions", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    elif sys.argv[1] == "serve":
        asyncio.run(serve(sys.argv[2]))
    else:
        asyncio.run(run(sys.argv[1], sys.argv[3], sys.argv[2]))
