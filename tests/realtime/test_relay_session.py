"""One session through the relay: what passes untouched, what is hidden, how it ends."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
import time

import pytest
from websockets.exceptions import ConnectionClosed

from realtime.protocol.redact import Secret
from realtime.relay.policy import ToolPolicy
from tests.relay_spy import KEY, Wiretap, closed, exchange, join, receive, relay_to, spied, upgrade
from tests.wire_server import created, session_object

INSTRUCTIONS = (
    "You are the concierge of the Grand Hotel.\nNever mention the secret discount code BLUEBIRD-42."
)
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


# --- the pipe


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


async def test_what_a_client_says_before_upstream_is_there_waits_and_arrives():
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


# --- what the relay puts in, and takes out


async def test_injected_instructions_and_tools_never_show():
    sections = {"session": {"instructions": INSTRUCTIONS, "tools": (SECRET_TOOL,)}}
    async with spied(echoing, **sections) as (relay, upstream), join(relay) as socket:
        first = await receive(socket)
        assert first["type"] == "session.created", "not even the order of events shows it"
        assert first["session"]["instructions"] == "" and first["session"]["tools"] == []
        assert upstream.peer.received[0]["session"]["instructions"] == INSTRUCTIONS
        assert upstream.peer.received[0]["session"]["tools"] == [SECRET_TOOL]
        voice = {"audio": {"output": {"voice": "cedar"}}}
        await socket.send(json.dumps({"type": "session.update", "session": {"type": "realtime", **voice}}))
        text = await asyncio.wait_for(socket.recv(), 5)
        assert json.loads(text)["type"] == "session.updated"
        assert "concierge" not in text and "book_room" not in text


async def test_a_client_that_sends_its_whole_session_does_not_wipe_the_instructions():
    """The original's client always sends instructions "" and tools []: taken out, the rest goes through."""
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


async def test_tools_of_a_client_that_may_have_some_stand_beside_the_relays():
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


async def test_errors_of_the_server_lose_the_key_and_the_instructions():
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


async def test_the_beta_dialect_is_asked_for_by_the_relay_itself():
    async with spied(session={"fields": {"audio": {"output": {"voice": "ash"}}}}) as (relay, upstream):
        async with join(relay, subprotocols=["realtime", "openai-beta.realtime-v1"]) as socket:
            peer = await upstream.wait_for_peers(1)
            assert peer.socket.request.headers["OpenAI-Beta"] == "realtime=v1"
            assert "openai-beta" not in str(peer.socket.request.headers.get("Sec-WebSocket-Protocol"))
            update = await peer.expect("session.update")
            assert update["session"]["audio"]["output"]["voice"] == "ash"
            await peer.say({"type": "session.updated", "session": session_object()})
            await receive(socket, "session.created")
        assert socket.subprotocol == "realtime"


# --- closing


@pytest.mark.parametrize(
    ("upstream_code", "client_code"),
    [(1000, 1000), (1001, 1001), (1011, 1011), (3000, 3000), (4000, 4000), (4999, 4999)],
)
async def test_close_codes_and_reasons_of_upstream_reach_the_client(upstream_code, client_code):
    async with spied() as (relay, upstream), join(relay) as socket:
        await receive(socket, "session.created")
        await upstream.peer.close(upstream_code, "invalid_request_error.why")
        assert await closed(socket) == (client_code, "invalid_request_error.why")


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4321])
async def test_close_codes_and_reasons_of_the_client_reach_upstream(code):
    async with spied() as (relay, upstream):
        async with join(relay) as socket:
            await receive(socket, "session.created")
            await socket.close(code, "bye")
        await upstream.peer.socket.wait_closed()
        assert (upstream.peer.socket.close_code, upstream.peer.socket.close_reason) == (code, "bye")


async def test_a_client_that_vanishes_is_gone_upstream_too():
    async with spied() as (relay, upstream):
        socket = await join(relay)
        await receive(socket, "session.created")
        socket.transport.abort()
        await upstream.peer.socket.wait_closed()
        assert upstream.peer.socket.close_code == 1001
        await asyncio.sleep(0.05)
        assert relay.sessions == 0


async def test_an_upstream_that_vanishes_is_worth_another_try():
    """1013: our client, and the openai SDK's, connect again."""
    async with spied() as (relay, upstream), join(relay) as socket:
        await receive(socket, "session.created")
        upstream.peer.drop()
        assert (await closed(socket))[0] == 1013


