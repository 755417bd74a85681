"""Interruption: what the server is told was heard."""

from __future__ import annotations

import pytest

from realtime.conversation.interruption import interrupt
from realtime.conversation.items import Item
from realtime.conversation.reducer import Conversation
from tests import wire_turns as turns


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
