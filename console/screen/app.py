"""RealtimeConsole: the screen of a `console.call.Call` (or of a `Replay`): layout, keys, mouse, dialogs.

What is on the screen is drawn by `drawing.Drawing`, from the call's model.

Thread: the event loop's.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
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
from ..undo import Deletions
from ..welcome import connects_at_once, suggestions
from . import keymap
from .beat import Beat
from .contrast import ContrastFilter
from .drawing import PANES, SIDE_PANES, Drawing
from .event_panes import EventsPane
from .key_release import RELEASE, driver_class
from .letters import Letters, put_focus
from .lines import LinePane
from .openers import Openers
from .panes import ConversationPane, DevicesPane
from .replay_keys import LETTERS as REPLAY_LETTERS
from .replay_keys import ReplayKeys
from .themes import THEMES

__all__ = ["THEMES", "RealtimeConsole"]

NARROW_COLUMNS, NARROW_ROWS = 110, 34
# From here on the whole event stands beside the list
ROOMY_COLUMNS = 160
TINY_COLUMNS, TINY_ROWS = 60, 18
PLACEHOLDER = "type a message, enter sends it"
# While a dialog is open, it takes the keys of these
OWN_ACTIONS = {
    *(one.action.partition("(")[0] for one in keymap.KEYS if one.action not in ("quit", "command_palette")),
    "talk_key_released",
    "messages",
    "escape",
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
    guide : callable, optional
        Gets the call and acts on it, once the screen is painted.

    Attributes
    ----------
    first_paint : float or None
        ``time.monotonic()`` when every part was drawn for the first time.
    """

    TITLE = "realtime console"
    # An absolute path, so that a subclass in another folder finds it
    CSS_PATH = Path(__file__).with_name("screen.tcss")
    ENABLE_COMMAND_PALETTE = True
    # Priority bindings are run by the app itself, in the order of the keys; so are letters, by `on_event`. A key that
    # goes through a pane's own queue would come after the keys that follow it.
    BINDINGS: ClassVar[list[BindingType]] = [
        *keymap.bindings(),
        Binding(RELEASE, "talk_key_released", show=False, priority=True),
        *ReplayKeys.BINDINGS,
        Binding("escape", "escape", show=False, priority=True),
    ]

    def __init__(
        self,
        call: Any,
        theme: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        guide: Callable[[Any], Awaitable[Any]] | None = None,
    ) -> None:
        super().__init__()
        self.call = call
        self.push_to_talk = PushToTalk()
        self.letters = Letters(self, clock)
        self.openers = Openers(self, call, self._attempt)
        self.deletions = Deletions(call)
        self.drawing = Drawing(call)
        self._beat = Beat(self._frame, self._handle_exception)
        self.composed = False
        self.first_paint: float | None = None
        self._clock = clock
        self._guide = guide
        # Textual's App copies its list of filters to no other place, and has no public way to add one
        sixteen = self.console.color_system == "standard"
        self._filters.append(ContrastFilter(sixteen))
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
        if action in OWN_ACTIONS and len(self.screen_stack) > 1:
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
                with Horizontal(id="events-row"):
                    yield parts.events
                    yield parts.detail
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
            yield Input(id="text", placeholder=PLACEHOLDER, select_on_focus=False)
        yield parts.status
        yield parts.keys
        yield Static(id="too-small", markup=False)

    def on_mount(self) -> None:
        self.composed = True
        self.drawing.conversation.focus()
        self._fit(self.size.width, self.size.height)
        self._beat.start()
        self.call_after_refresh(self._opened)

    def _opened(self) -> None:
        """Fill the parts: they have their sizes now."""
        self._frame()
        self.call_after_refresh(self._painted)

    def _painted(self) -> None:
        self.first_paint = time.monotonic()
        self._attempt(self.call.refresh_devices())
        if self._guide is not None:
            self._attempt(self._guide(self.call))
        elif connects_at_once(self.call):
            self._attempt(self.call.connect())

    def on_resize(self, event: events.Resize) -> None:
        self._fit(event.size.width, event.size.height)

    def _fit(self, width: int, height: int) -> None:
        screen = self.screen_stack[0]
        screen.set_class(width < NARROW_COLUMNS or height < NARROW_ROWS, "narrow")
        screen.set_class(width >= ROOMY_COLUMNS and height >= NARROW_ROWS, "roomy")
        screen.set_class(self.console.color_system == "standard", "sixteen")
        screen.set_class(width < TINY_COLUMNS or height < TINY_ROWS, "tiny")
        self.query_one("#too-small", Static).update(
            f"The terminal has {width} x {height} characters; the console needs {TINY_COLUMNS} x {TINY_ROWS}.\n"
            f"Make it larger, or run: {PROGRAM} --plain"
        )
        self.query_one("#text", Input).placeholder = (
            PLACEHOLDER if width >= NARROW_COLUMNS else "type a message"
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
        self.screen_stack[0].set_class(name == "events", "events-active")

    def _frame(self) -> None:
        """Bring the call and the screen up to date."""
        self.call.tick()
        self._do(self.push_to_talk.tick(self._clock()))
        self.letters.tick()
        # Textual removes the screens when the console closes; a last timer may still call this.
        if self.composed and self.screen_stack and not self.screen_stack[0].has_class("tiny"):
            self.drawing.typing = self.letters.typing
            self.drawing.draw(self.push_to_talk.hint, self.size.width >= NARROW_COLUMNS)

    async def on_event(self, event: events.Event) -> None:
        if not await self.letters.take(event):
            await super().on_event(event)

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
            return
        field = self.query_one("#filter", Input)
        typing_text = isinstance(self.focused, Input) and self.focused is not field
        if self.model.filter and not typing_text:
            self.model.filter = field.value = ""
        if not self.model.filter:
            field.remove_class("open")
        if isinstance(self.focused, Input):
            put_focus(self, f"#{self.drawing.active}")

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
        self._attempt(self.deletions.delete())

    def action_undo(self) -> None:
        self._attempt(self.deletions.undo())

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
        put_focus(self, "#filter")

    def action_type(self) -> None:
        self.letters.open_text()

    def action_move_in_pane(self, step: int) -> None:
        if isinstance(self.focused, LinePane):
            self.focused.action_move(step)

    def action_devices(self) -> None:
        self._attempt(self.call.refresh_devices())

    def action_pane(self, name: str) -> None:
        self._choose_pane(name)
        put_focus(self, f"#{name}")
        self.drawing.shown.clear()
        self.call_after_refresh(self._frame)

    def action_number(self, number: int) -> None:
        """Say what is offered under *number*; if nothing is offered, choose that pane."""
        offered = suggestions(self.model) if self.drawing.conversation.display else ()
        if number <= len(offered):
            self.call.send_text(offered[number - 1])
        elif number <= len(self.pane_names):
            self.action_pane(self.pane_names[number - 1])

    @property
    def own_letters(self) -> Mapping[str, str]:
        """Letters of this view alone, with their actions; they act at once."""
        return REPLAY_LETTERS if self.model.state == "replay" else {}

    @property
    def takes_text(self) -> bool:
        """False where nobody reads a message: in a replay and in a tap."""
        return self.model.state not in ("replay", "tap")

    @property
    def pane_names(self) -> tuple[str, ...]:
        """The panes in the order of their numbers."""
        return PANES

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
        self.openers.help()

    def action_messages(self) -> None:
        self.openers.messages()

    def action_session(self) -> None:
        self.openers.session()

    def action_raw_event(self) -> None:
        self.openers.raw_event()

    def action_key(self) -> None:
        self.openers.key()

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

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        if event.widget.id == "text":
            self.letters.back_to_list = False

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        name = event.widget.id or ""
        # The focus may have moved on since this event was sent, and the screens may be closed
        if not (self.is_running and event.widget.is_attached):
            return
        is_there = event.widget is self.focused and isinstance(event.widget, LinePane)
        if is_there and name in PANES and name != self.drawing.active:
            self._choose_pane(name)

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "filter":
            self.model.filter = event.value

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "text":
            if event.value.strip() and self.model.state == "disconnected":
                self._attempt(self._connect_and_send(event.input))
            else:
                self._send(event.input)
        elif event.input.id == "filter":
            if not event.value:
                event.input.remove_class("open")
            put_focus(self, "#events")

    def _send(self, field: Input) -> None:
        if self.call.send_text(field.value):
            field.value = ""
            if self.letters.back_to_list:
                # From here on letters are commands again: x must interrupt the answer, not be typed
                put_focus(self, f"#{self.drawing.active}")

    async def _connect_and_send(self, field: Input) -> None:
        if await self.call.connect():
            self._send(field)

    def on_click(self, event: events.Click) -> None:
        clicked = None if event.widget is None else event.widget.id
        if clicked == "mode":
            self.action_mode()
        elif clicked == "status" and self.model.notices:
            self.action_messages()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        yield from super().get_system_commands(screen)
        for title, about, action in (
            ("Connect or disconnect", "c", self.action_connection),
            ("Manual or vad", "v", self.action_mode),
            ("Session", "F2: read and change instructions, voice and vad", self.action_session),
            ("Send an event", "F3: write it as JSON", self.action_raw_event),
            ("Undo a deletion", "ctrl+z: bring back the item that was deleted last", self.action_undo),
            ("Interrupt the answer", "x", self.action_interrupt),
            ("Save the session", "s: to a folder that can be replayed", self.action_save),
            ("API key", "a: enter another one", self.action_key),
            ("Echo of the speaker", "e: cancel it, half-duplex, or off", self.action_echo),
            ("List the devices again", "r", self.action_devices),
        ):
            yield SystemCommand(title, about, action)

    async def on_unmount(self) -> None:
        self._beat.stop()
        await self.call.close()
