"""Conversation: the reducer is total. Any order, any loss and any value leave it sound and never raise."""

from __future__ import annotations

import copy
import itertools
import os
import random
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from realtime import Conversation
from realtime.conversation.history import replay
from realtime.conversation.interruption import interrupt, settle
from realtime.protocol import codec
from tests import wire_turns as turns
from tests.conversation_checks import check, play
from tests.wire_recordings import corrupt, disturb, recordings

RECORDINGS = recordings()


def test_3000_disturbed_recordings_raise_nothing_and_the_next_turn_works():
    rng = random.Random(20261122)
    names = list(RECORDINGS)
    for number in range(3_000):
        conversation = play(disturb(RECORDINGS[rng.choice(names)], rng))
        check(conversation)
        clean = turns.audio_answer("a clean turn", turns.tone(480), f"clean_{number}", f"resp_clean_{number}")
        play([*turns.user_text("and now?", f"clean_user_{number}"), *clean], conversation)
        check(conversation)
        user, answer = conversation.get_item(f"clean_user_{number}"), conversation.get_item(f"clean_{number}")
        assert (user.status, user.formatted.text) == ("completed", "and now?")
        assert (answer.status, answer.formatted.transcript) == ("completed", "a clean turn")
        np.testing.assert_array_equal(answer.formatted.audio, turns.tone(480))


def test_every_order_of_a_short_turn_ends_the_same():
    """All 720 orders of six events end with the final values and with no item in progress."""
    events = [
        turns.response_created()[0],
        turns.with_ids(
            [
                {
                    "type": "conversation.item.added",
                    "item": {
                        "id": "i",
                        "type": "message",
                        "role": "assistant",
                        "status": "in_progress",
                        "content": [],
                    },
                }
            ]
        )[0],
        turns.audio_delta(turns.tone(240), "i"),
        turns.transcript_delta("yes", "i"),
        turns.with_ids(
            [
                {
                    "type": "response.output_audio_transcript.done",
                    "response_id": "resp_1",
                    "item_id": "i",
                    "content_index": 0,
                    "transcript": "yes",
                }
            ]
        )[0],
        turns.response_done(
            output=[
                {
                    "id": "i",
                    "type": "message",
                    "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_audio", "transcript": "yes"}],
                }
            ]
        )[0],
    ]
    for order in itertools.permutations(events):
        (item,) = play(order).get_items()
        assert item.status == "completed" and len(item.formatted.audio) == 240
        assert item.formatted.transcript.startswith("yes")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=8,
)


def nested(depth: int) -> Any:
    """A value of this depth, alternately a list and an object."""
    value: Any = "x"
    for level in range(depth):
        value = [value] if level % 2 else {"content": value}
    return value


ALL_EVENTS = [event for events in RECORDINGS.values() for event in events]
TYPES = sorted({event["type"] for event in ALL_EVENTS} | set(Conversation()._handlers))
IDS = st.sampled_from(["item_answer", "item_user", "item_1", "other", ""])


