"""Our client holds its four turns with the server of another project: Hugging Face's `speech-to-speech`.

`make interop` installs that server under build/interop, without the models that it can run.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from realtime import ConnectError, RealtimeClient
from realtime.offline.models.clips import clip_samples
from tests.interop.installed import INSTALLED, SCRIPTS, absent, python_of

pytestmark = [pytest.mark.models, pytest.mark.timeout(120)]

PYTHON = python_of(INSTALLED / "server")
# Samples of the recorded question beyond this are speech, as in the server's stand-in.
LEVEL = 500


@contextmanager
def start_server(sessions: int) -> Iterator[str]:
    """Address of a server process that serves so many sessions at a time."""
    if not PYTHON.exists():
        absent("the server speech-to-speech is not installed; run: make interop")
    process = subprocess.Popen(
        [PYTHON, SCRIPTS / "server_speech_to_speech.py", str(sessions)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    first_line = process.stdout.readline().strip()
    try:
        assert first_line.startswith("listening on "), first_line
        yield first_line.removeprefix("listening on ") + "/v1/realtime"
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    # A pipeline serves its next session some time after its last: no test shall wait for that.
    with start_server(sessions=8) as url:
        yield url


class Caller:
    """A client with the weather tool, whose errors fail the test."""

    def __init__(self, url: str) -> None:
        self.client = RealtimeClient(
            "offline", url, instructions="Be brief.", input_audio_transcription={"model": "whisper-1"}
        )
        self.errors: list[Any] = []
        self.calls: list[str] = []
        self.client.on("error", self.errors.append)

        @self.client.tool
        def get_weather(location: str) -> str:
            """The weather at a place."""
            self.calls.append(location)
            return json.dumps({"location": location, "temperature": 12})

    async def __aenter__(self) -> Caller:
        await self.client.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.disconnect()

    async def answer(self) -> Any:
        """The assistant's next message, as soon as it is complete."""
        while True:
            item = await self.client.wait_for_next_completed_item(timeout=20)
            if item.type == "message" and item.role == "assistant":
                assert not self.errors
                return item

    async def speak(self) -> float:
        """Send the recorded question and a second of silence; returns the seconds of speech in it."""
        speech = clip_samples("hello")
        for part in np.array_split(np.concatenate([speech, np.zeros(24_000, np.int16)]), 20):
            self.client.append_input_audio(part)
            # What the writer has not taken after two seconds of audio is dropped.
            await asyncio.sleep(0)
        loud = np.flatnonzero(np.abs(speech.astype(int)) > LEVEL)
        return float(loud[-1] - loud[0]) / 24_000

    def type(self, text: str) -> None:
        self.client.send_user_message_content([{"type": "input_text", "text": text}])


def frequency_of(tone: np.ndarray) -> float:
    """The strongest frequency in Hz of audio at 24 kHz."""
    return float(np.argmax(np.abs(np.fft.rfft(tone)))) * 24_000 / len(tone)


class Line:
    """A TCP connection to the server that a test can cut."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = parts.hostname, parts.port
        self._path = parts.path
        self._writers: list[asyncio.StreamWriter] = []
        self.is_open = True
        self.connections = 0

    async def __aenter__(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}{self._path}"

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        self._server.close()

    def cut(self) -> None:
        """Break all connections, and every new one until `is_open` is set."""
        self.is_open = False
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.is_open:
            writer.transport.abort()
            return
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._writers += [writer, far_writer]
        await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


async def test_typed_turn(server_url: str) -> None:
    async with Caller(server_url) as caller:
        caller.type("The cat is on the mat.")
        item = await caller.answer()
        assert item.formatted.transcript == "You said: The cat is on the mat."


async def test_sound_keeps_its_pitch_and_length_both_ways(server_url: str) -> None:
    """The server assumes 16 kHz where no format was stated; ours is 24 kHz."""
    async with Caller(server_url) as caller:
        seconds = await caller.speak()
        item = await caller.answer()
        said = re.fullmatch(r"You said: ([\d.]+) seconds of speech", item.formatted.transcript)
        assert said and float(said[1]) == pytest.approx(seconds, abs=0.15)
        sound = item.formatted.audio
        assert len(sound) / 24_000 == pytest.approx(len(item.formatted.transcript) / 20, abs=0.05)
        assert frequency_of(sound) == pytest.approx(440, abs=2)


async def test_tool_turn(server_url: str) -> None:
    async with Caller(server_url) as caller:
        caller.type("What is the weather in Paris?")
        item = await caller.answer()
        assert caller.calls == ["Paris"]
        assert item.formatted.transcript == 'The tool says {"location": "Paris", "temperature": 12}.'


async def test_interrupted_turn(server_url: str) -> None:
    async with Caller(server_url) as caller:
        caller.type("Tell me a long story.")
        delta = await caller.client.wait_for_next("server.response.output_audio.delta", timeout=20)
        caller.client.cancel_response(delta["item_id"], 2400)
        done = await caller.client.wait_for_next("server.response.done", timeout=20)
        assert done["response"]["status"] == "cancelled"
        # The server goes on with the next turn.
        caller.type("Hello again.")
        item = await caller.answer()
        assert item.formatted.transcript == "You said: Hello again."
        assert not caller.errors


async def test_speech_interrupts_an_answer(server_url: str) -> None:
    async with Caller(server_url) as caller:
        caller.type("Tell me a long story.")
        await caller.client.wait_for_next("server.response.output_audio.delta", timeout=20)
        await caller.speak()
        done = await caller.client.wait_for_next("server.response.done", timeout=20)
        assert done["response"]["status"] == "cancelled"
        while (item := await caller.answer()).status != "completed":
            pass
        assert item.formatted.transcript.endswith("seconds of speech")


async def test_a_reconnection_waits_for_a_free_session() -> None:
    """The server closes a connection beyond its limit with code 1008; while reconnecting, that is no end."""
    with start_server(sessions=1) as url:
        line = Line(url)
        async with line, Caller(line.url) as caller:
            caller.type("The cat is on the mat.")
            await caller.answer()
            line.cut()
            other = await connect_when_free(url)
            line.is_open, attempts = True, line.connections
            while line.connections < attempts + 2:
                assert caller.client.state != "disconnected"
                await asyncio.sleep(0.05)
            await other.disconnect()
            while caller.client.state != "connected":
                assert caller.client.state != "disconnected"
                await asyncio.sleep(0.05)
            caller.type("Hello again.")
            item = await caller.answer()
            assert item.formatted.transcript == "You said: Hello again."


async def connect_when_free(url: str) -> RealtimeClient:
    """Another client, connected as soon as the server has released a session."""
    while True:
        client = RealtimeClient("offline", url)
        try:
            await client.connect()
        except ConnectError:
            await asyncio.sleep(0.05)
        else:
            return client
