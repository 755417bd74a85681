"""The screen while an answer is heard: lit words, play bar, named states, the cut, and the waterfall, in four sizes."""

from __future__ import annotations

import re

import pytest

from console.call import Call
from console.screen.app import RealtimeConsole
from console.screen.heard_text import HeardText
from realtime.offline import OfflineServer, SessionOptions, choose_voice
from tests.console.fakes import cut, wire
from tests.console.heard_rig import RATE, Answer
from tests.console.screens import (
    NARROW,
    WIDE,
    assert_snapshot,
    make_call,
    say,
    screen_text,
    until,
    until_shown,
)
from tests.console.test_waterfall import CHUNK, client, server, speech, spoken_answer
from wavtools import TrackOffset

pytestmark = pytest.mark.audio

SIZES = [(200, 50), WIDE, NARROW, (60, 18)]
TEXT = (
    "The current weather in Toronto is mild, with a light wind from the lake and some sun until the evening."
)


def position(samples: int, queued: int = 1) -> TrackOffset:
    return TrackOffset("a1", samples, samples / RATE, queued, 0.0, {})


def two_turns(call: Call) -> Answer:
    """A spoken turn whose answer called a tool and is heard now, after a typed one that was cut. All times are fixed."""
    model = call.model
    model.set_state("connected")
    model.connected_at = None
    model.on_played(None, 1.0)
    fall = model.waterfall
    for time, source, event in (
        client(1.0, "conversation.item.create", item={"type": "message", "role": "user"}),
        client(1.0, "response.create"),
    ):
        fall.take(time, source, event)
    spoken_answer(fall, 1.1, "0")
    fall.first_sample("a0", 1.48)
    fall.heard("a0", 4.0, ended=True, cut=True)
    speech(fall)
    for time, source, event in (
        server(11.8, "response.created", response={"id": "r9"}),
        server(
            11.9,
            "response.output_item.done",
            response_id="r9",
            item={"type": "function_call", "name": "get_weather", "call_id": "c1"},
        ),
        client(12.3, "conversation.item.create", item={"type": "function_call_output", "call_id": "c1"}),
        client(12.3, "response.create"),
    ):
        fall.take(time, source, event)
    spoken_answer(fall, 12.35)
    answer = Answer(model)
    for word in TEXT.split():
        answer.text(word + " ")
        answer.audio(b_samples(len(word)))
    answer.end()
    model.events.rows.clear()
    model.notices.clear()
    return answer


def b_samples(letters: int):
    import numpy as np

    return np.full(letters * 1_600, 500, np.int16)


@pytest.mark.parametrize("size", SIZES)
async def test_words_play_bar_states_cut_and_waterfall_are_shown(size):
    call = make_call()
    app, model = RealtimeConsole(call), call.model
    async with app.run_test(size=size) as pilot:
        answer = two_turns(call)
        # The model thinks: nothing of the answer was heard
        model.on_played(None, 12.6)
        await until_shown(pilot, "◌ thinking")
        model.on_played(position(48_000), 14.7)
        await until_shown(pilot, "▶ speaking", "■ 0:02.0")
        model.notices.clear()
        await assert_snapshot(pilot, "speaking")
        await pilot.press("w")
        await until_shown(pilot, "get_weather", "you waited 1500 ms · server 400 ms")
        model.on_played(position(96_000), 16.7)
        model.waterfall.newest.over = True
        model.waterfall.revision += 1
        await assert_snapshot(pilot, "waterfall")
        await pilot.press("w")
        await until(pilot, lambda: not app.drawing.waterfall.display)
        model.on_cut(cut(answer.item, 100_000))
        model.on_played(position(100_000, 0), model.heard.cut_at + 0.1)
        await until_shown(pilot, "| cut", "cut: heard 4.2 of")
        assert answer.item.heard_transcript and "|" in screen_text(app)
        model.on_played(position(100_000, 0), model.heard.cut_at + 9)
        await until_shown(pilot, "○ ready")


def styles_of(app, word: str) -> set[str]:
    """The marks of the cells of *word* on the screen: bold, underline, and their brightness."""
    marks = set()
    for strip in app.screen._compositor.render_strips(app.size):
        for segment in strip:
            if segment.text.strip() == word and segment.style is not None:
                marks.add(("underline" if segment.style.underline else "plain", str(segment.style.color)))
    return marks