@given(
    st.one_of(
        json_values,
        st.fixed_dictionaries(
            {"type": st.sampled_from(TYPES)},
            optional={
                "item_id": IDS | json_values,
                "item": st.fixed_dictionaries(
                    {"id": IDS},
                    optional={
                        "content": json_values,
                        "status": json_values,
                        "role": json_values,
                        "type": json_values,
                    },
                )
                | json_values,
                "response": json_values,
                "session": json_values,
                "part": json_values,
                "delta": json_values,
                "content_index": json_values,
                "audio_end_ms": json_values,
                "audio_start_ms": json_values,
                "transcript": json_values,
                "text": json_values,
                "arguments": json_values,
                "previous_item_id": IDS,
            },
        ),
    )
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_value_at_all_can_be_applied(event):
    conversation = play(RECORDINGS["barge-in"][:8])
    conversation.apply(event)
    conversation.apply(event)
    check(conversation)


# Values that tell apart places where a type is not checked from places where it is.
AWKWARD = st.one_of(
    json_values,
    st.sampled_from(
        ["item_answer", "item_user", "resp_1", "root", "cancelled", "\ud800", "\udc00x", "\u0e33"]
    ),
    st.sampled_from([10**400, -(10**30), float("nan"), float("inf"), -0.0, True]),
    st.integers(2, 300).map(nested),
    st.sampled_from([[{"type": "input_audio", "transcript": []}], {"id": {}}, {"type": ["a"]}, [[None]]]),
)
FUZZ_VALUES = int(os.environ.get("WAVTOOLS_FUZZ_VALUES", "300"))


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON value, as a holder and its key; not recursive, for any depth."""
    found: list[tuple[Any, Any]] = []
    holders = [node]
    while holders:
        holder = holders.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            found.append((holder, key))
            if isinstance(holder[key], (dict, list)):
                holders.append(holder[key])
    return found


@given(st.sampled_from(list(RECORDINGS)), st.data())
@settings(max_examples=FUZZ_VALUES, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_value_at_any_place_of_any_event_loses_no_later_turn(name, data):
    """Also not in a restored history, and not in what the client sends next."""
    events = copy.deepcopy(RECORDINGS[name])
    for _ in range(data.draw(st.integers(1, 6))):
        holder, key = data.draw(st.sampled_from(places(data.draw(st.sampled_from(events)))))
        holder[key] = copy.deepcopy(data.draw(AWKWARD))
    conversation = play(events)
    check(conversation)
    interrupted = data.draw(st.sampled_from(["", *(item.id for item in conversation.get_items())]))
    if interrupted:
        interrupt(conversation, conversation.get_item(interrupted), data.draw(st.integers(-5, 30_000)))
    conversation.drop_response("resp_1")
    settle(conversation, "resp_1")
    for event in replay(conversation.get_items(), {"call_1"}):
        codec.dumps(event).encode()
    conversation.begin_session()
    clean = turns.audio_answer("a clean turn", turns.tone(480), "clean_answer", "clean_response")
    play([*turns.user_text("and now?", "clean_user"), *clean], conversation)
    check(conversation)
    user, answer = conversation.get_item("clean_user"), conversation.get_item("clean_answer")
    assert (user.status, user.formatted.text) == ("completed", "and now?")
    assert (answer.status, answer.formatted.transcript) == ("completed", "a clean turn")
    np.testing.assert_array_equal(answer.formatted.audio, turns.tone(480))


class Reducer(RuleBasedStateMachine):
    """Any mix of recordings, single events, corrupted events and calls of the client."""

    def __init__(self) -> None:
        super().__init__()
        self.conversation = Conversation(max_items=6, keep_audio_seconds=0.5, keep_input_seconds=1.0)
        self.rng = random.Random(1)

    @rule(event=st.sampled_from(ALL_EVENTS))
    def one_event(self, event):
        self.conversation.apply(event)

    @rule(event=st.sampled_from(ALL_EVENTS), seed=st.integers(0, 10_000))
    def a_corrupt_event(self, event, seed):
        self.conversation.apply(corrupt(event, random.Random(seed)))

    @rule(name=st.sampled_from(list(RECORDINGS)))
    def a_recording(self, name):
        play(RECORDINGS[name], self.conversation)

    @rule(samples=st.integers(0, 30_000))
    def audio_is_sent(self, samples):
        self.conversation.input.append(turns.tone(samples))

    @rule()
    def a_commit(self):
        self.conversation.input.commit_sent()

    @rule()
    def a_refusal(self):
        self.conversation.input.commit_refused()

    @rule(item_id=IDS, samples=st.integers(-5, 10_000))
    def an_interruption(self, item_id, samples):
        self.conversation.interrupt(item_id, samples)

    @rule(response_id=st.sampled_from(["resp_1", "resp_2", ""]))
    def a_cancelled_response(self, response_id):
        self.conversation.drop_response(response_id)
        settle(self.conversation, response_id)

    @rule(item_id=IDS, asked=st.booleans())
    def a_deletion(self, item_id, asked):
        self.conversation.note_deletion(item_id, asked=asked)

    @rule()
    def deletions_are_completed(self):
        self.conversation.complete_deletions()

    @rule(item_id=IDS)
    def audio_in_an_item(self, item_id):
        part = {"type": "input_audio", "audio": turns.b64(turns.tone(240))}
        self.conversation.stash_audio_of({"id": item_id, "content": [part, 5]})

    @rule()
    def a_new_session(self):
        self.conversation.abandon()
        self.conversation.begin_session()

    @rule(old=IDS, new=IDS)
    def a_new_name(self, old, new):
        self.conversation.items.rename(old, new)

    @invariant()
    def sound(self):
        check(self.conversation)
        assert len(self.conversation) <= 6
        assert self.conversation.input.committed <= self.conversation.input.end


TestReducer = Reducer.TestCase
TestReducer.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
