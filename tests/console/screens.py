"""The screen in tests: a call without hardware, keys, waiting, and snapshots of the screen as text."""

from __future__ import annotations

import asyncio
import difflib
import os
import re
import time
from pathlib import Path

from console.call import Call
from console.endpoint import Endpoint
from console.keys import Key
from console.screen.app import RealtimeConsole
from console.settings import Settings
from console.state import Place
from tests.console.fakes import answer, cut, updated, usage, wire

SNAPSHOTS = Path(__file__).parent / "snapshots"
WIDE, NARROW = (132, 44), (80, 24)
NO_KEY = Key("", "nowhere")
NO_SERVER = "ws://127.0.0.1:9"


def make_call(url=NO_SERVER, key=NO_KEY, fetch_weather=None, **settings) -> Call:
    """A call whose devices are silent clocks; test_terminal.py has audible ones."""
    settings = {"url": url, "input": "null", "output": "null", **settings}
    call = Call(Settings(**settings), Endpoint(url=url, key=key), fetch_weather)

    async def no_devices() -> None:
        """Keep the devices of this machine out of the snapshots."""

    call.refresh_devices = no_devices  # type: ignore[method-assign]
    return call


def screen_text(app: RealtimeConsole) -> str:
    strips = app.screen._compositor.render_strips(app.size)
    return "\n".join(strip.text.rstrip() for strip in strips)


async def until(pilot, condition, seconds=20.0):
    """Wait until *condition* holds and the messages of that moment are handled."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, screen_text(pilot.app)
        await asyncio.sleep(0.01)
    await pilot.pause(0)


async def until_shown(pilot, *texts, seconds=20.0):
    """Wait until the screen shows all of *texts*."""
    await until(pilot, lambda: all(text in screen_text(pilot.app) for text in texts), seconds)


async def say(pilot, text):
    """Type *text* and send it: one key to the field, one to send. test_terminal.py types every letter."""
    await pilot.press("t")
    pilot.app.query_one("#text").value = text
    await pilot.press("enter")


async def assert_snapshot(pilot, name: str) -> None:
    """The screen becomes equal to the kept text. UPDATE_SNAPSHOTS=1 writes it: look at it before committing."""
    app = pilot.app
    path = SNAPSHOTS / f"{name}-{app.size.width}x{app.size.height}.txt"

    def text() -> str:
        return re.sub(r"mic null.*|out null.*", "", screen_text(app)) + "\n"

    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOTS.mkdir(exist_ok=True)
        await pilot.pause(0.5)
        path.write_text(text(), encoding="utf-8")
    kept, deadline = path.read_text(encoding="utf-8"), time.monotonic() + 5
    while (shown := text()) != kept and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    changes = difflib.unified_diff(kept.splitlines(), shown.splitlines(), "kept", "shown", lineterm="", n=0)
    assert shown == kept, "\n".join([f"{path.name} differs (UPDATE_SNAPSHOTS=1 writes it):", *changes])


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
    # The event of the cut bears the present time
    model.events.rows.pop()
    model.on_usage(usage(input_tokens=4_179, output_tokens=188))
    model.remember({"name": "Ada", "city": "Toronto"})
    model.place = Place(43.642, -79.387, "Toronto", "", 19.4, 17.9)
    model.notices.clear()
    model.revision += 1
