"""The screen and its call on the offline server: turns, tools, cuts, push to talk, lost servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

import pytest

from console.keys import Key
from console.screen.app import RealtimeConsole
from console.screen.panes import ConversationPane
from console.screen.talk_bar import TalkBar
from realtime.offline import OfflineServer, SessionOptions, choose_voice
from tests.console.screens import WIDE, make_call, say, until, until_shown


@contextlib.asynccontextmanager
async def offline_server(**options):
    """An offline server in this process, without models."""
    voice, session = choose_voice("standin"), SessionOptions(pace=0)
    async with OfflineServer(voice=voice, options=session, log=lambda line: None, **options) as server:
        yield server


async def connect(pilot, key="c"):
    await pilot.press(key)
    await until(pilot, lambda: pilot.app.model.state == "connected")


async def watch_receipts(speaker, first_seen):
    """Note when a receipt first tells of samples of each item."""
    while True:
        receipt = speaker.get_track_sample_offset()
        if receipt is not None and receipt.offset:
            first_seen.setdefault(receipt.track_id, time.time())
        await asyncio.sleep(0.004)


async def ask_about_the_weather(pilot):
    """The turn of the answer, and when each item was first heard."""
    app = pilot.app
    first_seen: dict[str, float] = {}
    watching = asyncio.create_task(watch_receipts(app.call._speaker, first_seen))
    await say(pilot, "What is the weather in Paris?")
    await until(pilot, lambda: len(app.model.turns) >= 2)
    watching.cancel()
    await until(pilot, lambda: app.model.place.name == "Paris")
    await until_shown(pilot, "19.4 °C")
    return app.model.turns[-1], first_seen


async def assert_latency(pilot, turn, first_seen):
    """The latency shown is what the saved log and the player's own receipts give."""
    model = pilot.app.model
    await until_shown(pilot, f"latency {turn.latency * 1000:.0f} ms")
    log = [json.loads(line) for line in model.events.journal()]
    asked = next(e["time"] for e in log if "weather in Paris" in str(e["event"]) and e["source"] == "client")
    played = next(e for e in log if e["event"].get("item_id") == turn.item_id and e["source"] == "player")
    assert played["time"] - asked == pytest.approx(turn.latency, abs=0.05)
    assert first_seen[turn.item_id] - asked == pytest.approx(turn.latency, abs=0.05)


async def interrupt(pilot, turn):
    """The cut is the same in the event, in the model and on the screen."""
    model = pilot.app.model
    await pilot.press("x")
    await until(pilot, lambda: model.transcript.get(turn.item_id).heard_samples is not None)
    row = [row for row in model.transcript if row.heard_samples is not None][-1]
    receipt = next(r for r in reversed(model.events.rows) if r.type == "interrupted")
    assert f'"offset": {row.heard_samples}' in receipt.payload
    heard, of = (samples / row.sample_rate for samples in (row.heard_samples, row.received))
    await until_shown(pilot, f"cut: heard {heard:.1f} of {of:.1f} s")


async def play_and_delete(pilot):
    """Play the first answer again, stop, delete it."""
    app, model = pilot.app, pilot.app.model
    app.query_one(ConversationPane).focus()
    model.selected = gone = next(r.id for r in model.transcript if r.role == "assistant")
    await pilot.press("p")
    await until(pilot, lambda: model.playback.item_id is not None and model.playback.position > 2_400)
    await until_shown(pilot, "■")
    await pilot.press("x")
    await until(pilot, lambda: model.playback.item_id is None)
    await pilot.press("d")
    await until(pilot, lambda: model.transcript.get(gone) is None)


