"""Link: a lost connection is restored, or closed for good, by its code."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from realtime import LinkOptions, RealtimeClient
from tests import wire_turns as turns
from tests.canary import KEY
from tests.client_bench import ask, make, texts
from tests.waiting import Log, until
from tests.wire_server import EchoServer, Peer, ScriptedServer


async def test_a_cut_connection_is_restored_with_configuration_and_history():
    async with EchoServer() as server:
        client = make(server, instructions="Be kind.", turn_detection=None)
        log = Log(client, "close", "connection.changed", "conversation.item.appended", "error")
        client.add_tool({"name": "look"}, lambda: "nothing there")
        async with client:
            await ask(client, "one")
            server.tool = "look"
            await ask(client, "two")
            before = [item.id for item in client.conversation.get_items()]
            appended = len(log.of("conversation.item.appended"))
            server.peer.drop()
            peer = await server.wait_for_peers(2)
            await until(lambda: len(texts(server.histories[1])) == len(before))
            assert peer.received[0]["session"] == {
                "type": "realtime",
                "instructions": "Be kind.",
                "audio": {
                    "input": {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": None},
                    "output": {"format": {"type": "audio/pcm", "rate": 24000}},
                },
                "tools": [{"type": "function", "name": "look"}],
            }
            assert texts(server.histories[1]) == texts(server.histories[0])
            assert "response.create" not in peer.types()
            await ask(client, "three")
            assert [item.id for item in client.conversation.get_items()][: len(before)] == before
            assert len(log.of("conversation.item.appended")) == appended + 2
            assert client.stats.reconnections == 1
            states = [event.state for event in log.of("connection.changed")]
            assert states == ["connecting", "connected", "reconnecting", "connected"]
        assert [event.code for event in log.of("close")] == [1000]
        assert not log.of("error")


async def test_an_expired_session_is_renewed_although_1001_looks_like_a_normal_end():
    async with EchoServer() as server:
        client = make(server)
        log = Log(client, "close", "error")
        async with client:
            await ask(client, "one")
            await server.peer.say(turns.error("Your session hit the maximum.", "session_expired"))
            await server.peer.close(1001, "Your session hit the maximum duration of 60 minutes.")
            await server.wait_for_peers(2)
            await until(client.is_connected)
            assert await ask(client, "two") == "answer 2"
            assert texts(server.histories[1])[:2] == ["user: one", "assistant: answer 1"]
        assert [event.code for event in log.of("close")] == [1000] and not log.of("error")


@pytest.mark.parametrize("code", [1000, 1008, 3000, 4000])
async def test_a_fatal_code_ends_the_connection_at_once(code):
    async with ScriptedServer() as server:
        client = make(server)
        log = Log(client, "close", "error")
        await client.connect()
        await server.peer.close(code, "no")
        close = await log.until("close")
        assert (close.code, close.reason, close.error) == (code, "no", True)
        assert client.state == "disconnected" and len(server.peers) == 1
        assert log.of("error")[0].source == "connection"
        await client.disconnect()
        assert len(log.of("close")) == 1


@pytest.mark.parametrize("code", [1001, 1011, 1012, 1013])
async def test_a_recoverable_code_is_answered_by_a_new_session(code):
    async with ScriptedServer() as server, make(server) as client:
        await server.peer.close(code, "later")
        await server.wait_for_peers(2)
        await until(client.is_connected)


async def test_without_reconnect_a_fault_closes():
    async with ScriptedServer() as server:
        client = RealtimeClient(api_key=KEY, url=server.url, reconnect=False)
        log = Log(client, "close")
        await client.connect()
        server.peer.drop()
        assert (await log.until("close")).code == 1006
        assert client.state == "disconnected"


async def test_giving_up_after_max_attempts_closes_once():
    async with ScriptedServer() as server:
        client = make(server)
        log = Log(client, "close", "connection.changed")
        await client.connect()
        peer = server.peer
        server._server.close(close_connections=False)
        peer.drop()
        close = await log.until("close")
        assert close.error and "could not connect" in close.reason
        attempts = [event.attempt for event in log.of("connection.changed") if event.state == "reconnecting"]
        assert attempts == [1, 2, 3, 4]
        delays = [event.delay for event in log.of("connection.changed") if event.state == "reconnecting"]
        assert all(delay <= 0.05 for delay in delays) and delays[0] <= 0.01


async def test_a_fatal_refusal_while_reconnecting_stops_it():
    async with ScriptedServer() as server:
        client = make(server)
        log = Log(client, "close")
        await client.connect()

        async def refuse(peer: Peer) -> None:
            await peer.say(turns.error("key revoked", "invalid_api_key"))
            await peer.close(3000, "invalid_api_key")

        server.script = refuse
        server.peer.drop()
        close = await log.until("close")
        assert close.code == 3000 and "key revoked" in close.reason and len(server.peers) == 2


async def test_disconnect_while_reconnecting_stops_it():
    async with ScriptedServer() as server:
        client = make(server, LinkOptions(first_delay=30.0, max_delay=30.0))
        log = Log(client, "close", "connection.changed")
        await client.connect()
        server.peer.drop()
        await log.until("connection.changed", 3)
        assert client.state == "reconnecting"
        await client.disconnect()
        assert client.state == "disconnected" and [event.error for event in log.of("close")] == [False]


async def test_a_handshake_that_is_never_answered_while_reconnecting_counts_as_one_attempt():
    async with ScriptedServer() as server:
        client = make(server, LinkOptions(connect_timeout=0.2, first_delay=0.01, max_attempts=2))
        log = Log(client, "close", "connection.changed")
        await client.connect()
        peer, port = server.peer, server.port
        server._server.close(close_connections=False)

        async def silent(reader, writer) -> None:
            await reader.read()
            writer.close()

        async with await asyncio.start_server(silent, "127.0.0.1", port):
            peer.drop()
            close = await log.until("close")
        assert close.error and "did not open a session within 0.2 s" in close.reason
        states = [event.attempt for event in log.of("connection.changed") if event.state == "reconnecting"]
        assert states == [1, 2]


async def test_a_connection_that_held_counts_its_attempts_anew():
    async with ScriptedServer() as server:
        client = make(server, LinkOptions(first_delay=0.01, stable_after=0.0, max_attempts=1))
        async with client:
            for number in range(2, 5):
                server.peer.drop()
                await server.wait_for_peers(number)
                await until(client.is_connected)
            assert client.stats.reconnections == 3


@pytest.mark.parametrize("tool", [False, True])
async def test_a_cut_at_every_event_of_a_turn_keeps_history_and_calls_no_tool_twice(tool):
    for cut_after in range(1, 60):
        async with EchoServer(cut_after=cut_after) as server:
            calls: list[int] = []
            client = make(server)
            client.add_tool({"name": "look"}, lambda calls=calls: calls.append(1) or "seen")
            log = Log(client, "error", "server.rate_limits.updated")
            await client.connect()
            await until(lambda server=server: server.peers)
            if tool:
                server.tool = "look"
            with contextlib.suppress(Exception):
                client.send_user_message_content("first")
            responses = 2 if tool else 1
            await until(
                lambda server=server, log=log, responses=responses: (
                    len(server.peers) > 1 or len(log.of("server.rate_limits.updated")) == responses
                )
            )
            # The limits are the last event of a turn: after them nothing is cut.
            if len(server.peers) < 2:
                await client.disconnect()
                break  # the whole turn went through
            await until(client.is_connected)
            # The next turn works whatever was cut, and the model still knows the first one.
            client.send_user_message_content("second")

            def answered(server: EchoServer = server) -> bool:
                said = texts(server.histories[-1])
                return "user: second" in said and said[-1].startswith("assistant: ")

            await until(answered)
            # A tool that was called answers, to whichever session there is then.
            await until(
                lambda server=server, calls=calls: (
                    len(
                        [
                            line
                            for line in texts(server.histories[-1])
                            if line.startswith("function_call_output")
                        ]
                    )
                    == len(calls)
                )
            )
            lines = texts(server.histories[-1])
            assert lines.count("user: first") == 1
            assert lines.index("user: first") < lines.index("user: second")
            assert len(calls) <= 1
            ids = [item.id for item in client.conversation.get_items()]
            assert len(ids) == len(set(ids))
            assert not log.of("error"), (cut_after, log.events)
            await client.disconnect()
    assert 10 < cut_after < 59  # every event of the turn was the last one once
