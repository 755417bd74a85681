"""Health, readiness, metrics and logs of a relay."""

from __future__ import annotations

import asyncio
import json
import logging
import socket

from realtime.protocol.redact import Secret
from tests.relay_spy import INSTRUCTIONS, KEY, exchange, join, receive, spied, upgrade
from tests.waiting import until
from tests.wire_server import session_object


async def test_without_prometheus_client_the_metrics_say_what_to_install(monkeypatch):
    monkeypatch.setattr("realtime.relay.metrics.prometheus", None)
    async with spied() as (relay, _), join(relay) as client:
        await receive(client, "session.created")
        answer = await exchange(relay, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 501 ") and b"pip install 'wavtools[relay]'" in answer


async def test_a_connection_without_an_address_is_counted_as_one(caplog):
    """A socket pair has none, and neither has a peer that left before it was accepted."""

    def refused() -> list[dict]:
        return [record.fields for record in caplog.records if record.getMessage() == "connection.refused"]

    caplog.set_level(logging.INFO, "realtime.relay")
    ours, theirs = socket.socketpair()
    async with spied() as (relay, _):
        await asyncio.get_running_loop().connect_accepted_socket(relay._handshakes.new_connection, ours)
        reader, writer = await asyncio.open_connection(sock=theirs)
        writer.write(upgrade("/nothing"))
        assert b" 404 " in await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await until(refused)
    assert refused()[0]["address"] == "0.0.0.0"


async def test_health_readiness_and_metrics_answer_on_the_same_port():
    async with spied(limits={"sessions": 1}) as (relay, _):
        assert (await exchange(relay, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(
            b"HTTP/1.1 200 "
        )
        assert b"ready" in await exchange(relay, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        async with join(relay) as socket:
            await receive(socket, "session.created")
            await socket.send('{"type":"nonsense"}')
            await receive(socket, "error")
            assert b" 503 " in await exchange(relay, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
            await exchange(relay, upgrade("/v1/realtime", "evil.example"))
            text = (await exchange(relay, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")).decode()
        assert "relay_sessions 1.0" in text
        assert 'relay_refused_total{reason="host"} 1.0' in text
        assert 'relay_refused_events_total{code="invalid_value"} 1.0' in text
        assert 'relay_messages_total{direction="down"} 1.0' in text


async def test_logs_contain_sessions_but_no_words(caplog):
    caplog.set_level(logging.DEBUG)
    auth = {"tokens": (Secret("token-canary-123456"),)}
    path = "/v1/realtime?token=token-canary-123456"
    async with (
        spied(auth=auth, session={"instructions": INSTRUCTIONS}) as (relay, upstream),
        join(relay, path) as socket,
    ):
        peer = await upstream.wait_for_peers(1)
        update = await peer.expect("session.update")
        await peer.say({"type": "session.updated", "session": session_object(**update["session"])})
        await receive(socket, "session.created")
        await socket.send(
            json.dumps({"type": "conversation.item.create", "item": {"type": "message", "role": "user"}})
        )
        await socket.send('{"type":"evil-canary"}')
        await receive(socket, "error")
    mine = [record for record in caplog.records if record.name.startswith("realtime")]
    text = "".join(f"{record.getMessage()} {getattr(record, 'fields', '')}" for record in mine)
    assert "session.opened" in text and "session.closed" in text
    for secret in (KEY, "token-canary", "concierge", "BLUEBIRD", "evil-canary"):
        assert secret not in text
