"""RealtimeConsole: the screen of a `console.call.Call` (or of a `Replay`), drawn from its model.

It holds no state of its own but what is on the screen: twenty times a second it looks which revision numbers of the
model have changed, and draws those parts.

Thread: the event loop's.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Input, Static

from .. import PROGRAM
from ..push_to_talk import PushToTalk
from ..session import SessionModel
from . import words
from .bars import Bars
from .dialogs import HelpScreen, KeyScreen
from .key_release import RELEASE, driver_class
from .lines import LinePane
from .panes import ConversationPane, DevicesPane, EventsPane, MemoryPane, WeatherPane
from .talk_bar import TalkBar
from .themes import THEMES

__all__ = ["THEMES", "RealtimeConsole"]

FRAMES_PER_SECOND = 20
NARROW_COLUMNS, NARROW_ROWS = 110, 34
TINY_COLUMNS, TINY_ROWS = 60, 18
PANES = ("events", "conversation", "weather", "memory", "devices")
SIDE = ("weather", "memory", "devices")
KEY_NAMES = {"/": "slash", "?": "question_mark"}  # as Textual has them
OWN_ACTIONS = {
    *words.ACTIONS.values(),
    "type",
    "copy",
    "half_duplex",
    "key",
    "devices",
    "pane",
    "talk_key_released",
}


class RealtimeConsole(App[None]):
    """The inspector. ``call`` does, ``call.model`` knows, this shows."""

    TITLE = "realtime console"
    CSS_PATH = Path(__file__).with_name("screen.tcss")  # whole, so that a subclass elsewhere finds it
    ENABLE_COMMAND_PALETTE = True
    # Priority: they are then run by the app itself, in the order of the keys. Otherwise what is typed right after t
    # would reach the pane that had the focus before. check_action leaves the keys to text fields and dialogs.
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(KEY_NAMES.get(key, key), action, key, priority=True)
            for key, action in words.ACTIONS.items()
        ),
        Binding(RELEASE, "talk_key_released", show=False, priority=True),
        Binding("escape", "escape", show=False),
        Binding("t", "type", "type a message", priority=True),
        Binding("y", "copy", "copy", priority=True),
        Binding("e", "half_duplex", "half-duplex", priority=True),
        Binding("a", "key", "API key", priority=True),
        Binding("r", "devices", "list devices", priority=True),
        *(Binding(str(n), f"pane('{name}')", show=False, priority=True) for n, name in enumerate(PANES, 1)),
    ]

    def __init__(self, call: Any, theme: str | None = None) -> None:
        super().__init__()
        self.call = call
        self.push_to_talk = PushToTalk()
        self.first_paint: float | None = None  # time.monotonic() of it
        self._seen: dict[str, Any] = {}
        self._active = "conversation"
        for one in THEMES.values():
            self.register_theme(one)
        wanted = {name: one.name for name, one in THEMES.items()}.get(theme or "dark", theme)
        # Here: later it would have the style sheet read twice before anything is shown.
        self.theme = wanted if wanted in self.available_themes else THEMES["dark"].name
        self.composed = False
        self.head_line = Static(id="head")
        self.tabs_line = Static(id="tabs")
        self.events_pane, self.conversation_pane = EventsPane(), ConversationPane()
        self.weather_pane, self.memory_pane, self.devices_pane = WeatherPane(), MemoryPane(), DevicesPane()
        self.line_panes: tuple[LinePane, ...] = (
            self.events_pane,
            self.conversation_pane,
            self.weather_pane,
            self.memory_pane,
            self.devices_pane,
        )
        self.mic_bars = Bars("mic", "blue", id="mic-bars")
        self.out_bars = Bars("out", "green", id="out-bars")
        self.gauge_part = Static(id="gauge", markup=False)
        self.mode_part = Static(id="mode", markup=False)
        self.talk_bar = TalkBar(id="talk-bar", markup=False)
        self.status_line = Static(id="status", markup=False)
        self.keys_line = Static(id="keys")

    @property
    def model(self) -> SessionModel:
        return self.call.model  # type: ignore[no-any-return]

    def get_driver_class(self) -> Any:
        return driver_class(super().get_driver_class())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in OWN_ACTIONS and (len(self.screen_stack) > 1 or isinstance(self.focused, Input)):
            return False  # a text field or a dialog has the keys
        return super().check_action(action, parameters)

    def compose(self) -> ComposeResult:
        yield self.head_line
        yield self.tabs_line
        with Horizontal(id="body"):
            with Vertical(id="main"):
                yield self.events_pane
                yield Input(
                    id="filter",
                    placeholder="words to look for: error, audio, session.updated ...",
                    compact=True,
                )
                yield self.conversation_pane
            with Vertical(id="side"):
                yield self.weather_pane
                yield self.memory_pane
                yield self.devices_pane
        with Horizontal(id="bars"):
            yield self.mic_bars
            yield self.out_bars
            yield self.gauge_part
        with Horizontal(id="talk"):
            yield self.mode_part
            yield self.talk_bar
            yield Input(id="text", placeholder="t: type a message, enter sends it")
        yield self.status_line
        yield self.keys_line
        yield Static(id="too-small", markup=False)

    def on_mount(self) -> None:
        self.composed = True
        self.conversation_pane.focus()
        self._fit(self.size.width, self.size.height)
        self.set_interval(1 / FRAMES_PER_SECOND, self._frame)
        self.call_after_refresh(self._opened)

    def _opened(self) -> None:
        """The parts have their sizes now: fill them."""
        self._frame()
        self.call_after_refresh(self._painted)

    def _painted(self) -> None:
        self.first_paint = time.monotonic()
        self.run_worker(self.call.refresh_devices())

    def on_resize(self, event: events.Resize) -> None:
        self._fit(event.size.width, event.size.height)

    def _fit(self, width: int, height: int) -> None:
        screen = self.screen_stack[0]
        screen.set_class(width < NARROW_COLUMNS or height < NARROW_ROWS, "narrow")
        screen.set_class(width < TINY_COLUMNS or height < TINY_ROWS, "tiny")
        self.query_one("#too-small", Static).update(
            f"The terminal has {width} x {height} characters; the console needs {TINY_COLUMNS} x {TINY_ROWS}.\n"
            f"Make it larger, or run: {PROGRAM} --plain"
        )
        self.query_one("#text", Input).placeholder = (
            "t: type a message, enter sends it" if width >= NARROW_COLUMNS else "t: type a message"
        )
        self._show_pane(self._active)
        self._seen.clear()  # every width-dependent part is drawn anew
        self.call_after_refresh(self._frame)

    def _show_pane(self, name: str) -> None:
        self._active = name
        for pane in self.line_panes:
            pane.set_class(pane.id == name, "active")
        self.screen_stack[0].set_class(name in SIDE, "side-active")
        self._say(self.tabs_line, words.tabs(PANES, name))

    # Drawing

    def _frame(self) -> None:
        """Draw what has changed since the last time."""
        self.call.tick()
        self._do(self.push_to_talk.tick(time.monotonic()))
        model, call = self.model, self.call
        if not self.composed or self.screen_stack[0].has_class("tiny"):
            return
        self.mic_bars.set(call.microphone_bars)
        self.out_bars.set(call.speaker_bars)
        if self._changed("events", (model.events.revision, model.filter, frozenset(model.unfolded))):
            self.events_pane.draw(model)
        self.events_pane.count(model)
        playing = (model.playing, model.play_position)
        if self._changed("conversation", (model.transcript.revision, model.selected, playing)):
            self.conversation_pane.draw(model)
        now = time.time()
        second = int(now) if model.connected_at is not None or model.notices else 0
        tenth = int(now * 10) if model.talking else 0
        if self._changed("rest", (model.revision, second, tenth, self.push_to_talk.hint)):
            self._draw_rest(now)

    def _changed(self, part: Any, state: Any) -> bool:
        if self._seen.get(part) == state:
            return False
        self._seen[part] = state
        return True

    def _draw_rest(self, now: float) -> None:
        model, call, place = self.model, self.call, self.model.place
        if self._changed("weather", (id(place), place.state, place.temperature, self.weather_pane.zoomed)):
            self.weather_pane.draw(model)
        if self._changed("memory", tuple(model.memory.items())):
            self.memory_pane.draw(model)
        used = (model.microphone, model.speaker, model.microphone_problem, model.speaker_problem)
        if self._changed("devices", (used, id(call.microphones), id(call.speakers))):
            self.devices_pane.draw(call)
        wide = self.size.width >= NARROW_COLUMNS
        self._say(self.head_line, words.head(model, now, wide))
        self._say(self.gauge_part, words.gauge(model))
        self._say(self.mode_part, words.mode(model))
        self._say(self.talk_bar, words.talk(model, now, self.push_to_talk.hint, wide))
        self.talk_bar.set_class(model.talking, "open")
        self.talk_bar.set_class(model.mode == "vad" and model.state == "connected", "vad")
        self._say(self.status_line, words.status(model, now))
        self._say(self.keys_line, words.keys(wide))

    def _say(self, part: Static, said: str | Text) -> None:
        """Put words into a part of fixed size: an update that might change the size lays the whole screen out anew."""
        if self._changed(part, said.markup if isinstance(said, Text) else said):
            part.update(said, layout=False)

    # Talking

    def _do(self, action: str | None) -> None:
        if action == "start":
            if self.model.why_not("talk") is not None:
                self.push_to_talk.reset()
            self.run_worker(self.call.talk())
        elif action == "stop":
            self.run_worker(self.call.release())
        elif action == "cancel":
            self.run_worker(self.call.cancel_talk())

    def action_talk_key(self) -> None:
        if self.model.state == "disconnected":
            self.action_connection()
            return
        self._do(self.push_to_talk.key(time.monotonic()))

    def action_talk_key_released(self) -> None:
        self._do(self.push_to_talk.key_release(time.monotonic()))

    def on_talk_bar_pressed(self) -> None:
        if self.model.state == "disconnected":
            self.action_connection()
            return
        self._do(self.push_to_talk.mouse_down(time.monotonic()))

    def on_talk_bar_released(self) -> None:
        self._do(self.push_to_talk.mouse_up(time.monotonic()))

    def on_app_blur(self) -> None:
        self._do(self.push_to_talk.blur(time.monotonic()))

    # Keys

    def action_escape(self) -> None:
        if self.push_to_talk.active:
            self._do(self.push_to_talk.escape())
        elif isinstance(self.focused, Input):
            if self.focused.id == "filter":
                self.model.filter = self.focused.value = ""
                self.focused.remove_class("open")
            self._focus(f"#{self._active}")

    def action_mode(self) -> None:
        self.push_to_talk.reset()
        self.run_worker(self.call.toggle_mode())

    def action_connection(self) -> None:
        self.push_to_talk.reset()
        self.run_worker(self.call.toggle_connection(), group="connection", exclusive=False)

    def action_play(self) -> None:
        self.run_worker(self.call.play())

    def action_interrupt(self) -> None:
        self.run_worker(self.call.interrupt())

    def action_delete(self) -> None:
        self.run_worker(self.call.delete())

    def action_save(self) -> None:
        self.run_worker(self.call.save())

    def action_half_duplex(self) -> None:
        self.call.set_half_duplex(not self.model.half_duplex)

    def action_zoom(self) -> None:
        self.weather_pane.zoomed = not self.weather_pane.zoomed
        self.model.revision += 1

    def action_filter(self) -> None:
        self.action_pane("events")
        field = self.query_one("#filter", Input)
        field.add_class("open")
        self._focus("#filter")

    def action_type(self) -> None:
        self._focus("#text")

    def _focus(self, selector: str) -> None:
        # At once: Widget.focus() waits for a turn of the loop, and what is typed meanwhile would be taken for commands.
        self.screen.set_focus(self.query_one(selector))

    def action_devices(self) -> None:
        self.run_worker(self.call.refresh_devices())

    def action_pane(self, name: str) -> None:
        self._show_pane(name)
        self._focus(f"#{name}")
        self._seen.clear()
        self.call_after_refresh(self._frame)

    def action_copy(self) -> None:
        focused, text = self.focused, ""
        if isinstance(focused, EventsPane):
            row = next((row for row in self.model.events.rows if row.number == focused.cursor), None)
            text = "" if row is None else row.payload
        elif self.model.selection is not None:
            text = self.model.selection.text
        if text:
            self.copy_to_clipboard(text)
        self.model.notice("info", "copied" if text else "nothing is selected (shift and drag selects text)")

    def action_help(self) -> None:
        told = [
            f"{time.strftime('%H:%M:%S', time.localtime(n.time))} {n.level}: {n.text}"
            for n in self.model.notices
        ]
        self.push_screen(HelpScreen(told[-20:]))

    def action_key(self) -> None:
        async def typed(answer: tuple[str, bool] | None) -> None:
            if answer is not None and await self.call.use_key(*answer):
                await self.call.connect()

        self.push_screen(KeyScreen(self.model.key_source), typed)

    # What the panes and fields say

    def on_line_pane_moved(self, event: LinePane.Moved) -> None:
        if isinstance(event.pane, ConversationPane) and isinstance(event.entry, str):
            self.model.selected = event.entry

    def on_line_pane_chosen(self, event: LinePane.Chosen) -> None:
        entry = event.entry
        if isinstance(event.pane, EventsPane) and isinstance(entry, int):
            self.model.unfolded ^= {entry}
            self.events_pane.draw(self.model)
            self.events_pane.reveal(entry)
        elif isinstance(event.pane, ConversationPane):
            self.action_play()
        elif isinstance(event.pane, DevicesPane) and isinstance(entry, tuple):
            noun, device, name = entry
            use = self.call.use_microphone if noun == "input" else self.call.use_speaker
            self.run_worker(use(device, name))

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, LinePane) and event.widget.id and event.widget.id != self._active:
            self._show_pane(event.widget.id)

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "filter":
            self.model.filter = event.value

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "text":
            if self.call.send_text(event.value):
                event.input.value = ""
                # The keys mean commands again: x must interrupt the answer, not be typed.
                self._focus(f"#{self._active}")
        elif event.input.id == "filter":
            if not event.value:
                event.input.remove_class("open")
            self._focus("#events")

    def on_click(self, event: events.Click) -> None:
        if event.widget is not None and event.widget.id == "mode":
            self.action_mode()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        yield from super().get_system_commands(screen)
        for title, about, action in (
            ("Connect or disconnect", "c", self.action_connection),
            ("Save the session", "s: to a folder that can be replayed", self.action_save),
            ("API key", "a: enter another one", self.action_key),
            ("Half-duplex", "e: close the microphone while the speaker is heard", self.action_half_duplex),
            ("List the devices again", "r", self.action_devices),
        ):
            yield SystemCommand(title, about, action)

    async def on_unmount(self) -> None:
        await self.call.close()
