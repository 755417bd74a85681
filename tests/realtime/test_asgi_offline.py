"""The offline server as an ASGI application in FastAPI under uvicorn: conversations, answers by HTTP, ends."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from realtime import RealtimeClient
from realtime.offline import OfflineServer
from realtime.offline.asgi import OfflineApp
from realtime.offline.faults import Faults
from realtime.offline.http_front import BODY_BYTES
from realtime.offline.models.choice import choose_voice
from realtime.offline.session.session import SessionOptions
from tests.asgi_site import Call, served
from tests.offline_probe import MODEL_QUERY, Probe

KEY = "sk-test-0123456789"


def server(**options: Any) -> OfflineServer:
    return OfflineServer(voice=choose_voice("standin"), log=lambda line: None, **options)


def site(voice: OfflineApp) -> FastAPI:
    app = FastAPI(lifespan=voice.lifespan)
    app.mount("/voice", voice)
    return app


async def test_our_client_holds_a_conversation_with_a_mounted_offline_server():
    async with (
        served(site(OfflineApp(server()))) as place,
        RealtimeClient(url=f"ws://{place}/voice/v1/realtime") as client,
    ):
        assert await client.ask("Hello")


async def test_a_mounted_offline_server_speaks_to_any_client():
    async with served(OfflineApp(server())) as place:
        async with connect(f"ws://{place}{MODEL_QUERY}", subprotocols=["realtime"], proxy=None) as socket:
            probe = Probe(socket)
            assert socket.subprotocol == "realtime"
            assert (await probe.until("session.created"))["session"]["model"] == "gpt-realtime-2.1"
            assert (await probe.say_text("Hello"))["status"] == "completed"
            await socket.send(b"\x00")
            assert (await probe.until("error"))["error"]["message"]
        async with connect(f"ws://{place}", proxy=None) as socket:
            await Probe(socket).until("session.created")
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{place}/elsewhere", proxy=None)
        assert refused.value.response.status_code == 404


async def test_a_mounted_offline_server_checks_its_key_and_answers_by_http():
    async with served(site(OfflineApp(server(key=KEY)))) as place, httpx.AsyncClient() as http:
        url, key = f"http://{place}/voice/v1", {"Authorization": f"Bearer {KEY}"}
        assert (await http.get(f"{url}/models")).status_code == 401
        assert len((await http.get(f"{url}/models", headers=key)).json()["data"]) > 3
        minted = await http.post(f"{url}/realtime/client_secrets", headers=key, json={})
        async with connect(
            f"ws://{place}/voice{MODEL_QUERY}",
            additional_headers={"Authorization": f"Bearer {minted.json()['value']}"},
            proxy=None,
        ) as socket:
            await Probe(socket).until("session.created")
        async with connect(f"ws://{place}/voice{MODEL_QUERY}", proxy=None) as socket:
            await Probe(socket).until("error")
            with pytest.raises(ConnectionClosedError):
                await socket.recv()
            assert socket.close_code == 3000
        wrong = await http.get(f"{url}/realtime/client_secrets", headers=key)
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
        large = await http.post(
            f"{url}/realtime/client_secrets", headers=key, content=b" " * (BODY_BYTES + 1)
        )
        assert large.status_code == 413


async def test_a_connection_beyond_the_sessions_is_closed_with_1013():
    async with (
        served(OfflineApp(server(max_sessions=0))) as place,
        connect(f"ws://{place}", proxy=None) as socket,
    ):
        with pytest.raises(ConnectionClosedError):
            await socket.recv()
        assert socket.close_code == 1013


async def test_a_cut_connection_is_closed_with_1011():
    faults = SessionOptions(faults=Faults.parse(["drop_at=2"]))
    voice = OfflineApp(server(options=faults))
    call = Call(voice)
    await call.until("websocket.send")
    for _ in range(10):
        call.say("websocket.receive", text=json.dumps({"type": "input_audio_buffer.clear"}))
    assert (await call.end())[-1]["code"] == 1011
    await voice.close()


@pytest.mark.parametrize("error", [OSError("gone"), RuntimeError("after websocket.close")])
async def test_a_client_that_has_gone_ends_its_session(error):
    voice = OfflineApp(server())
    call = Call(voice)
    await call.until("websocket.send")
    call.broken = error
    call.say("websocket.receive", text=json.dumps({"type": "input_audio_buffer.clear"}))
    sent = await call.end()
    assert "websocket.close" not in [message["type"] for message in sent]
    await voice.close()


async def test_a_client_that_leaves_is_not_closed_again():
    voice = OfflineApp(server())
    call = Call(voice)
    await call.until("websocket.send")
    call.say("websocket.disconnect", code=1001)
    sent = await call.end()
    assert "websocket.close" not in [message["type"] for message in sent]
    await asyncio.sleep(0)
    await voice.close()
