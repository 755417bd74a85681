"""Conversation: the reducer is total, keeps the order, and gives items their final values."""

from __future__ import annotations

import base64
import itertools
import json
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from realtime import Conversation
from tests import wire_turns as turns
from tests.wire_recordings import corrupt, disturb, recordings

RECORDINGS = recordings()


def play(events, conversation: Conversation | None = None) -> Conversation:
    conversation = Conversation() if conversation is None else conversation
    for event in events:
        conversation.apply(event)
    return conversation


def check(conversation: Conversation) -> None:
    """What holds at any time, whatever came."""
    items = conversation.get_items()
    assert len({item.id for item in items}) == len(items) == len(conversation)
    total = 0.0
    for item in items:
        assert conversation.get_item(item.id) is item
        assert isinstance(item.content, list) and all(isinstance(part, dict) for part in item.content)
        assert item.status in ("in_progress", "completed", "incomplete")
        assert item.formatted.audio.dtype == np.int16 and not item.formatted.audio.flags.writeable
        assert isinstance(item.formatted.text, str) and isinstance(item.formatted.transcript, str)
        assert isinstance(item.heard_transcript, str)
        assert len(item.formatted.audio) <= max(item.received_samples, 0)
        total += len(item.formatted.audio) / item.formatted.sample_rate
    assert conversation.items.audio_seconds == pytest.approx(total, abs=1e-6)
    assert conversation.items.audio_seconds <= conversation.items.keep_audio_seconds + 1e-6


def summary(conversation: Conversation) -> list[tuple]:
    return [
        (
            item.id,
            item.type,
            item.role,
            item.status,
            item.formatted.text,
            item.formatted.transcript,
            len(item.formatted.audio),
            item.arguments,
        )
        for item in conversation.get_items()
    ]


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_ends_with_final_values_and_nothing_passed_over(name):
    conversation = play(RECORDINGS[name])
    check(conversation)
    assert conversation.malformed == conversation.ignored == 0
    assert all(item.status != "in_progress" for item in conversation.get_items() if item.role != "user")


@pytest.mark.parametrize("name", RECORDINGS)
def test_applying_events_never_changes_them(name):
    before = json.dumps(RECORDINGS[name])
    play(RECORDINGS[name])
    assert json.dumps(RECORDINGS[name]) == before


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_event_doubled_makes_no_second_item(name):
    once = play(RECORDINGS[name])
    doubled = []
    for event in RECORDINGS[name]:
        # Deltas have no number: a doubled one is new text until the final value comes.
        doubled += [event] if "delta" in event else [event, event]
    assert [row[:4] for row in summary(play(doubled))] == [row[:4] for row in summary(once)]


@pytest.mark.parametrize("name", ["text", "audio, VAD", "function call", "barge-in"])
def test_without_its_deltas_a_turn_has_the_same_text(name):
    whole, bare = play(RECORDINGS[name]), play(e for e in RECORDINGS[name] if "delta" not in e["type"])
    assert [row[4:6] for row in summary(whole)] == [row[4:6] for row in summary(bare)]


@pytest.mark.parametrize("name", ["text", "audio, manual", "function call"])
def test_without_announcements_a_turn_has_the_same_items(name):
    hidden = ("response.output_item.added", "conversation.item.added", "response.content_part.added")
    bare = play(event for event in RECORDINGS[name] if event["type"] not in hidden)
    assert {row[:6] for row in summary(bare)} == {row[:6] for row in summary(play(RECORDINGS[name]))}


def test_only_response_done_still_gives_the_answer():
    events = [event for event in turns.text_answer("all of it") if event["type"] == "response.done"]
    (item,) = play(events).get_items()
    assert (item.role, item.status, item.formatted.text) == ("assistant", "completed", "all of it")


def test_items_stand_where_the_server_puts_them():
    conversation = play(
        [
            *turns.user_text("a", "a"),
            *turns.text_answer("c", "c", previous="b"),  # b is announced later
            *turns.user_text("d", "d", "c"),
            *turns.user_text("b", "b", "a"),
            *turns.user_text("z", "z", "root"),
        ]
    )
    assert [item.id for item in conversation.get_items()] == ["z", "a", "b", "c", "d"]


def test_a_transcript_may_come_before_its_item():
    early = turns.transcription("hello")
    conversation = play([*early, *turns.speech()])
    (item,) = conversation.get_items()
    assert (item.formatted.transcript, item.role, item.status) == ("hello", "user", "completed")


