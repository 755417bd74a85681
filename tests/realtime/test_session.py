"""Session: errors and their causes, reports, what waits to be sent; no key anywhere."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import numpy as np
import pytest

from realtime import RealtimeClient
from realtime.protocol import codec
from realtime.protocol.localai import localai_session
from realtime.protocol.profiles import PROFILES
from tests import wire_turns as turns
from tests.canary import KEY
from tests.client_bench import Bench, connected
from tests.waiting import Log
from tests.wire_server import ScriptedServer, created

# Errors and reports


async def test_an_error_names_the_event_that_caused_it(client, server):
    peer = await connected(client, server)
    log = Log(client)
    event_id = client.send("session.update", {"session": {"nonsense": 1}})
    await peer.expect("session.update")
    await peer.say(turns.error("Unknown parameter", "unknown_parameter", event_id, param="session.nonsense"))
    error = await log.until("error")
    assert (error.caused_by, error.code, error.event_id, error.param) == (
        "session.update",
        "unknown_parameter",
        event_id,
        "session.nonsense",
    )


@pytest.mark.parametrize(
    ("cause", "code", "message", "benign"),
    [
        (
            "conversation.item.truncate",
            "invalid_value",
            "Audio content of 10ms is already shorter than 20ms",
            True,
        ),
        ("conversation.item.delete", "item_not_found", "no such item", True),
        ("conversation.item.truncate", "unknown_parameter", "x", False),
        ("conversation.item.truncate", "unsupported_content_type", "x", True),
        ("conversation.item.truncate", "invalid_type", "an integer is needed", False),
        ("conversation.item.delete", "server_error", "x", False),
        ("conversation.item.delete", "invalid_value", "x", False),
        ("conversation.item.retrieve", None, "x", False),
        ("response.cancel", "invalid_value", "x", False),
        ("response.cancel", "response_cancel_not_active", "x", True),
        ("session.update", "cannot_update_voice", "x", False),
        (None, "input_audio_buffer_commit_empty", "x", True),
        (None, "session_expired", "x", True),
        (None, None, "Audio content of 10ms is already shorter than 20ms", True),
        (None, "item_truncate_invalid_item_id", "x", True),
        (None, "server_error", "x", False),
    ],
)
async def test_races_are_told_apart_from_errors(cause, code, message, benign):
    bench = Bench()
    seen: list[str] = []
    bench.client.on("error.benign", lambda event: seen.append(event.message))
    event_id = None
    if cause is not None:
        fields = {"session": {}} if cause == "session.update" else {}
        event_id = bench.client.send(cause, fields)
        await bench.sent()
    bench.say(turns.error(message, code, event_id))
    assert (seen == [message]) == benign and bool(bench.of("error")) != benign
    if not benign:
        assert bench.of("error")[0].caused_by == cause and str(bench.of("error")[0]) == message


async def test_an_error_without_a_body_is_still_told():
    bench = Bench()
    bench.say({"type": "error", "error": "overloaded"}, {"type": "error"})
    assert [event.message for event in bench.of("error")] == ["overloaded", "None"]


async def test_a_refused_commit_gives_its_audio_to_the_next_turn():
    bench = Bench(turn_detection=None)
    bench.client.append_input_audio(turns.tone(4_800))
    bench.client.commit_input_audio()
    commit = (await bench.sent())[-1]
    bench.say(turns.error("x", "input_audio_buffer_commit_empty", commit["event_id"]))
    bench.client.append_input_audio(turns.tone(4_800, 4_800))
    bench.client.commit_input_audio()
    await bench.sent()
    bench.say(*turns.committed())
    np.testing.assert_array_equal(bench.client.conversation.get_items()[0].formatted.audio, turns.tone(9_600))


async def test_a_refused_item_is_not_sent_again():
    bench = Bench()
    bench.client.create_item({"type": "message", "role": "user", "content": []}, previous_item_id="root")
    (create,) = await bench.sent()
    assert create["previous_item_id"] == "root" and bench.session._unconfirmed
    bench.say(turns.error("bad", "invalid_value", create["event_id"]))
    assert not bench.session._unconfirmed


async def test_errors_nobody_listens_for_are_logged(caplog):
    bench = Bench()
    bench.client.off("error")
    bench.say(turns.error("trouble", "server_error"))
    assert "trouble" in caplog.text
    bench.client.on("error", lambda event: 1 / 0)
    bench.say(turns.error("more", "server_error"))  # told once, not for ever
    assert "ZeroDivisionError" in caplog.text


async def test_a_failed_transcription_is_an_error_and_its_usage_an_event():
    bench = Bench()
    failed = {
        "type": "conversation.item.input_audio_transcription.failed",
        "item_id": "item_user",
        "content_index": 0,
    }
    bench.say(*turns.committed(), {**failed, "error": {"code": "audio_unintelligible", "message": "what?"}})
    assert bench.of("error")[0].code == "audio_unintelligible"
    assert bench.client.conversation.get_items()[0].content[0]["transcription_error"]["message"] == "what?"
    bench.say({**failed, "error": None}, *turns.transcription("ok"))
    assert [event.source for event in bench.of("usage")] == ["transcription"]


async def test_reports_of_any_shape_break_nothing():
    bench = Bench()
    limits: list[object] = []
    bench.client.on("rate_limits", lambda event: limits.append(event.rate_limits))
    bench.say(
        {"type": "rate_limits.updated", "rate_limits": 5},
        {"type": "rate_limits.updated", "rate_limits": [5, {"name": "tokens", "remaining": 1}, {"name": 3}]},
        {"type": "conversation.item.input_audio_transcription.completed", "item_id": "i", "transcript": "x"},
        {"type": "response.created", "response": 5},
        {"type": "response.created", "response": {"id": 5}},
        {"type": "response.done", "response": {"id": 5, "status": "failed", "usage": 3}},
        {
            "type": "response.done",
            "response": {"id": "r", "status": "failed", "status_details": {"error": 3}},
        },
        {"type": "response.done", "response": {"status": "cancelled"}},
    )
    assert list(limits[-1]) == ["tokens"] and bench.client.rate_limits["tokens"].remaining == 1
    assert [event.message for event in bench.of("response.failed")] == ["the server gave no reason"] * 2
    assert not bench.of("usage")


@pytest.mark.parametrize("audio", ["broken", ["x"], 5, {"input": "broken"}, {"input": {"format": 5}}])
async def test_a_refused_update_of_a_session_of_any_shape_breaks_nothing(audio):
    bench = Bench()
    bench.say({"type": "session.updated", "session": {"type": "realtime", "audio": audio}})
    bench.client.update_session(input_audio_format="g711_ulaw")
    (update,) = await bench.sent()
    bench.say(turns.error("no", "invalid_value", update["event_id"]))
    assert [(event.message, event.caused_by) for event in bench.of("error")] == [("no", "session.update")]


@pytest.mark.parametrize("call", [{}, {"call_id": ["x"]}])
async def test_an_output_without_a_usable_call_id_is_confirmed_and_refused_like_any_item(call):
    bench = Bench()
    for answer in (turns.echo, lambda create: [turns.error("bad", "invalid_value", create["event_id"])]):
        bench.client.create_item({"type": "function_call_output", "output": "x", **call})
        (create,) = await bench.sent()
        bench.say(*answer(create))
        assert not bench.session._unconfirmed


@pytest.mark.parametrize("fast", [True, False])
async def test_counts_and_messages_of_any_shape_break_nothing(monkeypatch, fast):
    """The standard library's decoder lets through numbers that the fast one refuses."""
    if not fast:
        monkeypatch.setattr(codec, "orjson", None)
    bench = Bench()
    nested: dict = {}
    for _ in range(200):
        nested = {"deep": nested, "tokens": 1}
    for usage in ({"total_tokens": float("inf")}, {"total_tokens": 10**400}, nested):
        bench.say(*turns.response_created())
        done = turns.response_done()[0]
        done["response"]["usage"] = usage
        bench.say(done)
    bench.say({"type": "error", "error": ["x"]}, {"type": "error", "error": {"message": ["x"]}})
    messages = [event.message for event in bench.of("error") if event.source == "server"]
    assert messages == ["the server gave no reason"] * 2
    assert bench.client.usage["deep.deep.tokens"] == 1


