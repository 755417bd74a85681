"""RealtimeClient against a server that says exactly what the wire says."""

from __future__ import annotations

import asyncio
import base64
import math
import threading

import numpy as np
import pytest

from realtime import ConfigurationError, ConnectError, ConnectionLostError, RealtimeClient, StateError
from tests import wire_turns as turns
from tests.canary import KEY
from tests.waiting import Log
from tests.wire_server import Peer, ScriptedServer


@pytest.fixture
async def server():
    async with ScriptedServer() as server:
        yield server


@pytest.fixture
async def client(server):
    client = RealtimeClient(api_key=KEY, url=server.url)
    yield client
    await client.disconnect()


MANUAL = {"turn_detection": None}


async def connected(client: RealtimeClient, server: ScriptedServer, **session: object) -> Peer:
    if session:
        client.update_session(**session)
    await client.connect()
    peer = await server.wait_for_peers(1)
    if session:
        await peer.expect("session.update")
    return peer


# Connecting


async def test_connect_returns_after_session_created(client, server):
    assert not client.is_connected()
    assert await client.connect() is True
    assert client.is_connected() and client.session.id == "sess_1"
    assert await client.wait_for_session_created() is True


async def test_the_key_goes_in_the_header_and_the_model_in_the_query(server):
    client = RealtimeClient(api_key=KEY, url=server.url + "/v1/realtime?x=1", model="m-1")
    async with client:
        request = server.peer.socket.request
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert "OpenAI-Beta" not in request.headers
        assert request.path == "/v1/realtime?x=1&model=m-1"


async def test_a_refused_key_raises_code_reason_and_the_servers_message(client, server):
    async def refuse(peer):
        await peer.say(turns.error("Incorrect API key provided", "invalid_api_key"))
        await peer.close(3000, "invalid_request_error.invalid_api_key")

    server.script = refuse
    log = Log(client)
    with pytest.raises(ConnectError) as caught:
        await client.connect()
    assert caught.value.code == 3000
    assert caught.value.reason == "invalid_request_error.invalid_api_key"
    assert caught.value.server_message == "Incorrect API key provided"
    assert "Incorrect API key provided" in str(caught.value) and caught.value.fatal
    assert client.state == "disconnected"
    assert log.names() == ["error"]


async def test_a_refused_port_raises_and_names_the_address():
    client = RealtimeClient(url="ws://127.0.0.1:1")
    with pytest.raises(ConnectError, match=r"ws://127\.0\.0\.1:1"):
        await client.connect()


async def test_a_silent_server_runs_into_the_timeout(server):
    async def silent(peer):
        await peer.listen()

    server.script = silent
    client = RealtimeClient(url=server.url, connect_timeout=0.2)
    with pytest.raises(ConnectError, match="did not open a session within 0.2 s"):
        await client.connect()
    assert client.state == "disconnected"


async def test_a_second_connect_names_disconnect(client):
    await client.connect()
    with pytest.raises(StateError, match=r"call disconnect\(\) first"):
        await client.connect()


async def test_close_is_emitted_once_and_disconnect_is_idempotent(client):
    log = Log(client, "close")
    await client.connect()
    await client.disconnect()
    await client.disconnect()
    assert [(event.code, event.error) for event in log.of("close")] == [(1000, False)]


async def test_sending_without_a_connection_names_connect(client):
    for call in (
        client.create_response,
        lambda: client.send_user_message_content("hi"),
        lambda: client.cancel_response("item", 1),
        lambda: client.delete_item("item"),
    ):
        with pytest.raises(StateError, match=r"call connect\(\) first"):
            call()


async def test_audio_without_a_connection_is_counted_and_raises_nothing(client):
    assert client.append_input_audio(np.zeros(480, np.int16)) is False
    assert client.stats.input_samples_dropped == 480


# Session


