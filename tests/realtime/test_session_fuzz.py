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
from tests.fuzz_values import OBJECTS, SERVER_EVENTS, VALUES_IN_EXAMPLE, many

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