# Sending


async def test_audio_in_a_message_is_kept_with_the_item():
    bench = Bench()
    item_id = bench.client.send_user_message_content(
        [{"type": "input_audio", "audio": turns.tone(2_400)}, {"type": "input_audio", "audio": "AAAA"}]
    )
    create = (await bench.sent())[0]
    assert create["item"]["content"][0]["audio"] == turns.b64(turns.tone(2_400))
    bench.say(*turns.echo(create))
    item = bench.client.conversation.get_item(item_id)
    np.testing.assert_array_equal(item.formatted.audio, turns.tone(2_400))
    assert "audio" not in item.content[0]
    assert bench.client.send_user_message_content([]) is None
    assert [event["type"] for event in await bench.sent()] == []  # a request waits already


async def test_send_takes_any_event_and_refuses_what_json_cannot_hold():
    bench = Bench()
    bench.client.send("conversation.item.create", {"item": {"type": "message"}})
    bench.client.send("response.create")
    bench.client.send("conversation.item.retrieve", item_id="x")
    bench.client.clear_input_audio()
    create, retrieve, clear = [event for event in await bench.sent() if event["type"] != "response.create"]
    assert create["item"]["id"] and retrieve["item_id"] == "x" and clear["type"] == "input_audio_buffer.clear"
    with pytest.raises(TypeError):
        bench.client.send("x", {"y": object()})
    with pytest.raises(TypeError, match="session.update needs session="):
        bench.client.send("session.update", session=5)
    assert await bench.sent() == []


