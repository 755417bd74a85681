"""Small servers of the shapes of LocalAI, xAI, ElevenLabs and Qwen-Omni, written from their documentation.

Each is as strict as the one it stands for: it refuses what that one does not know, answers in that one's events, and
keeps what it refused. They hear (an utterance is what was appended), answer with text or a tone, call a tool, and can
be interrupted.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from typing import Any

import numpy as np

from tests import wire_turns as turns
from tests.wire_server import Peer, ScriptedServer

Wire = dict[str, Any]

__all__ = ["SERVERS", "XAI", "ElevenLabs", "ForeignServer", "LocalAI", "QwenOmni"]


class ForeignServer(ScriptedServer):
    """What the four have in common; a subclass says what differs.

    Attributes
    ----------
    refused : list of str
        Every error that was sent.
    utterances : list of int
        Samples of each utterance that was committed.
    tool : str or None
        The next answer calls this tool.
    hold : bool
        True lets spoken answers go on until they are cancelled.
    """

    dialect = ""
    # What the client is told to be in for a spoken turn.
    voice_mode: Any = None
    input_rate = 24_000
    speaks_text = True

    def __init__(self) -> None:
        super().__init__(self._serve)
        self.refused: list[str] = []
        self.utterances: list[int] = []
        self.tool: str | None = None
        self.hold = False
        self.session: Wire = {}
        self._ids = itertools.count(1)
        self._answer: asyncio.Task[None] | None = None
        self._heard = 0

    # What a subclass says

    def opening(self) -> list[Wire]:
        """The first events."""
        raise NotImplementedError

    def problem_of(self, session: Wire) -> str | None:
        """What is wrong with a session object of the client."""
        raise NotImplementedError

    def translated(self, event: Wire) -> Wire:
        """A GA event in the names of this server."""
        return event

    def stated(self) -> Wire:
        """The session as this server states it."""
        return self.session

    async def committed(self, peer: Peer) -> None:
        """The user's turn was committed."""
        await self.say(peer, *turns.committed(f"item_{next(self._ids)}"))

    # What all do

    async def say(self, peer: Peer, *events: Wire) -> None:
        await peer.say(*(self.translated(event) for event in events))

    async def refuse(
        self, peer: Peer, message: str, code: str | None = None, event_id: str | None = None
    ) -> None:
        self.refused.append(message)
        await self.say(peer, turns.error(message, code, event_id))

    async def _serve(self, peer: Peer) -> None:
        self.session = {}
        await peer.say(*self.opening())
        try:
            async for frame in peer.socket:
                event = json.loads(frame)
                peer.received.append(event)
                peer._news.set()
                handler = getattr(self, "on_" + event["type"].replace(".", "_"), None)
                if handler is None:
                    await self.refuse(peer, f"Unknown event type: {event['type']}", "unknown_event")
                else:
                    await handler(peer, event)
        finally:
            self.cancel_answer()

    async def on_session_update(self, peer: Peer, event: Wire) -> None:
        problem = self.problem_of(event["session"])
        if problem is not None:
            await self.refuse(peer, problem, "invalid_value", event.get("event_id"))
            return
        self.session.update(event["session"])
        await self.say(peer, {"type": "session.updated", "session": self.stated()})

    async def on_input_audio_buffer_append(self, peer: Peer, event: Wire) -> None:
        self._heard += len(base64.b64decode(event["audio"])) // 2

    async def on_input_audio_buffer_commit(self, peer: Peer, event: Wire) -> None:
        self.utterances.append(self._heard)
        self._heard = 0
        await self.committed(peer)

    async def on_conversation_item_create(self, peer: Peer, event: Wire) -> None:
        await self.say(peer, *turns.echo(event))

    async def on_response_create(self, peer: Peer, event: Wire) -> None:
        self.start_answer(peer, spoken=bool(self.utterances) or not self.speaks_text)

    async def on_response_cancel(self, peer: Peer, event: Wire) -> None:
        response, item = self._current
        if self.cancel_answer():
            await self.say(peer, *turns.audio_end("half", item, response, "incomplete")[:-2])
            await self.say(peer, *turns.response_done(response, status="cancelled"))

    def start_answer(self, peer: Peer, *, spoken: bool) -> None:
        """Answer; an answer that is being made is given up without a word, as LocalAI does it."""
        self.cancel_answer()
        self._answer = asyncio.get_running_loop().create_task(self._make_answer(peer, spoken))

    def cancel_answer(self) -> bool:
        running = self._answer is not None and not self._answer.done()
        if self._answer is not None:
            self._answer.cancel()
        return running

    async def _make_answer(self, peer: Peer, spoken: bool) -> None:
        number = next(self._ids)
        response, item = f"resp_{number}", f"item_{number}"
        self._current = response, item
        if self.tool is not None:
            name, self.tool = self.tool, None
            await self.say(peer, *turns.function_call(name, "{}", f"call_{number}", item, response))
        elif not spoken:
            await self.say(peer, *turns.text_answer(f"answer {number}", item, response))
        else:
            await self.say(peer, *turns.audio_begin(item, response))
            await self.say(peer, turns.audio_delta(turns.tone(2_400), item, response))
            if self.hold:
                await asyncio.Event().wait()
            await self.say(peer, *turns.audio_end(f"answer {number}", item, response))


