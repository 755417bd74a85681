"""The keys of the screen: every key that the help or the footer names does what it promises; words reach the text field."""

from __future__ import annotations

import re

import pytest
from textual.widgets import Input

from console.screen import keymap
from console.screen.app import RealtimeConsole
from console.screen.dialogs import HelpScreen, KeyScreen, MessagesScreen
from console.screen.editors import RawEventScreen, SessionScreen
from tests.console.screens import NARROW, WIDE, fill, make_call, say, screen_text, until, until_shown


def field(app) -> Input:
    return app.query_one("#text", Input)


async def connect(pilot) -> None:
    await pilot.press("c")
    await until(pilot, lambda: pilot.app.model.state == "connected" and pilot.app.call.client is not None)


@pytest.mark.parametrize(
    "message", ["can you hear me?", "What is it", "please", "save my day", "x-ray", "a dog", "don't"]
)
async def test_a_message_that_is_typed_anywhere_reaches_the_text_field(message):
    app = RealtimeConsole(make_call())
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press(*message)
        assert field(app).value == message and app.focused is field(app)
        assert app.model.state == "disconnected" and len(app.screen_stack) == 1
        await pilot.press("escape")
        assert app.focused.id == "conversation" and field(app).value == message


async def test_a_capital_after_a_command_letter_begins_a_text():
    app = RealtimeConsole(make_call())
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press(*"tThe weather")
        await until(pilot, lambda: field(app).value == "The weather")


async def test_q_is_a_letter_and_ctrl_q_quits_from_everywhere():
    app = RealtimeConsole(make_call())
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("q")
        await until(pilot, lambda: field(app).value == "q")
        assert app.is_running
        await pilot.press("ctrl+q")
        await until(pilot, lambda: app._exit)


@pytest.mark.parametrize("dialog", ["f1", "f4", "a"])
async def test_ctrl_q_quits_while_a_dialog_is_open(dialog):
    app = RealtimeConsole(make_call())
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press(dialog)
        await until(pilot, lambda: len(app.screen_stack) == 2)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: app._exit)


async def test_pasted_text_reaches_the_text_field():
    from textual.events import Paste

    app = RealtimeConsole(make_call())
    async with app.run_test(size=WIDE) as pilot:
        app.post_message(Paste("copied words"))
        await until(pilot, lambda: field(app).value == "copied words")


async def test_a_message_typed_while_disconnected_connects_and_is_sent(offline_url):
    app = RealtimeConsole(make_call(offline_url))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press(*"hello", "enter")
        await until_shown(pilot, "user       hello")
        assert field(app).value == ""
        # The list has the focus again: x interrupts
        assert app.focused.id == "conversation"


async def test_a_message_that_cannot_be_sent_stays_in_the_field():
    app = RealtimeConsole(make_call())
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press(*"hello", "enter")
        await until_shown(pilot, "cannot connect")
        assert field(app).value == "hello"


async def test_a_field_that_was_entered_with_the_mouse_keeps_the_focus_after_a_message(offline_url):
    app = RealtimeConsole(make_call(offline_url))
    async with app.run_test(size=WIDE) as pilot:
        await connect(pilot)
        await pilot.press(*"first", "enter")
        await until_shown(pilot, "user       first")
        await pilot.click("#text")
        await pilot.press(*"can", "enter")
        await until_shown(pilot, "user       can")
        assert app.focused is field(app)


def shown_keys(text: str) -> set[str]:
    return set(text.replace(",", " ").split())


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_the_footer_shows_what_works_where_the_focus_is(size):
    app = RealtimeConsole(make_call())
    async with app.run_test(size=size) as pilot:
        await until_shown(pilot, "/ m" if size == NARROW else "/ filter")
        await pilot.press(*"hi")
        await until_shown(pilot, "enter send", "esc ", "ctrl+q quit")
        footer = screen_text(app).splitlines()[-1]
        assert "v vad" not in footer and "manual/vad" not in footer
        # The talk bar promises no key that would be typed
        await until_shown(pilot, "enter connects and sends")
        await pilot.press("backspace", "backspace")
        await until_shown(pilot, "tap space to connect", "space talk")
        await pilot.press("escape")
        await until_shown(pilot, "press c to connect")


async def test_space_talks_from_the_empty_text_field_and_is_text_after_a_word(offline_url):
    app = RealtimeConsole(make_call(offline_url))
    async with app.run_test(size=WIDE) as pilot:
        await connect(pilot)
        await pilot.press("t")
        await until(pilot, lambda: app.focused is field(app))
        await until_shown(pilot, "tap space, or hold here, to talk")
        await pilot.press("space")
        await until(pilot, lambda: app.model.talk.active)
        await pilot.press("escape")
        await until(pilot, lambda: not app.model.talk.active)
        assert app.focused is field(app) and field(app).value == ""
        await pilot.press("h", "i", "space")
        await until(pilot, lambda: field(app).value == "hi ")
        await until_shown(pilot, "enter sends; hold here to talk")
        assert not app.model.talk.active


