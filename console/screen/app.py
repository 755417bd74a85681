"""RealtimeConsole: the screen of a `console.call.Call` (or of a `Replay`): layout, keys, mouse, dialogs.

What is on the screen is drawn by `drawing.Drawing`, from the call's model.

Thread: the event loop's.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

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
from .dialogs import HelpScreen, KeyScreen
from .drawing import PANES, SIDE_PANES, Drawing
from .key_release import RELEASE, driver_class
from .lines import LinePane
from .panes import ConversationPane, DevicesPane, EventsPane
from .replay_keys import ReplayKeys
from .themes import THEMES

__all__ = ["THEMES", "RealtimeConsole"]

FRAMES_PER_SECOND = 20
NARROW_COLUMNS, NARROW_ROWS = 110, 34
TINY_COLUMNS, TINY_ROWS = 60, 18
# Textual's names of the keys
KEY_NAMES = {"/": "slash", "?": "question_mark"}
OWN_ACTIONS = {
    *words.ACTIONS.values(),
    "type",
    "copy",
    "key",
    "devices",
    "pane",
    "talk_key_released",
}


class RealtimeConsole(ReplayKeys, App[None]):
    """The screen.

    Parameters
    ----------
    call : Call or Replay
        Does what the keys ask for; its model is shown.
    theme : str, optional
        "dark" (default), "light", or the name of a Textual theme. An unknown name gives "dark".
    clock : callable, optional
        Seconds that only grow, for push to talk.

    Attributes
    ----------
    first_paint : float or None
        ``time.monotonic()`` when every part was drawn for the first time.
    """

    TITLE = "realtime console"
    # An absolute path, so that a subclass in another folder finds it
    CSS_PATH = Path(__file__).with_name("screen.tcss")
    ENABLE_COMMAND_PALETTE = True
    # Priority bindings are run by the app itself, in the order of the keys. Without priority, a key typed right after
    # t would reach the pane that had the focus before. check_action leaves the keys to text fields and dialogs.
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(KEY_NAMES.get(key, key), action, key, priority=True)
            for key, action in words.ACTIONS.items()
        ),
        Binding(RELEASE, "talk_key_released", show=False, priority=True),
        *ReplayKeys.BINDINGS,
        Binding("escape", "escape", show=False),
        Binding("t", "type", "type a message", priority=True),
        Binding("y", "copy", "copy", priority=True),
        Binding("a", "key", "API key", priority=True),
        Binding("r", "devices", "list devices", priority=True),
        *(Binding(str(n), f"pane('{name}')", show=False, priority=True) for n, name in enumerate(PANES, 1)),
    ]

    def __init__(
        self, call: Any, theme: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self.call = call
        self.push_to_talk = PushToTalk()
        self.drawing = Drawing(call)
        self.composed = False
        self.first_paint: float | None = None
        self._clock = clock
        for one in THEMES.values():
            self.register_theme(one)
        wanted = {name: one.name for name, one in THEMES.items()}.get(theme or "dark", theme)
        # Set before the first frame: a later change would read the style sheet a second time
        self.theme = wanted if wanted in self.available_themes else THEMES["dark"].name

    @property
    def model(self) -> SessionModel:
        return self.call.model  # type: ignore[no-any-return]

    def get_driver_class(self) -> Any:
        return driver_class(super().get_driver_class())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in OWN_ACTIONS and (len(self.screen_stack) > 1 or isinstance(self.focused, Input)):
            # A text field or a dialog takes the keys
            return False
        if action.startswith("replay_") and (
            self.model.state != "replay" or len(self.screen_stack) > 1 or isinstance(self.focused, Input)
        ):
            return False
        return super().check_action(action, parameters)

    def compose(self) -> ComposeResult:
        parts = self.drawing
        yield parts.head
        yield parts.tabs
        with Horizontal(id="body"):
            with Vertical(id="main"):
                yield parts.events
                yield parts.waterfall
                yield Input(
                    id="filter",
                    placeholder="words to look for: error, audio, session.updated ...",
                    compact=True,
                )
                yield parts.conversation
            with Vertical(id="side"):
                yield parts.weather
                yield parts.memory
                yield parts.devices
        with Horizontal(id="bars"):
            yield parts.microphone_bars
            yield parts.speaker_bars
            yield parts.gauge
        with Horizontal(id="talk"):
            yield parts.mode
            yield parts.talk_bar
            yield Input(id="text", placeholder="t: type a message, enter sends it")
        yield parts.status
        yield parts.keys
        yield Static(id="too-small", markup=False)

    def on_mount(self) -> None:
        self.composed = True
        self.drawing.conversation.focus()
        self._fit(self.size.width, self.size.height)
        self.set_interval(1 / FRAMES_PER_SECOND, self._frame)
        self.call_after_refresh(self._opened)

    def _opened(self) -> None:
        """Fill the parts: they have their sizes now."""
        self._frame()
        self.call_after_refresh(self._painted)

    def _painted(self) -> None:
        self.first_paint = time.monotonic()
        self._attempt(self.call.refresh_devices())

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
        self._choose_pane(self.drawing.active)
        # Every part may depend on the size: draw all of them again
        self.drawing.shown.clear()
        self.call_after_refresh(self._frame)

    def _choose_pane(self, name: str) -> None:
        self.drawing.choose_pane(name)
        self.screen_stack[0].set_class(name in SIDE_PANES, "side-active")
        if name in ("events", "waterfall"):
            # A large terminal shows one in the place of the other
            self.screen_stack[0].set_class(name == "waterfall", "waterfall")

    def _frame(self) -> None:
        """Bring the call and the screen up to date."""
        self.call.tick()
        self._do(self.push_to_talk.tick(self._clock()))
        # Textual removes the screens when the console closes; a last timer may still call this.
        if self.composed and self.screen_stack and not self.screen_stack[0].has_class("tiny"):
            self.drawing.draw(self.push_to_talk.hint, self.size.width >= NARROW_COLUMNS)

    # Talking

    def _attempt(self, work: Awaitable[Any]) -> None:
        """Do what a key asks for, in the background; a failure becomes a notice."""
        self.run_worker(self.call.attempt(work))

    def _do(self, action: str | None) -> None:
        """Do what push to talk has decided."""
        if action == "start":
            if self.model.why_not("talk") is not None:
                self.push_to_talk.reset()
            self._attempt(self.call.talk())
        elif action == "stop":
            self._attempt(self.call.release())
        elif action == "cancel":
            self._attempt(self.call.cancel_talk())

    def action_talk_key(self) -> None:
        if self.model.state == "replay":
            self.replay_pause()
            return
        if self.model.state == "disconnected":
            self.action_connection()
            return
        self._do(self.push_to_talk.key(self._clock()))

    def action_talk_key_released(self) -> None:
        self._do(self.push_to_talk.key_release(self._clock()))

    def on_talk_bar_pressed(self) -> None:
        if self.model.state == "disconnected":
            self.action_connection()
            return
        self._do(self.push_to_talk.mouse_down(self._clock()))

    def on_talk_bar_released(self) -> None:
        self._do(self.push_to_talk.mouse_up(self._clock()))

    def on_app_blur(self) -> None:
        self._do(self.push_to_talk.blur(self._clock()))

    # Keys

    def action_escape(self) -> None:
        if self.push_to_talk.active:
            self._do(self.push_to_talk.escape())
        elif isinstance(self.focused, Input):
            if self.focused.id == "filter":
                self.model.filter = self.focused.value = ""
                self.focused.remove_class("open")
            self._focus(f"#{self.drawing.active}")

    def action_mode(self) -> None:
        self.push_to_talk.reset()
        self._attempt(self.call.toggle_mode())

    def action_connection(self) -> None:
        self.push_to_talk.reset()
        self._attempt(self.call.toggle_connection())

    def action_play(self) -> None:
        self._attempt(self.call.play())

    def action_interrupt(self) -> None:
        self._attempt(self.call.interrupt())

    def action_delete(self) -> None:
        self._attempt(self.call.delete())

    def action_save(self) -> None:
        self._attempt(self.call.save())

    def action_echo(self) -> None:
        self.call.next_echo()

    def action_zoom(self) -> None:
        self.drawing.weather.zoomed = not self.drawing.weather.zoomed
        self.model.revision += 1

    def action_waterfall(self) -> None:
        shown = self.drawing.waterfall.display
        self.action_pane("conversation" if shown else "waterfall")
        self.screen_stack[0].set_class(not shown, "waterfall")

    def action_filter(self) -> None:
        self.action_pane("events")
        field = self.query_one("#filter", Input)
        field.add_class("open")
        self._focus("#filter")

    def action_type(self) -> None:
        self._focus("#text")

    def _focus(self, selector: str) -> None:
        # Widget.focus() would wait for an iteration of the loop, and text typed meanwhile would be taken for commands.
        self.screen.set_focus(self.query_one(selector))

    def action_devices(self) -> None:
        self._attempt(self.call.refresh_devices())

    def action_pane(self, name: str) -> None:
        self._choose_pane(name)
        self._focus(f"#{name}")
        self.drawing.shown.clear()
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
        notices = [
            f"{time.strftime('%H:%M:%S', time.localtime(n.time))} {n.level}: {n.text}"
            for n in self.model.notices
        ]
        self.push_screen(HelpScreen(notices[-20:]))

    def action_key(self) -> None:
        async def connect_with(answer: tuple[str, bool]) -> None:
            if await self.call.use_key(*answer):
                await self.call.connect()

        def use(answer: tuple[str, bool] | None) -> None:
            if answer is not None:
                self._attempt(connect_with(answer))

        self.push_screen(KeyScreen(self.model.server.key_source), use)

    # Messages of the panes and fields

    def on_line_pane_moved(self, event: LinePane.Moved) -> None:
        if isinstance(event.pane, ConversationPane) and isinstance(event.entry, str):
            self.model.selected = event.entry

    def on_line_pane_chosen(self, event: LinePane.Chosen) -> None:
        entry = event.entry
        if isinstance(event.pane, EventsPane) and isinstance(entry, int):
            self.model.unfolded ^= {entry}
            self.drawing.events.draw(self.model)
            self.drawing.events.reveal(entry)
        elif isinstance(event.pane, ConversationPane):
            self.action_play()
        elif isinstance(event.pane, DevicesPane) and isinstance(entry, tuple):
            noun, device, name = entry
            use = self.call.use_microphone if noun == "input" else self.call.use_speaker
            self._attempt(use(device, name))

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, LinePane) and event.widget.id and event.widget.id != self.drawing.active:
            self._choose_pane(event.widget.id)

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "filter":
            self.model.filter = event.value

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "text":
            if self.call.send_text(event.value):
                event.input.value = ""
                # From here on keys are commands again: x must interrupt the answer, not be typed
                self._focus(f"#{self.drawing.active}")
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
            ("Echo of the speaker", "e: cancel it, half-duplex, or off", self.action_echo),
            ("List the devices again", "r", self.action_devices),
        ):
            yield SystemCommand(title, about, action)

    async def on_unmount(self) -> None:
        await self.call.close()
