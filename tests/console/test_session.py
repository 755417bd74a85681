"""The session model: what happened, what is selected, what can be done."""

from __future__ import annotations

import pytest

from console.screen.words import head
from console.session import SessionModel
from realtime.events import Event, UsageEvent
from tests.console.fakes import answer, cut, timings, updated, usage, wire


def test_deltas_grow_a_row_and_cost_no_second_cleaning():
    model = SessionModel()
    item = answer(text="")
    for piece in ("Hel", "lo \x1b[31m", "wor", "ld"):
        item.content[0]["transcript"] += piece
        item.refresh()
        model.on_updated(updated(item, piece))
    assert model.selection.text == "Hello [31mworld"
    item.status = "completed"
    model.on_updated(updated(item))
    assert model.selection.text == "Hello [31mworld"
    assert model.selection.ended is not None


@pytest.mark.parametrize(
    ("role", "seconds", "shown"),
    [("user", 1.0, "(awaiting transcript)"), ("user", 0, "(item sent)"), ("assistant", 0, "…")],
)
def test_what_has_no_text_yet_has_a_placeholder(role, seconds, shown):
    model = SessionModel()
    model.on_updated(updated(answer(role=role, seconds=seconds)))
    assert model.selection.shown == shown


def test_the_cut_is_marked_at_the_same_place_in_samples_and_text():
    model = SessionModel()
    item = answer(text="one two three four", seconds=4)
    model.on_updated(updated(item))
    model.on_cut(cut(item, 48_000))
    row = model.selection
    assert (row.heard_samples, row.received) == (48_000, 96_000)
    assert row.text[: row.heard_chars] == item.heard_transcript
    assert 0 < row.heard_chars < len(row.text)
    assert model.events.rows[-1].type == "interrupted"


def test_the_latency_shown_is_first_sample_minus_end_of_speech():
    model = SessionModel()
    model.on_updated(updated(answer()))
    model.on_timings(timings("a1", 100.0, 100.321), now=5_000.0, monotonic=101.0)
    assert model.latency == pytest.approx(0.321)
    assert model.turns[-1].first_sample - model.turns[-1].speech_end == pytest.approx(0.321)
    assert model.selection.latency == pytest.approx(0.321)


def test_the_selection_follows_the_newest_until_it_is_moved():
    model = SessionModel()
    for i in range(4):
        model.on_updated(updated(answer(f"a{i}", "text")))
    assert model.selected == "a3"
    model.select(-2)
    model.on_updated(updated(answer("a4", "text")))
    assert model.selected == "a1"
    assert [model.select(-5).id, model.select(99).id] == ["a0", "a4"]


def test_forgetting_selects_the_neighbour():
    model = SessionModel()
    for i in range(3):
        model.on_updated(updated(answer(f"a{i}", "text")))
    model.forget("a2")
    assert model.selected == "a1"
    model.forget("a1")
    model.forget("a0")
    assert model.selected is None and len(model.transcript) == 0


def test_a_new_session_divides_and_rows_above_are_not_live():
    model = SessionModel()
    model.on_updated(updated(answer("a1", "old")))
    model.transcript.divide("new", 1.0)
    model.on_updated(updated(answer("a2", "fresh")))
    assert [(row.id, row.live) for row in model.transcript if row.role != "session"] == [
        ("a1", False),
        ("a2", True),
    ]
    # The divider cannot be selected
    assert model.select(-1).id == "a1"


def test_the_first_line_shows_what_the_conversation_costs():
    model = SessionModel()
    counts = {"input_token_details": {"text_tokens": 1_000}, "output_token_details": {"text_tokens": 100}}
    for kind, name in (("response", "gpt-realtime-2.1"), ("response", "mine")):
        model.on_usage(UsageEvent(Event(counts), {"input_tokens": 1_000}, kind, model=name))
    assert model.dollars == pytest.approx(0.0064)
    assert str(head(model, 0.0, wide=True)).endswith("tokens 1000 in 0 out  $0.0064")


def test_tokens_notices_and_memory_are_clean_and_bounded():
    model = SessionModel()
    model.on_usage(usage(input_tokens=3))
    for i in range(500):
        model.notice("error", f"{i} \x1b]0;title\x07\nsecond line")
    model.remember({"na\x1bme": "A\u202eda"})
    assert model.tokens == {"input_tokens": 3}
    assert len(model.notices) == 100
    assert model.notices[-1].text == "499 ]0;title second line"
    assert model.memory == {"name": "Ada"}


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("talk", "press c"),
        ("mode", "press c"),
        ("text", "press c"),
        ("delete", "nothing is selected"),
        ("play", "nothing is selected"),
    ],
)
def test_what_cannot_be_done_says_why(action, words):
    assert words in SessionModel().why_not(action)


def test_what_can_be_done_depends_on_state_mode_and_selection():
    model = SessionModel()
    model.set_state("connected")
    assert model.why_not("talk") is None
    model.talk.mode = "vad"
    assert "press v" in model.why_not("talk")
    model.on_updated(updated(answer(text="x")))
    assert "no audio" in model.why_not("play")
    model.on_updated(updated(answer("a2", "x", seconds=1)))
    assert model.why_not("play") is None and model.why_not("delete") is None
    model.set_state("replay")
    assert "replay" in model.why_not("delete") and model.why_not("play") is None


TURNS = 40


def test_an_hour_of_conversation_stays_bounded():
    """The model alone, 40 turns; benchmarks/bench_console.py holds a whole hour on the screen."""
    import tracemalloc

    model, chunk, now = SessionModel(), "A" * 1280, 0.0
    tracemalloc.start()
    sizes = []
    for turn in range(TURNS):
        now = turn * 10.0
        for i in range(250):
            model.on_wire(wire("client", now + i / 50, type="input_audio_buffer.append", audio=chunk))
        item = answer(f"a{turn}", "")
        for i in range(60):
            item.content[0]["transcript"] += "word "
            item.refresh()
            model.on_wire(wire("server", now + 5 + i / 20, type="response.output_audio.delta", delta=chunk))
            model.on_wire(
                wire("server", now + 5 + i / 20, type="response.output_audio_transcript.delta", delta="word ")
            )
            model.on_updated(updated(item, "word "))
        item.status = "completed"
        model.on_updated(updated(item))
        if turn in (TURNS // 2, TURNS - 1):
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert model.events.total == TURNS * 370
    assert len(model.transcript) == TURNS
    assert sizes[1] < 20e6
