"""Opening a session: the upstream request, upstreams that fail or are slow, and the relay's own settings."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
import sys
from contextlib import asynccontextmanager

import pytest

from realtime.relay.policy import ToolPolicy
from tests.relay_spy import (
    INSTRUCTIONS,
    KEY,
    PATH,
    Wiretap,
    closed,
    exchange,
    join,
    receive,
    relay_to,
    spied,
    upgrade,
)
from tests.waiting import until
from tests.wire_server import created, session_object

# --- upstreams that fail


async def test_after_a_lost_upstream_the_client_may_try_again():
    """After close code 1013 our client and the openai SDK's connect again."""
    async with spied() as (relay, upstream), join(relay) as socket:
        await receive(socket, "session.created")
        upstream.peer.drop()
        assert (await closed(socket))[0] == 1013


async def test_a_refused_key_reaches_the_client_as_the_vendor_reports_it():
    async def script(peer):
        await peer.say(
            {"type": "error", "error": {"code": "invalid_api_key", "message": f"Incorrect key {KEY}"}}
        )
        await peer.close(3000, "invalid_request_error.invalid_api_key")

    for session in ({}, {"instructions": INSTRUCTIONS}):
        async with spied(script, session=session) as (relay, _), join(relay) as socket:
            text = await asyncio.wait_for(socket.recv(), 5)
            assert "invalid_api_key" in text and KEY not in text
            assert await closed(socket) == (3000, "invalid_request_error.invalid_api_key")


@pytest.mark.parametrize(("status", "code"), [(401, 1011), (429, 1013), (503, 1013), (404, 1011)])
async def test_an_http_error_of_upstream_stays_hidden_from_client_and_logs(status, code, caplog):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        body = f"your key is {KEY}".encode()
        writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    caplog.set_level(logging.DEBUG)
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"
    async with relay_to(url) as relay, join(relay) as socket:
        event = await receive(socket)
        assert event["error"]["code"] == "upstream_unavailable"
        assert (await closed(socket))[0] == code
    server.close()
    await server.wait_closed()
    assert KEY not in caplog.text


async def test_no_upstream_at_all():
    async with relay_to("ws://127.0.0.1:1/v1/realtime") as relay, join(relay) as socket:
        assert (await receive(socket))["error"]["code"] == "upstream_unavailable"
        assert (await closed(socket))[0] == 1013


async def test_an_upstream_that_answers_nothing_ends_the_session():
    patience = {"connect_seconds": 0.3}
    async with Wiretap() as silent, relay_to(silent.url, upstream=patience) as relay, join(relay) as socket:
        assert (await receive(socket))["error"]["code"] == "upstream_unavailable"
        assert (await closed(socket))[0] == 1013


@asynccontextmanager
async def hanging_up(answer: bytes, ending: str, awaited: bytes = b"\r\n\r\n"):
    """Port of a server that reads up to *awaited*, sends *answer*, and then ends or resets the connection."""

    async def serve(reader, writer):
        if awaited:
            await reader.readuntil(awaited)
        writer.write(answer)
        await writer.drain()
        if ending == "reset":
            # With this option, closing resets the connection: no end of data comes before its loss.
            linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def close_code_behind(url: str, caplog) -> tuple[int, str]:
    """Close code that a client of a relay to *url* gets, and the reason in the relay's log."""
    caplog.set_level(logging.INFO, "realtime.relay")
    async with relay_to(url) as relay, join(relay) as client:
        assert (await receive(client))["error"]["code"] == "upstream_unavailable"
        code = (await closed(client))[0]
    (reason,) = [
        record.fields["reason"] for record in caplog.records if record.getMessage() == "upstream.failed"
    ]
    return code, reason


HALVES = {
    "nothing": b"",
    "half a line": b"HTTP/1.1 10",
    "half a head": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n",
    "half a body": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 100\r\n\r\nbad",
}


@pytest.mark.parametrize("ending", ["end", "reset"])
@pytest.mark.parametrize("half", HALVES)
async def test_after_an_upstream_that_hangs_up_before_its_whole_answer_the_client_may_try_again(
    half, ending, caplog
):
    async with hanging_up(HALVES[half], ending) as port:
        code, reason = await close_code_behind(f"ws://127.0.0.1:{port}/v1/realtime", caplog)
    assert code == 1013 and "hung up" in reason


@pytest.mark.parametrize("ending", ["end", "reset"])
@pytest.mark.parametrize("awaited", [b"", b"\x16\x03"], ids=["at once", "after the client's hello"])
async def test_after_an_upstream_that_hangs_up_in_the_tls_handshake_the_client_may_try_again(
    awaited, ending, caplog
):
    async with hanging_up(b"", ending, awaited) as port:
        code, reason = await close_code_behind(f"wss://127.0.0.1:{port}/v1/realtime", caplog)
    assert code == 1013 and not reason.endswith(": "), "the log says why"


async def test_behind_a_server_that_speaks_no_http_the_client_need_not_try_again(caplog):
    async with hanging_up(b"SSH-2.0-OpenSSH_9.6\r\n", "end") as port:
        code, reason = await close_code_behind(f"ws://127.0.0.1:{port}/v1/realtime", caplog)
    assert code == 1011 and reason.endswith("answered not in HTTP")


