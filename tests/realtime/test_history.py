"""Replay: the events that repeat a conversation to a new session, as text."""

from __future__ import annotations

import base64

import numpy as np

from realtime.conversation.history import placed_anew, replay
from realtime.conversation.items import Item
from realtime.conversation.reducer import Conversation
from tests import wire_turns as turns
from tests.wire_recordings import recordings


def replayed(events, running=()) -> list[dict]:
    conversation = Conversation()
    for event in events:
        conversation.apply(event)
    return [event["item"] for event in replay(conversation.get_items(), running)]


def test_messages_are_replayed_as_text_with_their_ids():
    assert replayed(recordings()["audio, VAD"]) == [
        {
            "id": "item_user",
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "what is it"}],
        },
        {
            "id": "item_answer",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "it is noon"}],
        },
    ]


def test_the_heard_part_of_a_truncated_answer_is_replayed():
    events = [
        *turns.audio_answer("one two three four", turns.tone(24_000)),
        {"type": "conversation.item.truncated", "item_id": "item_answer", "audio_end_ms": 500},
    ]
    assert replayed(events)[0]["content"] == [{"type": "output_text", "text": "one two"}]


def test_an_answer_that_was_not_heard_is_not_replayed():
    events = [
        *turns.audio_answer("one two", turns.tone(24_000)),
        {"type": "conversation.item.truncated", "item_id": "item_answer", "audio_end_ms": 0},
    ]
    assert replayed(events) == []


def test_calls_are_replayed_with_their_outputs_and_not_without():
    call = turns.function_call("look", '{"x":1}')
    output = turns.echo(
        {"item": {"id": "o", "type": "function_call_output", "call_id": "call_1", "output": "y"}}
    )
    assert replayed(call) == []
    assert [item["type"] for item in replayed(call, {"call_1"})] == ["function_call"]
    both = replayed([*call, *output])
    assert [item["type"] for item in both] == ["function_call", "function_call_output"]
    assert both[0]["arguments"] == '{"x":1}' and both[1]["output"] == "y"
    assert replayed(output) == []


def test_speech_without_a_transcript_is_replayed_as_audio():
    conversation = Conversation()
    conversation.input.append(turns.tone(4_800))
    conversation.input.commit_sent()
    for event in turns.committed():
        conversation.apply(event)
    (event,) = replay(conversation.get_items())
    part = event["item"]["content"][0]
    assert part["type"] == "input_audio"
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(part["audio"]), "<i2"), turns.tone(4_800))


def test_images_system_messages_and_empty_items():
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    items = [
        Item("a", role="user", content=[image, {"type": "input_image"}, {"type": "input_text", "text": " "}]),
        Item("b", role="system", content=[{"type": "input_text", "text": "Be brief."}]),
        Item("c", role="user"),
        Item("d", type="mcp_call"),
    ]
    assert [event["item"] for event in replay(items)] == [
        {"id": "a", "type": "message", "role": "user", "content": [image]},
        {
            "id": "b",
            "type": "message",
            "role": "system",
            "content": [{"type": "input_text", "text": "Be brief."}],
        },
    ]


def test_an_answer_in_chinese_that_was_cut_is_heard_and_restored_to_the_character():
    events = [
        *turns.audio_answer("今天天气很好我们去公园", turns.tone(24_000)),
        {"type": "conversation.item.truncated", "item_id": "item_answer", "audio_end_ms": 750},
    ]
    assert replayed(events)[0]["content"] == [{"type": "output_text", "text": "今天天气很好我们"}]


def test_half_a_character_of_a_broken_answer_is_restored_as_a_replacement_character():
    assert replayed(turns.text_answer("hm\ud83d"))[0]["content"][0]["text"] == "hm\ufffd"
    whole = [turns.transcript_delta("a\ud83d"), turns.transcript_delta("\ude00b")]
    assert replayed(whole)[0]["content"][0]["text"] == "a\U0001f600b"


def test_an_answer_with_text_and_speech_is_restored_with_both():
    parts = [{"type": "output_text", "text": "written, "}, {"type": "output_audio", "transcript": "spoken"}]
    item = {"id": "a", "type": "message", "role": "assistant", "status": "completed", "content": parts}
    both = [{"type": "conversation.item.done", "item": item}]
    assert replayed(both)[0]["content"] == [{"type": "output_text", "text": "written, spoken"}]


def test_parts_of_any_shape_do_not_hide_what_was_said():
    parts = [
        {"type": "input_text", "text": ["x"], "transcript": "said"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": 5, "more": float("nan")},
        {"type": "input_image", "image_url": {"a": 1}},
        {"type": ["input_audio"], "text": 5},
    ]
    (event,) = replay([Item("a", role="user", content=parts)])
    assert event["item"]["content"] == [
        {"type": "input_text", "text": "said"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
    ]


def test_what_was_not_confirmed_is_placed_after_an_item_that_the_new_session_knows():
    def create(item_id: str, previous: str | None) -> dict:
        event = {"type": "conversation.item.create", "item": {"id": item_id}}
        return event if previous is None else {**event, "previous_item_id": previous}

    replayed = [create("a", None), create("c", None), np.zeros(1)]
    wanted = [("x", "root"), ("y", "b"), ("z", "gone"), ("w", "y"), ("v", "first"), ("u", None)]
    placed = placed_anew([create(*one) for one in wanted], replayed, ["first", "a", "b", "c"])
    assert [event.get("previous_item_id") for event in placed] == ["root", "a", None, "y", "root", None]