@pytest.mark.parametrize("theme", ["dark", "light", "nord", "NO_COLOR"])
async def test_the_word_that_is_heard_is_underlined_in_every_theme(theme, monkeypatch):
    if theme == "NO_COLOR":
        monkeypatch.setenv("NO_COLOR", "1")
    call = make_call()
    app = RealtimeConsole(call, theme)
    async with app.run_test(size=WIDE) as pilot:
        two_turns(call)
        call.model.on_played(position(48_000), 14.7)
        await until_shown(pilot, "■ 0:02.0")
        begin, end = call.model.heard.word
        (mark,) = styles_of(app, TEXT[begin:end])
        assert mark[0] == "underline"
        # Heard, being heard, not heard: told apart without a colour too
        styles = re.findall(r"\.terminal\S*-r\d+ \{([^}]*)\}", app.export_screenshot())
        assert any("underline" in style for style in styles)


async def test_an_event_tells_the_samples_of_the_cut():
    call = make_call()
    app, model = RealtimeConsole(call), call.model
    async with app.run_test(size=WIDE) as pilot:
        answer = two_turns(call)
        model.on_cut(cut(answer.item, 100_001))
        await until_shown(pilot, "player interrupted")
        await pilot.press("1", "G", "enter")
        await until_shown(pilot, '"offset": 100001')


async def test_an_item_that_is_played_again_lights_up_as_well():
    call = make_call()
    app, model = RealtimeConsole(call), call.model
    async with app.run_test(size=WIDE) as pilot:
        two_turns(call)
        model.on_played(position(200_000, 0), 20.0)
        row = model.transcript.last()
        assert row.played
        model.playback.item_id, model.playback.position = row.id, 30_000
        model.revision += 1
        await until_shown(pilot, "■ 0:01.2")
        begin, end = row.words.word(30_000, row.text)
        assert {mark for mark, _ in styles_of(app, row.text[begin:end])} == {"underline"}
        model.playback.item_id = None


def test_a_long_text_is_wrapped_once_and_lit_line_by_line():
    from rich.console import Console

    text = "one two three\n\nfour  five " * 200
    shown = HeardText(text, Console(width=40), 20)
    for begin in range(0, len(text), 97):
        lines = shown.lines((begin, begin + 3))
        lit = "".join(line.plain for line in lines)
        assert "".join(lit.split()) == "".join(text.split())
        dim = sum(span.end - span.start for line in lines for span in line.spans if span.style == "dim")
        unheard = sum(not code.isspace() for code in text[begin + 3 :])
        assert abs(dim - unheard) <= text[begin + 3 :].count(" ") + 3


async def test_events_and_waterfall_take_each_others_place():
    call = make_call()
    app = RealtimeConsole(call)
    async with app.run_test(size=WIDE) as pilot:
        call.model.on_wire(wire("server", 1.0, type="response.output_audio.delta", delta=CHUNK))
        await pilot.press("6")
        await until_shown(pilot, "the times of each turn appear here")
        assert not app.query_one("#events-row").display
        await pilot.press("2")
        await until_shown(pilot, "the times of each turn appear here")
        await pilot.press("1")
        await until_shown(pilot, "1 events")
        assert not app.drawing.waterfall.display


async def test_a_real_answer_lights_up_and_its_numbers_are_there_before_it_is_complete():
    voice, options = choose_voice("standin"), SessionOptions(pace=1)
    async with OfflineServer(voice=voice, options=options, log=lambda line: None) as offline:
        call = make_call(offline.url)
        app, model = RealtimeConsole(call), call.model
        async with app.run_test(size=WIDE) as pilot:
            await pilot.press("c")
            await until_shown(pilot, "○ ready")
            await say(pilot, "hello")
            await until_shown(pilot, "▶ speaking", "latency ")
            row = model.transcript.last()
            seen = [row.lit[1]]
            # The server has not sent all of the answer, and the turn has its numbers
            assert model.answering and row.status == "in_progress"
            assert model.latency == model.waterfall.newest.wait
            while not row.played:
                await until(pilot, lambda: row.played or row.lit[1] > seen[-1])
                seen.append(len(row.text) if row.played else row.lit[1])
            assert len(seen) > 5 and seen == sorted(seen)
            await until(pilot, lambda: model.waterfall.newest.over)
            await until_shown(pilot, "○ ready")
            assert model.waterfall.newest.outcome == "completed" and len(model.turns) == 1
