"""Link: limits that pass are waited for, errors that cannot get better end it, refused renewals are told in time."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from realtime import RealtimeClient
from realtime.client.session import Session
from tests import wire_turns as turns
from tests.canary import KEY
from tests.client_bench import QUICK, Bench, make
from tests.waiting import Log, until
from tests.wire_server import Peer, ScriptedServer, created, session_object


def refusing_once(server: ScriptedServer, refuse) -> None:
    """The next connection is refused, later ones get a session."""

    async def script(peer: Peer) -> None:
        server.script = None
        await refuse(peer)

    server.script = script


# Limits


@pytest.mark.parametrize(
    ("code", "text"), [(1008, "slots in use"), (1008, "Session limit reached"), (1013, "")]
)
async def test_a_single_slot_server_is_waited_for_while_reconnecting(code, text):
    async with ScriptedServer() as server, make(server) as client:

        async def full(peer: Peer) -> None:
            await peer.say({"type": "error", "error": {"type": "session_limit_reached", "message": text}})
            await peer.close(code, text)

        refusing_once(server, full)
        server.peer.drop()
        await server.wait_for_peers(3)
        await until(client.is_connected)
        assert client.stats.reconnections == 1


async def test_a_limit_told_in_an_error_alone_is_waited_for_while_reconnecting():
    async with ScriptedServer() as server, make(server) as client:

        async def full(peer: Peer) -> None:
            await peer.say({"type": "error", "error": {"type": "session_limit_reached"}})
            await peer.close(1008)

        refusing_once(server, full)
        await server.peer.close(1008, "all slots in use")
        await server.wait_for_peers(3)
        await until(client.is_connected)


# Errors that cannot get better


@pytest.mark.parametrize(
    "event",
    [
        turns.error("You exceeded your current quota", "insufficient_quota"),
        {
            "type": "error",
            "error": {"type": "insufficient_quota", "message": "You exceeded your current quota"},
        },
        turns.response_done(
            status="failed",
            details={
                "type": "failed",
                "error": {"code": "insufficient_quota", "message": "You exceeded your current quota"},
            },
        )[0],
    ],
)
async def test_an_error_that_cannot_get_better_ends_it_at_once_with_its_text(event):
    async with ScriptedServer() as server:
        client = make(server)
        log = Log(client, "close", "error", "response.failed")
        await client.connect()
        await server.peer.say(event)
        await server.peer.close(1011, "")
        close = await log.until("close")
        assert (close.code, close.reason, close.error) == (1011, "You exceeded your current quota", True)
        assert len(server.peers) == 1


async def test_a_close_whose_reason_names_such_an_error_ends_it_at_once():
    async with ScriptedServer() as server:
        client = make(server)
        log = Log(client, "close")
        await client.connect()
        await server.peer.close(1011, "invalid_request_error.insufficient_quota")
        close = await log.until("close")
        assert close.error and "insufficient_quota" in close.reason and len(server.peers) == 1


async def test_an_old_error_of_that_kind_does_not_end_a_later_session(monkeypatch):
    from realtime.client import reports

    monkeypatch.setattr(reports, "FINAL_SECONDS", -1.0)
    async with ScriptedServer() as server, make(server) as client:
        await server.peer.say(turns.error("no", "insufficient_quota"))
        await client.wait_for_next("server.error", timeout=5)
        server.peer.drop()
        await server.wait_for_peers(2)
        await until(client.is_connected)


async def test_a_refused_update_of_that_kind_does_not_end_the_session():
    bench = Bench()
    bench.client.update_session(input_audio_transcription="no-such-model")
    (update,) = await bench.sent()
    bench.say(turns.error("no such model", "model_not_found", update["event_id"]))
    assert bench.session.final_error() is None
    bench.say(turns.error("no such model", "model_not_found"))
    assert bench.session.final_error() == "no such model"


# Renewals


async def test_a_refused_renewal_is_told_while_there_is_time():
    async with ScriptedServer(expires_at=0) as server:
        server._session["expires_at"] = time.time() + 3.0
        client = make(server)
        log = Log(client, "error", "close")
        await client.connect()

        async def refuse(peer: Peer) -> None:
            await peer.say(turns.error("key expired", "invalid_api_key"))
            await peer.close(3000, "invalid_api_key")

        server.script = refuse
        error = await log.until("error")
        assert (error.source, error.code) == (
            "connection",
            "renewal_refused",
        ) and "key expired" in error.message
        assert client.is_connected() and not log.of("close")
        await until(lambda: len(server.peers) > 3)
        assert len(log.of("error")) == 1
        # A new key helps: the session is renewed after all.
        server._session["expires_at"] = time.time() + 3600
        server.script = None
        await until(lambda: client.stats.renewals == 1)
        await client.disconnect()


async def test_a_renewal_that_fails_thrice_is_told_and_once_is_not():
    async with ScriptedServer(expires_at=0) as server:
        server._session["expires_at"] = time.time() + 4.0
        client = make(server)
        log = Log(client, "error")
        await client.connect()
        server._session["expires_at"] = time.time() + 3600

        async def busy(peer: Peer) -> None:
            if len(server.peers) == 4:
                assert not log.of("error")
            await peer.close(1013, "later")

        server.script = busy
        error = await log.until("error")
        assert error.code == "renewal_refused" and len(server.peers) == 4
        server.script = None
        await until(lambda: client.stats.renewals == 1)
        await client.disconnect()


async def test_a_hook_that_raises_when_a_renewal_is_refused_ends_nothing(monkeypatch):
    monkeypatch.setattr(Session, "renewal_refused", lambda *arguments: 1 / 0)
    async with ScriptedServer(expires_at=0) as server:
        server._session["expires_at"] = time.time() + 3.0
        client = make(server)
        log = Log(client, "error")
        await client.connect()
        server._session["expires_at"] = time.time() + 3600

        async def refuse(peer: Peer) -> None:
            await peer.close(3000, "no")

        server.script = refuse
        assert "ZeroDivisionError" in (await log.until("error")).message
        server.script = None
        await until(lambda: client.stats.renewals == 1)
        await client.disconnect()


# Calls


async def test_a_sideband_connection_joins_the_call_and_replays_nothing():
    async with ScriptedServer() as server:
        client = RealtimeClient(api_key=KEY, url=f"{server.url}/v1", call_id="rtc_1", link=QUICK)
        client.add_tool({"name": "look"}, lambda: "seen")
        async with client:
            peer = server.peer
            assert peer.socket.request.path == "/v1/realtime?call_id=rtc_1"
            update = await peer.expect("session.update")
            assert update["session"] == {"type": "realtime", "tools": [{"type": "function", "name": "look"}]}
            await peer.say(*turns.user_text("hello"), *turns.function_call("look", "{}"))
            output = await peer.expect("conversation.item.create")
            assert output["item"]["output"] == "seen"
            await peer.say(*turns.echo(output))
            await peer.expect("response.create")
            await peer.say(*turns.text_answer("done"))
            await client.wait_for_next("server.rate_limits.updated", timeout=5)
            peer.drop()
            second = await server.wait_for_peers(2)
            await until(client.is_connected)
            client.send("conversation.item.retrieve", item_id="x")
            await second.expect("conversation.item.retrieve")
            assert second.types() == ["conversation.item.retrieve"]
            assert len(client.conversation.get_items()) >= 3


async def test_a_sideband_connection_sends_no_audio_and_commits_when_told():
    async with (
        ScriptedServer() as server,
        RealtimeClient(api_key=KEY, url=server.url, call_id="rtc_1") as client,
    ):
        assert client.append_input_audio(np.zeros(4800, np.int16)) is False
        assert client.stats.input_samples_dropped == 4800
        client.commit_input_audio()
        await server.peer.expect("input_audio_buffer.commit")
        assert server.peer.types() == ["input_audio_buffer.commit"]


async def test_what_was_set_while_a_sideband_connection_was_lost_is_told():
    async with ScriptedServer() as server:
        client = RealtimeClient(api_key=KEY, url=server.url, call_id="rtc_1", link=QUICK)
        client.on("connection.changed", lambda event: event.state == "reconnecting" and change())

        def change() -> None:
            client.update_session(instructions="Be brief.")
            client.add_tool({"name": "look"}, lambda: "seen")

        async with client:
            server.peer.drop()
            second = await server.wait_for_peers(2)
            update = await second.expect("session.update")
            assert update["session"]["instructions"] == "Be brief." and update["session"]["tools"]


@pytest.mark.parametrize("how", ["normal close", "not found"])
async def test_a_sideband_connection_ends_with_the_call(how):
    async with ScriptedServer() as server:
        client = RealtimeClient(api_key=KEY, url=server.url, call_id="rtc_1", link=QUICK)
        log = Log(client, "close", "error")
        await client.connect()
        peer, port = server.peer, server.port
        if how == "normal close":
            await peer.close(1000, "call ended")
            close = await log.until("close")
        else:

            async def gone(reader, writer) -> None:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                writer.close()

            server._server.close(close_connections=False)
            async with await asyncio.start_server(gone, "127.0.0.1", port):
                peer.drop()
                close = await log.until("close")
        assert not close.error and not log.of("error") and client.state == "disconnected"


async def test_a_call_is_not_renewed():
    async with ScriptedServer(expires_at=time.time() + 1.0) as server:
        client = RealtimeClient(api_key=KEY, url=server.url, call_id="rtc_1", link=QUICK)
        await client.connect()
        assert client._link._renewer is None
        await client.disconnect()


# Formats


async def test_the_first_update_always_states_both_formats():
    pcm = {"type": "audio/pcm", "rate": 24_000}
    silent = {"type": "session.created", "session": {"type": "realtime", "audio": {}}}
    for session, expected in (
        ({}, {"input": {"format": pcm}, "output": {"format": pcm}}),
        (
            {"input_audio_format": "g711_ulaw", "voice": "ash"},
            {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": pcm, "voice": "ash"}},
        ),
    ):
        bench = Bench(**session)
        (update,) = bench.session.begin(silent, resumed=False)
        assert update["session"]["audio"] == expected


async def test_a_format_that_the_server_states_is_kept():
    wide = {"format": {"type": "audio/pcm", "rate": 16_000}}
    bench = Bench(instructions="x")
    (update,) = bench.session.begin(
        {
            "type": "session.created",
            "session": {"type": "realtime", "audio": {"input": wide, "output": wide}},
        },
        resumed=False,
    )
    assert update["session"]["audio"] == {"input": wide, "output": wide}
    assert (bench.client.input_sample_rate, bench.client.output_sample_rate) == (16_000, 16_000)


@pytest.mark.parametrize(
    "stated",
    [
        "opus",
        {"type": "audio/opus"},
        {"type": "audio/pcm", "rate": 5},
        {"type": "audio/pcmu", "rate": 16_000},
    ],
)
@pytest.mark.parametrize("side", ["input", "output"])
async def test_a_format_that_we_cannot_map_is_an_error_told_once(stated, side):
    bench = Bench()
    session = session_object()
    session["audio"][side]["format"] = stated
    for _ in range(2):
        bench.say({"type": "session.updated", "session": session})
    (error,) = bench.of("error")
    assert error.code == "unknown_audio_format" and f"{side} audio format" in error.message
    (update,) = bench.session.begin({"type": "session.created", "session": session}, resumed=False)
    assert update["session"]["audio"][side]["format"] == {"type": "audio/pcm", "rate": 24_000}


async def test_unknown_formats_are_told_only_so_often():
    bench = Bench()
    for number in range(50):
        session = session_object(audio={"input": {"format": {"type": f"audio/{number}"}}})
        bench.say({"type": "session.updated", "session": session})
    assert len(bench.of("error")) == 20


# Turn detection


async def test_a_null_turn_detection_that_is_not_echoed_is_warned_of(caplog):
    bench = Bench(turn_detection=None)
    benign: list = []
    bench.client.on("error.benign", benign.append)
    for entry in bench.prelude:
        bench.session.sent(bench.session.encode(entry)[1])
    bench.client.update_session(voice="ash")
    await bench.sent()
    bench.say({"type": "session.updated", "session": session_object()})
    # Another update is on its way: its answer counts.
    assert not benign
    for _ in range(2):
        bench.say({"type": "session.updated", "session": session_object()})
    (warning,) = benign
    assert warning.code == "turn_detection_not_null" and "server_vad" in warning.message
    assert any("turn_detection" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    "session",
    [
        {},
        {"audio": {"output": {}}},
        {"audio": {"input": {"turn_detection": None}}},
    ],
)
async def test_an_echo_that_does_not_contradict_is_not_warned_of(session):
    bench = Bench(turn_detection=None)
    benign: list = []
    bench.client.on("error.benign", benign.append)
    bench.say({"type": "session.updated", "session": session})
    assert not benign


async def test_a_format_that_the_server_states_otherwise_is_warned_of():
    bench = Bench(output_audio_format="g711_ulaw")
    benign: list = []
    bench.client.on("error.benign", benign.append)
    bench.say({"type": "session.updated", "session": session_object()})
    (warning,) = benign
    assert warning.code == "output_audio_format_differs" and "audio/pcmu" in warning.message
    session = session_object()
    session["audio"]["output"]["format"] = {"type": "audio/pcmu"}
    bench.say({"type": "session.updated", "session": session})
    assert len(benign) == 1 and not bench.of("error")


# Housekeeping


async def test_housekeeping_that_a_server_does_not_know_is_logged_once(caplog):
    caplog.set_level("INFO", "realtime")
    bench = Bench()
    benign: list = []
    bench.client.on("error.benign", benign.append)
    for event_id in ("event_TODO", None, "ours"):
        bench.client.clear_input_audio()
        (clear,) = await bench.sent()
        named = clear["event_id"] if event_id == "ours" else event_id
        bench.say(turns.error("input_audio_buffer.clear not implemented", "not_implemented", named))
    assert [event.caused_by for event in benign] == ["input_audio_buffer.clear"] * 3
    assert not bench.of("error")
    told = [
        record for record in caplog.records if "does not know input_audio_buffer.clear" in record.getMessage()
    ]
    assert len(told) == 1
    bench.client.clear_input_audio()
    await bench.sent()
    for other in ("response.create not implemented", "any-to-any models"):
        bench.say(turns.error(other, "not_implemented"))
    assert len(bench.of("error")) == 2


# Servers that answer a commit by themselves


def localai(**changes) -> dict:
    """LocalAI's first event, as its source has it."""
    session = {
        "type": "realtime",
        "id": "sess_1",
        "object": "realtime.session",
        "audio": {"input": {"turn_detection": {"type": "server_vad"}}, "output": {"voice": "x"}},
    }
    return {"type": "session.created", "event_id": "event_TODO", "session": session, **changes}