async def test_only_what_was_set_is_sent_and_null_differs_from_not_given(client, server):
    client.update_session(instructions="Be kind.")
    client.update_session(voice="marin", turn_detection=None)
    client.update_session(input_audio_transcription={"model": "gpt-transcribe"})
    await client.connect()
    update = await server.peer.expect("session.update")
    assert update["session"] == {
        "type": "realtime",
        "instructions": "Be kind.",
        "audio": {
            "input": {"turn_detection": None, "transcription": {"model": "gpt-transcribe"}},
            "output": {"voice": "marin"},
        },
    }
    assert client.get_turn_detection_type() is None


async def test_nothing_set_sends_no_session_update(client, server):
    await client.connect()
    client.append_input_audio(np.zeros(480, np.int16))
    await server.peer.expect("input_audio_buffer.append")
    assert server.peer.types() == ["input_audio_buffer.append"]
    assert client.get_turn_detection_type() == "server_vad"


async def test_turn_detection_by_name(client, server):
    peer = await connected(client, server)
    client.update_session(turn_detection="server_vad")
    update = await peer.expect("session.update")
    assert update["session"]["audio"]["input"] == {"turn_detection": {"type": "server_vad"}}
    assert client.get_turn_detection_type() == "server_vad"
    with pytest.raises(ValueError, match="turn_detection"):
        client.update_session(turn_detection="telepathy")


# Text turns


async def test_a_text_turn(client, server):
    peer = await connected(client, server)
    log = Log(client)
    item_id = client.send_user_message_content([{"type": "text", "text": "How are you?"}])
    create = await peer.expect("conversation.item.create")
    assert create["item"] == {
        "id": item_id,
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "How are you?"}],
    }
    await peer.expect("response.create")
    await peer.say(*turns.echo(create), *turns.text_answer("Very well, thanks.", previous=item_id))
    await log.until("timings")
    user, answer = client.conversation.get_items()
    assert (user.role, user.status, user.formatted.text) == ("user", "completed", "How are you?")
    assert (answer.role, answer.status, answer.formatted.text) == (
        "assistant",
        "completed",
        "Very well, thanks.",
    )
    text = "".join(event.delta.text for event in log.of("conversation.updated") if event.delta is not None)
    assert text == "Very well, thanks."
    assert [event.item.id for event in log.of("conversation.item.appended")] == [item_id, "item_answer"]
    assert [event.item.id for event in log.of("conversation.item.completed")] == [item_id, "item_answer"]
    assert client.usage["total_tokens"] == 30 and client.rate_limits["tokens"].remaining == 970
    assert log.of("timings")[0].latency >= 0
    assert not log.of("error")


async def test_the_callers_content_is_not_changed(client, server):
    await connected(client, server)
    content = [{"type": "text", "text": "x"}]
    client.send_user_message_content(content)
    assert content == [{"type": "text", "text": "x"}]


async def test_waiting_for_items(client, server):
    peer = await connected(client, server)
    client.send_user_message_content("Hello")
    create = await peer.expect("conversation.item.create")
    waiting = asyncio.create_task(client.wait_for_next_item(timeout=5))
    await asyncio.sleep(0)
    await peer.say(*turns.echo(create))
    assert (await waiting).formatted.text == "Hello"
    waiting = asyncio.create_task(client.wait_for_next_completed_item(timeout=5))
    await asyncio.sleep(0)
    await peer.say(*turns.text_answer("Hi."))
    item = await waiting
    assert item.formatted.text == "Hi." and item.item is item
    with pytest.raises(TimeoutError):
        await client.wait_for_next_item(timeout=0.01)


async def test_a_waiter_ends_with_the_connection(client):
    await client.connect()
    waiting = asyncio.create_task(client.wait_for_next_item())
    await asyncio.sleep(0)
    await client.disconnect()
    with pytest.raises(ConnectionLostError):
        await waiting


# Audio turns


