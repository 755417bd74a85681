"""Scripted servers in a thread, for programs that run in this process or in one of their own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from tests import wire_turns as turns
from tests.wire_server import Peer, ScriptedServer, created

Wire = dict[str, Any]
# The events that answer one client event
Answers = Callable[[Wire], list[Wire]]


class ThreadedServer:
    """A ScriptedServer that runs in a thread; *answers* makes the events that follow a client event.

    A string among them is sent as it is; a tuple (code, reason) closes the connection.

    Attributes
    ----------
    received : list of dict
        Client events.
    connected : threading.Event
        Set with the first connection.
    """

    def __init__(self, answers: Answers) -> None:
        self.received: list[Wire] = []
        self.connected = threading.Event()
        self._answers = answers
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = ScriptedServer(self._script)
        self._run(self._server.start())
        self.url = self._server.url

    def _run(self, work: Awaitable[None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)  # type: ignore[arg-type]

    async def _script(self, peer: Peer) -> None:
        self.connected.set()
        await peer.say(created())
        async for frame in peer.socket:
            event = json.loads(frame)
            self.received.append(event)
            for answer in self._answers(event):
                if isinstance(answer, tuple):
                    await peer.close(*answer)
                elif isinstance(answer, str):
                    await peer.say_raw(answer)
                else:
                    await peer.say(answer)

    def stop(self) -> None:
        self._run(self._server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def spoken(text: str, before: list[Any] | None = None, after: list[Any] | None = None) -> Answers:
    """Answer a spoken question with *text* and a second of sound."""

    def answers(event: Wire) -> list[Any]:
        kind = event["type"]
        if kind == "session.update":
            return [{"type": "session.updated", "session": created()["session"]}]
        if kind == "input_audio_buffer.commit":
            return turns.committed("item_user")
        if kind == "response.create":
            answer = turns.audio_answer(text, turns.tone(24_000))
            return [*(before or []), *answer, *turns.transcription("hello"), *(after or [])]
        return []

    return answers
