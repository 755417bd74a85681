"""The screen of a model that is filled by hand: snapshots, dialogs, sizes and themes (Textual's Pilot)."""

from __future__ import annotations

import re

import pytest

from console.screen.app import RealtimeConsole
from console.screen.payload import coloured
from tests.console.fakes import wire
from tests.console.screens import (
    NARROW,
    WIDE,
    assert_snapshot,
    fill,
    make_call,
    screen_text,
    until,
    until_shown,
)

SIZES = [WIDE, NARROW]


@pytest.mark.parametrize("size", SIZES)
async def test_it_opens_and_says_how_to_begin(size):
    app = RealtimeConsole(make_call())
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.first_paint is not None)
        app.model.notices.clear()
        app.model.revision += 1
        await assert_snapshot(pilot, "start")
        for key in ("space", "v", "c", "p", "x", "d", "e", "/", "m", "s", "?", "ctrl+q"):
            assert f"{key} " in screen_text(app).splitlines()[-1] + " "


@pytest.mark.parametrize("size", SIZES)
async def test_a_conversation_with_a_cut_memory_map_and_error_is_all_there(size):
    call = make_call()
    app = RealtimeConsole(call)
    async with app.run_test(size=size) as pilot:
        fill(call)
        await assert_snapshot(pilot, "conversation")
        await pilot.press("1", "G", "enter")
        await until_shown(pilot, r'"message": "Bad \u001b[31mthing"')
        app.model.notices.clear()
        await assert_snapshot(pilot, "events-unfolded")
        await pilot.press("enter")
        await until(pilot, lambda: not app.model.unfolded)
        await pilot.press("/", *"append", "enter")
        await assert_snapshot(pilot, "events-filtered")
        await pilot.press("3", "m")
        await until_shown(pilot, "region")
        await assert_snapshot(pilot, "weather-region")
        for number, shown in (("3", "Toronto"), ("4", '"city": "Toronto"'), ("5", "mic")):
            await pilot.press(number)
            await until_shown(pilot, shown)


@pytest.mark.parametrize("size", SIZES)
async def test_help_and_the_key_dialog(size):
    app = RealtimeConsole(make_call())
    async with app.run_test(size=size) as pilot:
        await pilot.press("question_mark")
        await until_shown(pilot, "half-duplex", "esc closes")
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        await pilot.press("a")
        await until_shown(pilot, "API key", "enter connects")
        await pilot.press(*"sk-secret-1234")
        await until_shown(pilot, "•" * len("sk-secret-1234"))
        assert "sk-secret" not in screen_text(app)
        assert "sk-secret" not in app.export_screenshot()


async def test_a_terminal_that_is_too_small_says_how_large_it_must_be_and_recovers():
    app = RealtimeConsole(make_call())
    async with app.run_test(size=(50, 12)) as pilot:
        await until_shown(pilot, "needs 60 x 18")
        await pilot.resize_terminal(*WIDE)
        await until_shown(pilot, "press c to connect")


@pytest.mark.parametrize("theme", ["light", "dark", "nord", "no such theme"])
async def test_themes(theme):
    app = RealtimeConsole(make_call(), theme)
    async with app.run_test(size=WIDE):
        assert app.theme == {"nord": "nord", "light": "realtime-light"}.get(theme, "realtime-dark")


async def test_no_color_leaves_no_colour(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    call = make_call()
    app = RealtimeConsole(call)
    async with app.run_test(size=WIDE) as pilot:
        fill(call)
        await until_shown(pilot, "in Toronto is", "session.updated", "◆ Toronto")
        colours = set(re.findall(r"-r\d+ \{ fill: (#[0-9a-f]{6})", app.export_screenshot()))
        assert colours
        assert app.no_color
        # The default of the export itself
        colours.discard("#c5c8c6")
        assert all(len({c[1:3], c[3:5], c[5:7]}) == 1 for c in colours), colours


async def test_a_frame_that_is_due_when_the_screen_has_closed_draws_nothing():
    app = RealtimeConsole(make_call())
    async with app.run_test():
        assert app.composed
    # Textual has removed its screens; a last timer may still call.
    app._frame()


ROOMY = (180, 46)


async def test_a_wide_terminal_shows_the_whole_event_beside_the_list():
    call = make_call()
    app = RealtimeConsole(call)
    async with app.run_test(size=ROOMY) as pilot:
        fill(call)
        # The newest one, until the cursor is on another
        await until_shown(pilot, '"code": "no"')
        await pilot.press("1", "home")
        await until_shown(pilot, "↓ session.created ")
        await assert_snapshot(pilot, "events-detail")
        # Tab reaches it, so that a long event can be scrolled
        await pilot.press("tab")
        await until(pilot, lambda: app.focused is app.drawing.detail)


async def test_the_events_and_the_detail_fit_every_size():
    call = make_call()
    app = RealtimeConsole(call)
    async with app.run_test(size=ROOMY) as pilot:
        fill(call)
        await until_shown(pilot, '"code": "no"')
        assert app.drawing.detail.display
        for size in (WIDE, NARROW):
            await pilot.resize_terminal(*size)
            await until(pilot, lambda: not app.drawing.detail.display)
            await pilot.press("1")
            await until_shown(pilot, "▸00:04.00 ↓ error! server error  no: Bad")


async def test_an_unfolded_event_is_wrapped_and_coloured():
    call = make_call()
    app = RealtimeConsole(call)
    long = " ".join(f"word{number}" for number in range(40))
    async with app.run_test(size=WIDE) as pilot:
        call.model.on_wire(wire("server", 1.0, type="response.done", text=long, count=3))
        await until_shown(pilot, "response.done")
        await pilot.press("1", "end", "enter")
        await until_shown(pilot, "word0", "word39")
        [line] = [line for line in coloured('  "count": 3,').spans if line.style == "cyan"]
        assert (line.start, line.end) == (11, 12)


@pytest.mark.parametrize("text", ["append", "APPEND audio_buffer"])
async def test_the_filter_marks_and_counts_its_matches(text):
    call = make_call()
    app = RealtimeConsole(call)
    async with app.run_test(size=WIDE) as pilot:
        fill(call)
        await pilot.press("slash")
        app.query_one("#filter").value = text
        await until_shown(pilot, "124 of 129 events")
        row = next(row for row in call.model.events.rows if row.count == 124)
        marked = app.drawing.events.text(row)
        words = {
            marked.plain[span.start : span.end].lower() for span in marked.spans if span.style == "reverse"
        }
        assert words == set(text.lower().split())
