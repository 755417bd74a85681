"""Link: reconnection, renewal, close codes and faults, against real websocket servers."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import hashlib
import json
import os
import struct
import time

import numpy as np
import pytest

from realtime import ConnectError, LinkOptions, RealtimeClient
from realtime.connection import transport
from realtime.conversation.history import RESUME_NOTE
from tests import wire_turns as turns
from tests.canary import KEY
from tests.waiting import Log, until
from tests.wire_server import EchoServer, Peer, ScriptedServer, created

QUICK = LinkOptions(connect_timeout=2.0, first_delay=0.01, max_delay=0.05, max_attempts=4)


def make(server: ScriptedServer, link: LinkOptions = QUICK, **session: object) -> RealtimeClient:
    return RealtimeClient(api_key=KEY, url=server.url, link=link, **session)


def texts(history: list[dict]) -> list[str]:
    """What a session's history says, one line an item; without the client's note about the connection."""
    lines = []
    for item in history:
        if item.get("role") == "system":
            continue
        if item["type"] == "message":
            lines.append(f"{item['role']}: " + "".join(str(part.get("text")) for part in item["content"]))
        else:
            lines.append(f"{item['type']} {item['call_id']} {item.get('output', '')}".strip())
    return lines


async def ask(client: RealtimeClient, text: str) -> str:
    """One text turn; returns the answer."""
    answered: asyncio.Future = asyncio.get_running_loop().create_future()

    def done(event) -> None:
        if event.item.role == "assistant" and not answered.done():
            answered.set_result(event.item.formatted.text)

    client.on("conversation.item.completed", done)
    try:
        client.send_user_message_content(text)
        return await asyncio.wait_for(answered, 20)
    finally:
        client.off("conversation.item.completed", done)


# Reconnecting


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
                "audio": {"input": {"turn_detection": None}},
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
        await asyncio.sleep(0.05)
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
        link._on_lost(old)  # now the reader knows as well
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


def notes(history: list[dict]) -> list[str]:
    return [item["content"][0]["text"] for item in history if item.get("role") == "system"]


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
        await asyncio.sleep(0.05)
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


# Cut at every event of a turn


@pytest.mark.parametrize("tool", [False, True])
async def test_a_cut_at_every_event_of_a_turn_keeps_history_and_calls_no_tool_twice(tool):
    for cut_after in range(1, 60):
        async with EchoServer(cut_after=cut_after) as server:
            calls: list[int] = []
            client = make(server)
            client.add_tool({"name": "look"}, lambda calls=calls: calls.append(1) or "seen")
            log = Log(client, "error", "server.response.done")
            await client.connect()
            await until(lambda server=server: server.peers)
            if tool:
                server.tool = "look"
            with contextlib.suppress(Exception):
                client.send_user_message_content("first")
            responses = 2 if tool else 1
            await until(
                lambda server=server, log=log, responses=responses: (
                    len(server.peers) > 1 or len(log.of("server.response.done")) == responses
                )
            )
            await asyncio.sleep(0.05)  # a cut behind the last event is still on its way
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


# Renewing


async def test_a_hundred_renewals_lose_no_turn():
    """Sessions that live 2 s: each is renewed before its end, between two turns."""
    async with EchoServer(lifetime=2.0) as server:
        clients = [make(server) for _ in range(10)]
        logs = [Log(client, "close", "error", "response.failed") for client in clients]
        turns_done = [0] * len(clients)

        async def talk(index: int) -> None:
            client = clients[index]
            # On a machine that stands still for a second a session may expire first. That is told, and the
            # question, which the new session knows, is answered when it is asked again.
            client.on("response.failed", lambda event: client.create_response())
            await client.connect()
            await asyncio.sleep(index * 0.05)
            while client.stats.renewals < 10:
                await ask(client, f"turn {turns_done[index]}")
                turns_done[index] += 1
                await asyncio.sleep(0.2)

        await asyncio.wait_for(asyncio.gather(*(talk(index) for index in range(len(clients)))), 90)
        for index, client in enumerate(clients):
            spoken = [item for item in client.conversation.get_items() if item.role == "user"]
            assert [item.formatted.text for item in spoken] == [f"turn {n}" for n in range(turns_done[index])]
            answers = [item for item in client.conversation.get_items() if item.role == "assistant"]
            assert len(answers) == turns_done[index] and all(a.status == "completed" for a in answers)
            await client.disconnect()
            assert [event.code for event in logs[index].of("close")] == [1000]
            assert not logs[index].of("error")
            assert len(logs[index].of("response.failed")) <= server.expired
        assert sum(client.stats.renewals for client in clients) >= 100
        # Nothing else ended a session. (One that expires while its client is leaving it costs nothing.)
        assert sum(client.stats.reconnections for client in clients) <= server.expired


async def test_a_renewal_waits_for_the_end_of_a_response():
    async with ScriptedServer(expires_at=time.time() + 1.0) as server:
        server._session["expires_at"] = time.time() + 1.0
        async with make(server) as client:
            client.create_response()
            await server.peer.expect("response.create")
            await server.peer.say(*turns.response_created())
            server._session["expires_at"] = time.time() + 3600
            await server.wait_for_peers(2)
            await asyncio.sleep(0.2)
            assert client.stats.renewals == 0
            await server.peers[0].say(*turns.response_done())
            await until(lambda: client.stats.renewals == 1)
            await asyncio.wait_for(server.peers[0].ended.wait(), 2)


async def test_a_failing_renewal_is_tried_again():
    async with ScriptedServer(expires_at=0) as server:
        server._session["expires_at"] = time.time() + 2.0
        async with make(server) as client:
            refused = []

            async def refuse(peer: Peer) -> None:
                refused.append(peer)
                if len(refused) < 3:
                    await peer.close(1013, "busy")
                else:
                    await peer.say(created())
                    await peer.listen()

            server.script = refuse
            await until(lambda: client.stats.renewals == 1)
            assert len(refused) == 3


@pytest.mark.parametrize("expires_at", [None, 0, "soon", True, 1e18])
async def test_an_expiry_that_makes_no_sense_plans_nothing(expires_at):
    async with ScriptedServer(expires_at=expires_at) as server, make(server) as client:
        assert client._link._renewer is None


# Faults of the wire, by real servers


class RawServer:
    """A TCP server that answers the upgrade and then does what *behave* says with the bare socket."""

    def __init__(self, behave) -> None:
        self._behave = behave
        self._tasks: list[asyncio.Task] = []
        self.connections = 0

    async def __aenter__(self) -> RawServer:
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def _handle(self, reader, writer) -> None:
        self.connections += 1
        self._tasks.append(asyncio.create_task(self._talk(reader, writer)))

    async def _talk(self, reader, writer) -> None:
        try:
            await self._upgrade(reader, writer)
        finally:
            writer.transport.abort()

    async def _upgrade(self, reader, writer) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            key = next(
                line.split(b": ", 1)[1]
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"sec-websocket-key")
            )
            magic = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            accept = base64.b64encode(hashlib.sha1(key + magic).digest())
            answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            writer.write(answer + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
            writer.write(frame(json.dumps(created()).encode()))
            await writer.drain()
            await self._behave(self, reader, writer)


def frame(payload: bytes, opcode: int = 1, fin: bool = True, rsv: int = 0, mask: bool = False) -> bytes:
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", len(payload))
    return head + (bytes(4) if mask else b"") + payload


FAULTS = {
    "reset": (None, 1006),
    "end of file in a frame": (b"\x81\x7e\x10\x00abc", 1006),
    "bad UTF-8 in a close": (frame(b"\x03\xe8\xff\xfe", 8), 1007),
    "bad opcode": (frame(b"x", 3), 1002),
    "reserved bit": (frame(b"x", rsv=0x40), 1002),
    "masked by the server": (frame(b"x", mask=True), 1002),
    "a length of 2^62": (b"\x81\x7f\x40" + bytes(7), 1009),
    "too many fragments": (
        frame(b"{", 1, fin=False) + frame(b" ", 0, fin=False) * 70_000,
        1009,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_broken_peer_is_told_by_its_code_and_answered_by_a_new_session(name, monkeypatch):
    monkeypatch.setattr(transport, "CLOSE_TIMEOUT", 0.1)  # these peers answer no close
    data, code = FAULTS[name]

    async def behave(server, reader, writer) -> None:
        if server.connections > 1:
            await reader.read()
            return
        if data is not None:
            writer.write(data)
            await writer.drain()
        if name in ("reset", "end of file in a frame"):
            await asyncio.sleep(0.02)
            writer.transport.abort() if data is None else writer.close()
        else:
            await reader.read()
            writer.close()

    async with RawServer(behave) as server:
        client = RealtimeClient(api_key=KEY, url=server.url, link=QUICK)
        log = Log(client, "connection.changed", "close")
        await client.connect()
        again = await log.until("connection.changed", 3)
        assert (again.state, again.code) == ("reconnecting", code), again
        await until(client.is_connected)
        assert not log.of("close")
        await client.disconnect()


async def test_a_message_over_the_limit_is_1009():
    async with ScriptedServer() as server:
        client = make(server, LinkOptions(first_delay=0.01, max_message_bytes=100_000))
        log = Log(client, "connection.changed")
        await client.connect()
        await server.peer.say_raw("x" * 200_000)
        assert (await log.until("connection.changed", 3)).code == 1009
        await client.disconnect()


async def test_a_message_over_a_mebibyte_arrives():
    async with ScriptedServer() as server, make(server) as client:
        log = Log(client, "conversation.item.completed")
        await server.peer.say(*turns.user_text("x" * 3_000_000))
        await log.until("conversation.item.completed")
        assert len(client.conversation.get_items()[0].formatted.text) == 1 << 20  # bounded


@pytest.mark.parametrize(
    ("status", "fatal"), [(401, True), (403, True), (429, False), (503, False), (302, True)]
)
async def test_a_refused_upgrade_says_the_status_and_whether_it_is_fatal(status, fatal):
    async def refuse(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = f"go away {KEY}".encode()
        writer.write(
            f"HTTP/1.1 {status} X\r\nLocation: ws://127.0.0.1:9/\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = RealtimeClient(api_key=KEY, url=url, link=QUICK)
    with pytest.raises(ConnectError) as caught:
        await client.connect()
    assert (caught.value.status, caught.value.fatal) == (status, fatal)
    assert "go away" in str(caught.value) and "canary" not in str(caught.value)
    server.close()


async def test_a_server_that_accepts_and_never_answers_the_handshake_is_given_up_at_the_timeout():
    gone = asyncio.Event()

    async def silent(reader, writer) -> None:
        await reader.read()  # the request, and then the end of a client that gave up
        gone.set()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = RealtimeClient(api_key=KEY, url=url, link=LinkOptions(connect_timeout=0.2))
    log = Log(client, "error", "close")
    with pytest.raises(ConnectError, match="did not open a session within 0.2 s") as caught:
        await client.connect()
    assert not caught.value.fatal and client.state == "disconnected"
    assert [event.source for event in log.of("error")] == ["connection"] and not log.of("close")
    await asyncio.wait_for(gone.wait(), 2)  # the socket was closed, not left to the collector
    server.close()


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


async def test_a_peer_that_answers_no_ping_is_given_up_within_five_seconds():
    async def deaf(server, reader, writer) -> None:
        if server.connections > 1:
            await reader.read()
            return
        await asyncio.sleep(30)

    async with RawServer(deaf) as server:
        client = RealtimeClient(api_key=KEY, url=server.url, link=QUICK)
        log = Log(client, "connection.changed")
        await client.connect()
        started = time.monotonic()
        lost = await log.until("connection.changed", 3)
        assert lost.state == "reconnecting" and "ping" in lost.reason
        assert time.monotonic() - started <= 5.0
        await log.until("connection.changed", 4)
        assert time.monotonic() - started <= 6.0
        await client.disconnect()


async def test_a_busy_event_loop_is_no_reason_to_hang_up(monkeypatch):
    monkeypatch.setattr(transport, "PING_INTERVAL", 0.1)
    monkeypatch.setattr(transport, "PING_TIMEOUT", 0.2)
    async with ScriptedServer() as server:
        process = await serve_elsewhere(server)
        async with RealtimeClient(api_key=KEY, url=process.url, link=QUICK) as client:
            for _ in range(3):
                await asyncio.sleep(0.13)
                time.sleep(0.9)  # noqa: ASYNC251 - the point: the loop is busy, the peer is well
            await asyncio.sleep(0.3)
            assert client.is_connected() and client.stats.reconnections == 0
        process.stop()


async def test_a_timer_that_is_late_says_nothing_about_the_peer(monkeypatch):
    monkeypatch.setattr(transport, "PING_INTERVAL", 0.01)
    monkeypatch.setattr(transport, "PING_TIMEOUT", 0.01)
    monkeypatch.setattr(transport, "STALL", -1.0)  # every timer counts as late

    async def deaf(server, reader, writer) -> None:
        await asyncio.sleep(30)

    async with RawServer(deaf) as server:
        client = RealtimeClient(api_key=KEY, url=server.url, link=QUICK)
        await client.connect()
        await asyncio.sleep(0.2)  # some ten pings, no pong
        assert client.is_connected()
        monkeypatch.setattr(transport, "STALL", 0.5)
        await until(lambda: client.state == "reconnecting")
        await client.disconnect()


class serve_elsewhere:
    """A scripted server in a thread with a loop of its own."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server

    def __await__(self):
        return self._start().__await__()

    async def _start(self):
        import threading

        await self.server.stop()
        self.server.port = 0
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.server.start(), self.loop))
        self.url = self.server.url
        return self

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()


