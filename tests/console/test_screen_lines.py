"""The panes draw what has changed and nothing else; what the user reads stays where it is."""

from __future__ import annotations

from console.screen.app import RealtimeConsole
from console.screen.bars import Bars
from console.screen.event_panes import EventsPane
from console.screen.lines import LinePane
from tests.console.fakes import wire
from tests.console.screens import WIDE, make_call, screen_text, until, until_shown


def count_ticks(call):
    """A list that grows with every frame of the screen."""
    ticks, tick = [], call.tick

    def counted() -> None:
        ticks.append(1)
        tick()

    call.tick = counted
    return ticks


async def test_idle_draws_nothing():
    call = make_call()
    app, ticks = RealtimeConsole(call), count_ticks(call)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.first_paint is not None and len(ticks) > 4)
        drawn, shown = [bar.drawn for bar in app.query(Bars)], dict(app.drawing.shown)
        panes = {pane: pane.drawn_lines for pane in app.query(LinePane)}
        begun = len(ticks)
        await until(pilot, lambda: len(ticks) >= begun + 20)
        assert [bar.drawn for bar in app.query(Bars)] == drawn == [0, 0]
        assert app.drawing.shown == shown
        assert panes and {pane: pane.drawn_lines for pane in panes} == panes


async def test_of_a_stream_only_new_lines_are_drawn_and_what_is_read_stays_where_it_is():
    call = make_call()
    app, model, ticks = RealtimeConsole(call), call.model, count_ticks(call)
    async with app.run_test(size=WIDE) as pilot:
        pane = app.query_one(EventsPane)

        async def frames(count: int) -> None:
            begun = len(ticks)
            await until(pilot, lambda: len(ticks) >= begun + count)

        async def come(first: int, last: int) -> int:
            before = pane.drawn_lines
            for i in range(first, last):
                model.on_wire(wire("server", float(i), type=f"event.{i}"))
            await until(pilot, lambda: f"event.{last - 1}" in screen_text(app) or not pane.follows, 5)
            await frames(3)
            return pane.drawn_lines - before

        await frames(2)
        await come(0, 100)
        # The new one, and the lines where the scroll bar begins and ends
        assert await come(100, 101) <= 3
        assert "event.99" in screen_text(app)

        # Scrolled up: neither new events nor dropped ones move what is being read
        await pilot.press("1", "g")
        await pilot.press(*["pagedown"] * 5)
        await until(pilot, lambda: pane._top > 0)
        top = pane._lines[pane._top][0]
        assert not pane.follows
        model.events.rows.popleft()
        await come(101, 102)
        assert pane._lines[pane._top][0] == top
        await until(pilot, lambda: pane.border_subtitle.endswith("1 new ↓"))
        assert pane._lines[pane._top][0] == top
        await pilot.press("G")
        await until_shown(pilot, "event.101")
        assert pane.follows