async def test_a_manual_audio_turn(client, server):
    peer = await connected(client, server, **MANUAL)
    log = Log(client)
    spoken = turns.tone(24_000)
    for start in range(0, 24_000, 2_400):
        assert client.append_input_audio(spoken[start : start + 2_400])
    client.create_response()
    await peer.expect("response.create")
    assert peer.types() == ["session.update"] + ["input_audio_buffer.append"] * 10 + [
        "input_audio_buffer.commit",
        "response.create",
    ]
    sent = b"".join(base64.b64decode(e["audio"]) for e in peer.of_type("input_audio_buffer.append"))
    assert sent == spoken.tobytes()
    answer = turns.tone(9_600, 5_000)
    await peer.say(
        *turns.committed(), *turns.audio_answer("It is noon.", answer), *turns.transcription("What time?")
    )
    await log.until("usage", 2)
    user, item = client.conversation.get_items()
    np.testing.assert_array_equal(user.formatted.audio, spoken)
    assert user.formatted.transcript == "What time?"
    np.testing.assert_array_equal(item.formatted.audio, answer)
    assert item.formatted.transcript == "It is noon."
    heard = [e.delta.audio for e in log.of("conversation.updated") if e.delta and e.delta.audio is not None]
    np.testing.assert_array_equal(np.concatenate(heard), answer)
    assert not log.of("error")


async def test_under_vad_the_users_audio_is_what_the_server_heard(client, server):
    peer = await connected(client, server)
    log = Log(client)
    spoken = turns.tone(48_000)
    client.append_input_audio(spoken)
    await peer.expect("input_audio_buffer.append")
    await peer.say(*turns.speech(start_ms=203, end_ms=1207))
    await log.until("conversation.item.completed")
    (user,) = client.conversation.get_items()
    np.testing.assert_array_equal(user.formatted.audio, spoken[203 * 24 : 1207 * 24])
    interrupted = log.of("conversation.interrupted")[0]
    assert (interrupted.item_id, interrupted.audio_start_ms) == ("item_user", 203)
    assert not interrupted.response_active


async def test_too_little_audio_is_not_committed(client, server):
    peer = await connected(client, server, **MANUAL)
    client.append_input_audio(np.zeros(2399, np.int16))
    client.create_response()
    await peer.expect("response.create")
    assert "input_audio_buffer.commit" not in peer.types()


async def test_under_vad_create_response_commits_nothing(client, server):
    peer = await connected(client, server, turn_detection="server_vad")
    client.append_input_audio(np.zeros(24_000, np.int16))
    client.create_response()
    await peer.expect("response.create")
    assert "input_audio_buffer.commit" not in peer.types()


async def test_audio_may_come_from_any_thread(client, server):
    peer = await connected(client, server, **MANUAL)
    spoken = turns.tone(24_000)

    def speak() -> None:
        for start in range(0, 24_000, 240):
            client.append_input_audio(spoken[start : start + 240].tobytes())

    thread = threading.Thread(target=speak)
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0.001)
    client.create_response()
    await peer.expect("response.create")
    sent = b"".join(base64.b64decode(e["audio"]) for e in peer.of_type("input_audio_buffer.append"))
    assert sent == spoken.tobytes()


async def test_a_file_may_be_put_in_one_go(client, server):
    peer = await connected(client, server, **MANUAL)
    spoken = turns.tone(24_000 * 20)
    for start in range(0, len(spoken), 2_400):
        client.append_input_audio(spoken[start : start + 2_400])
    client.create_response()
    await peer.expect("response.create")
    sent = b"".join(base64.b64decode(e["audio"]) for e in peer.of_type("input_audio_buffer.append"))
    assert sent == spoken.tobytes() and client.stats.input_samples_dropped == 0


@pytest.mark.parametrize(
    ("audio", "error", "words"),
    [
        (np.zeros(4, np.float32), TypeError, "float32_to_pcm16"),
        (np.zeros(4, np.int32), TypeError, "int16"),
        (np.zeros((4, 2), np.int16), ValueError, "mono"),
        (np.zeros(8, np.int16)[::2], TypeError, "contiguous"),
        (b"123", ValueError, "3 bytes"),
        ([1, 2], TypeError, "list"),
    ],
)
async def test_audio_that_is_not_int16_is_refused_by_name(client, audio, error, words):
    await client.connect()
    with pytest.raises(error, match=words):
        client.append_input_audio(audio)


# Tools


