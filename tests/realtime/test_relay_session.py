"""One session through the relay: what passes untouched, and what is hidden."""

from __future__ import annotations

import asyncio
import json
import logging
import time

import pytest
from websockets.exceptions import ConnectionClosed

from tests.relay_spy import INSTRUCTIONS, KEY, closed, join, receive, spied
from tests.wire_server import created, session_object

SECRET_TOOL = {"type": "function", "name": "book_room", "parameters": {"type": "object", "properties": {}}}


async def echoing(peer):
    """An upstream that merges session updates and echoes the whole session, as the vendor does."""
    session = session_object()
    await peer.say({"type": "session.created", "event_id": "event_1", "session": session})
    async for frame in peer.socket:
        event = json.loads(frame)
        peer.received.append(event)
        session.update(event["session"])
        await peer.say({"type": "session.updated", "event_id": "event_2", "session": session})


# --- what passes


async def test_frames_pass_byte_for_byte_both_ways():
    content = '[ {"type":"input_text","text":"\\u00e9 \u00e9"}]'
    odd = f'{{ "type" : "conversation.item.create","item":{{"type":"message","role":"user","content":{content}}} }}'
    down = '{"type" : "response.done", "event_id":"e\\u0031","response":{"x" : 1e2 }}'
    received = []

    async def script(peer):
        await peer.say(created())
        received.append(await peer.socket.recv())
        await peer.say_raw(down)
        await peer.socket.wait_closed()

    async with spied(script) as (relay, _), join(relay) as socket:
        await receive(socket, "session.created")
        await socket.send(odd)
        assert await socket.recv() == down
        assert received == [odd]


@pytest.mark.parametrize("size", [0, 1, 90, 125, 126, 4000, 65_000, 70_000, 900_000])
async def test_any_length_passes_both_ways(size):
    async def script(peer):
        await peer.say(created())
        event = json.loads(await peer.socket.recv())
        await peer.say({"type": "response.output_audio.delta", "delta": event["audio"]})
        await peer.socket.wait_closed()

    async with spied(script) as (relay, _), join(relay) as socket:
        await receive(socket, "session.created")
        await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": "A" * size}))
        assert (await receive(socket))["delta"] == "A" * size


async def test_a_message_in_fragments_arrives_whole():
    async with spied() as (relay, upstream), join(relay) as socket:
        await receive(socket, "session.created")
        await socket.send(iter(['{"type":"input_', 'audio_buffer.append",', '"audio":"AAAA"}']))
        assert (await upstream.peer.expect("input_audio_buffer.append"))["audio"] == "AAAA"


async def test_messages_sent_before_upstream_is_ready_wait_and_arrive():
    gate = asyncio.Event()

    async def script(peer):
        await gate.wait()
        await peer.say(created())
        await peer.listen()

    async with (
        spied(script, session={"instructions": INSTRUCTIONS}) as (relay, upstream),
        join(relay) as socket,
    ):
        for number in range(50):
            await socket.send(json.dumps({"type": "conversation.item.delete", "item_id": f"item_{number}"}))
        gate.set()
        peer = await upstream.wait_for_peers(1)
        update = await peer.expect("session.update")
        assert peer.types() == ["session.update"], "the relay's settings come first"
        await peer.say({"type": "session.updated", "session": session_object(**update["session"])})
        for number in range(50):
            assert (await peer.expect("conversation.item.delete"))["item_id"] == f"item_{number}"


async def test_unknown_events_of_the_server_are_dropped_and_counted():
    async with spied() as (relay, upstream), join(relay) as socket:
        await receive(socket, "session.created")
        await upstream.peer.say(
            {"type": "internal.debug", "x": 1}, {"no": "type"}, {"type": "session.closed"}
        )
        await upstream.peer.say_raw("not json")
        await upstream.peer.say_raw("[1]")
        await upstream.peer.say({"type": "rate_limits.updated", "rate_limits": []})
        assert (await receive(socket))["type"] == "rate_limits.updated"
        assert relay.totals.dropped == 5


# --- what the relay adds, and hides


async def test_injected_instructions_and_tools_never_show():
    sections = {"session": {"instructions": INSTRUCTIONS, "tools": (SECRET_TOOL,)}}
    async with spied(echoing, **sections) as (relay, upstream), join(relay) as socket:
        first = await receive(socket)
        assert first["type"] == "session.created", "the order of events does not show it either"
        assert first["session"]["instructions"] == "" and first["session"]["tools"] == []
        assert upstream.peer.received[0]["session"]["instructions"] == INSTRUCTIONS
        assert upstream.peer.received[0]["session"]["tools"] == [SECRET_TOOL]
        voice = {"audio": {"output": {"voice": "cedar"}}}
        await socket.send(json.dumps({"type": "session.update", "session": {"type": "realtime", **voice}}))
        text = await asyncio.wait_for(socket.recv(), 5)
        assert json.loads(text)["type"] == "session.updated"
        assert "concierge" not in text and "book_room" not in text