def test_appended_is_told_once_and_before_completed():
    for name, events in RECORDINGS.items():
        told: dict[str, list[str]] = {}
        conversation = Conversation()
        for event in events:
            for change in conversation.apply(event):
                if change.kind != "updated":
                    told.setdefault(change.item.id, []).append(change.kind)
        for kinds in told.values():
            assert kinds[0] == "appended" and len(kinds) <= 3 and len(set(kinds)) == len(kinds), (name, kinds)


def test_deltas_add_up_to_the_final_value_even_where_some_were_lost():
    events = turns.text_answer("one two three four")
    for missing in range(len(events)):
        if events[missing]["type"] != "response.output_text.delta":
            continue
        told = ""
        conversation = Conversation()
        kept = events[:missing] + events[missing + 1 :]
        # A tail that was lost comes with the final value; a hole is filled in the item alone.
        for event in kept:
            for change in conversation.apply(event):
                told += change.delta.text if change.delta is not None else ""
        assert conversation.get_items()[0].formatted.text == "one two three four"
        if missing == max(i for i, e in enumerate(events) if e["type"] == "response.output_text.delta"):
            assert told == "one two three four"


def test_a_deleted_item_does_not_come_back():
    conversation = play(
        [
            *turns.audio_begin(),
            *turns.with_ids([{"type": "conversation.item.deleted", "item_id": "item_answer"}]),
        ]
    )
    play([turns.audio_delta(turns.tone(240)), *turns.audio_end("late")], conversation)
    assert conversation.get_items() == [] and conversation.items.audio_seconds == 0


def test_an_answer_may_have_several_parts_and_several_items():
    first = {"response_id": "r", "item_id": "i", "output_index": 0}
    events = [
        {"type": "response.output_text.delta", **first, "content_index": 1, "delta": "second"},
        {"type": "response.output_text.delta", **first, "content_index": 0, "delta": "first "},
        {"type": "response.output_text.delta", "response_id": "r", "item_id": "j", "delta": "third"},
    ]
    one, two = play(events).get_items()
    assert (one.formatted.text, two.formatted.text) == ("first second", "third")


def test_an_image_is_kept_as_it_is():
    part = {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "high"}
    item = {"id": "i", "type": "message", "role": "user", "status": "completed", "content": [part]}
    (kept,) = play([{"type": "conversation.item.added", "item": item}]).get_items()
    assert kept.content == [part]


def test_what_the_server_adds_to_an_item_is_kept():
    conversation = play(RECORDINGS["MCP"])
    tools, call = conversation.get_items()
    assert tools.fields["tools"] == [{"name": "find"}] and tools.status == "completed"
    assert (call.name, call.arguments, call.output, call.fields["call_status"]) == (
        "find",
        "{}",
        "found",
        "completed",
    )


def test_an_odd_byte_waits_for_its_other_half():
    samples = turns.tone(1_000)
    data = samples.tobytes()
    conversation = play(turns.audio_begin())
    for start, end in itertools.pairwise([0, 333, 334, 1001, 2000]):
        encoded = base64.b64encode(data[start:end]).decode()
        conversation.apply(turns.audio_delta(samples, encoded=encoded))
    np.testing.assert_array_equal(conversation.get_items()[0].formatted.audio, samples)


def test_broken_base64_is_counted_and_the_next_delta_plays():
    conversation = play([*turns.audio_begin(), turns.audio_delta(turns.tone(4), encoded="%%%")])
    assert conversation.malformed == 1
    conversation.apply(turns.audio_delta(turns.tone(4)))
    assert len(conversation.get_items()[0].formatted.audio) == 4


def test_audio_views_stay_as_they_were():
    conversation = play([*turns.audio_begin(), turns.audio_delta(turns.tone(100))])
    item = conversation.get_items()[0]
    before = item.formatted.audio
    for _ in range(200):
        conversation.apply(turns.audio_delta(turns.tone(997)))
    np.testing.assert_array_equal(before, turns.tone(100))
    assert len(item.formatted.audio) == 100 + 200 * 997
    assert np.shares_memory(item.formatted.audio, item.formatted.audio)


def test_memory_is_bounded_and_evictions_are_counted():
    conversation = Conversation(max_items=10, keep_audio_seconds=2.0)
    for number in range(50):
        play(turns.audio_answer("x", turns.tone(12_000), f"item_{number}", f"resp_{number}"), conversation)
        check(conversation)
    assert [item.id for item in conversation.get_items()] == [f"item_{n}" for n in range(40, 50)]
    assert conversation.items.evicted_items == 40
    kept = sum(len(item.formatted.audio) for item in conversation.get_items()) / 24_000
    assert kept == 2.0 and conversation.items.evicted_seconds == pytest.approx(25.0 - 2.0)
    assert all(item.formatted.transcript == "x" for item in conversation.get_items())