async def test_a_tool_is_called_with_keywords_and_its_answer_goes_back(client, server):
    @client.tool
    async def get_weather(location: str, lat: float = 0.0):
        """Weather of a place."""
        return {"location": location, "celsius": 21}

    peer = await connected(client, server)
    update = await peer.expect("session.update")
    assert update["session"]["tools"] == [
        {
            "type": "function",
            "name": "get_weather",
            "description": "Weather of a place.",
            "parameters": {
                "type": "object",
                "properties": {"location": {"type": "string"}, "lat": {"type": "number"}},
                "required": ["location"],
            },
        }
    ]
    await peer.say(*turns.function_call("get_weather", '{"location":"Rome"}'))
    create = await peer.expect("conversation.item.create")
    assert create["item"]["type"] == "function_call_output" and create["item"]["call_id"] == "call_1"
    assert create["item"]["output"] == '{"location":"Rome","celsius":21}'
    await peer.expect("response.create")
    assert "input_audio_buffer.commit" not in peer.types()


async def test_parallel_tools_lead_to_one_response_after_all_outputs(client, server):
    slow, quick = asyncio.Event(), asyncio.Event()

    async def one():
        await slow.wait()
        return "slow"

    async def two():
        await quick.wait()
        return "quick"

    client.add_tool({"name": "one"}, one)
    client.add_tool({"name": "two"}, two)
    peer = await connected(client, server)
    await peer.say(
        *turns.response_created(),
        *turns.call_begin("one", "call_1", "item_1"),
        *turns.call_end("one", "{}", "call_1", "item_1"),
        *turns.call_begin("two", "call_2", "item_2", output_index=1),
        *turns.call_end("two", "{}", "call_2", "item_2", output_index=1),
    )
    quick.set()
    first = await peer.expect("conversation.item.create")
    assert first["item"]["output"] == "quick"
    slow.set()
    second = await peer.expect("conversation.item.create")
    assert second["item"]["output"] == "slow"
    await asyncio.sleep(0.05)
    assert "response.create" not in peer.types()  # the response that called them is not done
    await peer.say(*turns.response_done())
    await peer.expect("response.create")
    await asyncio.sleep(0.05)
    assert peer.types().count("response.create") == 1


async def test_a_tool_that_raises_tells_the_model_and_the_error_event(client, server):
    def broken():
        raise RuntimeError("no such city")

    client.add_tool({"name": "broken"}, broken)
    log = Log(client)
    peer = await connected(client, server)
    await peer.say(*turns.function_call("broken", "{}"))
    create = await peer.expect("conversation.item.create")
    assert create["item"]["output"] == '{"error":"no such city"}'
    await peer.expect("response.create")
    assert [event.source for event in log.of("error")] == ["tool"]


# Interrupting


async def test_a_manual_interrupt_cancels_and_truncates(client, server):
    peer = await connected(client, server, **MANUAL)
    log = Log(client)
    audio = turns.tone(24_000)
    await peer.say(
        *turns.audio_begin(), turns.transcript_delta("one two three four"), turns.audio_delta(audio)
    )
    await log.until("conversation.updated", 5)
    item = client.cancel_response("item_answer", 12_011)
    cancel = await peer.expect("response.cancel")
    assert cancel["response_id"] == "resp_1"
    truncate = await peer.expect("conversation.item.truncate")
    assert (truncate["item_id"], truncate["content_index"], truncate["audio_end_ms"]) == (
        "item_answer",
        0,
        500,
    )
    assert len(item.formatted.audio) == 12_011 and item.truncated
    assert item.formatted.transcript == "one two three four" and item.heard_transcript == "one two"
    before = len(log.events)
    await peer.say(turns.audio_delta(audio), turns.transcript_delta(" five"))
    await peer.say(
        *turns.audio_end(
            "one two three four five", status="cancelled", details={"reason": "client_cancelled"}
        )
    )
    await log.until("conversation.item.incomplete")
    late = [event.delta for name, event in log.events[before:] if name == "conversation.updated"]
    assert all(delta is None for delta in late)
    assert len(item.formatted.audio) == 12_011
    client.cancel_response("item_answer", 12_011)
    client.append_input_audio(np.zeros(240, np.int16))
    await peer.expect("input_audio_buffer.append")
    assert peer.types().count("response.cancel") == peer.types().count("conversation.item.truncate") == 1


