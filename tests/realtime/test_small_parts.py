"""The smallest modules: events, items, ids, errors, meter, pending items, reports, interruption, refusals, lists."""

from __future__ import annotations

import numpy as np
import pytest

import realtime
from realtime import ConnectionEvent, RealtimeClient, ServerError, ToolError
from realtime.client.meter import Meter
from realtime.connection.unconfirmed import Unconfirmed
from realtime.conversation.change import Change
from realtime.conversation.interruption import interrupt
from realtime.conversation.item_list import ItemList
from realtime.conversation.items import Item
from realtime.conversation.reducer import Conversation
from realtime.events import Delta, Event, ItemUpdatedEvent, RealtimeEvent, TimingsEvent
from realtime.protocol.ids import ALPHABET, generate_id
from tests import wire_turns as turns


def test_everything_exported_exists_and_is_sorted():
    assert list(realtime.__all__) == sorted(realtime.__all__)
    assert all(hasattr(realtime, name) for name in realtime.__all__)


# events


def test_an_event_reads_by_key_and_by_attribute():
    event = Event({"type": "response.done", "response": {"status": "failed", "output": [1]}})
    assert event.response.status == event["response"]["status"] == "failed"
    assert event.response.output == [1]
    with pytest.raises(AttributeError, match="this 'response.done' event has no 'nothing'"):
        _ = event.nothing


def test_reprs_say_what_happened_without_the_audio():
    samples = np.zeros(480, np.int16)
    assert repr(Delta(samples)) == "Delta(audio=480 samples)"
    assert "transcript='x'" in repr(Delta(transcript="x"))
    assert repr(ItemUpdatedEvent(Item("i"), None)) == "ItemUpdatedEvent(item='i', delta=False)"
    assert repr(Change("updated", Item("i"))) == "Change('updated', 'i', None)"
    assert "audio=0 samples at 24000 Hz" in repr(Item("i").formatted)
    assert repr(RealtimeClient(api_key="", url="ws://h")).startswith("<RealtimeClient disconnected")


def test_the_time_of_an_event_reads_as_javascript_writes_it():
    assert RealtimeEvent("server", Event(), 1_700_000_000.1234).time == "2023-11-14T22:13:20.123Z"


def test_latency_ends_at_the_first_sample_where_that_is_known():
    assert TimingsEvent().latency is None
    assert TimingsEvent(speech_end=1.0, first_delta=1.5).latency == 0.5
    assert TimingsEvent(speech_end=1.0, first_delta=1.5, first_sample=2.0).latency == 1.0


# ids and errors