class LocalAI(ForeignServer):
    """GA; a commit answers by itself, a request gives up the answer before it, ids of an utterance do not agree."""

    dialect = "localai"

    def opening(self) -> list[Wire]:
        detection = {"type": "server_vad", "create_response": True}
        self.session = {"type": "realtime", "object": "realtime.session", "model": "pipeline"}
        self.session["audio"] = {"input": {"turn_detection": detection}, "output": {"voice": "x"}}
        return [{"type": "session.created", "event_id": "event_TODO", "session": self.session}]

    def translated(self, event: Wire) -> Wire:
        return {**event, "event_id": "event_TODO"}

    def problem_of(self, session: Wire) -> str | None:
        return None if session.get("type") == "realtime" else "Failed to update session"

    async def refuse(
        self, peer: Peer, message: str, code: str | None = None, event_id: str | None = None
    ) -> None:
        await super().refuse(peer, message, code, "event_TODO")

    async def committed(self, peer: Peer) -> None:
        await self.say(peer, {"type": "input_audio_buffer.committed", "item_id": f"item_{next(self._ids)}"})
        self._answer = asyncio.get_running_loop().create_task(self._hear(peer))

    async def _hear(self, peer: Peer) -> None:
        # Transcription takes a while: a request that comes meanwhile gives up the utterance.
        await asyncio.sleep(0.05)
        content = [{"type": "input_audio", "transcript": "hello"}]
        item = {"id": f"item_{next(self._ids)}", "type": "message", "role": "user", "content": content}
        await self.say(peer, *turns.transcription("hello", f"item_{next(self._ids)}")[1:])
        await self.say(peer, {"type": "conversation.item.added", "item": {**item, "status": "completed"}})
        await self._make_answer(peer, spoken=True)

    async def on_conversation_item_delete(self, peer: Peer, event: Wire) -> None:
        await self.refuse(peer, "Deleting items not implemented", "not_implemented")

    async def on_conversation_item_truncate(self, peer: Peer, event: Wire) -> None:
        """It is logged there, and not answered."""

    async def on_input_audio_buffer_clear(self, peer: Peer, event: Wire) -> None:
        """It is logged there, and not answered."""


class XAI(ForeignServer):
    """GA names; voice and turn detection at the top of the session, no text output, transcripts that grow."""

    dialect = "xai"
    speaks_text = False

    def opening(self) -> list[Wire]:
        conversation = {"id": "conv_1", "object": "realtime.conversation"}
        return [
            {"type": "conversation.created", "conversation": conversation},
            {
                "type": "session.created",
                "session": {"voice": "ara", "turn_detection": {"type": "server_vad"}},
            },
        ]

    def problem_of(self, session: Wire) -> str | None:
        audio = session.get("audio", {})
        if "output_modalities" in session or "modalities" in session:
            return "output modalities cannot be set"
        if "voice" in audio.get("output", {}) or "turn_detection" in audio.get("input", {}):
            return "voice and turn_detection stand in the session"
        return None

    def translated(self, event: Wire) -> Wire:
        if "previous_item_id" in event:
            return {**event, "previous_item_id": None}
        return event

    async def committed(self, peer: Peer) -> None:
        item_id = f"item_{next(self._ids)}"
        _, added, done = turns.committed(item_id)
        name = "conversation.item.input_audio_transcription.updated"
        for text in ("hel", "hello"):
            await self.say(peer, {"type": name, "item_id": item_id, "content_index": 0, "transcript": text})
        await self.say(peer, added, added, done, turns.transcription("hello", item_id)[1])

    async def on_conversation_item_truncate(self, peer: Peer, event: Wire) -> None:
        await self.say(peer, {**event, "type": "conversation.item.truncated"})

    async def on_conversation_item_delete(self, peer: Peer, event: Wire) -> None:
        await self.say(peer, {"type": "conversation.item.deleted", "item_id": ""})