async def test_under_vad_only_the_truncate_is_sent(client, server):
    peer = await connected(client, server, turn_detection="server_vad")
    log = Log(client)
    await peer.say(*turns.audio_begin(), turns.audio_delta(turns.tone(24_000)), *turns.speech("item_2")[:1])
    interrupted = await log.until("conversation.interrupted")
    assert interrupted.response_active and interrupted.will_cancel
    client.cancel_response("item_answer", 6_000)
    truncate = await peer.expect("conversation.item.truncate")
    assert truncate["audio_end_ms"] == 250
    assert "response.cancel" not in peer.types()


async def test_without_interrupt_response_the_client_cancels_under_vad(client, server):
    peer = await connected(client, server, turn_detection={"type": "server_vad", "interrupt_response": False})
    log = Log(client)
    await peer.say(*turns.audio_begin(), turns.audio_delta(turns.tone(2_400)))
    await log.until("conversation.updated", 4)
    client.cancel_response("item_answer", 0)
    await peer.expect("response.cancel")
    assert (await peer.expect("conversation.item.truncate"))["audio_end_ms"] == 0


async def test_a_finished_answer_heard_to_its_end_sends_nothing(client, server):
    peer = await connected(client, server, **MANUAL)
    log = Log(client)
    await peer.say(*turns.audio_answer("Done.", turns.tone(4_800)))
    await log.until("timings")
    client.cancel_response("item_answer", 4_800)
    client.cancel_response()
    client.cancel_response("item_unknown", 10)
    client.append_input_audio(np.zeros(240, np.int16))
    await peer.expect("input_audio_buffer.append")
    assert peer.types() == ["session.update", "input_audio_buffer.append"]


async def test_a_finished_answer_cut_while_it_plays_is_truncated_only(client, server):
    peer = await connected(client, server, **MANUAL)
    log = Log(client)
    await peer.say(*turns.audio_answer("Done and gone.", turns.tone(48_000)))
    await log.until("timings")
    client.cancel_response("item_answer", 24_000)
    assert (await peer.expect("conversation.item.truncate"))["audio_end_ms"] == 1000
    assert "response.cancel" not in peer.types()


async def test_an_answer_without_audio_yet_is_deleted_and_never_truncated(client, server):
    peer = await connected(client, server, **MANUAL)
    log = Log(client)
    await peer.say(*turns.audio_begin(), turns.transcript_delta("unheard"))
    await log.until("conversation.updated", 4)
    client.cancel_response("item_answer", 0)
    await peer.expect("response.cancel")
    assert (await peer.expect("conversation.item.delete"))["item_id"] == "item_answer"
    assert "conversation.item.truncate" not in peer.types()


# The sequencer


async def test_requests_during_a_response_wait_and_become_one(client, server):
    peer = await connected(client, server, **MANUAL)
    client.create_response()
    await peer.expect("response.create")
    await peer.say(*turns.response_created())
    client.create_response()
    client.create_response()
    client.append_input_audio(np.zeros(240, np.int16))
    await peer.expect("input_audio_buffer.append")
    assert peer.types().count("response.create") == 1
    await peer.say(*turns.response_done())
    await peer.expect("response.create")
    await peer.say(*turns.response_created("resp_2"), *turns.response_done("resp_2"))
    client.append_input_audio(np.zeros(240, np.int16))
    await peer.expect("input_audio_buffer.append")
    assert peer.types().count("response.create") == 2


async def test_a_refused_request_is_repeated_after_the_response_and_is_no_error(client, server):
    peer = await connected(client, server, **MANUAL)
    log = Log(client, "error", "error.benign")
    client.create_response()
    create = await peer.expect("response.create")
    await peer.say(
        turns.error("active: resp_9", "conversation_already_has_active_response", create["event_id"]),
        *turns.response_created("resp_9"),
        *turns.response_done("resp_9"),
    )
    await peer.expect("response.create")
    assert log.names() == ["error.benign"] and log.of("error.benign")[0].caused_by == "response.create"


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


