"""Every state of the screen in four themes and four sizes: its text is kept, and every character can be read.

``UPDATE_SNAPSHOTS=1 pytest tests/console/test_looks.py -k dark`` writes the texts: look at them before committing.
"""

from __future__ import annotations

import asyncio
import difflib
import os
import re
import time

import pytest
from rich.color import ColorSystem
from textual.widgets import Input

from console.screen.app import RealtimeConsole
from console.screen.contrast import READABLE
from console.screen.letters import put_focus
from tests.console.contrast import contrasts
from tests.console.screens import SNAPSHOTS, fill, make_call, screen_text, until

SIZES = [(200, 60), (132, 44), (100, 30), (80, 24)]
BARS = tuple(level / 10 for level in range(10))


def offer(app):
    app.model.state = "connected"
    app.model.server.local_models = "fixed replies, Whisper hears, Hibari speaks"


def talk(app):
    app.model.set_talking(True)
    app.call.microphone_bars, app.call.speaker_bars = BARS, BARS[::-1]


def listen(app):
    app.model.set_talking(False)
    app.model.talk.mode = "vad"


def warn(app):
    app.model.notice("warning", "a warning")


def fail(app):
    app.model.notice("error", "cannot connect: connection refused")


def sample(app):
    app.model.place.sample = True
    app.model.place.temperature = 20.5


# Name, keys, what happens to the model
def write(app):
    put_focus(app, "#text")
    app.query_one("#text", Input).value = "hello"


STATES = (
    ("start", (), None),
    ("offers", (), offer),
    ("conversation", (), lambda app: fill(app.call)),
    ("talking", (), talk),
    ("listening", (), listen),
    ("a warning", (), warn),
    ("an error", (), fail),
    ("an unfolded event", ("1", "G", "enter"), None),
    ("a filter", ("/", *"append"), None),
    ("weather", ("escape", "3"), sample),
    ("a region", ("m",), None),
    ("memory", ("4",), None),
    ("devices", ("5",), None),
    ("a message", (), write),
    ("the key", ("escape", "a"), None),
    ("help", ("escape", "question_mark"), None),
)


def text_of(app) -> str:
    """The screen without what differs from run to run."""
    text = re.sub(r"REC \d+\.\d s", "REC 0.0 s", screen_text(app))
    return re.sub(r"\d\d:\d\d:\d\d (?=info|warning|error)", "", text).rstrip()


def differences(name: str, file: str, kept: str, shown: str) -> str:
    lines = difflib.unified_diff(kept.splitlines(), shown.splitlines(), "kept", "shown", lineterm="", n=0)
    return "\n".join([f"{name} differs from {file}:", *lines])


def changed(model):
    """Let the next frame draw the model."""
    model.revision += 1
    model.transcript.revision += 1


async def look(pilot, name, kept) -> str:
    """The text of a state, once it is the kept one; every character of it can be read."""
    deadline = time.monotonic() + (10 if kept is not None else 1.5)
    while text_of(pilot.app) != kept and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    poor = {pair: found for pair, found in contrasts(pilot.app).items() if found[0] < READABLE}
    assert not poor, (name, poor)
    return text_of(pilot.app)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("theme", ["dark", "light", "no colour", "sixteen colours"])
async def test_every_state_is_as_it_was_and_has_a_contrast_of_at_least_4_5(theme, size, monkeypatch):
    if theme == "no colour":
        monkeypatch.setenv("NO_COLOR", "1")
    if theme == "sixteen colours":
        monkeypatch.setenv("COLORTERM", "")
        monkeypatch.setenv("TERM", "xterm-16color")
    path = SNAPSHOTS / f"looks-{size[0]}x{size[1]}.txt"
    writes = bool(os.environ.get("UPDATE_SNAPSHOTS"))
    kept = [] if writes else path.read_text(encoding="utf-8").split("\f")
    app = RealtimeConsole(make_call(), "light" if theme == "light" else "dark")
    app.call.tick = lambda: None
    seen = []
    async with app.run_test(size=size) as pilot:
        assert (app.console._color_system is ColorSystem.STANDARD) == (theme == "sixteen colours")
        await until(pilot, lambda: app.first_paint is not None)
        for number, (name, keys, change) in enumerate(STATES):
            for key in keys:
                await pilot.press(key)
                if key == "escape":
                    await until(
                        pilot, lambda: len(app.screen_stack) == 1 and not isinstance(app.focused, Input)
                    )
            if change is not None:
                change(app)
            changed(app.model)
            # Now, not at the next beat
            app._frame()
            expected = None if writes else kept[number].partition("\n")[2].rstrip()
            text = await look(pilot, name, expected)
            seen.append(f"{name}\n{text}\n")
            assert writes or text == expected, differences(name, path.name, expected, text)
    if writes:
        path.write_text("\f".join(seen), encoding="utf-8")