async def test_the_key_goes_to_no_other_machine_unencrypted(caplog):
    caplog.set_level(logging.INFO, "realtime.relay")
    async with relay_to("ws://192.0.2.1:1/v1/realtime") as relay, join(relay) as client:
        assert (await receive(client))["error"]["code"] == "upstream_unavailable"
        assert (await closed(client))[0] == 1011, "the client need not try again"
    fields = [record.fields for record in caplog.records if record.getMessage() == "upstream.failed"]
    assert "refusing to send an API key over plain ws://" in fields[0]["reason"] and KEY not in str(fields)


async def test_an_upstream_that_does_not_answer_the_settings_ends_the_session(caplog):
    caplog.set_level(logging.INFO, "realtime.relay")
    sections = {"upstream": {"connect_seconds": 0.3}, "session": {"instructions": INSTRUCTIONS}}
    async with spied(**sections) as (relay, _), join(relay) as client:
        assert (await receive(client))["error"]["code"] == "upstream_unavailable"
        assert (await closed(client))[0] == 1013
    fields = [record.fields for record in caplog.records if record.getMessage() == "upstream.failed"]
    assert fields[0]["reason"].endswith("did not answer the session's configuration within 0.3 s")


def look_up() -> None:
    """Handler of the tool below; never called."""


async def test_events_before_the_settings_are_answered_follow_session_created():
    tool = ToolPolicy({"type": "function", "name": "look_up", "parameters": {}}, f"{__name__}:look_up")

    async def script(peer):
        hidden = {"id": "item_h", "type": "function_call", "name": "look_up", "call_id": "c"}
        await peer.say({"type": "conversation.item.added", "item": hidden}, created())
        await peer.say(*({"type": "rate_limits.updated", "number": number} for number in range(20)))
        listening = asyncio.ensure_future(peer.listen())
        update = await peer.expect("session.update")
        await peer.say({"type": "session.updated", "session": session_object(**update["session"])})
        await peer.say({"type": "response.done", "response": {}})
        await listening

    async with spied(script, tools=[tool]) as (relay, _), join(relay) as client:
        assert (await receive(client))["type"] == "session.created"
        numbers = []
        while (event := await receive(client))["type"] != "response.done":
            numbers.append(event["number"])
        assert numbers == list(range(16)), "no more are kept"


@pytest.mark.parametrize("answers", ["before it reads", "when it has read"])
async def test_while_upstream_reads_the_settings_slowly_the_client_waits(answers):
    stalled, may_read, cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def script(peer):
        peer.socket.transport.pause_reading()
        await peer.say(created())
        if answers == "before it reads":
            await stalled.wait()
            await peer.say({"type": "session.updated", "session": session_object()})
        await may_read.wait()
        peer.socket.transport.resume_reading()
        listening = asyncio.ensure_future(peer.listen())
        await peer.expect("session.update", 20)
        if answers == "when it has read":
            await peer.say({"type": "session.updated", "session": session_object()})
        await peer.expect("response.cancel")
        cancelled.set()
        await listening

    # More than the buffers of the system and of the relay hold
    sections = {
        "session": {"instructions": "x" * 20_000_000},
        "upstream": {"connect_seconds": 60.0},
        "limits": {"ping_seconds": 40.0, "stall_seconds": 50.0},
    }
    async with spied(script, **sections) as (relay, _), join(relay) as client:
        await client.send('{"type":"response.cancel"}')
        (pipe,) = relay._sessions
        await until(lambda: pipe._stalled, 20)
        stalled.set()
        if answers == "before it reads":
            await receive(client, "session.created", 20)
        # A ping is due, but neither the ping nor the stall ends the session yet.
        pipe.tick(asyncio.get_running_loop().time() + 45)
        try:
            assert relay.sessions == 1 and not pipe.client.is_reading and pipe._stalled
        finally:
            may_read.set()
        await asyncio.wait_for(cancelled.wait(), 20)
        assert not pipe._stalled


# --- the request


async def test_a_redirect_is_not_followed_and_the_key_stays():
    async with Wiretap() as elsewhere:
        seen = b""

        async def answer(reader, writer):
            nonlocal seen
            seen = await reader.readuntil(b"\r\n\r\n")
            writer.write(
                f"HTTP/1.1 302 Found\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with relay_to(f"ws://127.0.0.1:{port}/v1/realtime") as relay, join(relay) as socket:
            error = json.loads(await socket.recv())
            assert error["error"]["code"] == "upstream_unavailable"
            await socket.wait_closed()
            assert socket.close_code == 1011
        server.close()
        await server.wait_closed()
        assert b"Authorization: Bearer sk-" in seen
        assert elsewhere.connections == 0


async def test_nothing_of_the_clients_request_goes_upstream():
    request = b""

    async def answer(reader, writer):
        nonlocal request
        request = await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    headers = [
        "X-Evil: marker-header",
        "Cookie: marker-cookie",
        "User-Agent: marker-agent",
        "OpenAI-Organization: marker-org",
        "OpenAI-Beta: realtime=v1, marker-beta",
        "Sec-WebSocket-Protocol: realtime, openai-project.marker-project",
        "Sec-WebSocket-Extensions: permessage-deflate; marker",
        "X-Forwarded-For: 1.2.3.4",
    ]
    async with relay_to(f"ws://127.0.0.1:{port}/v1/realtime") as relay:
        await exchange(
            relay,
            upgrade(f"{PATH}?model=marker-model&x=marker-query&token=marker-token", "127.0.0.1", *headers),
        )
    server.close()
    await server.wait_closed()
    assert request.startswith(b"GET /v1/realtime?model=gpt-realtime-2.1 HTTP/1.1\r\n")
    assert b"marker" not in request and b"1.2.3.4" not in request and b"xtensions" not in request