async def test_a_peer_that_does_not_read_stops_neither_the_microphone_nor_the_loop(monkeypatch):
    monkeypatch.setattr(transport, "PING_INTERVAL", 3600)

    async def full(server, reader, writer) -> None:
        reader._transport.pause_reading()
        await asyncio.sleep(30)

    async with RawServer(full) as server:
        client = RealtimeClient(api_key=KEY, url=server.url, link=QUICK)
        await client.connect()
        appended = 0
        # Whatever the kernel's buffers hold goes out; then the queue fills, and then it drops the oldest.
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline and not client.stats.input_samples_dropped:
            for _ in range(50):
                client.append_input_audio(np.zeros(4_800, np.int16))
                appended += 4_800
            await asyncio.sleep(0.01)
        stats = client.stats
        assert stats.input_samples_dropped > 0
        assert stats.input_samples_queued <= 2.0 * 24_000
        sent = client.conversation.input.end
        assert sent + stats.input_samples_queued + stats.input_samples_dropped == appended
        started = time.monotonic()
        await client.disconnect()
        assert time.monotonic() - started < 2.0


async def test_a_slow_handler_closes_nothing(monkeypatch):
    monkeypatch.setattr(transport, "PING_INTERVAL", 0.05)
    monkeypatch.setattr(transport, "PING_TIMEOUT", 0.5)
    async with ScriptedServer() as server, make(server) as client:
        seen = []

        @client.on("conversation.updated")
        async def slow(event) -> None:
            await asyncio.sleep(0.01)
            seen.append(event.delta)

        await server.peer.say(*turns.audio_begin())
        for _ in range(60):
            await server.peer.say(turns.audio_delta(turns.tone(2_400)))
        await until(lambda: len(seen) >= 60)
        assert client.stats.reconnections == 0


