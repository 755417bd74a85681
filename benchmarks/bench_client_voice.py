"""P13: voice to voice on the loopback, without the server's own time.

From the last microphone sample of a turn entering the capture callback to the first sample of the answer leaving
the playback callback. The server answers a commit at once with one 200 ms delta. Ours is VoiceSession on an
OfflineDevice. The peer is what a program without it would be: the openai package, sounddevice's way of buffering
(blocks of 20 ms through a queue in each direction), without its device, so that both are judged without hardware.
"""

from __future__ import annotations

import asyncio
import base64
import json
import queue
import threading
import time
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.server import serve

from realtime import RealtimeClient, VoiceSession
from wavtools import OfflineDevice, WavRecorder, WavStreamPlayer

GROUP = "P13 voice to voice on the loopback"
SPOKEN = np.tile((np.arange(480) * 7).astype(np.int16), 10)
ANSWER = np.full(4_800, 1_000, np.int16)
BLOCK = 480


class AnsweringServer:
    """A server in its own thread that answers every response.create with one delta at once."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        self.ready.wait()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._start())
        self.loop.run_forever()

    async def _start(self) -> None:
        self.server = await serve(self._talk, "127.0.0.1", 0, compression=None)
        self.url = f"ws://127.0.0.1:{next(iter(self.server.sockets)).getsockname()[1]}"
        self.ready.set()

    async def _talk(self, socket: Any) -> None:
        await socket.send(json.dumps({"type": "session.created", "session": {"type": "realtime", "id": "s"}}))
        number = 0
        delta = base64.b64encode(ANSWER.tobytes()).decode()
        async for frame in socket:
            if '"response.create"' in frame:
                number += 1
                address = {
                    "response_id": f"r{number}",
                    "item_id": f"i{number}",
                    "content_index": 0,
                    "output_index": 0,
                }
                response = {"id": f"r{number}", "status": "completed", "output": []}
                for event in (
                    {"type": "response.created", "response": {"id": f"r{number}", "status": "in_progress"}},
                    {"type": "response.output_audio.delta", **address, "delta": delta},
                    {"type": "response.done", "response": response},
                ):
                    await socket.send(json.dumps(event))

    async def _close(self) -> None:
        self.server.close()
        await self.server.wait_closed()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()


@pytest.fixture(scope="module")
def server() -> Any:
    server = AnsweringServer()
    yield server
    server.stop()


@pytest.mark.benchmark(group=GROUP)
def test_ours(benchmark: Any, server: AnsweringServer) -> None:
    loop = asyncio.new_event_loop()
    device = OfflineDevice(sample_rate=24_000)
    client = RealtimeClient(api_key="", url=server.url)
    voice = VoiceSession(client, WavRecorder(device=device), WavStreamPlayer(device=device), mode="manual")
    loop.run_until_complete(voice.start())

    async def prepare() -> None:
        while device.render(BLOCK).any():
            pass
        await voice.talk()
        for start in range(0, len(SPOKEN) - BLOCK, BLOCK):
            device.capture(SPOKEN[start : start + BLOCK])
        await asyncio.sleep(0.02)

    async def turn() -> None:
        device.capture(SPOKEN[-BLOCK:])
        await voice.release()
        while not device.render(1).any():
            await asyncio.sleep(0)

    benchmark.pedantic(
        lambda: loop.run_until_complete(turn()),
        setup=lambda: loop.run_until_complete(prepare()),
        rounds=100,
        warmup_rounds=5,
    )
    loop.run_until_complete(voice.stop())
    loop.close()


@pytest.mark.benchmark(group=GROUP)
def test_openai_sdk_with_blocks(benchmark: Any, server: AnsweringServer) -> None:
    openai = pytest.importorskip("openai")
    loop = asyncio.new_event_loop()
    sdk = openai.AsyncOpenAI(api_key="none", base_url="http://127.0.0.1:9", websocket_base_url=server.url)
    manager = sdk.realtime.connect(model="m")
    connection = loop.run_until_complete(manager.enter())
    played: queue.Queue[np.ndarray] = queue.Queue()

    async def listen() -> None:
        async for event in connection:
            if event.type == "response.output_audio.delta":
                samples = np.frombuffer(base64.b64decode(event.delta), np.int16)
                for start in range(0, len(samples), BLOCK):
                    played.put(samples[start : start + BLOCK])

    listening = loop.create_task(listen())

    async def append(block: np.ndarray) -> None:
        await connection.input_audio_buffer.append(audio=base64.b64encode(block.tobytes()).decode())

    async def prepare() -> None:
        while not played.empty():
            played.get_nowait()
        for start in range(0, len(SPOKEN) - BLOCK, BLOCK):
            await append(SPOKEN[start : start + BLOCK])
        await asyncio.sleep(0.02)

    async def turn() -> None:
        # The callback queues the block. The loop polls the queue, as the documented pattern does, and sends the
        # block. The output callback takes the queued audio at its next block.
        await append(SPOKEN[-BLOCK:])
        await connection.input_audio_buffer.commit()
        await connection.response.create()
        while played.empty():
            await asyncio.sleep(0)

    benchmark.pedantic(
        lambda: loop.run_until_complete(turn()),
        setup=lambda: loop.run_until_complete(prepare()),
        rounds=100,
        warmup_rounds=5,
    )
    listening.cancel()
    loop.run_until_complete(asyncio.wait([listening]))
    loop.run_until_complete(connection.close())
    time.sleep(0)
    loop.close()