def test_ids_have_the_originals_shape():
    made = {generate_id("item_") for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(len(one) == 21 and set(one[5:]) <= set(ALPHABET) for one in made)


def test_server_errors_carry_their_fields():
    error = ServerError("no", type="t", code="c", param="p", event_id="e")
    assert (str(error), error.type, error.code, error.param, error.event_id) == ("no", "t", "c", "p", "e")
    assert isinstance(ToolError("x"), realtime.RealtimeError)


# items


def test_a_wav_file_is_made_when_it_is_asked_for():
    conversation = Conversation()
    for event in [*turns.audio_begin(), turns.audio_delta(turns.tone(2_400))]:
        conversation.apply(event)
    formatted = conversation.get_items()[0].formatted
    first = formatted.file
    assert first is formatted.file and first.duration == 0.1
    conversation.apply(turns.audio_delta(turns.tone(2_400)))
    assert formatted.file.duration == 0.2
    formatted.file = "mine"
    assert formatted.file == "mine"
    assert Item("i").formatted.file is None


def test_the_heard_part_of_a_transcript_ends_with_a_word():
    item = Item("i", received_samples=24_000)
    item.formatted.transcript = "one two three four"
    assert item.heard_transcript == "one two three four" and not item.truncated
    heard = {}
    for item.audio_end_ms in (0, 100, 250, 420, 1_000, 2_000):
        heard[item.audio_end_ms] = item.heard_transcript
    assert heard == {
        0: "",
        100: "",
        250: "one",
        420: "one two",
        1_000: "one two three four",
        2_000: "one two three four",
    }
    assert item.truncated


# meter


def test_usage_adds_up_under_dotted_names():
    meter = Meter()
    meter.add_usage({"total_tokens": 3, "details": {"text": 2, "deep": {"x": 1}}, "note": "y", "flag": True})
    meter.add_usage({"total_tokens": 4, "details": {"text": 1}})
    meter.add_usage("nonsense")
    assert meter.total == {"total_tokens": 7, "details.text": 3, "details.deep.x": 1}


def test_the_steps_of_an_answer_are_timed():
    meter = Meter()
    meter.turn_ended(1.0)
    meter.created("r", 1.1)
    meter.delta("r", "call", 1.2, audio=False, call=True)
    timings = meter.done("r", 1.3)
    assert not timings.answered and timings.latency == pytest.approx(0.2)
    meter.created("r2", 1.5)  # the answer after the tool: the user waits since the same moment
    meter.delta("r2", "i", 1.6, audio=False)
    meter.delta("r2", "i", 1.7, audio=True)
    assert meter.first_sample("other", 1.8) is None
    assert meter.first_sample("i", 1.8) is None  # not done yet
    timings = meter.done("r2", 1.9)
    assert (timings.speech_end, timings.first_delta, timings.first_audio, timings.first_sample) == (
        1.0,
        1.6,
        1.7,
        1.8,
    )
    assert timings.answered and meter.first_sample("i", 2.0) is None
    meter.created("r3", 3.0)
    meter.delta("r3", "j", 3.1, audio=True)
    meter.delta("r3", "k", 3.2, audio=True)
    done = meter.done("r3", 3.2)
    assert meter.first_sample("j", 3.3) is done and meter.first_sample("k", 3.4) is None
    meter.delta("unknown", "l", 3.5, audio=True)
    assert meter.done("unknown", 4.0) is None


# pending


def create(item_id: str, **item: object) -> dict:
    return {"type": "conversation.item.create", "item": {"id": item_id, "type": "message", **item}}


def test_what_is_confirmed_is_not_sent_again():
    pending, renamed = Unconfirmed(), []
    part = {"type": "input_text", "text": "x"}
    for event in (create("a", role="user", content=[part]), create("b"), create("c")):
        pending.sent(event)
    pending.confirm({"id": "b"}, lambda i: False, lambda *names: renamed.append(names))
    theirs = {"id": "theirs", "type": "message", "role": "user", "content": [part]}
    pending.confirm(theirs, lambda i: False, lambda *names: renamed.append(names))
    pending.confirm({"id": "stranger", "type": "x"}, lambda i: False, lambda *names: renamed.append(names))
    pending.confirm({"id": "known"}, lambda i: True, lambda *names: renamed.append(names))
    pending.confirm("nonsense", lambda i: True, lambda *names: renamed.append(names))
    assert renamed == [("a", "theirs")]
    assert [event["item"]["id"] for event in pending.take_missing(["d"])] == ["c"] and not pending


def test_an_output_ends_its_call():
    pending = Unconfirmed()
    pending.call_started("k")
    pending.sent(create("o", type="function_call_output", call_id="k"))
    pending.confirm({"id": "o"}, lambda i: False, print)
    assert not pending.calls
    pending.call_started("k")
    event = create("o", type="function_call_output", call_id="k")
    pending.sent(event)
    pending.not_sent(event)
    pending.not_sent({"type": "response.create"})
    assert not pending and pending.calls
    pending.refused(event)
    assert not pending.calls
    pending.clear()


# interruption


def answer(samples: int, *, finished: bool) -> tuple[Conversation, Item]:
    conversation = Conversation()
    events = (
        [*turns.audio_begin(), turns.audio_delta(turns.tone(samples))] if samples else turns.audio_begin()
    )
    for event in [*events, *(turns.audio_end("x") if finished else [])]:
        conversation.apply(event)
    return conversation, conversation.get_items()[0]


@pytest.mark.parametrize(
    ("samples", "finished", "heard", "expected"),
    [
        (24_000, True, 12_023, 500),  # rounded down
        (24_000, True, 24_000, None),  # heard to its end
        (24_000, True, 99_000, None),
        (24_000, False, 24_000, 1_000),  # more was to come
        (24_000, False, 99_000, 1_000),  # never beyond what arrived
        (24_000, False, -5, 0),
        (24_000, True, 0, 0),
    ],
)
def test_the_truncate_says_what_was_heard(samples, finished, heard, expected):
    conversation, item = answer(samples, finished=finished)
    changes, events = interrupt(conversation, item, heard)
    assert [event.get("audio_end_ms") for event in events] == ([] if expected is None else [expected])
    assert bool(changes) == (expected is not None)
    again = interrupt(conversation, item, heard)[1]
    assert again == []  # once is enough


def test_an_earlier_cut_than_the_first_is_told_as_well():
    conversation, item = answer(24_000, finished=True)
    interrupt(conversation, item, 12_000)
    assert interrupt(conversation, item, 6_000)[1][0]["audio_end_ms"] == 250


def test_without_audio_an_answer_is_deleted_once_unless_it_is_text():
    conversation, item = answer(0, finished=False)
    assert interrupt(conversation, item, 0)[1] == [
        {"type": "conversation.item.delete", "item_id": "item_answer"}
    ]
    assert interrupt(conversation, item, 0)[1] == []
    conversation = Conversation()
    for event in turns.text_answer("read by now")[:8]:
        conversation.apply(event)
    changes, events = interrupt(conversation, conversation.get_items()[0], 0)
    assert changes and events == []


def test_interrupting_what_is_not_there_changes_nothing():
    assert Conversation().interrupt("nobody", 5) == []


# the list


def test_a_list_must_hold_something():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        ItemList(0, 1.0)


def test_a_list_of_one_keeps_the_newest():
    items = ItemList(1, 1.0)
    for name in "abc":
        items.append(name)
    assert [item.id for item in items.in_order()] == ["c"] and items.evicted_items == 2


def test_an_item_that_went_before_its_predecessor_came_stays_away():
    items = ItemList(10, 1.0)
    items.place(items.append("b"), "a")
    items.place(items.append("c"), "a")
    items.remove(items.get("b"))
    items.append("d")
    items.append("a")
    assert [item.id for item in items.in_order()] == ["d", "a", "c"]


def test_contradictions_of_the_server_move_nothing():
    items = ItemList(10, 1.0)
    a, b = items.append("a"), items.append("b")
    items.place(b, "a")
    items.place(a, "b")
    items.place(a, "a")
    assert [item.id for item in items.in_order()] == ["a", "b"]


def test_renaming_keeps_place_and_audio():
    items = ItemList(10, 1.0)
    a = items.append("a")
    items.append("b")
    items.add_audio(a, turns.tone(2_400))
    items.rename("a", "x")
    items.rename("nobody", "y")
    items.rename("x", "b")
    assert [item.id for item in items.in_order()] == ["x", "b"] and list(items._heavy) == ["x"]
    items.cut_audio(a, 0)
    assert items.audio_seconds == 0 and not items._heavy


def test_connection_events_say_why():
    assert ConnectionEvent("reconnecting", 1, 0.2, 1011, "x").code == 1011


def test_names_of_a_client_that_was_never_connected():
    client = RealtimeClient(api_key="", url="ws://h", voice="ash")
    client.reset()
    assert client.session == {} and client.usage == {} and client.rate_limits == {} and client.tools == {}
