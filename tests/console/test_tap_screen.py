"""The screen of a tap: nobody yet, one client, several, and its keys."""

from __future__ import annotations

import re

import pytest

from console.screen.tap import TapConsole
from console.tap.report import Kind, Report
from console.tap.tap import Tap, TapSettings
from console.tap.tapped import TappedSession
from tests.console.screens import NARROW, WIDE, assert_snapshot, screen_text, until, until_shown
from tests.console.test_tap_parts import written

SIZES = [WIDE, NARROW]
UPGRADE = b"GET /v1/realtime?model=gpt-realtime-2.1 HTTP/1.1\r\nUpgrade: websocket\r\nAuthorization: Bearer sk-x-12345678"
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
SESSION = (
    b'{"type": "session.created", "session": {"type": "realtime", "model": "gpt-realtime-2.1", "audio": {}}}'
)
ITEM = (
    b'{"type": "conversation.item.done", "item": {"id": "i%d", "type": "message", "role": "user", "status": "completed",'
    b' "content": [{"type": "input_text", "text": "%s"}]}}'
)


def tap_with(*texts: str) -> Tap:
    """A tap that does not run, with a client for each text."""
    tap = Tap(TapSettings("127.0.0.1", 8082, "wss://api.openai.com/v1/realtime"))
    tap.url = "ws://127.0.0.1:8082"
    tap.model.server.endpoint = "wss://api.openai.com/v1/realtime"
    for number, text in enumerate(texts, 1):
        session = TappedSession(number, Report(Kind.OPENED, number, 1_000.0, UPGRADE), "wss://api.openai.com")
        session.begin()
        tap.sessions.append(session)
        messages = written(False, [SESSION, ITEM % (number, text.encode())], False)
        for at, data in ((1_000.2, ANSWER), (1_000.25, messages)):
            session.take(Report(Kind.SERVER, number, at, data))
        if number < len(texts):
            session.take(Report(Kind.CLOSED, number, 1_001.0, b""))
        session.model.connected_at = None
        session.model.notices.clear()
        tap.choose(number)
    return tap


@pytest.mark.parametrize("size", SIZES)
async def test_before_the_first_client_the_screen_says_where_it_connects(size):
    app = TapConsole(tap_with())
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.first_paint is not None)
        await pilot.press("3")
        await assert_snapshot(pilot, "tap-waiting")


@pytest.mark.parametrize("size", SIZES)
async def test_each_client_has_events_and_conversation_and_one_is_chosen(size):
    tap = tap_with("I am the first.", "I am the second.")
    app = TapConsole(tap)
    async with app.run_test(size=size) as pilot:
        await until_shown(pilot, "I am the second.")
        await assert_snapshot(pilot, "tap-second")
        await pilot.press("<")
        await until_shown(pilot, "I am the first.")
        assert "I am the second." not in screen_text(app)
        await pilot.press("1")
        await until_shown(pilot, "tap.ended")
        await pilot.press(">")
        await until(pilot, lambda: "tap.ended" not in screen_text(app))
        await pilot.press("3", "g", "enter")
        await until(pilot, lambda: tap.chosen is tap.sessions[0])
        assert "sk-x" not in app.export_screenshot()


async def test_keys_that_would_change_what_passes_say_why_not():
    app = TapConsole(tap_with("Hello."))
    async with app.run_test(size=WIDE) as pilot:
        for action in ("talk_key", "mode", "connection", "delete", "echo"):
            app.model.notices.clear()
            getattr(app, f"action_{action}")()
            await until_shown(pilot, "it changes nothing of what passes")


async def test_every_key_that_the_screen_names_does_something():
    app = TapConsole(tap_with("Hello.", "Again."))
    async with app.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "ctrl+q quit")
        named = re.findall(
            r"(\S+) (?:client before|next client|play|stop|filter|save|help|quit)", screen_text(app)
        )
        assert named[-8:] == ["<", ">", "p", "x", "/", "s", "?", "ctrl+q"]
        await pilot.press("question_mark")
        await until_shown(
            pilot, "the client before, the next one", "clients that are connected stay connected"
        )
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        await pilot.press("ctrl+q")
    assert app.return_code in (None, 0)
