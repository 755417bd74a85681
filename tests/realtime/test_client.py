"""RealtimeClient: connecting, waiting, handlers, limits, against a server that says what the wire says."""

from __future__ import annotations

import asyncio
import math

import numpy as np
import pytest

from realtime import ConfigurationError, ConnectError, ConnectionLostError, RealtimeClient, StateError
from tests import wire_turns as turns
from tests.canary import KEY
from tests.client_bench import connected
from tests.waiting import Log, until

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


async def test_entering_a_connected_client_connects_once(client, server):
    await client.connect()
    async with client:
        assert len(server.peers) == 1
    assert client.state == "disconnected"


async def test_a_key_over_plain_ws_is_refused_without_an_error_event():
    client = RealtimeClient(api_key=KEY, url="ws://192.0.2.1")
    log = Log(client)
    with pytest.raises(ConfigurationError, match="refusing to send an API key"):
        await client.connect()
    assert log.names() == [] and client.state == "disconnected"


async def test_another_dialect_than_the_two_is_refused():
    with pytest.raises(ValueError, match="'klingon'"):
        RealtimeClient(dialect="klingon")


async def test_the_model_is_fixed_while_connected(client, server):
    client.update_session(model="m-2")
    peer = await connected(client, server)
    assert "model=m-2" in peer.socket.request.path
    with pytest.raises(StateError, match=r"disconnect\(\)"):
        client.update_session(model="m-3")


async def test_reset_forgets_everything(client, server):
    await connected(client, server, voice="marin")
    client.add_tool({"name": "t"}, lambda: "x")
    client.reset()
    assert client.state == "disconnected" and client.session_config == {} and client.tools == {}
    await client.connect()


def test_names_of_a_client_that_was_never_connected():
    client = RealtimeClient(api_key="", url="ws://h", voice="ash")
    client.reset()
    assert client.session == {} and client.usage == {} and client.rate_limits == {} and client.tools == {}


# Waiting


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


@pytest.mark.parametrize("within_a_deadline", [False, True])
async def test_waiting_again_at_once_misses_nothing(client, server, within_a_deadline):
    """Also for those who write asyncio.wait_for(), whose task wakes later."""
    peer = await connected(client, server)
    waiting = asyncio.create_task(_three_items(client, within_a_deadline))
    await until(lambda: client.wants("conversation.item.ended"))
    # All in one burst: the events are in the socket's buffer before the first waiter runs.
    await peer.say(*turns.user_text("a", "a"), *turns.user_text("b", "b"), *turns.text_answer("c", "c"))
    assert await asyncio.wait_for(waiting, 5) == ["a", "b", "c"]


async def _three_items(client: RealtimeClient, within_a_deadline: bool) -> list[str]:
    ids = []
    for _ in range(3):
        item = client.wait_for_next_completed_item()
        ids.append((await (asyncio.wait_for(item, 5) if within_a_deadline else item)).id)
    return ids


async def test_wait_for_session_created_waits_and_needs_a_connect(client):
    with pytest.raises(StateError, match=r"connect\(\)"):
        await client.wait_for_session_created()
    connecting = asyncio.create_task(client.connect())
    await asyncio.sleep(0)
    assert await client.wait_for_session_created() is True
    await connecting


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


async def test_no_key_in_reprs_or_errors(client, server):
    key = KEY
    peer = await connected(client, server)
    log = Log(client, "error", "realtime.event")
    await peer.say(turns.error(f"Incorrect API key {key}", "invalid_api_key"))
    await peer.say_raw('{"type":"error","error":{"message":"\\u0073k-test-canary-0123456789"}}')
    await log.until("error", 2)
    assert key not in repr(log.events) and key not in repr(client) and key not in repr(vars(client))


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


# Limits


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


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.update_session(model=5),
        lambda client: client.create_item({"type": "message"}, 5),
        lambda client: client.create_item({"type": "message", "content": object()}),
        lambda client: client.add_tool({"name": "t", "parameters": object()}, print),
        lambda client: client.delete_item(5),
    ],
)
async def test_a_value_that_cannot_be_sent_is_a_type_error_at_the_call(client, server, call):
    await client.connect()
    with pytest.raises(TypeError):
        call(client)
    assert not client.tools and client.session_config == {}


async def test_an_item_with_null_for_its_id_gets_one(client, server):
    await client.connect()
    peer = await server.wait_for_peers(1)
    item_id = client.create_item({"id": None, "type": "message", "role": "user", "content": []})
    assert (await peer.expect("conversation.item.create"))["item"]["id"] == item_id
    client.send("conversation.item.create", item={"id": None, "type": "message"})
    assert (await peer.expect("conversation.item.create"))["item"]["id"]
