"""PhoneCall: the media streams of telephony providers, and what a caller has heard."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from realtime import PhoneCall, RealtimeClient, StateError
from realtime.phone.marks import PhoneMarks
from tests.waiting import until
from tests.wire_server import Peer, ScriptedServer, session_object
from wavtools import pcm

START = {
    "event": "start",
    "start": {"streamSid": "MZ1", "callSid": "CA1", "customParameters": {"name": "Ada"}},
}
PIECE = 160


class Provider:
    """The provider's side of a call: what came for the caller, and marks that it returns when told to."""

    def __init__(self, socket: ClientConnection, call: PhoneCall, server: ScriptedServer) -> None:
        self.socket, self.call, self.server = socket, call, server
        self.received: list[dict[str, Any]] = []
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async for frame in self.socket:
            self.received.append(json.loads(frame))

    async def send(self, *frames: Any) -> None:
        for frame in frames:
            await self.socket.send(frame if isinstance(frame, str) else json.dumps(frame))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.received if event["event"] == kind]

    async def hear(self, pieces: int) -> None:
        """Return the next marks: the caller has heard so many pieces more."""
        for mark in self.of("mark")[:pieces]:
            await self.send(mark)
            self.received.remove(mark)


def g711(**input: Any) -> dict[str, Any]:
    wire = {"format": {"type": "audio/pcmu"}}
    detection = {"type": "server_vad", "interrupt_response": True, "create_response": True}
    return session_object(audio={"input": {**wire, "turn_detection": detection, **input}, "output": wire})


