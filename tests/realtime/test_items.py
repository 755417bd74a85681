"""Items: the WAV file on demand, the heard part of a transcript."""

from __future__ import annotations

from realtime.conversation.items import Item
from realtime.conversation.reducer import Conversation
from tests import wire_turns as turns


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


def test_a_message_says_which_phase_of_the_answer_it_is():
    item = Item("i")
    assert item.phase is None
    item.merge({"type": "message", "role": "assistant", "phase": "commentary"}, final=False)
    assert item.phase == "commentary"
    item.merge({"phase": 5}, final=True)
    assert item.phase is None
