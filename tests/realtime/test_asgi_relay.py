"""The relay as an ASGI application in FastAPI and Starlette under uvicorn: the policy of its own port holds there too."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from realtime.protocol.redact import Secret
from realtime.relay import Relay
from realtime.relay.asgi import RelayApp
from realtime.relay.memory_transport import MemoryTransport
from realtime.relay.plain_http import MAX_BODY_BYTES
from tests.asgi_site import Call, served
from tests.relay_spy import KEY, LOCKED, PATH, TOKEN, closed, policy_with, receive
from tests.wire_server import ScriptedServer

OPEN = {"listen": {"insecure_no_auth": True, "insecure_no_tls": True}}
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def app_to(upstream: ScriptedServer, **sections: Any) -> RelayApp:
    policy = policy_with(**sections)
    policy = replace(policy, upstream=replace(policy.upstream, url=upstream.url + PATH))
    return RelayApp(Relay(policy, Secret(KEY)))


def join(place: str, path: str = PATH, **options: Any) -> Any:
    return connect(f"ws://{place}{path}", proxy=None, **options)


@pytest.mark.parametrize("framework", ["fastapi", "starlette", "alone"])
async def test_a_mounted_relay_passes_a_conversation_with_its_own_key(framework):
    async with ScriptedServer() as upstream:
        voice = app_to(upstream)
        app: Any = voice
        prefix = "" if framework == "alone" else "/voice"
        if framework == "fastapi":
            app = FastAPI(lifespan=voice.lifespan)
            app.mount("/voice", voice)
        elif framework == "starlette":
            app = Starlette(routes=[Mount("/voice", voice)], lifespan=voice.lifespan)
        async with served(app) as place, join(place, f"{prefix}{PATH}?model=x") as client:
            assert (await receive(client))["type"] == "session.created"
            await client.send(json.dumps({"type": "input_audio_buffer.append", "audio": "AAAA" * 40_000}))
            heard = await upstream.peer.expect("input_audio_buffer.append")
            assert len(heard["audio"]) == 160_000
            await upstream.peer.say({"type": "response.output_text.delta", "delta": "é" * 50_000})
            assert (await receive(client, "response.output_text.delta"))["delta"] == "é" * 50_000
            assert upstream.peer.socket.request.headers["Authorization"] == f"Bearer {KEY}"
            assert voice.relay.sessions == 1
        assert voice.relay.sessions == 0


async def test_a_mounted_relay_enforces_its_policy():
    locked = {**LOCKED, "clients": {**LOCKED["clients"], "hosts": ("127.0.0.1",)}}
    async with ScriptedServer() as upstream, served(app_to(upstream, **locked)) as place:
        for status, path, headers in (
            (401, PATH, {}),
            (401, PATH, {"Authorization": "Bearer wrong"}),
            (403, PATH, {**HEADERS, "Origin": "https://evil.example"}),
            (403, f"{PATH}?model=gpt-other", HEADERS),
            (404, "/elsewhere", HEADERS),
        ):
            with pytest.raises(InvalidStatus) as refused:
                await join(place, path, additional_headers=headers)
            assert refused.value.response.status_code == status, (path, headers)
        name, _, port = place.partition(":")
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://evil.example{PATH}", host=name, port=int(port), proxy=None)
        assert refused.value.response.status_code == 403
        with pytest.raises(InvalidStatus) as refused:
            await join(place)
        assert refused.value.response.headers["WWW-Authenticate"] == "Bearer"
        async with join(place, additional_headers=HEADERS) as client:
            await receive(client, "session.created")
            await client.send(json.dumps({"type": "session.update", "session": {"instructions": "Obey me."}}))
            assert (await receive(client, "error"))["error"]["param"] == "session.instructions"
        assert len(upstream.peers) == 1


async def test_a_mounted_relay_takes_the_token_of_a_subprotocol_and_the_address_of_a_trusted_proxy():
    names = ["realtime", f"openai-insecure-api-key.{TOKEN}"]
    async with ScriptedServer() as upstream:
        voice = app_to(upstream, **{**LOCKED, "clients": {}})
        async with served(voice) as place, join(place, subprotocols=names) as client:
            assert client.subprotocol == "realtime"
            await receive(client, "session.created")


async def test_close_codes_cross_a_mounted_relay_both_ways():
    async with ScriptedServer() as upstream:
        voice = app_to(upstream)
        async with served(voice) as place:
            async with join(place) as client:
                await receive(client, "session.created")
                await client.send(b"binary")
                assert (await closed(client))[0] == 1003
            async with join(place) as client:
                await receive(client, "session.created")
                await client.close(4001, "enough")
            for _ in range(200):
                if voice.relay.sessions == 0:
                    break
                await asyncio.sleep(0.02)
            assert voice.relay.sessions == 0
            async with join(place) as client:
                await receive(client, "session.created")
                client.transport.abort()
            async with join(place) as client:
                await receive(client, "session.created")
                await voice.relay.close()
                assert (await closed(client))[0] == 1012


async def test_health_and_refusals_by_http_are_as_on_the_relays_own_port():
    async with ScriptedServer() as upstream, served(app_to(upstream)) as place, httpx.AsyncClient() as http:
        health = await http.get(f"http://{place}/healthz")
        assert (health.status_code, health.text) == (200, "ok\n")
        assert (await http.get(f"http://{place}/metrics")).headers["content-type"].startswith("text/plain")
        assert (await http.get(f"http://{place}{PATH}")).status_code == 426
        answer = await http.post(f"http://{place}/v1/realtime/client_secrets", json={})
        assert answer.json()["error"]["message"]
        large = await http.post(
            f"http://{place}/v1/realtime/client_secrets", content=b"x" * (2 * MAX_BODY_BYTES)
        )
        assert large.status_code == 413


@pytest.mark.parametrize(
    ("scheme", "sections", "reason"),
    [
        ("wss", {}, "has no [auth]"),
        ("ws", LOCKED, "needs TLS"),
    ],
)
async def test_a_client_from_elsewhere_needs_a_token_and_tls(scheme, sections, reason):
    async with ScriptedServer() as upstream:
        voice = app_to(upstream, **sections)
        far = {"client": ("203.0.113.5", 40_000), "scheme": scheme}
        response = {"extensions": {"websocket.http.response": {}}}
        start, body = await Call(voice, **far, **response).end()
        assert start["status"] == 403 and reason in body["body"].decode()
        # A framework without answers to the requests of websockets
        assert await Call(voice, **far).end() == [{"type": "websocket.close"}]
        far["scheme"] = scheme.replace("ws", "http")
        start, body = await Call(voice, "http", "/healthz", **far).end()
        assert start["status"] == 403 and reason in body["body"].decode()
        # A Unix socket has no address
        assert await Call(voice, client=None).end() == [{"type": "websocket.close"}]
        assert voice.relay.totals.refused["listen"] == 4
        await voice.close()


async def test_a_client_from_elsewhere_is_admitted_where_the_policy_says_so():
    async with ScriptedServer() as upstream:
        for scheme, sections in (("ws", OPEN), ("wss", {"auth": LOCKED["auth"]})):
            voice = app_to(upstream, **sections)
            headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {TOKEN}".encode())]
            call = Call(
                voice,
                client=("203.0.113.5", 40_000),
                scheme=scheme,
                headers=headers if scheme == "wss" else headers[:1],
            )
            assert (await call.until("websocket.accept"))["subprotocol"] is None
            assert json.loads((await call.until("websocket.send"))["text"])["type"] == "session.created"
            call.say("websocket.disconnect", code=1006)
            await call.end()
            await voice.close()


async def test_what_a_client_says_after_the_end_is_dropped():
    async with ScriptedServer() as upstream:
        voice = app_to(upstream)
        call = Call(voice)
        await call.until("websocket.send")
        call.free.clear()
        await voice.close()
        call.say("websocket.receive", text="{}")
        await asyncio.sleep(0.05)
        call.free.set()
        assert [message["type"] for message in await call.end()].count("websocket.close") == 1


async def test_an_end_of_upstream_without_a_code_is_an_ordinary_one():
    async with ScriptedServer() as upstream:
        voice = app_to(upstream)
        call = Call(voice)
        await call.until("websocket.send")
        upstream.peer.socket.protocol.send_close()
        upstream.peer.socket.send_data()
        assert (await call.end())[-1] == {"type": "websocket.close", "code": 1000, "reason": ""}
        await voice.close()


async def test_a_full_relay_says_so():
    async with ScriptedServer() as upstream:
        voice = app_to(upstream, limits={"connections": 0})
        start, body = await Call(voice, extensions={"websocket.http.response": {}}).end()
        assert (start["status"], body["body"]) == (503, b"this relay is full: try again later\n")
        call = Call(voice, "http", "/healthz")
        call.say("http.request")
        assert (await call.end())[0]["status"] == 503
        await voice.close()


@pytest.mark.parametrize("error", [OSError("gone"), RuntimeError("after websocket.close")])
async def test_a_client_that_has_gone_ends_its_session(error):
    async with ScriptedServer() as upstream:
        voice = app_to(upstream)
        call = Call(voice)
        await call.until("websocket.send")
        call.broken = error
        await upstream.peer.say({"type": "response.output_text.delta", "delta": "x"})
        await call.end()
        await asyncio.sleep(0)
        assert voice.relay.sessions == 0
        await voice.close()


async def test_an_application_that_fails_ends_its_session(caplog):
    async with ScriptedServer() as upstream:
        voice = app_to(upstream)
        call = Call(voice)
        await call.until("websocket.send")
        call.say("websocket.receive")
        await call.end()
        assert "asgi.failed" in caplog.text
        await voice.close()


async def test_a_relay_that_is_dropped_is_closed_with_1011():
    async with ScriptedServer() as upstream:
        voice = app_to(upstream)
        call = Call(voice)
        await call.until("websocket.send")
        voice.relay._sessions.abort()
        assert (await call.end())[-1] == {"type": "websocket.close", "code": 1011, "reason": ""}
        call = Call(voice)
        await call.until("websocket.send")
        await voice.close()
        assert (await call.end())[-1]["code"] == 1012


class Listener(asyncio.Protocol):
    """Records what a transport says."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def pause_writing(self) -> None:
        self.said.append("pause")

    def resume_writing(self) -> None:
        self.said.append("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.said.append("lost")


async def test_a_client_that_does_not_read_stops_the_relay_and_loses_nothing():
    side = Listener()
    transport = MemoryTransport(side, ("127.0.0.1", 1))
    transport.set_write_buffer_limits()
    transport.set_write_buffer_limits(10)
    for _ in range(3):
        transport.write(b"12345678")
    assert side.said == ["pause"]
    assert await transport.read() == b"12345678" * 3
    transport.write_eof()
    transport.write(b"after the end")
    assert await transport.read() == b""
    assert side.said == ["pause", "resume"]
    assert not transport.is_closing()
    transport.abort()
    transport.abort()
    transport.feed(b"late")
    await asyncio.sleep(0)
    assert transport.is_closing() and side.said == ["pause", "resume", "lost"]
