"""P10: what one 200 ms audio delta costs, from the text of its frame to samples queued in a player.

Ours does all that a program wants of it: conversation, events, handlers. The peer is the openai package's
connection, which parses the event; decoding the audio is then up to the program.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from typing import Any

import numpy as np
import pytest

from realtime import RealtimeClient
from wavtools import OfflineDevice, WavStreamPlayer

GROUP = "P10 one audio delta of 200 ms"
SAMPLES = (np.arange(4_800) % 251 * 100).astype(np.int16)
FRAME = json.dumps(
    {
        "type": "response.output_audio.delta",
        "event_id": "event_123456789012345",
        "response_id": "resp_123456789012345",
        "item_id": "item_123456789012345",
        "output_index": 0,
        "content_index": 0,
        "delta": base64.b64encode(SAMPLES.tobytes()).decode(),
    }
)
ROUNDS, PER_ROUND = 300, 10


@pytest.mark.benchmark(group=GROUP)
def test_ours(benchmark: Any) -> None:
    device = OfflineDevice(sample_rate=24_000)
    player = WavStreamPlayer(device=device)
    player.connect()
    loop = asyncio.new_event_loop()
    client = RealtimeClient(api_key="", url="ws://127.0.0.1:1")

    @client.on("conversation.updated")
    def play(event: Any) -> None:
        if event.delta is not None and event.delta.audio is not None:
            player.add_16bit_pcm(event.delta.audio, event.item.id)

    receive = client._session.receive
    # The websocket delivers bytes.
    frame = FRAME.encode()
    receive(frame)
    np.testing.assert_array_equal(device.render(4_800), SAMPLES)

    def setup() -> None:
        device.render(4_800 * PER_ROUND)
        client.conversation.clear()

    def deltas() -> None:
        for _ in range(PER_ROUND):
            receive(frame)

    benchmark.pedantic(deltas, setup=setup, rounds=ROUNDS, warmup_rounds=5)
    benchmark.extra_info["deltas_per_round"] = PER_ROUND
    player.disconnect()
    loop.close()


@pytest.mark.benchmark(group=GROUP)
def test_openai_sdk(benchmark: Any) -> None:
    realtime = pytest.importorskip("openai.resources.realtime.realtime")
    connection = realtime.AsyncRealtimeConnection.__new__(realtime.AsyncRealtimeConnection)
    queue: deque[np.ndarray] = deque(maxlen=64)

    def delta() -> None:
        event = connection.parse_event(FRAME)
        queue.append(np.frombuffer(base64.b64decode(event.delta), np.int16))

    delta()
    np.testing.assert_array_equal(queue[-1], SAMPLES)

    def deltas() -> None:
        for _ in range(PER_ROUND):
            delta()

    benchmark.pedantic(deltas, rounds=ROUNDS, warmup_rounds=5)
    benchmark.extra_info["deltas_per_round"] = PER_ROUND