@pytest.mark.parametrize(
    "shows", [localai(), localai(event_id="x", previous_item_id="TODO"), localai(event_id=None)]
)
async def test_a_server_that_answers_a_commit_by_itself_is_not_asked_again(shows):
    bench = Bench(turn_detection=None)
    bench.session.begin(shows, resumed=False)
    if shows["event_id"] is None:
        bench.say({"type": "localai.soundEvents", "event_id": "x"})
    bench.client.append_input_audio(np.zeros(4800, np.int16))
    bench.client.create_response()
    sent = [event["type"] for event in await bench.sent()]
    assert sent == ["input_audio_buffer.append", "input_audio_buffer.commit"]
    # The next request waits for the answer to the commit, and is sent then.
    bench.client.create_response()
    assert await bench.sent() == []
    bench.say(*turns.text_answer("heard"))
    assert [event["type"] for event in await bench.sent()] == ["response.create"]


async def test_any_other_server_is_asked_after_a_commit():
    bench = Bench(turn_detection=None)
    bench.client.append_input_audio(np.zeros(4800, np.int16))
    bench.client.create_response()
    assert [event["type"] for event in await bench.sent()][-1] == "response.create"


async def test_a_first_event_names_localai_by_dialect():
    async with ScriptedServer() as server, make(server, dialect="localai") as client:
        assert client._session._writer.profile.commit_answers
    assert created()["event_id"] != "event_TODO"