async def test_what_could_not_leave_waits_for_the_next_connection():
    bench = Bench()
    bench.client.send_user_message_content("hello")
    bench.client.append_input_audio(turns.tone(480))
    create, response, audio = [await bench.outbox.take() for _ in range(3)]
    for entry in (audio, response, create):
        bench.session.encode(entry)
        bench.session.put_back(entry)
    assert [event["type"] for event in await bench.sent()] == ["conversation.item.create", "response.create"]


async def test_the_last_turn_is_awaited_only_where_words_are_to_come():
    bench = Bench()
    session = {
        "type": "realtime",
        "audio": {"input": {"transcription": {"model": "x"}, "turn_detection": None}},
    }
    bench.say({"type": "session.updated", "session": session})
    assert bench.session.at_boundary(forced=False)
    bench.say(*turns.user_text("typed"), *turns.text_answer("fine"))
    assert bench.session.at_boundary(forced=False)
    bench.say({"type": "conversation.item.added", "item": {"id": "e", "type": "message", "role": "user"}})
    assert bench.session.at_boundary(forced=False)
    bench.say(*turns.committed("spoken"))
    assert not bench.session.at_boundary(forced=False) and bench.session.at_boundary(forced=True)


# The key


async def test_no_key_in_logs_events_exceptions_or_reprs_at_debug(caplog, capsys, monkeypatch):
    """The server echoes the key in every place it can, at DEBUG, through a reconnection, to the end."""
    caplog.set_level(logging.DEBUG)
    other_side = logging.getLogger("websockets.server")
    monkeypatch.setattr(other_side, "disabled", True)
    seen: list[object] = []

    async def echo(peer) -> None:
        header = peer.socket.request.headers["Authorization"]
        await peer.say({**created(), "note": header})
        await peer.say(turns.error(f"Incorrect API key provided: {KEY}", "invalid_api_key"))
        await peer.say_raw(f'{{"type":"error","error":{{"message":"{KEY}"')
        await peer.say_raw('{"type":"x.y","a":"\\u0073k-test-canary-0123456789"}')
        await peer.say(*turns.user_text(KEY), *turns.function_call("look", json.dumps({"key": KEY})))
        while json.loads(await peer.socket.recv())["type"] != "conversation.item.create":
            pass
        await peer.close(1011 if len(server.peers) == 1 else 4000, f"because of {KEY}")

    async with ScriptedServer(echo) as server:
        client = RealtimeClient(api_key=KEY, url=server.url + f"/?token={KEY}")
        client.on("*", seen.append)
        client.on("error", lambda event: 1 / 0)
        client.add_tool({"name": "look"}, lambda key: 1 / 0)

        await client.connect()
        await client.wait_for_next("close", timeout=10)
    text = caplog.text + repr(seen) + repr(client) + repr(vars(client)) + repr(vars(client._session))
    text += repr([vars(event) for event in seen if hasattr(event, "__dict__")])
    text += repr(list(client.conversation.get_items())) + "".join(capsys.readouterr())
    assert text.find(KEY) < 0, text[text.find(KEY) - 300 : text.find(KEY) + 50]
    assert "[key removed]" in text and "Authorization" in caplog.text


# Order