def answer_events(item_id: str, samples: int) -> list[dict[str, Any]]:
    item = {"id": item_id, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    audio = base64.b64encode(pcm.ulaw_encode(np.full(samples, 1000, np.int16))).decode()
    address = {"response_id": f"r_{item_id}", "item_id": item_id, "output_index": 0, "content_index": 0}
    part = {"type": "output_audio", "transcript": ""}
    return [
        {
            "type": "response.created",
            "response": {"id": f"r_{item_id}", "status": "in_progress", "output": []},
        },
        {
            "type": "response.output_item.added",
            "response_id": f"r_{item_id}",
            "output_index": 0,
            "item": item,
        },
        {"type": "conversation.item.added", "previous_item_id": None, "item": item},
        {"type": "response.content_part.added", **address, "part": part},
        {"type": "response.output_audio.delta", **address, "delta": audio},
    ]


@asynccontextmanager
async def a_call(
    start: Any = START, session: Any = None, wrap: Callable[[Any], Any] = lambda one: one, **options: Any
) -> AsyncIterator[Provider]:
    """A call that has begun, over real websockets on both sides."""
    begun: asyncio.Future[PhoneCall] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def answer(websocket: ServerConnection) -> None:
        call = PhoneCall(wrap(websocket), url=server.url, api_key="", **options)
        async with call:
            begun.set_result(call)
            await call.wait_until_ended()
        over.set()

    async def script(peer: Peer) -> None:
        await peer.say({"type": "session.created", "session": session or g711()})
        await peer.listen()

    async with ScriptedServer(script) as server, serve(answer, "127.0.0.1", 0) as bridge:
        port = next(iter(bridge.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", proxy=None) as socket:
            await socket.send(json.dumps({"event": "connected"}))
            await socket.send(json.dumps(start))
            provider = Provider(socket, await asyncio.wait_for(begun, 5), server)
            yield provider
            provider._reading.cancel()
        await asyncio.wait_for(over.wait(), 5)


async def test_speech_of_the_caller_reaches_the_model():
    async with a_call() as provider:
        call = provider.call
        assert (call.stream_id, call.call_id, call.parameters) == ("MZ1", "CA1", {"name": "Ada"})
        said = base64.b64encode(bytes(range(120))).decode()
        own = {"event": "media", "media": {"track": "outbound", "payload": said}}
        await provider.send(own, {"event": "media", "media": {"track": "inbound", "payload": said}})
        append = await provider.server.peer.expect("input_audio_buffer.append")
        assert append["audio"] == said


async def test_an_interruption_truncates_exactly_what_the_caller_heard():
    async with a_call() as provider:
        peer = provider.server.peer
        await peer.say(*answer_events("item_a", 10 * PIECE))
        await until(lambda: len(provider.of("mark")) == 10)
        assert {event["streamSid"] for event in provider.received} == {"MZ1"}
        await provider.hear(3)
        await until(lambda: provider.call._marks._heard == 3 * PIECE)
        marks = provider.of("mark")
        await peer.say({"type": "input_audio_buffer.speech_started", "item_id": "u", "audio_start_ms": 0})
        truncate = await peer.expect("conversation.item.truncate")
        assert (truncate["item_id"], truncate["audio_end_ms"]) == ("item_a", 60)
        await until(lambda: provider.of("clear"))
        # A provider returns the marks of what it cleared: they count for nothing.
        await provider.send(*marks)
        await peer.say(*answer_events("item_b", 2 * PIECE))
        await until(lambda: len(provider.of("mark")) == 7 + 2)
        assert not provider.call._marks.is_silent


async def test_a_call_without_voice_detection_cancels_what_nobody_has_heard():
    async with a_call(session=g711(turn_detection=None), turn_detection=None) as provider:
        peer = provider.server.peer
        await peer.say(answer_events("item_a", 1)[0])
        await until(lambda: provider.call.client._session.turns.response_active)
        provider.call.interrupt()
        await peer.expect("response.cancel")
        await until(lambda: provider.of("clear"))
        await peer.say(*answer_events("item_b", 2 * PIECE))
        await until(lambda: len(provider.of("mark")) == 2)
        provider.call.interrupt()
        assert (await peer.expect("conversation.item.truncate"))["audio_end_ms"] == 0


async def test_the_farewell_is_heard_before_the_call_ends():
    async with a_call() as provider:
        peer = provider.server.peer
        done = {"id": "r_item_a", "status": "completed", "output": []}
        await peer.say(*answer_events("item_a", 3 * PIECE), {"type": "response.done", "response": done})
        await until(lambda: len(provider.of("mark")) == 3)
        hanging_up = provider.call.client.hang_up(after="answer")
        await provider.hear(2)
        await asyncio.sleep(0.1)
        assert provider.call.client.is_connected()
        await provider.hear(1)
        await hanging_up
        assert not provider.call.client.is_connected()
        await asyncio.wait_for(provider.call.wait_until_ended(), 5)
        provider.call.interrupt()


async def test_a_hang_up_ends_the_wait_for_the_farewell():
    async with a_call() as provider:
        await provider.server.peer.say(*answer_events("item_a", PIECE))
        await until(lambda: provider.of("mark"))
        played = asyncio.ensure_future(provider.call.client.playback())
        await provider.send({"event": "stop"})
        assert await asyncio.wait_for(played, 5)


@pytest.mark.parametrize("is_async", [False, True])
async def test_digits_are_told_and_their_handler_may_fail(is_async):
    digits = []

    def plain(digit: str) -> None:
        digits.append(digit)
        if digit == "#":
            raise ValueError("no such menu")

    async def slow(digit: str) -> None:
        plain(digit)

    async with a_call(on_digit=slow if is_async else plain) as provider:
        errors = []
        provider.call.client.on("error", errors.append)
        for digit in "1#2":
            await provider.send({"event": "dtmf", "dtmf": {"digit": digit}})
        await until(lambda: len(digits) == 3)
        assert digits == ["1", "#", "2"]
        assert [error.source for error in errors] == ["handler"] and "no such menu" in errors[0].message


async def test_frames_that_cannot_be_read_are_dropped():
    async with a_call() as provider:
        payloads = [None, 5, "not base64!"]
        await provider.send(
            "no JSON", "[1]", "{}", {"event": []}, {"event": "media"}, {"event": "mark"}, {"event": "dtmf"}
        )
        await provider.send(*({"event": "media", "media": {"payload": one}} for one in payloads))
        await provider.send({"event": "media", "media": {"payload": "/////w=="}})
        append = await provider.server.peer.expect("input_audio_buffer.append")
        assert append["audio"] == "/////w=="


async def test_a_websocket_of_starlette_works_too():
    class Starlette:
        def __init__(self, socket: ServerConnection) -> None:
            self._socket = socket

        async def send_text(self, text: str) -> None:
            await self._socket.send(text)

        async def iter_text(self) -> AsyncIterator[Any]:
            async for frame in self._socket:
                yield frame

    async with a_call(wrap=Starlette) as provider:
        await provider.server.peer.say(*answer_events("item_a", PIECE))
        await until(lambda: provider.of("mark"))


async def test_a_law_is_spoken_where_the_provider_speaks_it():
    start = {"event": "start", "start": {"streamSid": "S", "mediaFormat": {"encoding": "audio/x-alaw"}}}
    wire = {"format": {"type": "audio/pcma"}}
    session = session_object(audio={"input": {**wire, "turn_detection": None}, "output": wire})
    async with a_call(start, session) as provider:
        update = await provider.server.peer.expect("session.update")
        assert update["session"]["audio"]["input"]["format"] == {"type": "audio/pcma"}


class Scripted:
    """A provider in memory: its frames, and an end that may be an error."""

    def __init__(self, *frames: Any, error: Exception | None = None, fails: bool = False) -> None:
        self.frames = [json.dumps(frame) for frame in frames]
        self.error = error
        self.fails = fails

    def __aiter__(self) -> Scripted:
        return self

    async def __anext__(self) -> str:
        if self.frames:
            return self.frames.pop(0)
        if self.error is not None:
            raise self.error
        if self.fails:
            await asyncio.sleep(3600)
        raise StopAsyncIteration

    async def send(self, text: str) -> None:
        if self.fails:
            raise ConnectionError("the provider is gone")


async def test_a_provider_that_never_starts_is_told():
    with pytest.raises(StateError, match="hung up before"):
        await PhoneCall(Scripted({"event": "connected"}), url="ws://127.0.0.1:1", api_key="").start()
    with pytest.raises(StateError, match="no start frame within 0.05 s"):
        await PhoneCall(Scripted(fails=True), url="ws://127.0.0.1:1", api_key="", start_timeout=0.05).run()


async def test_audio_that_is_not_g711_is_told():
    start = {"event": "start", "start": {"mediaFormat": {"encoding": "audio/l16"}}}
    with pytest.raises(StateError, match="audio/x-mulaw"):
        await PhoneCall(Scripted(start), url="ws://127.0.0.1:1", api_key="").start()


async def test_a_session_without_g711_is_told():
    async with ScriptedServer() as server:
        client = RealtimeClient(url=server.url, api_key="")
        with pytest.raises(StateError, match="no G.711"):
            await PhoneCall(Scripted(START), client).start()
        assert not client.is_connected()


async def test_a_client_that_is_connected_stays_so():
    async with ScriptedServer(audio=g711()["audio"]) as server:
        wire = {"input_audio_format": "g711_ulaw", "output_audio_format": "g711_ulaw"}
        async with RealtimeClient(url=server.url, api_key="", **wire) as client:
            await PhoneCall(Scripted(START), client).run()
        assert len(server.peers) == 1


def test_options_beside_a_client_are_refused():
    client = RealtimeClient(url="ws://127.0.0.1:1", api_key="")
    with pytest.raises(TypeError, match="voice= belongs to the client"):
        PhoneCall(Scripted(), client, voice="ash")


@pytest.mark.parametrize(
    "provider", [Scripted(START, error=ConnectionError("reset")), Scripted(START, fails=True)]
)
async def test_a_provider_that_breaks_off_ends_the_call(provider):
    async with ScriptedServer(audio=g711()["audio"]) as server:
        call = PhoneCall(provider, url=server.url, api_key="")
        async with call:
            await server.peer.say(*answer_events("item_a", PIECE))
            await asyncio.wait_for(call.wait_until_ended(), 5)


# Marks


def test_every_answer_that_was_cut_is_told_with_what_was_heard_of_it():
    marks = PhoneMarks(PIECE)
    marks.queue("a", np.zeros(PIECE, np.int16))
    marks.queue("a", np.zeros(PIECE + 10, np.int16))
    marks.queue("b", np.zeros(PIECE, np.int16))
    first, second = marks.next_piece(), marks.next_piece()
    assert marks.returned(second.mark) and not marks.returned(first.mark)
    assert marks.cut() == [("a", 2 * PIECE), ("b", 0)]
    assert marks.is_silent and marks.next_piece() is None


def test_an_answer_that_was_heard_so_far_is_cut_at_its_end():
    marks = PhoneMarks(PIECE)
    assert marks.cut() == []
    marks.queue("a", np.zeros(50, np.int16))
    assert marks.returned(marks.next_piece().mark)
    assert marks.cut() == [("a", 50)]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 500)), max_size=8),
    st.integers(0, 30),
    st.integers(0, 30),
)
def test_what_is_heard_and_what_is_cut_add_up(answers, sent, heard):
    marks, queued = PhoneMarks(PIECE), {}
    # An answer that follows another one has an id of its own.
    for number, (name, samples) in enumerate(answers):
        item_id = f"{name}{number}"
        marks.queue(item_id, np.zeros(samples, np.int16))
        queued[item_id] = samples
    pieces = [piece for piece in (marks.next_piece() for _ in range(sent)) if piece is not None]
    heard_pieces = pieces[: min(heard, len(pieces))]
    for piece in heard_pieces:
        assert marks.returned(piece.mark)
    expected = dict.fromkeys(queued, 0)
    for piece in heard_pieces:
        expected[piece.item_id] += len(piece.samples)
    unheard = [item_id for item_id in queued if expected[item_id] < queued[item_id]]
    last = [heard_pieces[-1].item_id] if heard_pieces else []
    assert marks.cut() == [(item_id, expected[item_id]) for item_id in unheard or last]