async def test_closing_a_dead_peer_takes_about_a_second():
    async def deaf(server, reader, writer) -> None:
        await asyncio.sleep(30)

    async with RawServer(deaf) as server:
        client = RealtimeClient(api_key=KEY, url=server.url, link=QUICK)
        await client.connect()
        started = time.monotonic()
        await client.disconnect()
        assert time.monotonic() - started < 2.0


CYCLES = 1_000 if os.environ.get("WAVTOOLS_SOAK") else 100


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")  # noqa: PTH112
async def test_connections_leave_nothing_behind():
    """A hundred; a thousand under WAVTOOLS_SOAK=1. Objects are counted, too: memory that grows is made of them."""
    async with ScriptedServer() as server:

        async def cycle(count: int) -> None:
            for _ in range(count):
                client = make(server)
                await client.connect()
                await client.disconnect()

        def descriptors() -> int:
            return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

        def counted() -> int:
            gc.collect()
            return len(gc.get_objects())

        await cycle(10)
        await until(lambda: all(peer.ended.is_set() for peer in server.peers))
        await asyncio.sleep(0.1)
        server.peers.clear()
        before, tasks, objects = descriptors(), len(asyncio.all_tasks()), counted()
        await cycle(CYCLES)
        await until(lambda: all(peer.ended.is_set() for peer in server.peers))
        await asyncio.sleep(0.2)
        server.peers.clear()
        assert descriptors() <= before and len(asyncio.all_tasks()) <= tasks
        assert counted() - objects < CYCLES, "a connection leaves an object behind"