async def test_a_failed_response_is_told(client, server):
    peer = await connected(client, server)
    log = Log(client)
    details = {
        "type": "failed",
        "error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "pay"},
    }
    await peer.say(*turns.response_created(), *turns.response_done(status="failed", details=details))
    failed = await log.until("response.failed")
    assert (failed.response_id, failed.code, failed.message) == ("resp_1", "insufficient_quota", "pay")


# Handlers


async def test_a_handler_that_raises_is_reported_and_stops_nothing(client, server):
    peer = await connected(client, server)
    log = Log(client)

    def broken(event):
        raise KeyError("mine")

    async def broken_later(event):
        raise KeyError("mine too")

    client.on("conversation.updated", broken)
    client.on("server.response.created", broken_later)
    await peer.say(*turns.text_answer("Still here."))
    await log.until("timings")
    assert client.conversation.get_items()[0].formatted.text == "Still here."
    assert {event.source for event in log.of("error")} == {"handler"}


async def test_wildcards_and_the_log_see_both_directions(client, server):
    log = Log(client, "server.*", "client.*", "realtime.event")
    peer = await connected(client, server)
    client.send_user_message_content("Hi")
    create = await peer.expect("conversation.item.create")
    await peer.say(*turns.echo(create))
    await log.until("server.*", 3)
    assert [event.type for event in log.of("client.*")] == ["conversation.item.create", "response.create"]
    seen = [(event.source, event.event["type"]) for event in log.of("realtime.event")]
    assert seen[0] == ("server", "session.created") and ("client", "response.create") in seen
    assert log.of("realtime.event")[0].time.endswith("Z")


async def test_unknown_and_broken_frames_are_passed_over(client, server):
    peer = await connected(client, server)
    log = Log(client)
    await peer.say_raw("{")
    await peer.say_raw(b"\x00\xff")
    await peer.say_raw("[1, 2]")
    await peer.say({"type": "surprise.event", "x": 1}, {"type": 5}, {"type": "response.done"})
    await peer.say(*turns.text_answer("Fine."))
    await log.until("timings")
    assert client.conversation.get_items()[-1].formatted.text == "Fine."
    assert {event.source for event in log.of("error")} == {"wire"}
    assert client.stats.ignored == 1


async def test_delete_item(client, server):
    peer = await connected(client, server)
    log = Log(client)
    await peer.say(*turns.user_text("gone"))
    await log.until("conversation.item.completed")
    client.delete_item("item_user")
    await peer.expect("conversation.item.delete")
    await peer.say({"type": "conversation.item.deleted", "item_id": "item_user"})
    await log.until("conversation.item.deleted")
    assert client.conversation.get_items() == []


async def test_reset_forgets_everything(client, server):
    await connected(client, server, voice="marin")
    client.add_tool({"name": "t"}, lambda: "x")
    client.reset()
    assert client.state == "disconnected" and client.session_config == {} and client.tools == {}
    await asyncio.sleep(0.05)
    await client.connect()


async def test_no_key_in_reprs_or_errors(client, server):
    key = KEY
    peer = await connected(client, server)
    log = Log(client, "error", "realtime.event")
    await peer.say(turns.error(f"Incorrect API key {key}", "invalid_api_key"))
    await peer.say_raw('{"type":"error","error":{"message":"\\u0073k-test-canary-0123456789"}}')
    await log.until("error", 2)
    assert key not in repr(log.events) and key not in repr(client) and key not in repr(vars(client))


@pytest.mark.parametrize("within_a_deadline", [False, True])
async def test_waiting_again_at_once_misses_nothing(client, server, within_a_deadline):
    """Also for those who write asyncio.wait_for(), whose task wakes later."""
    peer = await connected(client, server)
    waiting = asyncio.create_task(_three_items(client, within_a_deadline))
    await asyncio.sleep(0.01)
    # All in one burst: the events are in the socket's buffer before the first waiter runs.
    await peer.say(*turns.user_text("a", "a"), *turns.user_text("b", "b"), *turns.text_answer("c", "c"))
    assert await asyncio.wait_for(waiting, 5) == ["a", "b", "c"]