class ElevenLabs(ForeignServer):
    """GA; its own header for the key, the model in the session, semantic_vad only."""

    dialect = "elevenlabs"
    voice_mode = "server_vad"

    def opening(self) -> list[Wire]:
        assert "Authorization" not in self.peer.socket.request.headers
        assert (
            self.peer.socket.request.headers["xi-api-key"] and "model=" not in self.peer.socket.request.path
        )
        return [{"type": "session.created", "session": {"type": "realtime", "id": "sess_1", "audio": {}}}]

    def problem_of(self, session: Wire) -> str | None:
        heard, said = (session.get("audio", {}).get(side, {}) for side in ("input", "output"))
        model = session.get("model", self.session.get("model"))
        if model not in ("eleven_realtime_v1_mini", "eleven_realtime_v1_max"):
            return "session.model is missing"
        if heard.get("turn_detection", {"type": "semantic_vad"}).get("type") != "semantic_vad":
            return "turn_detection must be semantic_vad"
        if heard.get("transcription", {}).keys() - {"language"}:
            return "transcription takes a language only"
        if "rate" in said.get("format", {}):
            return "the output format takes no rate"
        if model.endswith("_max") and session.get("max_output_tokens", 4096) < 1024:
            return "max_output_tokens must be at least 1024"
        return None

    async def on_input_audio_buffer_append(self, peer: Peer, event: Wire) -> None:
        await super().on_input_audio_buffer_append(peer, event)
        if self._heard >= self.input_rate // 2:
            item_id = f"item_{next(self._ids)}"
            self.utterances.append(self._heard)
            self._heard = 0
            await self.say(peer, *turns.speech(item_id, 0, 500), *turns.transcription("hello", item_id))
            self.start_answer(peer, spoken=True)

    async def on_conversation_item_truncate(self, peer: Peer, event: Wire) -> None:
        await self.say(peer, {**event, "type": "conversation.item.truncated"})


class QwenOmni(ForeignServer):
    """Beta's flat session and names; PCM of 16 kHz from the user, tools nested."""

    dialect = "qwen"
    input_rate = 16_000

    FIELDS = frozenset(
        [
            "modalities",
            "voice",
            "instructions",
            "input_audio_format",
            "output_audio_format",
            "turn_detection",
            "tools",
            "input_audio_transcription",
            "temperature",
        ]
    )
    NAMES = (
        ("response.output_audio.", "response.audio."),
        ("response.output_audio_transcript.", "response.audio_transcript."),
        ("response.output_text.", "response.text."),
    )

    def opening(self) -> list[Wire]:
        self.session = {
            "modalities": ["text", "audio"],
            "input_audio_format": "pcm",
            "output_audio_format": "pcm",
        }
        self.session["turn_detection"] = {"type": "server_vad"}
        return [{"type": "session.created", "session": self.session}]

    def problem_of(self, session: Wire) -> str | None:
        unknown = session.keys() - self.FIELDS
        if unknown:
            return f"unknown fields: {sorted(unknown)}"
        if not {session.get("input_audio_format", "pcm"), session.get("output_audio_format", "pcm")} <= {
            "pcm"
        }:
            return "the formats are pcm"
        if any(tool.keys() != {"type", "function"} for tool in session.get("tools", ())):
            return "a tool is {type, function}"
        return None

    def translated(self, event: Wire) -> Wire:
        kind = event["type"]
        for new, old in self.NAMES:
            kind = kind.replace(new, old)
        if kind == "conversation.item.added":
            kind = "conversation.item.created"
        text = json.dumps({**event, "type": kind})
        return json.loads(text.replace('"output_text"', '"text"').replace('"output_audio"', '"audio"'))

    async def say(self, peer: Peer, *events: Wire) -> None:
        await super().say(peer, *(event for event in events if event["type"] != "conversation.item.done"))

    async def committed(self, peer: Peer) -> None:
        item_id = f"item_{next(self._ids)}"
        await self.say(peer, *turns.committed(item_id), turns.transcription("hello", item_id)[1])

    async def refuse(
        self, peer: Peer, message: str, code: str | None = None, event_id: str | None = None
    ) -> None:
        await super().refuse(peer, message, code)


SERVERS = (LocalAI, XAI, ElevenLabs, QwenOmni)


def tone(server: ForeignServer) -> np.ndarray:
    """Half a second of the user's speech."""
    return turns.tone(server.input_rate // 2)
