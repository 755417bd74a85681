"""A websocket server that sends exactly what a test tells it to, and keeps all that it receives.

async with ScriptedServer() as server:
    client = RealtimeClient(url=server.url)
    await client.connect()
    peer = server.peer
    create = await peer.expect("response.create")
    await peer.say(*turns.text_answer("Hello"))
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

Wire = dict[str, Any]


def session_object(**changes: Any) -> Wire:
    """A GA session object as the vendor sends it."""
    session: Wire = {
        "type": "realtime",
        "object": "realtime.session",
        "id": "sess_1",
        "model": "gpt-realtime-2.1",
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": int(time.time()) + 3600,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 200,
                    "idle_timeout_ms": None,
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    }
    session.update(changes)
    return session


class Peer:
    """One connection, on the server's side."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.received: list[Wire] = []
        self.ended = asyncio.Event()
        self._news = asyncio.Event()
        self._seen = 0

    async def say(self, *events: Wire) -> None:
        for event in events:
            await self.socket.send(json.dumps(event))

    async def say_raw(self, frame: str | bytes) -> None:
        await self.socket.send(frame)

    async def expect(self, kind: str, timeout: float = 5.0) -> Wire:
        """The next event of this type after the one that the last call returned."""

        async def find() -> Wire:
            while True:
                while self._seen < len(self.received):
                    event = self.received[self._seen]
                    self._seen += 1
                    if event["type"] == kind:
                        return event
                self._news.clear()
                await self._news.wait()

        try:
            return await asyncio.wait_for(find(), timeout)
        except asyncio.TimeoutError:
            raise AssertionError(f"no {kind!r} came; received {self.types()}") from None

    def types(self) -> list[str]:
        return [event["type"] for event in self.received]

    def of_type(self, kind: str) -> list[Wire]:
        return [event for event in self.received if event["type"] == kind]

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self.socket.close(code, reason)

    def drop(self) -> None:
        """Cut the connection without a close frame."""
        self.socket.transport.abort()

    async def listen(self) -> None:
        try:
            async for frame in self.socket:
                self.received.append(json.loads(frame))
                self._news.set()
        except ConnectionClosed:
            pass
        finally:
            self.ended.set()


Script = Callable[[Peer], Awaitable[None]]


class ScriptedServer:
    """Runs *script* for every connection; without one it says ``session.created`` and then listens."""

    def __init__(self, script: Script | None = None, **session: Any) -> None:
        self.peers: list[Peer] = []
        self.script = script
        self._session = session
        self._server: Server | None = None
        self._new_peer = asyncio.Event()
        self.port = 0

    async def __aenter__(self) -> ScriptedServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = await serve(
            self._handle, "127.0.0.1", self.port, compression=None, max_size=None, close_timeout=0.5
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def peer(self) -> Peer:
        return self.peers[-1]

    async def wait_for_peers(self, count: int, timeout: float = 5.0) -> Peer:
        async def wait() -> None:
            while len(self.peers) < count:
                self._new_peer.clear()
                await self._new_peer.wait()

        await asyncio.wait_for(wait(), timeout)
        return self.peers[count - 1]

    async def _handle(self, socket: ServerConnection) -> None:
        peer = Peer(socket)
        self.peers.append(peer)
        self._new_peer.set()
        try:
            if self.script is None:
                await peer.say(created(**self._session))
                await peer.listen()
            else:
                await self.script(peer)
        except ConnectionClosed:
            pass
        finally:
            peer.ended.set()


def created(**session: Any) -> Wire:
    return {"type": "session.created", "event_id": "event_1", "session": session_object(**session)}


class EchoServer(ScriptedServer):
    """A small server that holds conversations: echoes items, answers requests, lets sessions expire.

    Parameters
    ----------
    lifetime : float, optional
        Seconds after which a session is ended as the vendor ends it: error, then close 1001.
    cut_after : int, optional
        The first session is cut without a close frame after this many events that the server sent.

    Attributes
    ----------
    histories : list
        For every session the items in order, as that session knew them.
    tool : str or None
        The next answer calls the tool of this name.
    """

    def __init__(
        self, *, lifetime: float | None = None, cut_after: int | None = None, **session: Any
    ) -> None:
        super().__init__(self._run, **session)
        self.lifetime = lifetime
        self.cut_after = cut_after
        self.histories: list[list[Wire]] = []
        self.expired = 0
        self.answers = 0
        self.tool: str | None = None

    async def _run(self, peer: Peer) -> None:
        history: list[Wire] = []
        self.histories.append(history)
        budget = self.cut_after if len(self.peers) == 1 else None
        said = 0

        async def say(*events: Wire) -> None:
            nonlocal said
            for event in events:
                if budget is not None and said >= budget:
                    peer.drop()
                    raise ConnectionResetError
                said += 1
                await peer.say(event)

        expires = {} if self.lifetime is None else {"expires_at": time.time() + self.lifetime}
        ending = None
        if self.lifetime is not None:
            ending = asyncio.get_running_loop().create_task(self._expire(peer))
        try:
            await say(created(**{**self._session, **expires}))
            async for frame in peer.socket:
                event = json.loads(frame)
                peer.received.append(event)
                peer._news.set()
                await self._answer(event, history, say)
        except ConnectionResetError:
            pass
        finally:
            if ending is not None:
                ending.cancel()

    async def _expire(self, peer: Peer) -> None:
        assert self.lifetime is not None
        await asyncio.sleep(self.lifetime)
        self.expired += 1
        await peer.say(
            {
                "type": "error",
                "error": {"code": "session_expired", "message": "Your session hit the maximum."},
            }
        )
        await peer.close(1001, "Your session hit the maximum duration of 60 minutes.")

    async def _answer(self, event: Wire, history: list[Wire], say: Callable[..., Awaitable[None]]) -> None:
        from tests import wire_turns as turns

        kind = event["type"]
        previous = history[-1]["id"] if history else None
        if kind == "conversation.item.create":
            history.append(event["item"])
            await say(*turns.echo(event, previous))
        elif kind == "input_audio_buffer.commit":
            item_id = f"item_spoken_{len(self.histories)}_{len(history)}"
            events = turns.committed(item_id, previous)
            history.append(events[1]["item"])
            await say(*events)
        elif kind == "session.update":
            await say({"type": "session.updated", "session": session_object(**self._session)})
        elif kind == "response.create":
            self.answers += 1
            number = self.answers
            if self.tool is not None:
                name, self.tool = self.tool, None
                item_id, call_id = f"item_call_{number}", f"call_{number}"
                history.append(
                    {
                        "id": item_id,
                        "type": "function_call",
                        "call_id": call_id,
                        "name": name,
                        "arguments": "{}",
                    }
                )
                await say(*turns.function_call(name, "{}", call_id, item_id, f"resp_{number}"))
            else:
                item_id = f"item_answer_{number}"
                text = f"answer {number}"
                answer = {"id": item_id, "type": "message", "role": "assistant"}
                history.append({**answer, "content": [{"type": "output_text", "text": text}]})
                await say(*turns.text_answer(text, item_id, f"resp_{number}", previous))
