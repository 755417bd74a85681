"""A minimal client for tests of the offline server: sends JSON and keeps every event in order."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

MODEL_QUERY = "/v1/realtime?model=gpt-realtime-2.1"


class Probe:
    """One connection; ``events`` holds all received events."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.events: list[dict[str, Any]] = []

    async def send(self, event_type: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"type": event_type, **fields}))

    async def append(self, pcm: np.ndarray | bytes, chunk_bytes: int = 9600) -> None:
        data = pcm if isinstance(pcm, bytes) else pcm.astype("<i2").tobytes()
        for start in range(0, len(data), chunk_bytes):
            audio = base64.b64encode(data[start : start + chunk_bytes]).decode()
            await self.send("input_audio_buffer.append", audio=audio)

    async def next(self, seconds: float = 30.0) -> dict[str, Any]:
        frame = await asyncio.wait_for(self.connection.recv(), seconds)
        event = json.loads(frame)
        self.events.append(event)
        return event

    async def until(self, event_type: str, seconds: float = 30.0) -> dict[str, Any]:
        """The next event of this type; the events before it are kept too."""
        while True:
            event = await self.next(seconds)
            if event["type"] == event_type:
                return event

    async def ask(self, event_type: str, answer: str, **fields: Any) -> dict[str, Any]:
        await self.send(event_type, **fields)
        return await self.until(answer)

    async def update(self, **session: Any) -> dict[str, Any]:
        session.setdefault("type", "realtime")
        return (await self.ask("session.update", "session.updated", session=session))["session"]

    async def say_text(self, text: str, **response: Any) -> dict[str, Any]:
        """A typed turn; returns the response object of response.done."""
        content = [{"type": "input_text", "text": text}]
        await self.send(
            "conversation.item.create", item={"type": "message", "role": "user", "content": content}
        )
        await self.send("response.create", response=response)
        return (await self.until("response.done"))["response"]

    async def error(self) -> dict[str, Any]:
        return (await self.until("error"))["error"]

    async def settled(self) -> list[dict[str, Any]]:
        """All events, after the server has answered everything (an unknown event marks the end)."""
        await self.send("no.such.event", event_id="marker")
        while True:
            event = await self.next()
            if event["type"] == "error" and event["error"]["event_id"] == "marker":
                self.events.pop()
                return self.events

    def of(self, event_type: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == event_type]

    def speech(self) -> np.ndarray:
        """All speech received, as int16."""
        return joined_audio(self.events)


def joined_audio(events: Iterable[dict[str, Any]]) -> np.ndarray:
    data = b"".join(
        base64.b64decode(e["delta"]) for e in events if e["type"] == "response.output_audio.delta"
    )
    return np.frombuffer(data, "<i2")


def order(events: Iterable[dict[str, Any]], *leave_out: str) -> list[str]:
    """Event types in order; repeated types count once."""
    types: list[str] = []
    for event in events:
        if event["type"] not in leave_out and (not types or types[-1] != event["type"]):
            types.append(event["type"])
    return types


class open_probe:
    """``async with open_probe(url) as probe``: connects and waits for session.created."""

    def __init__(self, url: str, target: str = MODEL_QUERY, **options: Any) -> None:
        # A test may end before it has read everything; the server's close frame does not arrive then.
        options.setdefault("close_timeout", 0.3)
        self._connect = connect(url + target, max_size=None, compression=None, **options)

    async def __aenter__(self) -> Probe:
        probe = Probe(await self._connect.__aenter__())
        assert (await probe.next())["type"] == "session.created"
        return probe

    async def __aexit__(self, *exc: Any) -> None:
        await self._connect.__aexit__(*exc)


def silence(seconds: float, rate: int = 24000) -> np.ndarray:
    return np.zeros(int(seconds * rate), np.int16)