async def test_an_upstream_that_refuses_the_key_is_told_as_the_vendor_tells_it():
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
async def test_an_upstream_that_answers_with_an_http_status_names_nothing_of_it(status, code, caplog):
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


async def test_an_upstream_that_says_nothing_is_given_up():
    patience = {"connect_seconds": 0.3}
    async with Wiretap() as silent, relay_to(silent.url, upstream=patience) as relay, join(relay) as socket:
        assert (await receive(socket))["error"]["code"] == "upstream_unavailable"
        assert (await closed(socket))[0] == 1013


async def test_an_upstream_that_hangs_up_before_it_answers_is_worth_another_try():
    async def reset(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        # Closed with this option, a connection is reset: no end of data comes before its loss.
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.transport.abort()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"
    async with relay_to(url) as relay, join(relay) as client:
        assert (await receive(client))["error"]["code"] == "upstream_unavailable"
        assert (await closed(client))[0] == 1013
    server.close()
    await server.wait_closed()


async def test_the_key_goes_to_no_other_machine_in_the_clear(caplog):
    caplog.set_level(logging.INFO, "realtime.relay")
    async with relay_to("ws://192.0.2.1:1/v1/realtime") as relay, join(relay) as client:
        assert (await receive(client))["error"]["code"] == "upstream_unavailable"
        assert (await closed(client))[0] == 1011, "not worth another try"
    fields = [record.fields for record in caplog.records if record.getMessage() == "upstream.failed"]
    assert "refusing to send an API key over plain ws://" in fields[0]["reason"] and KEY not in str(fields)


async def test_an_upstream_that_does_not_answer_the_settings_is_given_up(caplog):
    caplog.set_level(logging.INFO, "realtime.relay")
    sections = {"upstream": {"connect_seconds": 0.3}, "session": {"instructions": INSTRUCTIONS}}
    async with spied(**sections) as (relay, _), join(relay) as client:
        assert (await receive(client))["error"]["code"] == "upstream_unavailable"
        assert (await closed(client))[0] == 1013
    fields = [record.fields for record in caplog.records if record.getMessage() == "upstream.failed"]
    assert fields[0]["reason"].endswith("did not answer the session's configuration within 0.3 s")


async def test_what_comes_before_the_settings_are_answered_comes_behind_session_created():
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
        assert numbers == list(range(16)), "and no more than that are kept"


@pytest.mark.parametrize("answers", ["before it reads", "when it has read"])
async def test_settings_that_upstream_takes_slowly_stop_the_client_meanwhile(answers):
    may_read = asyncio.Event()
    cancelled = asyncio.Event()

    async def script(peer):
        peer.socket.transport.pause_reading()
        await peer.say(created())
        if answers == "before it reads":
            await asyncio.sleep(0.2)
            await peer.say({"type": "session.updated", "session": session_object()})
        await may_read.wait()
        peer.socket.transport.resume_reading()
        listening = asyncio.ensure_future(peer.listen())
        await peer.expect("session.update")
        if answers == "when it has read":
            await peer.say({"type": "session.updated", "session": session_object()})
        await peer.expect("response.cancel")
        cancelled.set()
        await listening

    # More than the system's buffers and the relay's own take.
    sections = {"session": {"instructions": "x" * 20_000_000}, "limits": {"ping_seconds": 0.5}}
    async with spied(script, **sections) as (relay, _), join(relay) as client:
        await client.send('{"type":"response.cancel"}')
        if answers == "before it reads":
            await receive(client, "session.created")
        await asyncio.sleep(1.2)  # a tick: it has not stalled for long enough yet to be closed
        try:
            (pipe,) = relay._sessions
            assert not pipe.client.is_reading and pipe._stalled
        finally:
            may_read.set()
        await asyncio.wait_for(cancelled.wait(), 5)
        assert not pipe._stalled


# --- limits of time and speed


async def test_a_session_ends_after_its_minutes_as_the_vendors_do():
    async with spied(limits={"session_minutes": 0.01}) as (relay, _), join(relay) as socket:
        assert (await receive(socket, "error"))["error"]["code"] == "session_expired"
        code, reason = await closed(socket)
        assert code == 1001 and "maximum duration" in reason


async def test_an_idle_session_ends_and_is_not_worth_another_try():
    async with spied(limits={"idle_seconds": 0.1}) as (relay, _), join(relay) as socket:
        assert (await closed(socket))[0] == 3008
        assert relay.totals.closed["idle"] == 1


@pytest.mark.parametrize("side", ["client", "upstream"])
async def test_a_half_open_peer_is_found_by_its_silence(side):
    """Its system acknowledges, it says nothing: what is left of a machine that lost its network."""
    async with spied(limits={"ping_seconds": 0.3}) as (relay, upstream):
        socket = await join(relay)
        await receive(socket, "session.created")
        silent = socket if side == "client" else upstream.peer.socket
        silent.transport.pause_reading()
        for _ in range(60):
            if relay.totals.closed:
                break
            await asyncio.sleep(0.1)
        assert relay.totals.closed == {f"{side}_silent": 1}
        silent.transport.abort()
        await socket.close()


async def test_a_client_that_does_not_read_stops_upstream_and_is_closed():
    """The relay holds no more than its write buffer: upstream's sending stands still."""
    sent = 0

    async def script(peer):
        nonlocal sent
        await peer.say(created())
        chunk = json.dumps({"type": "response.output_audio.delta", "delta": "A" * 65_536})
        while True:
            await peer.say_raw(chunk)
            sent += len(chunk)

    async with spied(script, limits={"stall_seconds": 0.5}) as (relay, _):
        socket = await join(relay, max_queue=1)
        await receive(socket, "session.created")
        socket.transport.pause_reading()
        for _ in range(60):
            if relay.totals.closed:
                break
            await asyncio.sleep(0.1)
        assert relay.totals.closed == {"client_stalled": 1}
        assert relay.totals.bytes_down - 12_000_000 < 12_000_000, "what the kernel's buffers take, and 0.3 MB"
        assert sent < 40_000_000
        socket.transport.abort()


# --- draining


async def test_draining_waits_for_the_turn_and_takes_nobody_new():
    async with spied() as (relay, upstream):
        socket = await join(relay)
        await receive(socket, "session.created")
        await socket.send('{"type":"response.create"}')
        peer = upstream.peer
        await peer.expect("response.create")
        await peer.say({"type": "response.created", "response": {"id": "r"}})
        await receive(socket, "response.created")
        draining = asyncio.ensure_future(relay.drain())
        await asyncio.sleep(0.05)
        assert b" 503 " in await exchange(relay, upgrade())
        assert b" 503 " in await exchange(relay, upgrade("/readyz"))
        assert b" 200 " in await exchange(relay, upgrade("/healthz"))
        await asyncio.sleep(1.3)
        assert not draining.done()
        await peer.say({"type": "response.done", "response": {"id": "r", "output": []}})
        assert (await receive(socket))["type"] == "response.done"
        assert (await closed(socket))[0] == 1012
        await asyncio.wait_for(draining, 5)


async def test_draining_gives_up_on_a_turn_that_never_ends():
    async with spied(operation={"drain_seconds": 0.2}) as (relay, upstream), join(relay) as socket:
        await receive(socket, "session.created")
        await upstream.peer.say({"type": "response.created", "response": {"id": "r"}})
        await receive(socket, "response.created")
        await relay.drain()
        await relay.close()
        assert (await closed(socket))[0] == 1012


async def test_a_session_let_in_while_draining_began_is_drained_too():
    LATE.clear()
    async with spied(auth={"callable": f"{__name__}:late"}) as (relay, _):
        joining = asyncio.ensure_future(join(relay).__aenter__())
        await asyncio.wait_for(LATE["asked"].wait(), 5)
        draining = asyncio.ensure_future(relay.drain())
        await asyncio.sleep(0.05)
        LATE["may answer"].set()
        client = await joining
        assert (await closed(client))[0] == 1012
        await asyncio.wait_for(draining, 5)


class Late(dict):
    """Events by name, of the loop that asks for them."""

    def __missing__(self, name):
        self[name] = asyncio.Event()
        return self[name]


LATE = Late()


async def late(login):
    """An authenticator that takes its time."""
    LATE["asked"].set()
    await LATE["may answer"].wait()
    return "somebody"


async def test_closing_waits_three_seconds_for_clients_and_cuts_them(monkeypatch):
    monkeypatch.setattr("realtime.relay.socket.CLOSE_TIMEOUT_SECONDS", 30.0)
    async with spied() as (relay, upstream):
        client = await join(relay)
        await receive(client, "session.created")
        client.transport.pause_reading()  # it answers no close
        upstream.peer.socket.transport.pause_reading()
        before = time.monotonic()
        await relay.close()
        assert 2 < time.monotonic() - before < 4
        await asyncio.sleep(0.05)
        assert relay.sessions == 0
        client.transport.abort()
        upstream.peer.drop()


# --- health and metrics


async def test_without_prometheus_client_the_metrics_say_what_to_install(monkeypatch):
    monkeypatch.setattr("realtime.relay.metrics.prometheus", None)
    async with spied() as (relay, _), join(relay) as client:
        await receive(client, "session.created")
        answer = await exchange(relay, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 501 ") and b"pip install 'wavtools[relay]'" in answer


async def test_a_connection_without_an_address_is_counted_as_one(caplog):
    """A socket pair has none, and neither has a peer that was gone before it was accepted."""
    caplog.set_level(logging.INFO, "realtime.relay")
    ours, theirs = socket.socketpair()
    async with spied() as (relay, _):
        await asyncio.get_running_loop().connect_accepted_socket(relay._handshakes.new_connection, ours)
        reader, writer = await asyncio.open_connection(sock=theirs)
        writer.write(upgrade("/nothing"))
        assert b" 404 " in await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await asyncio.sleep(0.01)
    refused = [record.fields for record in caplog.records if record.getMessage() == "connection.refused"]
    assert refused[0]["address"] == "0.0.0.0"


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


async def test_logs_name_sessions_and_no_words(caplog):
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


# --- server-side tools

calls = []


async def look_up(name: str) -> dict:
    """Handler of the tools below."""
    calls.append(name)
    return {"room": 12}


async def test_a_server_side_tool_runs_in_the_relay_and_leaves_no_trace():
    tool = ToolPolicy({"type": "function", "name": "look_up", "parameters": {}}, f"{__name__}:look_up")
    calls.clear()

    async def script(peer):
        await peer.say(created())
        listening = asyncio.ensure_future(peer.listen())
        update = await peer.expect("session.update")
        await peer.say({"type": "session.updated", "session": session_object(**update["session"])})
        await peer.expect("response.create")
        call = {
            "id": "item_c",
            "type": "function_call",
            "name": "look_up",
            "call_id": "call_1",
            "arguments": "",
        }
        done = {**call, "status": "completed", "arguments": '{"name":"Ada"}'}
        await peer.say(
            {"type": "response.created", "response": {"id": "r1"}},
            {"type": "response.output_item.added", "response_id": "r1", "item": call},
            {"type": "conversation.item.added", "item": call, "previous_item_id": "item_u"},
            {"type": "response.function_call_arguments.delta", "item_id": "item_c", "delta": "{"},
            {"type": "response.function_call_arguments.done", "item_id": "item_c", "arguments": "{}"},
            {"type": "conversation.item.done", "item": done, "previous_item_id": "item_u"},
            {"type": "response.output_item.done", "response_id": "r1", "item": done},
        )
        output = await peer.expect("conversation.item.create")
        assert output["item"] == {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": '{"room":12}',
        }
        assert peer.types().count("response.create") == 1, "not before the response is over"
        echoed = {"id": "item_o", **output["item"]}
        await peer.say(
            {"type": "conversation.item.added", "item": echoed, "previous_item_id": "item_c"},
            {"type": "conversation.item.done", "item": echoed, "previous_item_id": "item_c"},
            {"type": "response.done", "response": {"id": "r1", "output": [done]}},
        )
        await peer.expect("response.create")
        answer = {"id": "item_a", "type": "message", "role": "assistant", "content": []}
        await peer.say(
            {"type": "response.created", "response": {"id": "r2"}},
            {"type": "conversation.item.added", "item": answer, "previous_item_id": "item_o"},
            {"type": "response.done", "response": {"id": "r2", "output": [answer]}},
        )
        await listening

    async with spied(script, tools=[tool]) as (relay, _), join(relay) as socket:
        await receive(socket, "session.created")
        await socket.send('{"type":"response.create"}')
        texts = []
        while not texts or '"r2"' not in texts[-1] or "response.done" not in texts[-1]:
            texts.append(await asyncio.wait_for(socket.recv(), 5))
        said = "".join(texts)
        assert (
            "look_up" not in said and "item_c" not in said and "item_o" not in said and "call_1" not in said
        )
        events = [json.loads(text) for text in texts]
        assert [event["type"] for event in events] == [
            "response.created",
            "response.done",
            "response.created",
            "conversation.item.added",
            "response.done",
        ]
        assert events[1]["response"]["output"] == []
        assert events[3]["previous_item_id"] == "item_u"
        assert calls == ["Ada"]
        assert relay.totals.tool_calls == {"answered": 1}