async def test_cancelling_connect_closes_the_socket():
    async def silent(peer: Peer) -> None:
        await peer.listen()

    async with ScriptedServer(silent) as server:
        client = make(server)
        connecting = asyncio.create_task(client.connect())
        await server.wait_for_peers(1)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await asyncio.wait_for(server.peer.ended.wait(), 2)
        assert client.state == "disconnected"


async def test_disconnect_while_connecting_ends_connect():
    async def silent(peer: Peer) -> None:
        await peer.listen()

    async with ScriptedServer(silent) as server:
        client = make(server)
        connecting = asyncio.create_task(client.connect())
        await server.wait_for_peers(1)
        await client.disconnect()
        with pytest.raises((asyncio.CancelledError, ConnectError)):
            await connecting
        assert client.state == "disconnected"


async def test_what_comes_before_session_created_is_dispatched_after_it():
    async def chatty(peer: Peer) -> None:
        await peer.say_raw("{")
        await peer.say_raw("[]")
        await peer.say({"type": "conversation.created", "conversation": {"id": "c"}}, created())
        await peer.listen()

    async with ScriptedServer(chatty) as server:
        client = make(server)
        log = Log(client, "server.*", "error")
        async with client:
            assert [event.type for event in log.of("server.*")] == ["conversation.created", "session.created"]
            assert len(log.of("error")) == 2


