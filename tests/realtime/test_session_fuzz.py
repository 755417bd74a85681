"""Session: no value of a server and no value of an application ends anything, raises what is not documented, or loses a
later turn.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import StateError
from tests import wire_turns as turns
from tests.client_bench import Bench
from tests.fuzz_values import BAD, OBJECTS, ODD, SERVER_EVENTS, VALUES_IN_EXAMPLE, every_change, many

# Beginnings of the messages by which the client tells of its own faults: none may come.
UNFORESEEN = ("could not be used", "could not be sent", "failed: ", "ended: ")


@pytest.fixture(scope="module")
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def faults(bench: Bench) -> list[str]:
    """What the client said about itself."""
    messages = [error.message for error in bench.of("error") if error.source in ("wire", "connection")]
    return [message for message in messages if any(text in message for text in UNFORESEEN)]


def hold_a_turn(bench: Bench, number: int) -> None:
    """A clean answer after whatever came before it."""
    item_id, response_id = f"clean_{number}", f"resp_clean_{number}"
    bench.say(*turns.response_created(response_id))
    bench.say(*turns.text_answer("a clean turn", item_id, response_id))
    item = bench.client.conversation.get_item(item_id)
    assert item is not None and (item.status, item.formatted.text) == ("completed", "a clean turn")


def test_every_value_at_every_place_of_every_event_leaves_the_session_sound(loop):
    async def run() -> None:
        bench = Bench()
        bench.client.add_tool({"name": "get_weather"}, lambda **arguments: "sunny")
        for number, event in enumerate(every_change()):
            bench.session.receive(json.dumps(event))
            assert not faults(bench), event
            bench.events.clear()
            if number % 50 == 0:
                hold_a_turn(bench, number)
        await bench.sent()
        bench.turns.stop()
        assert not faults(bench)

    loop.run_until_complete(run())


@pytest.mark.parametrize("broken", BAD)
async def test_a_broken_session_and_a_refused_update_end_nothing(broken):
    bench = Bench()
    bench.client.update_session(input_audio_format="g711_ulaw", voice="marin")
    (update,) = await bench.sent()
    for session in (broken, {"audio": broken}, {"audio": {"input": broken, "output": broken}}):
        bench.say({"type": "session.updated", "session": session})
        bench.say(turns.error("no such voice", "invalid_value", update["event_id"]))
    bench.client.append_input_audio(bytes(480))
    bench.client.create_response()
    assert [event["type"] for event in await bench.sent()][-1] == "response.create"
    hold_a_turn(bench, 0)
    bench.turns.stop()
    assert not faults(bench)


def test_levels_without_end_in_an_event_cost_only_the_deepest(loop):
    """The rest of the event counts: a response ends although something in its event is nested 600 levels deep."""

    async def run() -> None:
        bench = Bench()
        for levels in (600, 100_000):
            bench.say(*turns.response_created())
            done = turns.response_done()[0]
            bench.session.receive(json.dumps(done)[:-1] + ', "deep": ' + "[" * levels + "]" * levels + "}")
            assert bench.turns.response_active == (levels > 600)
        hold_a_turn(bench, 0)
        bench.turns.stop()

    loop.run_until_complete(run())


@many
@given(st.lists(SERVER_EVENTS, min_size=1, max_size=VALUES_IN_EXAMPLE), st.booleans())
def test_any_json_from_a_server_leaves_the_session_sound(loop, events, asks):
    async def run() -> None:
        bench = Bench()
        bench.client.add_tool({"name": "get_weather"}, lambda **arguments: "sunny")
        if asks:
            bench.client.create_response()
        for event in events:
            bench.session.receive(json.dumps(event))
        hold_a_turn(bench, 0)
        bench.session.lost(1006, "", False)
        bench.session.begin({"type": "session.created", "session": {}}, resumed=True)
        hold_a_turn(bench, 1)
        await bench.sent()
        bench.turns.stop()
        assert not faults(bench)

    loop.run_until_complete(run())


@many
@given(st.binary(max_size=60) | st.text(max_size=60))
def test_any_bytes_from_a_server_are_an_event_or_told(loop, frame):
    async def run() -> None:
        bench = Bench()
        bench.session.receive(frame)
        assert not faults(bench)

    loop.run_until_complete(run())


KEYWORDS = [
    "instructions",
    "voice",
    "audio",
    "tools",
    "turn_detection",
    "input_audio_format",
    "model",
    "modalities",
]
KEYWORDS += [
    "output_modalities",
    "input_audio_transcription",
    "temperature",
    "tool_choice",
    "type",
    "anything",
]
TYPES = ["session.update", "conversation.item.create", "response.create", "input_audio_buffer.append", "x"]
TYPES += [
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "conversation.item.truncate",
    "response.cancel",
]
FIELDS = st.dictionaries(
    st.sampled_from(["session", "item", "response", "audio", "item_id", "event_id", "previous_item_id"]),
    OBJECTS,
)
ITEMS = st.dictionaries(
    st.sampled_from(["id", "type", "role", "content", "call_id", "output", "status"]), OBJECTS
)
PARTS = st.lists(
    st.dictionaries(
        st.sampled_from(["type", "text", "audio", "image_url"]), OBJECTS | st.just("input_audio")
    ),
    max_size=2,
)
# One call of one method: a function of the client.
CALLS: st.SearchStrategy[Callable[[Any], Any]] = st.one_of(
    st.builds(
        lambda keywords: lambda client: client.update_session(**keywords),
        st.dictionaries(st.sampled_from(KEYWORDS), OBJECTS, max_size=3),
    ),
    st.builds(lambda value: lambda client: client.add_tool(value, print), OBJECTS | ITEMS),
    st.builds(lambda value: lambda client: client.add_tool({"name": value}, print), OBJECTS),
    st.builds(lambda value: lambda client: client.add_tool({"name": "t"}, value), OBJECTS),
    st.builds(lambda value: lambda client: client.remove_tool(value), OBJECTS),
    st.builds(lambda value: lambda client: client.send_user_message_content(value), OBJECTS | PARTS),
    st.builds(lambda item, after: lambda client: client.create_item(item, after), OBJECTS | ITEMS, OBJECTS),
    st.builds(lambda value: lambda client: client.create_response(value), OBJECTS | ITEMS),
    st.builds(lambda item, count: lambda client: client.cancel_response(item, count), OBJECTS, OBJECTS),
    st.builds(lambda value: lambda client: client.delete_item(value), OBJECTS),
    st.builds(lambda value: lambda client: client.append_input_audio(value), OBJECTS),
    st.builds(
        lambda kind, data: lambda client: client.send(kind, data), st.sampled_from(TYPES) | OBJECTS, FIELDS
    ),
    st.builds(lambda data: lambda client: client.send("session.update", data), OBJECTS),
    st.just(lambda client: client.commit_input_audio()),
    st.just(lambda client: client.clear_input_audio()),
)


def places(value: Any) -> list[Callable[[Any], Any]]:
    """Calls of every sending method with *value* at the places where applications put values."""
    name = {"name": "a tool"}
    return [
        lambda client: client.update_session(instructions=value),
        lambda client: client.update_session(audio={"input": {"format": value}}),
        lambda client: client.update_session(turn_detection=value),
        lambda client: client.update_session(tools=value),
        lambda client: client.update_session(tools=[{"name": "another", "parameters": value}]),
        lambda client: client.update_session(input_audio_format=value, modalities=value),
        lambda client: client.add_tool({**name, "parameters": value}, print),
        lambda client: client.create_item(value),
        lambda client: client.create_item({"type": "message", "role": "user", "content": value}),
        lambda client: client.create_item({"type": "message", "role": "assistant", "content": [value]}),
        lambda client: client.create_item({"role": "assistant", "content": [{"type": value}]}),
        lambda client: client.create_item({"id": value}, value),
        lambda client: client.send_user_message_content(value),
        lambda client: client.send_user_message_content([{"type": "input_text", "text": value}]),
        lambda client: client.send_user_message_content([{"type": value, "audio": value}]),
        lambda client: client.create_response(value),
        lambda client: client.create_response({"metadata": {"key": value}}),
        lambda client: client.create_response(conversation=value, input=value),
        lambda client: client.send("session.update", session=value),
        lambda client: client.send("session.update", session={"audio": value}),
        lambda client: client.send("conversation.item.create", item=value),
        lambda client: client.send("conversation.item.create", item={"id": value, "content": value}),
        lambda client: client.send("response.create", response=value),
        lambda client: client.send("input_audio_buffer.append", audio=value),
        lambda client: client.send("anything", event_id=value),
        lambda client: client.send("anything", {"key": [value]}),
        lambda client: client.send(value),
        lambda client: client.delete_item(value),
        lambda client: client.cancel_response(value, 1),
        lambda client: client.append_input_audio(value),
    ]


@pytest.mark.parametrize("dialect", ["ga", "beta"])
@pytest.mark.parametrize("number", range(len(ODD)))
def test_what_cannot_be_sent_is_refused_at_the_call_of_every_sending_method(loop, number, dialect):
    """Each call is of another client, so that the next event of each is sent."""

    async def run() -> None:
        for call in places(ODD[number]):
            bench = Bench()
            bench.session._writer.dialect = dialect
            refused = None
            before = bench.client.session_config
            try:
                call(bench.client)
            except (TypeError, ValueError) as error:
                refused = error
            sent = await bench.sent()
            assert not faults(bench)
            if refused is not None:
                # Nothing was changed, and nothing of it is sent.
                assert sent == [] and bench.client.session_config == before
            bench.client.create_item({"type": "message", "role": "user", "content": []})
            assert "conversation.item.create" in [event["type"] for event in await bench.sent()]
            bench.turns.stop()

    loop.run_until_complete(run())


@many
@given(st.lists(CALLS, min_size=1, max_size=VALUES_IN_EXAMPLE), st.sampled_from(["ga", "beta"]))
def test_any_value_of_an_application_is_sent_or_refused_at_the_call(loop, calls, dialect):
    async def run() -> None:
        bench = Bench()
        bench.session._writer.dialect = dialect
        bench.say(*turns.response_created(), *turns.text_answer("an answer", "item_answer"))
        await bench.sent()
        for call in calls:
            try:
                call(bench.client)
            except (TypeError, ValueError, StateError):
                pass
        await bench.sent()
        bench.session.lost(1006, "", False)
        for entry in bench.session.begin({"type": "session.created", "session": {}}, resumed=True):
            bench.session.encode(entry)
        hold_a_turn(bench, 0)
        bench.turns.stop()
        assert not faults(bench)

    loop.run_until_complete(run())
