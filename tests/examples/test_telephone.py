"""The telephone example holds a call: a provider's media stream on one side, the offline server on the other."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.examples.programs import Program, environment

pcm = pytest.importorskip("wavtools.pcm")


@contextlib.asynccontextmanager
async def calling(url: str, folder: Path) -> AsyncIterator[tuple[Program, ClientConnection]]:
    """The program, with the model at *url*, and the connection of a call to it."""
    with Program("telephone_bridge.py", 0, env=environment(url), cwd=folder) as bridge:
        await asyncio.to_thread(bridge.wait_for, "listening on ")
        address = (await asyncio.to_thread(bridge.wait_for, "\n")).strip()
        async with connect(address) as phone:
            await phone.send(json.dumps({"event": "start", "start": {"streamSid": "MZ1"}}))
            yield bridge, phone


async def speak(phone: ClientConnection) -> None:
    """A second of speech and a second of silence."""
    t = np.arange(8_000) / 8_000
    tone = (8_000 * np.sin(2 * np.pi * 300 * t) * (1 + np.sin(2 * np.pi * 5 * t))).astype(np.int16)
    spoken = np.concatenate([tone, np.zeros(8_000, np.int16)])
    for start in range(0, len(spoken), 160):
        payload = base64.b64encode(pcm.ulaw_encode(spoken[start : start + 160])).decode()
        await phone.send(json.dumps({"event": "media", "media": {"payload": payload}}))


async def hold_a_call(url: str, folder: Path) -> None:
    """Spoken mu-law goes in, spoken mu-law comes out, a second utterance clears what is queued."""
    async with calling(url, folder) as (bridge, phone):
        await speak(phone)
        heard = 0
        while heard < 8_000:
            event = json.loads(await asyncio.wait_for(phone.recv(), 30))
            assert event["streamSid"] == "MZ1"
            if event["event"] == "media":
                heard += len(base64.b64decode(event["media"]["payload"]))
            elif event["event"] == "mark":
                await phone.send(json.dumps(event))
        await speak(phone)
        while json.loads(await asyncio.wait_for(phone.recv(), 30))["event"] != "clear":
            pass
        await phone.send(json.dumps({"event": "stop"}))
        await asyncio.to_thread(bridge.interrupt)


async def test_telephone_bridge(offline_url, tmp_path):
    await hold_a_call(offline_url, tmp_path)


async def test_the_telephone_bridge_shows_why_an_answer_failed(failing_url, tmp_path):
    async with calling(failing_url, tmp_path) as (bridge, phone):
        await speak(phone)
        await asyncio.to_thread(bridge.wait_for, "no answer: ")
        assert "insufficient_quota" in await asyncio.to_thread(bridge.wait_for, "\n")