async def test_a_handler_may_disconnect_at_any_turning_point():
    async with ScriptedServer() as server:
        client = make(server)
        log = Log(client, "close")
        client.on_next("server.session.created", lambda event: client._link.abandon())
        await client.connect()
        await log.until("close")
        assert client.state == "disconnected"
        client.reset()  # nothing to close

        client = make(server)
        log = Log(client, "close")
        client.on_next("response.failed", lambda event: client._link.abandon())
        await client.connect()
        peer = await server.wait_for_peers(2)
        await peer.say(*turns.response_created())
        await client.wait_for_next("server.response.created", timeout=5)
        peer.drop()
        await log.until("close")
        assert client.state == "disconnected" and len(server.peers) == 2


async def test_a_renewal_waits_for_the_words_of_the_last_turn():
    async with ScriptedServer(expires_at=0) as server:
        server._session["expires_at"] = time.time() + 2.0
        async with make(server, input_audio_transcription={"model": "x"}) as client:
            transcribing = {"type": "realtime", "audio": {"input": {"transcription": {"model": "x"}}}}
            await server.peer.say({"type": "session.updated", "session": transcribing}, *turns.speech())
            server._session["expires_at"] = time.time() + 3600
            await server.wait_for_peers(2)
            await asyncio.sleep(0.2)
            assert client.stats.renewals == 0
            await server.peers[0].say(*turns.transcription("what is it"))
            await until(lambda: client.stats.renewals == 1)
            create = await server.peers[1].expect("conversation.item.create")
            assert create["item"]["content"] == [{"type": "input_text", "text": "what is it"}]


async def test_a_connection_that_held_counts_its_attempts_anew():
    async with ScriptedServer() as server:
        client = make(server, LinkOptions(first_delay=0.01, stable_after=0.0, max_attempts=1))
        async with client:
            for number in range(2, 5):
                server.peer.drop()
                await server.wait_for_peers(number)
                await until(client.is_connected)
            assert client.stats.reconnections == 3


async def test_disconnecting_in_the_middle_of_a_renewal_closes_both_sockets():
    async with ScriptedServer(expires_at=0) as server:
        server._session["expires_at"] = time.time() + 1.0
        client = make(server)
        await client.connect()
        await server.peer.say(*turns.response_created())  # it has to wait
        await server.wait_for_peers(2)
        await until(lambda: client._link._next is not None)
        await client.disconnect()
        for peer in server.peers:
            await asyncio.wait_for(peer.ended.wait(), 3)
