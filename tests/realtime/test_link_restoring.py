"""Reconnection: what a new session is told of the one before it."""

from __future__ import annotations

import asyncio
import json

import numpy as np

from realtime.conversation.history import RESUME_NOTE
from tests import wire_turns as turns
from tests.client_bench import ask, delivered, make, notes, texts
from tests.waiting import Log, until
from tests.wire_server import EchoServer, Peer, ScriptedServer, created


async def test_what_was_sent_while_reconnecting_arrives():
    async with EchoServer() as server, make(server) as client:
        server.peer.drop()
        await until(lambda: client.state == "reconnecting")
        assert await ask(client, "are you there?") == "answer 1"


async def test_an_unconfirmed_message_is_sent_again():
    async with ScriptedServer() as server, make(server) as client:
        client.send_user_message_content("lost?")
        await server.peer.expect("response.create")
        log = Log(client, "response.failed")
        server.peer.drop()
        failed = await log.until("response.failed")
        assert failed.type == "connection_lost"
        peer = await server.wait_for_peers(2)
        create = await peer.expect("conversation.item.create")
        assert create["item"]["content"] == [{"type": "input_text", "text": "lost?"}]
        await delivered(client, peer)
        assert "response.create" not in peer.types()


async def test_what_a_closed_socket_refused_goes_to_the_next_one():
    """The writer may find out before the reader does."""
    async with EchoServer() as server, make(server) as client:
        link = client._link
        old = link._transport
        link._reader.cancel()
        server.peer.drop()
        await old._socket.wait_closed()
        client.send_user_message_content("lost?")
        await until(link._writer.done)
        assert client.state == "connected"
        link._on_lost(old, *old.close_status)  # now the reader knows as well
        await until(lambda: server.answers == 1)
        assert texts(server.histories[1]) == ["user: lost?", "assistant: answer 1"]


async def test_audio_of_an_unfinished_manual_turn_is_sent_again():
    async with ScriptedServer() as server, make(server, turn_detection=None) as client:
        spoken = turns.tone(12_000)
        client.append_input_audio(spoken[:7_000])
        await server.peer.expect("input_audio_buffer.append")
        server.peer.drop()
        peer = await server.wait_for_peers(2)
        await until(client.is_connected)
        client.append_input_audio(spoken[7_000:])
        client.create_response()
        await peer.expect("response.create")
        await peer.say(*turns.committed("item_x"))
        await until(lambda: len(client.conversation.get_items()) == 1)
        np.testing.assert_array_equal(client.conversation.get_items()[0].formatted.audio, spoken)


async def test_a_commit_that_was_not_answered_is_repeated():
    async with ScriptedServer() as server, make(server, turn_detection=None) as client:
        client.append_input_audio(turns.tone(12_000))
        client.commit_input_audio()
        await server.peer.expect("input_audio_buffer.commit")
        server.peer.drop()
        peer = await server.wait_for_peers(2)
        await peer.expect("input_audio_buffer.commit")
        assert peer.types() == [
            "session.update",
            "input_audio_buffer.append",
            "input_audio_buffer.commit",
        ]


async def test_a_server_that_gives_restored_items_new_ids_makes_no_doubles():
    async with EchoServer() as server, make(server) as client:
        await ask(client, "one")

        async def rename(peer: Peer) -> None:
            await peer.say(created())
            async for frame in peer.socket:
                event = json.loads(frame)
                peer.received.append(event)
                if event["type"] == "conversation.item.create":
                    item = {**event["item"], "id": "theirs_" + event["item"]["id"]}
                    await peer.say(*turns.echo({"item": item}))

        server.script = rename
        server.peer.drop()
        await server.wait_for_peers(2)
        await until(lambda: all(item.id.startswith("theirs_") for item in client.conversation.get_items()))
        assert len(client.conversation.get_items()) == 2


async def test_a_truncated_answer_is_restored_as_truncated():
    async with ScriptedServer() as server, make(server, turn_detection=None) as client:
        log = Log(client, "timings")
        await server.peer.say(
            *turns.user_text("count"), *turns.audio_answer("one two three four", turns.tone(24_000))
        )
        await log.until("timings")
        client.cancel_response("item_answer", 12_000)
        await server.peer.expect("conversation.item.truncate")
        server.peer.drop()
        peer = await server.wait_for_peers(2)
        await peer.expect("conversation.item.create")
        answer = await peer.expect("conversation.item.create")
        assert answer["item"]["content"] == [{"type": "output_text", "text": "one two"}]


async def test_a_note_to_the_model_follows_the_restored_history_and_never_shows():
    async with EchoServer() as server, make(server) as client:
        log = Log(client, "conversation.item.appended")
        server.peer.drop()
        await server.wait_for_peers(2)
        await ask(client, "one")
        assert notes(server.histories[1]) == [], "there was nothing to go on from"
        for session in (2, 3):
            server.peer.drop()
            await server.wait_for_peers(session + 1)
            await until(lambda session=session: notes(server.histories[session]))
            assert server.histories[session][-1]["role"] == "system", "behind the history"
            await ask(client, "two")
            assert notes(server.histories[session]) == [RESUME_NOTE]
        assert {item.role for item in client.conversation.get_items()} == {"user", "assistant"}
        assert {event.item.role for event in log.of("conversation.item.appended")} == {"user", "assistant"}


async def test_the_note_to_the_model_can_be_another_or_none():
    for own, sent in (("Sprich weiter Deutsch.", ["Sprich weiter Deutsch."]), (None, [])):
        async with EchoServer() as server, make(server, resume_note=own) as client:
            await ask(client, "one")
            server.peer.drop()
            await server.wait_for_peers(2)
            await ask(client, "two")
            assert notes(server.histories[1]) == sent


async def test_a_server_that_takes_no_system_items_raises_no_error():
    async with ScriptedServer() as server, make(server) as client:
        log = Log(client, "error", "error.benign")
        await server.peer.say(*turns.user_text("hello"))
        await until(lambda: client.conversation.get_items())
        server.peer.drop()
        peer = await server.wait_for_peers(2)
        await peer.expect("conversation.item.create")
        refused = await peer.expect("conversation.item.create")
        error = {"code": "not_allowed", "message": "no system items", "event_id": refused["event_id"]}
        await peer.say({"type": "error", "error": error})
        await log.until("error.benign")
        assert not log.of("error")


async def test_a_transcription_session_gets_no_history():
    """It makes no answers, and takes no items."""
    async with ScriptedServer(type="transcription") as server, make(server) as client:
        await server.peer.say(*turns.user_text("hello"))
        await until(lambda: client.conversation.get_items())
        server.peer.drop()
        peer = await server.wait_for_peers(2)
        await until(client.is_connected)
        await delivered(client, peer)
        assert "conversation.item.create" not in peer.types()


async def test_a_tool_that_runs_through_a_cut_is_called_once_and_answers_the_new_session():
    async with EchoServer() as server:
        release, calls = asyncio.Event(), []

        async def slow() -> str:
            calls.append(1)
            await release.wait()
            return "found"

        async with make(server) as client:
            client.add_tool({"name": "slow"}, slow)
            server.tool = "slow"
            client.send_user_message_content("find it")
            await until(lambda: calls)
            server.peer.drop()
            await server.wait_for_peers(2)
            await until(lambda: len(texts(server.histories[1])) == 2)
            release.set()
            await until(lambda: server.answers == 2)
            assert texts(server.histories[1])[:3] == [
                "user: find it",
                "function_call call_1",
                "function_call_output call_1 found",
            ]
            assert calls == [1]
