"""The screen, driven by Textual's Pilot: on a model fed by hand (snapshots), and on the offline server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from pathlib import Path

import pytest
from textual.widgets import Input

from console.call import Call
from console.endpoint import Endpoint
from console.keys import Key
from console.screen.app import RealtimeConsole
from console.screen.bars import Bars
from console.screen.key_release import IGNORED, RELEASE, ReleaseParser
from console.screen.lines import LinePane
from console.screen.panes import ConversationPane, EventsPane
from console.screen.talk_bar import TalkBar
from console.state import Notice, Place
from console.settings import Settings
from realtime.offline import start_server_process
from tests.console.fakes import answer, cut, updated, usage, wire

SNAPSHOTS = Path(__file__).parent / "snapshots"
SIZES = [(132, 44), (80, 24)]
NO_KEY = Key("", "nowhere")


def make_call(url="ws://127.0.0.1:9", key=NO_KEY, fetch_weather=None, **settings) -> Call:
    """Devices are the silent clock: what is heard is the business of test_terminal.py."""
    settings = {"url": url, "input": "null", "output": "null", **settings}
    call = Call(Settings(**settings), Endpoint(url=url, key=key), fetch_weather)

    async def no_devices() -> None:
        """The devices of this machine are no part of a snapshot."""

    call.refresh_devices = no_devices  # type: ignore[method-assign]
    return call


def screen_text(app: RealtimeConsole) -> str:
    strips = app.screen._compositor.render_strips(app.size)
    return "\n".join(strip.text.rstrip() for strip in strips)


async def until(pilot, condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, screen_text(pilot.app)
        await pilot.pause(0.05)
    await pilot.pause(0.1)


def assert_snapshot(app: RealtimeConsole, name: str) -> None:
    """The screen as text equals the kept one. UPDATE_SNAPSHOTS=1 writes it: look at it before committing."""
    text = re.sub(r"mic null.*|out null.*", "", screen_text(app)) + "\n"
    path = SNAPSHOTS / f"{name}-{app.size.width}x{app.size.height}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOTS.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path.name} differs; see UPDATE_SNAPSHOTS above"


def fill(call: Call) -> None:
    """A conversation of fixed content and times."""
    model = call.model
    for at, source, kind in (
        (0.0, "server", "session.created"),
        (0.02, "client", "session.update"),
        (0.05, "server", "session.updated"),
    ):
        model.on_wire(wire(source, 1_000 + at, type=kind))
    for i in range(124):
        model.on_wire(wire("client", 1_001 + i / 50, type="input_audio_buffer.append", audio="A" * 1280))
    model.on_wire(wire("server", 1_004.0, type="error", error={"message": "Bad \x1b[31mthing", "code": "no"}))
    user = answer("u1", "What is the weather in Toronto?", 2.1, "user")
    said = answer("a1", "The current weather in Toronto is mild, with a light wind from the lake.", 9)
    for item in (user, said):
        item.status = "completed"
        model.on_updated(updated(item))
    model.on_cut(cut(said, 103_488))
    model.events.rows.pop()  # its time is now
    model.on_usage(usage(input_tokens=4_179, output_tokens=188))
    model.remember({"name": "Ada", "city": "Toronto"})
    model.place = Place(43.642, -79.387, "Toronto", "", 19.4, 17.9)
    model.notices.clear()
    model.revision += 1


@pytest.mark.parametrize("size", SIZES)
async def test_it_opens_and_says_how_to_begin(size):
    app = RealtimeConsole(make_call())
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.3)
        app.model.notices.clear()
        app.model.revision += 1
        await pilot.pause(0.2)
        assert_snapshot(app, "start")
        for key in ("space", "v", "c", "p", "x", "d", "/", "m", "s", "?", "q"):
            assert f"{key} " in screen_text(app).splitlines()[-1]


@pytest.mark.parametrize("size", SIZES)
async def test_a_conversation_with_a_cut_memory_map_and_error_is_all_there(size):
    call = make_call()
    app = RealtimeConsole(call)
    async with app.run_test(size=size) as pilot:
        fill(call)
        await pilot.pause(0.5)
        assert_snapshot(app, "conversation")
        await pilot.press("1", "G", "enter")
        await pilot.pause(0.2)
        app.model.notices.clear()
        assert r'"message": "Bad \u001b[31mthing"' in screen_text(app)
        assert_snapshot(app, "events-unfolded")
        await pilot.press("enter", "/", *"append", "enter")
        await pilot.pause(0.2)
        assert_snapshot(app, "events-filtered")
        await pilot.press("3", "m")
        await pilot.pause(0.2)
        assert "region" in screen_text(app)
        assert_snapshot(app, "weather-region")
        for number, shown in (("3", "Toronto"), ("4", '"city": "Toronto"'), ("5", "mic")):
            await pilot.press(number)
            await pilot.pause(0.2)
            assert shown in screen_text(app)


@pytest.mark.parametrize("size", SIZES)
async def test_help_and_the_key_dialog(size):
    app = RealtimeConsole(make_call())
    async with app.run_test(size=size) as pilot:
        await pilot.press("question_mark")
        await pilot.pause(0.2)
        app.model.notices.clear()
        assert "half-duplex" in screen_text(app)
        await pilot.press("escape", "a", *"sk-secret-1234")
        await pilot.pause(0.2)
        assert "sk-secret" not in screen_text(app) and "•••" in screen_text(app)
        assert "sk-secret" not in app.export_screenshot()


async def test_a_terminal_that_is_too_small_says_how_large_it_must_be_and_recovers():
    app = RealtimeConsole(make_call())
    async with app.run_test(size=(50, 12)) as pilot:
        await pilot.pause(0.2)
        assert "needs 60 x 18" in screen_text(app)
        await pilot.resize_terminal(132, 44)
        await pilot.pause(0.3)
        assert "press c to connect" in screen_text(app)


@pytest.mark.parametrize("theme", ["light", "dark", "nord", "no such theme"])
async def test_themes(theme):
    app = RealtimeConsole(make_call(), theme)
    async with app.run_test(size=(132, 44)) as pilot:
        await pilot.pause(0.1)
        assert app.theme == {"nord": "nord", "light": "realtime-light"}.get(theme, "realtime-dark")


async def test_no_color_leaves_no_colour(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    call = make_call()
    app = RealtimeConsole(call)
    async with app.run_test(size=(132, 44)) as pilot:
        fill(call)
        await pilot.pause(0.3)
        colours = set(re.findall(r"-r\d+ \{ fill: (#[0-9a-f]{6})", app.export_screenshot()))
        assert colours
        assert app.no_color
        colours.discard("#c5c8c6")  # the export's own default
        assert all(len({c[1:3], c[3:5], c[5:7]}) == 1 for c in colours), colours


async def say(pilot, text):
    """Typed: one key to get to the field, one to send. (A key takes Pilot 50 ms; test_terminal.py types all of them.)"""
    await pilot.press("t")
    pilot.app.query_one("#text", Input).value = text
    await pilot.press("enter")


async def watch_receipts(speaker, first_seen):
    while True:
        receipt = speaker.get_track_sample_offset()
        if receipt is not None and receipt.offset:
            first_seen.setdefault(receipt.track_id, time.time())
        await asyncio.sleep(0.004)


async def test_a_turn_a_tool_a_cut_a_replay_a_deletion_and_a_second_connection(offline_url, tmp_path):
    async def fetch(lat, lng, location):
        return {"location": location, "temperature_celsius": 19.4, "wind_speed_kmh": 17.9}

    call = make_call(offline_url, fetch_weather=fetch, sessions=str(tmp_path))
    app = RealtimeConsole(call)
    model = call.model
    async with app.run_test(size=(132, 44)) as pilot:
        await pilot.press("c")
        await until(pilot, lambda: model.state == "connected")
        await say(pilot, "Please remember that my name is Ada")
        await until(
            pilot, lambda: model.memory.get("name") == "Ada" and not model.answering and model.latency
        )
        assert '"name": "Ada"' in screen_text(app)
        first_seen: dict[str, float] = {}  # when a receipt first told of samples of an item
        watching = asyncio.create_task(watch_receipts(call._speaker, first_seen))
        await say(pilot, "What is the weather in Paris?")
        await until(pilot, lambda: len(model.turns) >= 2)
        watching.cancel()
        await until(pilot, lambda: model.place.name == "Paris" and "19.4 °C" in screen_text(app))

        # The latency shown is what the log as it is saved and the player's own receipts give.
        turn = model.turns[-1]
        assert f"latency {turn.latency * 1000:.0f} ms" in screen_text(app)
        log = [json.loads(line) for line in model.events.journal()]
        asked = next(
            e["time"] for e in log if "weather in Paris" in str(e["event"]) and e["source"] == "client"
        )
        played = next(e for e in log if e["event"].get("item_id") == turn.item_id and e["source"] == "player")
        assert played["time"] - asked == pytest.approx(turn.latency, abs=0.05)
        assert first_seen[turn.item_id] - asked == pytest.approx(turn.latency, abs=0.05)

        await pilot.press("x")
        await until(pilot, lambda: model.transcript.get(turn.item_id).heard_samples is not None)
        row = [row for row in model.transcript if row.heard_samples is not None][-1]
        receipt = next(r for r in reversed(model.events.rows) if r.type == "interrupted")
        assert f'"offset": {row.heard_samples}' in receipt.payload
        assert f"cut: heard {row.heard_samples:,} of".replace(",", " ") in screen_text(app)

        app.query_one(ConversationPane).focus()
        model.selected = next(r.id for r in model.transcript if r.role == "assistant")
        await pilot.press("p")
        await until(pilot, lambda: model.playback.item_id is not None and model.playback.position > 2_400)
        assert "■" in screen_text(app)
        await pilot.press("x")
        await until(pilot, lambda: model.playback.item_id is None)

        gone = model.selected
        await pilot.press("d")
        await until(pilot, lambda: model.transcript.get(gone) is None)
        await pilot.press("v")
        await until(pilot, lambda: "just speak" in screen_text(app))
        await pilot.press("v", "s")
        await until(pilot, lambda: any(tmp_path.iterdir()))
        await pilot.press("c")
        await until(pilot, lambda: model.state == "disconnected")
        items, logged = len(model.transcript), model.events.total
        await pilot.press("c")
        await until(pilot, lambda: model.state == "connected")
        assert (
            len(model.transcript) == items + 1 and model.events.total > logged
        )  # all is kept, and a divider
        assert model.memory == {"name": "Ada"}


async def test_push_to_talk_by_tap_by_mouse_and_cancelled(offline_url):
    call = make_call(offline_url)
    app = RealtimeConsole(call)
    model = call.model

    def commits():
        return sum(row.count for row in model.events.rows if row.type == "input_audio_buffer.commit")

    async with app.run_test(size=(132, 44)) as pilot:
        await pilot.press("space")  # not connected: the talk key connects first
        await until(pilot, lambda: model.state == "connected")
        await pilot.press("space")
        await until(pilot, lambda: "REC" in screen_text(app))
        await pilot.pause(0.6)
        await pilot.press("space")
        await until(pilot, lambda: commits() == 1 and not model.talk.active)

        await pilot.pause(0.6)
        await pilot.mouse_down(TalkBar)
        await until(pilot, lambda: model.talk.active)
        await pilot.pause(0.3)
        await pilot.mouse_up("#events")  # outside of the bar: the pointer is captured
        await until(pilot, lambda: commits() == 2 and not model.talk.active)

        await pilot.pause(0.6)
        await pilot.press("space")
        await until(pilot, lambda: model.talk.active)
        await pilot.pause(0.3)
        await pilot.press("escape")
        await until(pilot, lambda: not model.talk.active)
        assert commits() == 2
        await pilot.press("space")  # and it opens again after that
        await until(pilot, lambda: model.talk.active)
        await pilot.pause(0.3)
        await pilot.press("space")
        await until(pilot, lambda: commits() == 3)


async def test_idle_draws_nothing():
    app = RealtimeConsole(make_call())
    async with app.run_test(size=(132, 44)) as pilot:
        await pilot.pause(0.5)
        drawn, seen = [bar.drawn for bar in app.query(Bars)], dict(app.drawing.shown)
        panes = {pane: pane.drawn_lines for pane in app.query(LinePane)}
        await pilot.pause(1.0)
        assert [bar.drawn for bar in app.query(Bars)] == drawn == [0, 0]
        assert app.drawing.shown == seen
        assert panes and {pane: pane.drawn_lines for pane in panes} == panes


async def test_of_a_stream_only_new_lines_are_drawn_and_what_is_read_stays_where_it_is():
    call = make_call()
    app, model = RealtimeConsole(call), call.model
    async with app.run_test(size=(132, 44)) as pilot:
        pane = app.query_one(EventsPane)

        async def come(first: int, last: int) -> int:
            before = pane.drawn_lines
            for i in range(first, last):
                model.on_wire(wire("server", float(i), type=f"event.{i}"))
            await until(pilot, lambda: f"event.{last - 1}" in screen_text(app) or not pane.follows, 5)
            await pilot.pause(0.2)
            return pane.drawn_lines - before

        await come(0, 100)
        assert await come(100, 101) <= 3  # the new one, and where the scroll bar begins and ends
        assert "event.99" in screen_text(app)

        # Scrolled up: neither new events nor dropped ones move what is being read.
        await pilot.press("1", "g")
        await pilot.press(*["pagedown"] * 5)
        await pilot.pause(0.2)
        top = pane._lines[pane._top][0]
        assert not pane.follows
        model.events.rows.popleft()
        await come(101, 102)
        assert pane._lines[pane._top][0] == top and pane.border_subtitle.endswith("1 new ↓")
        await pilot.press("G")
        await until(pilot, lambda: "event.101" in screen_text(app))
        assert pane.follows


async def test_a_server_that_is_not_there_is_one_message_and_a_usable_screen():
    call = make_call("ws://127.0.0.1:9")
    app = RealtimeConsole(call)
    async with app.run_test(size=(132, 44)) as pilot:
        await pilot.press("c")
        await until(pilot, lambda: "error! cannot connect" in screen_text(app))
        assert call.model.state == "disconnected"
        await pilot.press("v")
        assert call.model.talk.mode == "vad"


async def test_a_wrong_key_is_told_without_showing_it(monkeypatch):
    monkeypatch.setenv("THE_KEY", "sk-right-key-000000")
    process = await asyncio.to_thread(start_server_process, "--voice", "standin", "--key-env", "THE_KEY")
    call = make_call(process.url, Key("sk-wrong-key-111111", "environment"))
    app = RealtimeConsole(call)
    async with app.run_test(size=(132, 44)) as pilot:
        await pilot.press("c")
        await until(pilot, lambda: "error! cannot connect" in screen_text(app))
        assert "sk-wrong" not in app.export_screenshot()
        await pilot.press("a", *"sk-right-key-000000", "enter")
        await until(pilot, lambda: call.model.state == "connected")
        assert "key: this session" in screen_text(app)
    await asyncio.to_thread(process.stop)


async def test_a_server_that_goes_away_leaves_the_conversation_and_says_so():
    process = await asyncio.to_thread(start_server_process, "--voice", "standin", "--session-seconds", "3600")
    call = make_call(process.url)
    app = RealtimeConsole(call)
    async with app.run_test(size=(132, 44)) as pilot:
        await pilot.press("c")
        await until(pilot, lambda: call.model.state == "connected")
        await say(pilot, "hello")
        await until(pilot, lambda: len(call.model.turns) == 1)
        await asyncio.to_thread(process.stop)
        await until(pilot, lambda: call.model.state in ("reconnecting", "disconnected"))
        assert any(isinstance(n, Notice) and n.level in ("warning", "error") for n in call.model.notices)
        assert "hello" in screen_text(app)
        await pilot.press("c")
        await until(pilot, lambda: call.model.state == "disconnected")


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        ("\x1b[32;1:1u", ["space"]),
        ("\x1b[32;1:2u", ["space"]),
        ("\x1b[32;1:3u", [RELEASE]),
        ("\x1b[32;1:3;32u", [RELEASE]),
        ("\x1b[118;1:3u", [IGNORED]),
        ("\x1b[118;1:1;118u", ["v"]),
        ("\x1b[?31u", [IGNORED]),
        ("\x1b[1;1:1A", ["up"]),
        ("v", ["v"]),
    ],
)
def test_key_releases_are_told_from_presses_in_the_bytes_of_the_terminal(data, keys):
    parser = ReleaseParser()
    got = [event.key for event in [*parser.feed(data), *parser.feed("")] if hasattr(event, "key")]
    assert got == keys
