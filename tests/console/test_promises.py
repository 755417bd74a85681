"""No screen, key or word promises what does not work: the help, the key list, the page of the console, the messages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from console.arguments import make_parser
from console.call import Call
from console.endpoint import Endpoint
from console.keys import Key
from console.screen import keymap
from console.screen.app import RealtimeConsole
from console.settings import DotEnv, load
from tests.console.screens import WIDE, until
from tests.terminal import ROOT

SHOWN = {one.key for one in keymap.KEYS}
PAGE = (ROOT / "docs" / "console.md").read_text(encoding="utf-8")
SOURCES = sorted((ROOT / "console").rglob("*.py"))


def test_every_verb_that_the_help_names_has_a_help_of_its_own(run_here):
    told = run_here("--help")
    assert told.returncode == 0
    verbs = re.findall(r"^    (\w+) ", told.stdout, re.M)
    assert {"talk", "devices", "doctor", "replay", "relay", "offline"} <= set(verbs)
    for verb in verbs:
        own = run_here(verb, "--help")
        assert own.returncode == 0 and "usage" in own.stdout.lower(), verb


def test_what_the_help_does_not_name_is_refused_in_one_line(run_here):
    for arguments in (["sing"], ["--colour"], ["devices", "--speed", "2"], ["replay"]):
        done = run_here(*arguments)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, arguments


def test_the_page_names_exactly_the_keys_that_work():
    tables = re.findall(r"^\| key \| does.*?\n\n", PAGE, re.M | re.S)
    assert len(tables) == 2
    named = set()
    for row in re.findall(r"^\|.*", "".join(tables), re.M):
        cell = row.split("|")[1].strip().lower()
        named |= {*"123456"} if cell == "1 to 6" else set(cell.split(", "))
    assert named - {"key", "---", "esc", "tab"} == SHOWN - {*"jkgG"}
    assert all(f"{letter}" in PAGE for letter in "jkgG")


def test_every_key_that_a_message_names_is_a_key():
    """Messages say "press c to connect", "c: ...", "(a: enter one)": each of them is in the key list."""
    named = set()
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        named |= set(re.findall(r"\bpress (\w|[\w+]+\d|ctrl\+\w) (?:to|for)\b", text))
        named |= set(re.findall(r"\((\w): ", text))
        named |= set(re.findall(r"\b(ctrl\+\w) (?:brings|quits)", text))
    assert {"c", "a", "ctrl+z"} <= named
    assert named <= SHOWN


FLAGS = {
    "--url": "URL",
    "--model": "gpt-realtime-mini",
    "--voice": "cedar",
    "--mode": "vad",
    "--input": "null",
    "--output": "null",
    "--theme": "light",
    "--sessions": "FOLDER",
}


async def test_every_flag_of_the_screen_changes_the_screen(offline_url, tmp_path):
    given = {**FLAGS, "--url": offline_url, "--sessions": str(tmp_path)}
    arguments = make_parser().parse_args([part for flag in given.items() for part in flag])
    settings = load(vars(arguments), {}, DotEnv())
    call = Call(settings, Endpoint(url=settings.url, model=settings.model, key=Key("", "nowhere")))
    app, model = RealtimeConsole(call, settings.theme), call.model
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("c")
        await until(pilot, lambda: model.state == "connected")
        await until(pilot, lambda: model.server.voice == "cedar")
        assert model.server.model == "gpt-realtime-mini"
        assert model.talk.mode == "vad" and call.client.get_turn_detection_type() == "server_vad"
        assert model.server.endpoint == offline_url
        assert (model.microphone.name, model.speaker.name) == ("null", "null")
        assert app.theme == "realtime-light"
        call.send_text("Hello")
        await until(pilot, lambda: model.transcript.last() is not None)
        await pilot.press("s")
        await until(pilot, lambda: any(tmp_path.iterdir()))


@pytest.mark.parametrize("name", ["--offline", *FLAGS])
def test_every_setting_that_the_page_names_is_read(name):
    option = name.removeprefix("--")
    assert re.search(rf"\b{option}\b", PAGE)
    if option != "offline":
        value = load({}, {f"REALTIME_CONSOLE_{option.upper()}": "vad" if option == "mode" else "x"}, DotEnv())
        assert getattr(value, option) in ("x", "vad", Path("x"))