async def _three_items(client: RealtimeClient, within_a_deadline: bool) -> list[str]:
    ids = []
    for _ in range(3):
        item = client.wait_for_next_completed_item()
        ids.append((await (asyncio.wait_for(item, 5) if within_a_deadline else item)).id)
    return ids


# Corners


async def test_the_original_names_are_there(client, server):
    peer = await connected(client, server)
    client.on_next("conversation.updated", lambda event: None)
    client.off_next("conversation.updated")
    assert client.input_sample_rate == client.output_sample_rate == 24_000
    assert client.is_connected() and client.get_turn_detection_type() == "server_vad"
    client.clear_event_handlers()
    await peer.say(*turns.user_text("x"))
    await client.wait_for_next_item(timeout=5)
    assert len(client.conversation) == 1 and client.stats.malformed == 0


async def test_wait_for_session_created_waits_and_needs_a_connect(client):
    with pytest.raises(StateError, match=r"connect\(\)"):
        await client.wait_for_session_created()
    connecting = asyncio.create_task(client.connect())
    await asyncio.sleep(0)
    assert await client.wait_for_session_created() is True
    await connecting


async def test_the_model_is_fixed_while_connected(client, server):
    client.update_session(model="m-2")
    peer = await connected(client, server)
    assert "model=m-2" in peer.socket.request.path
    with pytest.raises(StateError, match=r"disconnect\(\)"):
        client.update_session(model="m-3")


async def test_another_dialect_than_the_two_is_refused():
    with pytest.raises(ValueError, match="'klingon'"):
        RealtimeClient(dialect="klingon")


async def test_a_key_over_plain_ws_is_refused_without_an_error_event():
    client = RealtimeClient(api_key=KEY, url="ws://192.0.2.1")
    log = Log(client)
    with pytest.raises(ConfigurationError, match="refusing to send an API key"):
        await client.connect()
    assert log.names() == [] and client.state == "disconnected"


async def test_only_answers_can_be_cancelled(client, server):
    peer = await connected(client, server)
    log = Log(client)
    await peer.say(*turns.user_text("mine"))
    await log.until("conversation.item.completed")
    with pytest.raises(ValueError, match="role 'user'"):
        client.cancel_response("item_user", 1)


async def test_entering_a_connected_client_connects_once(client, server):
    await client.connect()
    async with client:
        assert len(server.peers) == 1
    assert client.state == "disconnected"


async def test_a_long_array_is_sent_in_pieces(client, server):
    peer = await connected(client, server, **MANUAL)
    assert client.append_input_audio(np.zeros(0, np.int16))
    client.append_input_audio(np.zeros(500_000, np.int16))
    client.create_response()
    await peer.expect("response.create")
    assert len(peer.of_type("input_audio_buffer.append")) == 3


@pytest.mark.parametrize(("keep", "kept"), [(math.inf, 24_000), (0, 0)])
async def test_audio_can_be_kept_for_ever_or_not_at_all(server, keep, kept):
    client = RealtimeClient(
        api_key=KEY, url=server.url, turn_detection=None, keep_audio_seconds=keep, keep_input_seconds=keep
    )
    peer = await connected(client, server)
    client.append_input_audio(turns.tone(24_000))
    client.commit_input_audio()
    await peer.expect("input_audio_buffer.commit")
    await peer.say(*turns.committed("item_user"), *turns.audio_answer("hello", turns.tone(24_000)))
    await client.wait_for_next("server.response.done", timeout=5)
    assert [len(item.formatted.audio) for item in client.conversation.get_items()] == [kept, kept]
    await client.disconnect()


@pytest.mark.parametrize("name", ["keep_audio_seconds", "keep_input_seconds", "input_queue_seconds"])
def test_a_limit_below_nothing_is_refused_by_name(name):
    with pytest.raises(ValueError, match=f"{name} must be 0 or more, not -1"):
        RealtimeClient(api_key=KEY, **{name: -1})
