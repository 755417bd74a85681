"""Utterances: events of a transcription become words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realtime.captions.utterances import Utterances
from realtime.events import Event, UserTranscriptEvent


def delta(text: object, item_id: str = "i") -> Event:
    return Event({"item_id": item_id, "delta": text})


def test_interim_words_that_nobody_read_are_replaced_by_newer_ones():
    utterances = Utterances()
    for text in (" one", " two", " three"):
        utterances.grew(delta(text))
    words = utterances.take()
    assert words.text == "one two three" and words.new == " one two three" and not words.final
    assert utterances.take() is None


def test_final_words_that_continue_the_interim_ones_say_what_is_new():
    utterances = Utterances()
    utterances.grew(delta("one"))
    utterances.completed(UserTranscriptEvent("one two", "i"))
    assert utterances.take().new == "one"
    words = utterances.take()
    assert words.final and words.new == " two"


def test_a_silent_utterance_gives_no_words_but_counts():
    utterances = Utterances()
    utterances.committed("i", silent=True)
    utterances.grew(delta("imagined"))
    utterances.completed(UserTranscriptEvent("imagined", "i", None, Event({"seconds": 2})))
    assert utterances.take() is None and not utterances.due and utterances.usage(0).seconds == 2


def test_final_words_without_words_end_interim_ones():
    utterances = Utterances()
    utterances.completed(UserTranscriptEvent(" ", "i"))
    assert utterances.take() is None
    utterances.grew(delta("hm"))
    utterances.completed(UserTranscriptEvent("", "i"))
    utterances.take()
    assert utterances.take().final


def test_segments_of_one_utterance_are_together():
    utterances = Utterances()
    for speaker in ("A", "B"):
        utterances.segment(
            Event({"item_id": "i", "text": speaker, "speaker": speaker, "start": 1, "end": True})
        )
    utterances.completed(UserTranscriptEvent("A B", "i"))
    words = utterances.take()
    assert [(one.speaker, one.start, one.end) for one in words.segments] == [
        ("A", 1.0, None),
        ("B", 1.0, None),
    ]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.text(max_size=4), st.integers(), st.none()))))
def test_the_pieces_of_interim_words_join_to_the_text(events):
    utterances, said = Utterances(), {}
    for item_id, text in events:
        utterances.grew(delta(text, item_id))
        said[item_id] = said.get(item_id, "") + (text if isinstance(text, str) else "")
    read: dict[str, str] = {}
    while (words := utterances.take()) is not None:
        read[words.item_id] = read.get(words.item_id, "") + words.new
    assert read == {item_id: text for item_id, text in said.items() if text}