async def test_a_turn_a_tool_a_cut_a_replay_a_deletion_and_a_second_connection(offline_url, tmp_path):
    async def fetch(lat, lng, location):
        return {"location": location, "temperature_celsius": 19.4, "wind_speed_kmh": 17.9}

    call = make_call(offline_url, fetch_weather=fetch, sessions=str(tmp_path))
    app, model = RealtimeConsole(call), call.model
    async with app.run_test(size=WIDE) as pilot:
        await connect(pilot)
        await say(pilot, "Please remember that my name is Ada")
        await until(
            pilot, lambda: model.memory.get("name") == "Ada" and not model.answering and model.latency
        )
        await until_shown(pilot, '"name": "Ada"')
        # The next question cuts the answer: what was heard of it is played again later
        await until(pilot, lambda: call._speaker.get_track_sample_offset().offset > 4_800)
        turn, first_seen = await ask_about_the_weather(pilot)
        await assert_latency(pilot, turn, first_seen)
        await interrupt(pilot, turn)
        await play_and_delete(pilot)
        await pilot.press("v")
        await until_shown(pilot, "just speak")
        await pilot.press("v")
        await until(pilot, lambda: model.talk.mode == "manual")
        await pilot.press("s")
        await until(pilot, lambda: any(tmp_path.iterdir()))
        await pilot.press("c")
        await until(pilot, lambda: model.state == "disconnected")
        items, logged = len(model.transcript), model.events.total
        await connect(pilot)
        # All is kept, below it stands a divider
        assert len(model.transcript) == items + 1 and model.events.total > logged
        assert model.memory == {"name": "Ada"}


class Clock:
    """Seconds for push to talk that grow when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_push_to_talk_by_tap_by_mouse_and_cancelled(offline_url):
    call, clock = make_call(offline_url), Clock()
    app, model = RealtimeConsole(call, clock=clock), call.model

    def sent(kind):
        return sum(row.count for row in model.events.rows if row.type == f"input_audio_buffer.{kind}")

    async def heard(seconds=0.2):
        """Until so much more was sent; the server refuses less than 0.1 s."""
        begun = sent("append")
        await until(pilot, lambda: model.talk.active and sent("append") >= begun + seconds / 0.02)
        clock.now += 1

    async with app.run_test(size=WIDE) as pilot:
        # Not connected: the talk key connects first
        await connect(pilot, "space")
        clock.now += 1
        await pilot.press("space")
        await until_shown(pilot, "REC")
        await heard()
        await pilot.press("space")
        await until(pilot, lambda: sent("commit") == 1 and not model.talk.active)

        clock.now += 1
        await pilot.mouse_down(TalkBar)
        await heard()
        # The pointer is captured: a release outside of the bar counts
        await pilot.mouse_up("#events")
        await until(pilot, lambda: sent("commit") == 2 and not model.talk.active)

        clock.now += 1
        await pilot.press("space")
        await heard()
        await pilot.press("escape")
        await until(pilot, lambda: not model.talk.active)
        assert sent("commit") == 2
        # It opens again after that
        await pilot.press("space")
        await heard()
        await pilot.press("space")
        await until(pilot, lambda: sent("commit") == 3)


async def test_a_server_that_is_not_there_is_one_message_and_a_usable_screen():
    call = make_call()
    app = RealtimeConsole(call)
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("c")
        await until_shown(pilot, "error! cannot connect")
        assert call.model.state == "disconnected"
        await pilot.press("v")
        await until(pilot, lambda: call.model.talk.mode == "vad")


async def test_a_wrong_key_is_told_without_showing_it():
    async with offline_server(key="sk-right-key-000000") as server:
        call = make_call(server.url, Key("sk-wrong-key-111111", "environment"))
        app = RealtimeConsole(call)
        async with app.run_test(size=WIDE) as pilot:
            await pilot.press("c")
            await until_shown(pilot, "error! cannot connect")
            assert "sk-wrong" not in app.export_screenshot()
            await pilot.press("a")
            await until_shown(pilot, "enter connects")
            await pilot.press(*"sk-right-key-000000", "enter")
            await until(pilot, lambda: call.model.state == "connected")
            await until_shown(pilot, "key: this session")


async def test_a_server_that_goes_away_leaves_the_conversation_and_says_so():
    async with offline_server() as server:
        call = make_call(server.url)
        app = RealtimeConsole(call)
        async with app.run_test(size=WIDE) as pilot:
            await connect(pilot)
            await say(pilot, "hello")
            await until(pilot, lambda: len(call.model.turns) == 1)
            await server.close()
            await until(pilot, lambda: call.model.state in ("reconnecting", "disconnected"))
            assert any(notice.level in ("warning", "error") for notice in call.model.notices)
            await until_shown(pilot, "hello")
            await pilot.press("c")
            await until(pilot, lambda: call.model.state == "disconnected")