def test_one_answer_without_end_fills_no_memory():
    conversation = Conversation(keep_audio_seconds=1.0)
    play(turns.audio_begin(), conversation)
    for _ in range(10):
        conversation.apply(turns.audio_delta(turns.tone(12_000)))
        check(conversation)
    item = conversation.get_items()[0]
    assert len(item.formatted.audio) == 24_000 and item.received_samples == 120_000
    assert conversation.items.evicted_seconds == 4.0


def test_text_without_end_fills_no_memory():
    conversation = play(turns.audio_begin())
    for _ in range(5):
        conversation.apply(turns.transcript_delta("x" * 300_000))
    assert len(conversation.get_items()[0].formatted.transcript) == 1 << 20


def test_an_hour_stays_below_200_mb_at_the_defaults():
    conversation = Conversation()
    audio = turns.tone(24_000 * 10)
    for number in range(180):  # half an hour each way, a turn every 20 s
        conversation.input.append(audio)
        conversation.input.commit_sent()
        play(turns.committed(f"user_{number}"), conversation)
        play(turns.audio_answer("words " * 30, audio, f"item_{number}", f"resp_{number}"), conversation)
    items = sum(item.formatted._audio.nbytes for item in conversation.get_items())
    sent = sum(block.nbytes for _, block in conversation.input._blocks)
    assert items + sent < 100e6
    assert conversation.items.evicted_seconds == pytest.approx(3600 - 1200)


def test_g711_audio_is_8000_samples_a_second():
    audio = {"output": {"format": {"type": "audio/pcmu"}}}
    conversation = play([{"type": "session.updated", "session": {"type": "realtime", "audio": audio}}])
    encoded = base64.b64encode(bytes(range(256)) * 10).decode()
    play([*turns.audio_begin(), turns.audio_delta(turns.tone(1), encoded=encoded)], conversation)
    item = conversation.get_items()[0]
    assert len(item.formatted.audio) == 2560 and item.formatted.sample_rate == 8_000
    conversation.interrupt(item.id, 1_004)
    assert item.audio_end_ms == 125


def test_a_response_may_have_a_format_of_its_own():
    created = turns.response_created()[0]
    created["response"]["audio"] = {"output": {"format": {"type": "audio/pcm", "rate": 16_000}}}
    conversation = play([created, turns.audio_delta(turns.tone(1_600))])
    assert conversation.get_items()[0].formatted.sample_rate == 16_000


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
    """All 720 orders of six events: no exception, nothing stuck, the final values."""
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


class Reducer(RuleBasedStateMachine):
    """Any mix of recordings, their pieces, corruptions and what the client itself does."""

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


def test_events_about_what_does_not_exist_change_nothing():
    conversation = play(
        [
            {"type": "conversation.item.truncated", "item_id": "nobody", "audio_end_ms": 5},
            {"type": "conversation.item.truncated", "item_id": "nobody", "audio_end_ms": "soon"},
            {"type": "conversation.item.deleted", "item_id": "gone"},
            {"type": "response.function_call_arguments.delta", "item_id": "gone", "delta": "x"},
            {"type": "response.function_call_arguments.done", "item_id": "gone", "arguments": "x"},
            {"type": "response.mcp_call.failed", "item_id": "gone"},
            {"type": "response.output_text.delta", "item_id": "gone", "delta": "x"},
            {"type": "response.output_text.delta", "item_id": "i", "delta": "x", "content_index": 999},
        ]
    )
    assert conversation.malformed == 2
    assert [item.id for item in conversation.get_items()] == ["i"]


def test_segments_of_speakers_are_kept_with_the_part():
    segment = {
        "type": "conversation.item.input_audio_transcription.segment",
        "item_id": "item_user",
        "speaker": "A",
    }
    conversation = play([*turns.committed(), {**segment, "text": "hi"}, {**segment, "text": "ho"}])
    part = conversation.get_items()[0].content[0]
    assert [(one["speaker"], one["text"]) for one in part["segments"]] == [("A", "hi"), ("A", "ho")]
    done = {"type": "response.function_call_arguments.done", "item_id": "c", "name": "n", "arguments": 5}
    call = play([done]).get_items()[0]
    assert (call.name, call.arguments) == ("n", None)
