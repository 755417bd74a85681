"""Sideband connections: they join a call, share its session, get no audio, and leave and join again."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from realtime.offline import OfflineServer, calls, choose_voice
from realtime.offline.session.session import SessionOptions
from tests.offline_probe import open_probe

CALL = "/v1/realtime?call_id=rtc_1"
FIRST = {
    "id": "item_1",
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "Hi."}],
}


def offline() -> OfflineServer:
    return OfflineServer(
        voice=choose_voice("standin"), options=SessionOptions(pace=0), max_sessions=2, log=lambda line: None
    )


async def test_a_sideband_connection_needs_no_model_and_gets_no_audio() -> None:
    async with offline() as server, open_probe(server.url, CALL) as probe:
        assert probe.events[0]["session"]["type"] == "realtime"
        response = await probe.say_text("Hello.")
        assert response["status"] == "completed" and response["output"][0]["content"][0]["transcript"]
        assert not probe.of("response.output_audio.delta")
        started = probe.of("output_audio_buffer.started")
        assert [event["response_id"] for event in started] == [response["id"]]
        stopped = await probe.until("output_audio_buffer.stopped")
        assert stopped["response_id"] == response["id"]


async def test_a_sideband_connection_sends_no_audio() -> None:
    async with offline() as server, open_probe(server.url, CALL) as probe:
        await probe.send("input_audio_buffer.append", audio="AAAA", event_id="e1")
        error = await probe.error()
        assert (error["code"], error["event_id"]) == ("invalid_value", "e1")


async def test_the_loudspeaker_of_a_call_can_be_cleared() -> None:
    async with offline() as server, open_probe(server.url, CALL) as probe:
        first = await probe.say_text("Hello.")
        cleared = await probe.ask("output_audio_buffer.clear", "output_audio_buffer.cleared")
        assert cleared["response_id"] == first["id"]
        # The next answer starts the loudspeaker again, also while it plays.
        await probe.say_text("Hello.")
        third = await probe.say_text("Hello.")
        while (await probe.until("output_audio_buffer.stopped"))["response_id"] != third["id"]:
            pass
        assert len(probe.of("output_audio_buffer.started")) == 3


async def test_a_call_goes_on_while_its_sideband_reconnects() -> None:
    async with offline() as server:
        async with open_probe(server.url, CALL) as probe:
            session = await probe.update(instructions="Always say: 'Still here.'", output_modalities=["text"])
            await probe.ask("conversation.item.create", "conversation.item.done", item=FIRST)
        async with open_probe(server.url, CALL) as probe:
            assert probe.events[0]["session"] == session
            await probe.ask("conversation.item.retrieve", "conversation.item.retrieved", item_id="item_1")
            await probe.send("response.create")
            response = (await probe.until("response.done"))["response"]
            assert response["output"][0]["content"][0]["text"] == "Still here."


async def test_all_connections_of_a_call_see_what_happens_in_it() -> None:
    async with offline() as server, open_probe(server.url, CALL) as one, open_probe(server.url, CALL) as two:
        await one.ask("conversation.item.create", "conversation.item.done", item=FIRST)
        assert (await two.until("conversation.item.done"))["item"]["id"] == "item_1"
        await two.update(output_modalities=["text"])
        assert (await one.until("session.updated"))["session"]["output_modalities"] == ["text"]


async def test_hanging_up_ends_the_call_and_its_connections() -> None:
    async with offline() as server:
        async with open_probe(server.url, CALL) as probe:
            address = server.url.replace("ws:", "http:") + "/v1/realtime/calls/rtc_1/hangup"
            async with httpx.AsyncClient() as client:
                assert (await client.post(address)).status_code == 200
                assert (await client.post(address)).status_code == 404
            with pytest.raises(ConnectionClosed):
                await probe.next()
            assert probe.connection.close_code == 1000
        async with open_probe(server.url, CALL) as probe:
            await probe.send("conversation.item.retrieve", item_id="item_1")
            assert (await probe.error())["code"] == "item_retrieve_invalid_item_id"


async def test_a_call_that_nobody_joins_again_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "KEPT_SECONDS", 0.0)
    async with offline() as server:
        async with open_probe(server.url, CALL) as probe:
            await probe.ask("conversation.item.create", "conversation.item.done", item=FIRST)
        for _ in range(200):
            async with open_probe(server.url, CALL) as probe:
                await probe.send("conversation.item.retrieve", item_id="item_1")
                await probe.send("no.such.event")
                if (await probe.next())["type"] == "error":
                    break
            await asyncio.sleep(0.01)
        else:
            raise AssertionError("the call did not end")


async def test_a_call_whose_session_expired_begins_anew() -> None:
    async with offline() as server:
        async with open_probe(server.url, CALL) as probe:
            await probe.send("offline.faults", faults={"session_seconds": 0.01})
            with pytest.raises(ConnectionClosed):
                while True:
                    await probe.next()
        async with open_probe(server.url, CALL) as probe:
            assert (await probe.say_text("Hi.", output_modalities=["text"]))["status"] == "completed"


async def test_a_dropped_sideband_joins_its_call_again() -> None:
    async with offline() as server:
        async with open_probe(server.url, CALL) as probe:
            await probe.ask("conversation.item.create", "conversation.item.done", item=FIRST)
            await probe.send("offline.faults", faults={"drop_at": 1})
            await probe.send("no.such.event")
            with pytest.raises(ConnectionClosed):
                while True:
                    await probe.next()
        async with open_probe(server.url, CALL) as probe:
            await probe.send("offline.faults", faults={})
            await probe.ask("conversation.item.retrieve", "conversation.item.retrieved", item_id="item_1")


async def test_calls_are_bounded_and_their_ids_checked() -> None:
    async with offline() as server:
        for number in (1, 2):
            async with open_probe(server.url, f"/v1/realtime?call_id=rtc_{number}"):
                pass
        async with connect(server.url + "/v1/realtime?call_id=rtc_3") as third:
            with pytest.raises(ConnectionClosed):
                await third.recv()
            assert third.close_code == 1013
        for odd in ("", "%00", "a" * 200):
            async with connect(server.url + "/v1/realtime?call_id=" + odd) as refused:
                assert "call_id" in await refused.recv()
                with pytest.raises(ConnectionClosed):
                    await refused.recv()
                assert refused.close_code == 4000


async def test_only_a_call_has_a_loudspeaker_to_clear() -> None:
    async with offline() as server, open_probe(server.url) as probe:
        await probe.send("output_audio_buffer.clear")
        assert (await probe.error())["param"] == "type"