async def test_a_client_that_sends_its_whole_session_keeps_the_instructions():
    """The vendor's reference client always sends instructions "" and tools []; these alone are taken out."""
    async with (
        spied(echoing, session={"instructions": INSTRUCTIONS}) as (relay, upstream),
        join(relay) as socket,
    ):
        await receive(socket, "session.created")
        session = {
            "type": "realtime",
            "instructions": "",
            "tools": [],
            "tool_choice": "auto",
            "temperature": 0.8,
        }
        await socket.send(json.dumps({"type": "session.update", "session": session}))
        assert (await receive(socket))["type"] == "session.updated"
        assert upstream.peer.received[-1]["session"] == {"type": "realtime", "temperature": 0.8}


async def test_allowed_tools_of_a_client_are_added_to_the_relays():
    sections = {
        "session": {"tools": (SECRET_TOOL,)},
        "clients": {"session_fields": frozenset(("type", "tools"))},
    }
    own = {"type": "function", "name": "wave"}
    async with spied(echoing, **sections) as (relay, upstream), join(relay) as socket:
        await receive(socket, "session.created")
        await socket.send(json.dumps({"type": "session.update", "session": {"tools": [own]}}))
        assert (await receive(socket))["session"]["tools"] == [own]
        assert upstream.peer.received[-1]["session"]["tools"] == [own, SECRET_TOOL]
        await socket.send(
            json.dumps({"type": "session.update", "session": {"tools": [{"name": "book_room"}]}})
        )
        assert (await receive(socket))["error"]["code"] == "invalid_value"


async def test_key_and_instructions_are_removed_from_server_errors():
    error = {
        "type": "server_error",
        "code": "x",
        "message": f"Bad key {KEY} with '{INSTRUCTIONS}'",
        "param": KEY,
    }

    async def script(peer):
        await peer.say(created())
        update = await peer.expect("session.update")
        await peer.say({"type": "session.updated", "session": session_object(**update["session"])})
        await peer.say({"type": "error", "error": error})
        await peer.say_raw(json.dumps({"type": "response.done", "response": {"key": KEY}}))
        await peer.close(4000, f"bad key {KEY}")

    async def listening(peer):
        await asyncio.gather(script(peer), peer.listen())

    async with spied(listening, session={"instructions": INSTRUCTIONS}) as (relay, _), join(relay) as socket:
        texts = []
        try:
            while True:
                texts.append(await asyncio.wait_for(socket.recv(), 5))
        except ConnectionClosed:
            pass
        said = "".join(texts) + socket.close_reason
        assert "BLUEBIRD" not in said and KEY not in said
        assert socket.close_code == 4000 and "[key removed]" in socket.close_reason
        assert [json.loads(text)["type"] for text in texts] == ["session.created", "error", "response.done"]


async def test_a_refused_configuration_closes_the_session_and_tells_the_client_nothing(caplog):
    async def script(peer):
        await peer.say(created())
        listening = asyncio.ensure_future(peer.listen())
        update = await peer.expect("session.update")
        error = {"message": f"Invalid instructions: {INSTRUCTIONS}", "event_id": update["event_id"]}
        await peer.say({"type": "error", "error": error})
        await listening

    caplog.set_level(logging.INFO, "realtime.relay")
    async with spied(script, session={"instructions": INSTRUCTIONS}) as (relay, _), join(relay) as socket:
        assert (await receive(socket))["error"]["code"] == "relay_misconfigured"
        code, reason = await closed(socket)
        assert code == 1011 and "instructions" not in reason.lower().replace("settings", "")
    assert "session.refused" in caplog.text


async def test_the_session_expires_for_the_client_when_the_relay_will_end_it():
    async with spied(limits={"session_minutes": 1.0}) as (relay, _), join(relay) as socket:
        session = (await receive(socket, "session.created"))["session"]
        assert abs(session["expires_at"] - time.time() - 60) < 5


async def test_the_beta_header_and_subprotocol_never_go_upstream():
    async with spied(session={"fields": {"audio": {"output": {"voice": "ash"}}}}) as (relay, upstream):
        async with join(relay, subprotocols=["realtime", "openai-beta.realtime-v1"]) as socket:
            peer = await upstream.wait_for_peers(1)
            assert "beta" not in str(peer.socket.request.headers).lower()
            update = await peer.expect("session.update")
            assert update["session"]["audio"]["output"]["voice"] == "ash"
            await peer.say({"type": "session.updated", "session": session_object()})
            await receive(socket, "session.created")
        assert socket.subprotocol == "realtime"
