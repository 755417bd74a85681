"""Fuzzed frames over a real socket: each is answered, none ends the server, and its memory stays bounded.

WAVTOOLS_FUZZ_FRAMES sets how many (default 3 000, a few seconds); a million take about a quarter of an hour.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from realtime.offline import start_server_process
from tests.offline_probe import MODEL_QUERY, open_probe

FRAMES = int(os.environ.get("WAVTOOLS_FUZZ_FRAMES", "3000"))
FRAMES_PER_SESSION = 1000

AUDIO = base64.b64encode(bytes(9600)).decode()
SEEDS: list[dict[str, Any]] = [
    {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "output_modalities": ["text"],
            "instructions": "x",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": {"model": "whisper-1", "language": "en"},
                    "turn_detection": {"type": "server_vad", "threshold": 0.5, "idle_timeout_ms": 5000},
                },
                "output": {"voice": "marin", "speed": 1.0, "format": {"type": "audio/pcmu"}},
            },
            "tools": [{"type": "function", "name": "get_weather", "parameters": {"type": "object"}}],
            "tool_choice": "auto",
            "max_output_tokens": 100,
        },
    },
    {"type": "input_audio_buffer.append", "audio": AUDIO},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {
        "type": "conversation.item.create",
        "previous_item_id": "root",
        "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]},
    },
    {
        "type": "conversation.item.create",
        "item": {"id": "a", "type": "function_call", "name": "f", "call_id": "c", "arguments": "{}"},
    },
    {
        "type": "conversation.item.create",
        "item": {"type": "function_call_output", "call_id": "c", "output": "7"},
    },
    {"type": "conversation.item.retrieve", "item_id": "a"},
    {"type": "conversation.item.delete", "item_id": "a"},
    {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": 10},
    {
        "type": "response.create",
        "response": {
            "conversation": "none",
            "output_modalities": ["text"],
            "input": [{"type": "item_reference", "id": "a"}],
            "metadata": {"a": "b"},
        },
    },
    {"type": "response.cancel"},
    {"type": "output_audio_buffer.clear"},
    {"type": "no.such.event"},
]
JUNK: list[Any] = [
    None, True, False, 0, -1, 1 << 62, 1 << 63, 1 << 70, 0.5, 1e300, "", "a", "root", "text", "audio", "\x00",
    "\ud7ff", "\U0001f600", "A" * 5000, [], [[]], {}, {"type": None}, {"type": "function"}, [1, "a", None],
    "Infinity", "AA==", "audio/pcmu", "inf", {"a": {"a": {"a": {}}}},
]  # fmt: skip


def mutate(value: Any, dice: random.Random) -> Any:
    """*value* with one random change somewhere inside."""
    if isinstance(value, dict) and value and dice.random() < 0.85:
        key = dice.choice(list(value))
        change = dice.random()
        if change < 0.1:
            del value[key]
        elif change < 0.2:
            value[dice.choice(["x", "type", "id", "audio", "item", ""])] = copy.deepcopy(dice.choice(JUNK))
        else:
            value[key] = mutate(value[key], dice)
        return value
    if isinstance(value, list) and value and dice.random() < 0.7:
        i = dice.randrange(len(value))
        value[i] = mutate(value[i], dice)
        return value
    if isinstance(value, str) and value and dice.random() < 0.3:
        cut = dice.randrange(len(value))
        return value[:cut] + dice.choice(["", "\x00", "=", "é", value]) + value[cut:]
    return copy.deepcopy(dice.choice(JUNK))


def fuzzed_frame(dice: random.Random) -> str | bytes:
    event = copy.deepcopy(dice.choice(SEEDS))
    if event["type"] == "response.create" and dice.random() < 0.9:
        # A response takes as long as a hundred other frames.
        event = {"type": "response.cancel"}
    for _ in range(dice.choice([0, 1, 1, 1, 2, 5])):
        event = mutate(event, dice)
    frame = json.dumps(event)
    kind = dice.random()
    if kind < 0.02:
        return frame.encode()
    if kind < 0.07:
        cut = dice.randrange(len(frame) + 1)
        return (
            frame[:cut] + dice.choice(["", "\x00", "}", "[" * 2000, '"', "NaN", "\ufeff"]) + frame[cut + 1 :]
        )
    return frame


def resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        # Without /proc the memory is not measured.
        return 0


async def one_session(url: str, frames: int, seed: int) -> None:
    """Send *frames* while reading; afterwards the session must still answer a question."""
    dice = random.Random(seed)
    async with open_probe(url) as probe:
        await probe.update(output_modalities=["text"])

        async def send() -> None:
            for _ in range(frames):
                await probe.connection.send(fuzzed_frame(dice))
            await probe.send("no.such.event", event_id="the end")

        sender = asyncio.create_task(send())
        while True:
            event = await probe.next(60)
            if event["type"] == "error" and event["error"]["event_id"] == "the end":
                break
            assert not (event["type"] == "error" and event["error"]["code"] == "internal_error"), event
            probe.events.clear()
        await sender
        await probe.update(output_modalities=["text"], tools=[], instructions="", tool_choice="auto")
        options = {"conversation": "none", "output_modalities": ["text"]}
        options["input"] = [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Bye"}]}
        ]
        await probe.send("response.create", response={**options, "metadata": {"last": "one"}})
        while True:
            done = (await probe.until("response.done", 60))["response"]
            if done["metadata"] == {"last": "one"}:
                break
    assert done["output"][0]["content"][0]["text"] == "Goodbye!"


@pytest.mark.timeout(3600)
async def test_fuzzed_frames_never_end_the_session_or_grow_the_server() -> None:
    server = await asyncio.to_thread(start_server_process, "--voice", "standin", "--pace", "0")
    async with server:
        after: list[int] = []
        for session in range(-(-FRAMES // FRAMES_PER_SESSION)):
            await one_session(server.url, min(FRAMES_PER_SESSION, FRAMES), session)
            after.append(resident_bytes(server.pid))
        # Growth between the first quarter and the end.
        if len(after) > 20:
            assert after[-1] - after[len(after) // 4] < 20 << 20, [size >> 20 for size in after]
        connection = await connect(server.url + MODEL_QUERY)
        # A frame beyond the limit ends only its own connection.
        with pytest.raises(ConnectionClosed):
            await connection.send("x" * (22 << 20))
            while True:
                await connection.recv()
        assert connection.close_code == 1009
        async with open_probe(server.url):
            pass
