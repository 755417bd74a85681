"""P11: append_input_audio after an hour of conversation, against the first minute. Goal: the same.

Each round appends one second of microphone in 20 ms chunks and writes its frames, as the task that owns the
socket does; the hour before it is an hour of input and half an hour of answers.
"""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from realtime import RealtimeClient

GROUP = "P11 one second of microphone, in chunks of 20 ms"
CHUNK = (np.arange(480) * 7).astype(np.int16)


class Loaded:
    """A client after *minutes* of conversation, without a socket."""

    def __init__(self, minutes: float) -> None:
        self.client = RealtimeClient(api_key="", url="ws://127.0.0.1:1")
        self.session = self.client._session
        self.client._link.state = "connected"
        self.outbox = self.client._outbox
        self.outbox.send_finished()
        self.runner = asyncio.Runner() if hasattr(asyncio, "Runner") else None
        self.loop = self.runner.get_loop() if self.runner else asyncio.new_event_loop()
        self.loop.run_until_complete(self._open())
        seconds = int(minutes * 60)
        for second in range(seconds):
            self.second()
            if second % 20 == 0:
                self._answer(second)

    async def _open(self) -> None:
        self.outbox.open()

    def _answer(self, number: int) -> None:
        audio = {"type": "response.output_audio.delta", "item_id": f"item_{number}"}
        encoded = self.client.conversation.output_format.encode(np.tile(CHUNK, 50))
        for _ in range(10):
            self.client.conversation.apply({**audio, "delta": encoded})
        self.client.conversation.abandon()

    def second(self) -> None:
        for _ in range(50):
            self.client.append_input_audio(CHUNK)
        self.loop.run_until_complete(self._write())

    async def _write(self) -> None:
        while len(self.outbox):
            self.session.encode(await self.outbox.take())

    def close(self) -> None:
        self.loop.close()


@pytest.mark.benchmark(group=GROUP)
@pytest.mark.parametrize("minutes", [1, 60], ids=["minute_1", "minute_60"])
def test_append(benchmark: Any, minutes: int) -> None:
    loaded = Loaded(minutes)
    benchmark.pedantic(loaded.second, rounds=200, warmup_rounds=5)
    conversation = loaded.client.conversation
    kept = sum(block.nbytes for _, block in conversation.input._blocks)
    items = sum(item.formatted.store.nbytes for item in conversation.get_items())
    benchmark.extra_info["audio_kept_mb"] = round((kept + items) / 1e6, 1)
    assert (kept + items) < 200e6
    loaded.close()
