"""Conversation: the reducer keeps the order of the items and gives them their final values."""

from __future__ import annotations

import base64
import itertools
import json

import numpy as np
import pytest

from realtime import Conversation
from tests import wire_turns as turns
from tests.conversation_checks import check, play
from tests.wire_recordings import recordings

RECORDINGS = recordings()


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
def test_a_recording_ends_with_final_values_and_no_event_ignored(name):
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
def test_repeated_events_make_no_second_item(name):
    once = play(RECORDINGS[name])
    doubled = []
    for event in RECORDINGS[name]:
        # Deltas have no number: a repeated one is new text until the final value arrives.
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


def test_items_have_the_order_that_the_server_states():
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


def test_appended_is_reported_once_and_before_completed():
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
        # The final value brings a lost end as a delta; a gap is filled in the item alone.
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


def test_an_image_is_kept_unchanged():
    part = {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "high"}
    item = {"id": "i", "type": "message", "role": "user", "status": "completed", "content": [part]}
    (kept,) = play([{"type": "conversation.item.added", "item": item}]).get_items()
    assert kept.content == [part]


def test_unknown_fields_of_an_item_are_kept():
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
    items = sum(item.formatted.store.nbytes for item in conversation.get_items())
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


def test_events_about_unknown_items_change_nothing():
    conversation = play(
        [
            {"type": "conversation.item.truncated", "item_id": "nobody", "audio_end_ms": 5},
            {"type": "conversation.item.truncated", "item_id": "nobody", "audio_end_ms": "soon"},
            {"type": "conversation.item.deleted", "item_id": "gone"},
            {"type": "response.function_call_arguments.delta", "item_id": "gone", "delta": "x"},
            {"type": "response.function_call_arguments.done", "item_id": "gone", "arguments": "x"},
            {"type": "response.mcp_call.failed", "item_id": "gone"},
            {"type": "response.output_text.delta", "item_id": "gone", "delta": "x"},
            {"type": "response.content_part.added", "item_id": "gone", "part": {"type": "text"}},
            {"type": "conversation.item.input_audio_transcription.failed", "item_id": "gone", "error": {}},
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


def test_segments_that_are_no_list_are_replaced_by_the_segments_that_arrive():
    segment = {
        "type": "conversation.item.input_audio_transcription.segment",
        "item_id": "item_user",
        "text": "hi",
    }
    item = {"id": "item_user", "role": "user", "content": [{"type": "input_audio", "segments": 5}]}
    conversation = play([{"type": "conversation.item.added", "item": item}, segment])
    assert [one["text"] for one in conversation.get_items()[0].content[0]["segments"]] == ["hi"]


def test_the_reason_for_a_missing_transcript_is_kept_with_the_part():
    failed = {
        "type": "conversation.item.input_audio_transcription.failed",
        "item_id": "item_user",
        "error": {"code": "x"},
    }
    part = play([*turns.committed(), failed]).get_items()[0].content[0]
    assert part["transcription_error"] == {"code": "x"}


def test_hidden_items_never_appear_under_either_id():
    conversation = Conversation()
    conversation.hide_item("note")
    conversation.rename("note", "theirs")
    conversation.rename("other", "new")
    play(
        [*turns.user_text("x", "note"), *turns.user_text("x", "theirs"), *turns.user_text("x", "new")],
        conversation,
    )
    assert [item.id for item in conversation.get_items()] == ["new"]


def test_items_of_a_response_left_out_stay_hidden_until_a_new_session():
    conversation = Conversation()
    conversation.leave_out("resp_1")
    play(turns.text_answer("x", "a"), conversation)
    assert conversation.get_items() == []
    conversation.begin_session()
    play(turns.text_answer("x", "b"), conversation)
    assert [item.id for item in conversation.get_items()] == ["b"]


def test_audio_sent_inside_an_item_becomes_the_audio_of_the_item():
    conversation = Conversation()
    conversation.stash_audio("i", turns.tone(480))
    item = {"id": "i", "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
    play([{"type": "conversation.item.added", "item": item}], conversation)
    np.testing.assert_array_equal(conversation.get_item("i").formatted.audio, turns.tone(480))


def test_a_timeout_with_an_end_alone_is_counted_once_and_its_end_is_used():
    conversation = Conversation()
    conversation.input.append(turns.tone(24_000))
    timeout = {"type": "input_audio_buffer.timeout_triggered", "item_id": "i", "audio_end_ms": 500}
    play([timeout], conversation)
    conversation.apply({**timeout, "item_id": None})
    assert conversation.malformed == 2 and len(conversation.input.take("i")) == 12_000


# Ids that are used again


def test_an_id_that_a_later_response_uses_again_is_another_item():
    conversation = play(turns.audio_answer("first", turns.tone(480), "item_1", "resp_1"))
    play(turns.audio_answer("second", turns.tone(240), "item_1", "resp_2"), conversation)
    play(turns.audio_answer("third", turns.tone(120), "item_1", "resp_3"), conversation)
    said = {item.id: item.formatted.transcript for item in conversation.get_items()}
    assert said == {"item_1~2": "first", "item_1~3": "second", "item_1": "third"}
    check(conversation)


def test_a_new_session_may_use_the_ids_of_the_one_before_again():
    conversation = play(turns.audio_answer("first", turns.tone(480), "item_1", "resp_1"))
    play(
        [*turns.user_text("gone", "item_2"), {"type": "conversation.item.deleted", "item_id": "item_2"}],
        conversation,
    )
    conversation.begin_session()
    play(
        [
            {"type": "response.output_audio.delta", **addressed, "delta": turns.b64(turns.tone(240))}
            for addressed in [{"response_id": "resp_1", "item_id": "item_1"}]
        ],
        conversation,
    )
    play(turns.user_text("here", "item_2"), conversation)
    assert [(item.id, len(item.formatted.audio)) for item in conversation.get_items()] == [
        ("item_1~2", 480),
        ("item_1", 240),
        ("item_2", 0),
    ]
    check(conversation)


def test_an_announcement_repeated_within_a_session_is_the_same_item():
    events = turns.audio_answer("once", turns.tone(480))
    conversation = play([*events, *events])
    assert len(conversation) == 1 and conversation.get_items()[0].formatted.transcript == "once"