@pytest.mark.parametrize("stated", [None, "root", "absent"])
async def test_an_item_created_at_the_root_comes_first_also_in_restored_history(stated):
    """A server may state no predecessor for it, or the one that was asked for."""
    bench = Bench()
    bench.say(*turns.user_text("first", "a"), *turns.user_text("second", "b", "a"))
    text = [{"type": "input_text", "text": "root"}]
    item = {"id": "r", "type": "message", "role": "system", "content": text}
    bench.client.create_item(item, previous_item_id="root")
    bench.client.create_item({**item, "id": "m"}, previous_item_id="a")
    for create in await bench.sent():
        for event in turns.echo(create, create["previous_item_id"] if stated == "root" else None):
            if stated == "absent":
                del event["previous_item_id"]
            bench.say(event)
    assert [item.id for item in bench.client.conversation.get_items()] == ["r", "a", "m", "b"]
    bench.session.lost(1006, "", by_server=False)
    restored = [entry for entry in bench.session.begin(created(), resumed=True) if "item" in entry]
    assert [entry["item"]["id"] for entry in restored][:4] == ["r", "a", "m", "b"]


async def test_audio_of_an_item_that_the_server_renamed_stays_with_it():
    bench = Bench()
    bench.client.send_user_message_content([{"type": "input_audio", "audio": turns.tone(2_400)}])
    create = (await bench.sent())[0]
    bench.say(*turns.echo({"item": {**create["item"], "id": "theirs"}}))
    np.testing.assert_array_equal(
        bench.client.conversation.get_item("theirs").formatted.audio, turns.tone(2_400)
    )


# Requests that are not written


async def test_a_request_that_a_commit_has_made_is_lost_with_the_connection_and_the_next_one_is_sent():
    bench = Bench(turn_detection=None)
    bench.session._writer.profile = localai_session(PROFILES["ga"])
    bench.client.append_input_audio(turns.tone(4_800))
    bench.client.create_response()
    assert [event["type"] for event in await bench.sent()][-1] == "input_audio_buffer.commit"
    bench.session.lost(1006, "", by_server=False)
    assert len(bench.of("response.failed")) == 1
    bench.session.begin(created(), resumed=True)
    bench.client.create_response()
    assert [event["type"] for event in await bench.sent()] == ["response.create"]


async def test_a_request_that_no_server_takes_keeps_no_other_waiting(monkeypatch):
    bench = Bench()
    with monkeypatch.context() as patch:
        patch.setattr(bench.session._writer._undeliverable, "leaves_out", lambda event: True)
        bench.client.create_response({"instructions": "x"})
        assert await bench.sent() == []
    bench.client.create_response()
    assert [event["type"] for event in await bench.sent()] == ["response.create"]


# The last resort


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.create"},
        {"type": "conversation.item.create", "item": {"id": "i"}},
        {"type": "anything"},
    ],
)
async def test_an_event_that_cannot_be_written_is_dropped_and_the_next_one_is_sent(event, monkeypatch):
    """No sending method lets such an event in; here one appears in the queue all the same."""
    bench = Bench()
    if event["type"] == "response.create":
        bench.client.create_response()
        await bench.outbox.take()
    bench.outbox.put({**event, "value": object()})
    bench.client.create_item({"type": "message", "role": "user", "content": []})
    assert [sent["type"] for sent in await bench.sent()][-1] == "conversation.item.create"
    (error,) = bench.of("error")
    assert (
        event["type"] in error.message
        and "dropped" in error.message
        and isinstance(error.exception, TypeError)
    )
    assert not bench.turns.response_active


async def test_audio_that_cannot_be_written_is_dropped(monkeypatch):
    bench = Bench()
    monkeypatch.setattr(bench.client.conversation.input, "append", lambda samples: 1 / 0)
    bench.client.append_input_audio(bytes(480))
    assert await bench.sent() == []
    assert "input_audio_buffer.append" in bench.of("error")[0].message


@pytest.mark.parametrize("part", ["conversation.apply", "_hooks", "inbound"])
async def test_an_event_that_a_part_of_the_client_cannot_use_is_told_and_the_rest_goes_on(part, monkeypatch):
    bench = Bench()
    seen = []
    bench.client.on("server.rate_limits.updated", seen.append)

    def fail(*arguments):
        raise RecursionError

    with monkeypatch.context() as broken:
        if part == "inbound":
            writer = bench.session._writer
            broken.setattr(writer, "profile", replace(writer.profile, inbound=fail))
        elif part == "_hooks":
            broken.setitem(bench.session._hooks, "rate_limits.updated", fail)
        else:
            broken.setattr(bench.client.conversation, "apply", fail)
        bench.say({"type": "rate_limits.updated", "rate_limits": []})
    (error,) = bench.of("error")
    assert error.source == "wire" and "'rate_limits.updated' event could not be used" in error.message
    assert bench.client.stats.malformed == 1
    assert len(seen) == (part != "inbound")
    bench.say({"type": "rate_limits.updated", "rate_limits": []})
    assert len(bench.of("error")) == 1