async def test_the_help_names_every_key_once_and_no_other():
    app = RealtimeConsole(make_call())
    async with app.run_test(size=(132, 60)) as pilot:
        await pilot.press("question_mark")
        await until_shown(pilot, "esc closes")
        text = screen_text(app)
        left = next(line.index("╭─ help") for line in text.splitlines() if "╭─ help" in line)
        dialog = "\n".join(line[left:] for line in text.splitlines())
        cells = re.findall(r"^│  ((?:\S+, )*\S+)  +\S", dialog, re.M)
        named = [key for cell in cells for key in cell.split(", ")]
        for one in keymap.KEYS:
            if one.key not in "123456jkgG":
                assert named.count(one.key) == 1, (one.key, text)
        assert "q" not in named


async def test_every_key_of_the_key_list_does_something(offline_url, tmp_path, monkeypatch):
    """Each key changes the model, the focus or the screen, when it is pressed where it can act."""
    call = make_call(offline_url, sessions=str(tmp_path))
    app, model = RealtimeConsole(call), call.model
    quit_keys = {"ctrl+q"}
    async with app.run_test(size=WIDE) as pilot:
        await connect(pilot)
        await say(pilot, "hello")
        await until(pilot, lambda: len(model.turns) == 1 and not model.answering)
        model.selected = model.transcript.last().id

        def state() -> tuple[object, ...]:
            focused = app.focused
            return (
                model.revision,
                model.events.total,
                None if focused is None else (focused.id, getattr(focused, "cursor", None)),
                len(app.screen_stack),
                app.clipboard,
                model.playback.item_id,
            )

        for one in keymap.KEYS:
            if one.key in quit_keys:
                continue
            app.action_pane("conversation")
            # A notice of before must not count as the effect
            await pilot.pause(0.05)
            if one.key == "2":
                app.action_pane("events")
            if one.key in ("k", "g"):
                model.selected = app.drawing.conversation.cursor = model.transcript.last().id
            before = state()
            await pilot.press({"/": "slash", "?": "question_mark"}.get(one.key, one.key))
            await until(pilot, lambda before=before: state() != before, 5)
            if one.key == "space":
                await pilot.press("escape")
            if one.key == "c":
                await until(pilot, lambda: model.state == "disconnected")
                await connect(pilot)
            while len(app.screen_stack) > 1:
                await pilot.press("escape")
                await pilot.pause(0.05)
            await pilot.press("escape")
            await pilot.pause(0.05)


@pytest.mark.parametrize(
    ("key", "screen"),
    [("f1", HelpScreen), ("question_mark", HelpScreen), ("f4", MessagesScreen), ("a", KeyScreen)],
)
async def test_dialogs_open_and_close_without_a_connection(key, screen):
    app = RealtimeConsole(make_call())
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, screen))
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1)


@pytest.mark.parametrize(
    ("key", "screen"), [("f2", SessionScreen), ("f3", RawEventScreen), ("f1", HelpScreen)]
)
async def test_function_keys_work_in_the_text_field_too(offline_url, key, screen):
    app = RealtimeConsole(make_call(offline_url))
    async with app.run_test(size=WIDE) as pilot:
        await connect(pilot)
        await pilot.press(*"hello", key)
        await until(pilot, lambda: isinstance(app.screen, screen))
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        assert field(app).value == "hello"


async def test_without_a_connection_the_panels_say_what_to_do():
    app = RealtimeConsole(make_call())
    async with app.run_test(size=WIDE) as pilot:
        for key in ("f2", "f3"):
            app.model.notices.clear()
            await pilot.press(key)
            await until_shown(pilot, "not connected: press c")


async def test_a_long_error_wraps_and_opens_in_full():
    app = RealtimeConsole(make_call())
    long = " ".join(f"word{number}" for number in range(90))
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.first_paint is not None)
        app.model.notice("error", long)
        await until(pilot, lambda: app.drawing.status.size.height == 3)
        assert "word89" not in screen_text(app)
        app.drawing.status.focus()
        await pilot.press("enter")
        await until_shown(pilot, "word89")
        await pilot.press("escape")
        app.model.notice("info", "short")
        await until(pilot, lambda: app.drawing.status.size.height == 1)


async def test_escape_clears_the_filter_from_the_list_too():
    call = make_call()
    app = RealtimeConsole(call)
    async with app.run_test(size=WIDE) as pilot:
        fill(call)
        await pilot.press("slash", *"append", "enter")
        await until_shown(pilot, "filter: append · 124 of 129 events")
        assert app.focused.id == "events"
        await pilot.press("escape")
        await until(pilot, lambda: app.model.filter == "")
        assert not app.query_one("#filter", Input).display
        await until_shown(pilot, "session.created")
