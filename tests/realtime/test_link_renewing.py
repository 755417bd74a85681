"""Link: sessions are renewed before they expire, between two turns."""

from __future__ import annotations

import asyncio
import time

import pytest

from realtime.protocol import codec
from tests import wire_turns as turns
from tests.client_bench import ask, make
from tests.waiting import Log, until
from tests.wire_server import EchoServer, Peer, ScriptedServer, created


async def test_a_hundred_renewals_lose_no_turn():
    """Sessions that live 2 s: each is renewed before its end, between two turns."""
    async with EchoServer(lifetime=2.0) as server:
        clients = [make(server) for _ in range(25)]
        logs = [Log(client, "close", "error", "response.failed") for client in clients]
        turns_done = [0] * len(clients)

        async def talk(index: int) -> None:
            client = clients[index]
            # On a machine that stands still for a second a session may expire first. That is told, and the
            # question, which the new session knows, is answered when it is asked again.
            client.on("response.failed", lambda event: client.create_response())
            await client.connect()
            await asyncio.sleep(index * 0.04)
            while client.stats.renewals < 4:
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
            await until(lambda: client._link._next is not None)
            client._link.hand_over()
            assert client.stats.renewals == 0
            await server.peers[0].say(*turns.response_done())
            await until(lambda: client.stats.renewals == 1)
            await asyncio.wait_for(server.peers[0].ended.wait(), 2)


async def test_a_renewal_waits_for_the_words_of_the_last_turn():
    async with ScriptedServer(expires_at=0) as server:
        server._session["expires_at"] = time.time() + 2.0
        async with make(server, input_audio_transcription={"model": "x"}) as client:
            transcribing = {"type": "realtime", "audio": {"input": {"transcription": {"model": "x"}}}}
            await server.peer.say({"type": "session.updated", "session": transcribing}, *turns.speech())
            server._session["expires_at"] = time.time() + 3600
            await server.wait_for_peers(2)
            await until(lambda: client._link._next is not None)
            client._link.hand_over()
            assert client.stats.renewals == 0
            await server.peers[0].say(*turns.transcription("what is it"))
            await until(lambda: client.stats.renewals == 1)
            create = await server.peers[1].expect("conversation.item.create")
            assert create["item"]["content"] == [{"type": "input_text", "text": "what is it"}]


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


@pytest.mark.parametrize("expires_at", [None, 0, "soon", True, 1e18, 10**400])
async def test_an_expiry_that_makes_no_sense_plans_nothing(expires_at, monkeypatch):
    monkeypatch.setattr(codec, "orjson", None)  # which refuses the longest of these numbers
    async with ScriptedServer(expires_at=expires_at) as server, make(server) as client:
        assert client._link._renewer is None


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
