"""RealtimeConsole: the screen of a `console.call.Call` (or of a `Replay`), drawn from its model.

It holds no state of its own but what is on the screen: twenty times a second it looks which revision numbers of the
model have changed, and draws those parts.

Thread: the event loop's.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.theme import Theme
from textual.widgets import Input, Static

from .. import PROGRAM
from ..push_to_talk import PushToTalk
from ..session import SessionModel
from .bars import Bars
from .dialogs import HelpScreen, KeyScreen
from .key_release import RELEASE, driver_class
from .lines import LinePane
from .panes import ConversationPane, DevicesPane, EventsPane, MemoryPane, WeatherPane
from .talk_bar import TalkBar

__all__ = ["THEMES", "RealtimeConsole"]

FRAMES_PER_SECOND = 20
NARROW_COLUMNS, NARROW_ROWS = 110, 34
INFO_SECONDS = 10.0  # warnings and errors stay until something newer is said
TINY_COLUMNS, TINY_ROWS = 60, 18
PANES = ("events", "conversation", "weather", "memory", "devices")
SIDE = ("weather", "memory", "devices")
# The contract of the footer; the shorter words are for 80 columns.
KEYS = (
    ("space", "talk", "talk"),
    ("v", "manual/vad", "vad"),
    ("c", "connect", "conn"),
    ("p", "play", "play"),
    ("x", "interrupt", "stop"),
    ("d", "delete", "del"),
    ("/", "filter", "find"),
    ("m", "map zoom", "map"),
    ("s", "save", "save"),
    ("?", "help", "help"),
    ("q", "quit", "quit"),
)
ACTIONS = {
    "space": "talk_key",
    "v": "mode",
    "c": "connection",
    "p": "play",
    "x": "interrupt",
    "d": "delete",
    "/": "filter",
    "m": "zoom",
    "s": "save",
    "?": "help",
    "q": "quit",
}
OWN_ACTIONS = {
    *ACTIONS.values(),
    "type",
    "copy",
    "half_duplex",
    "key",
    "devices",
    "pane",
    "talk_key_released",
}
THEMES = {
    "dark": Theme(
        name="realtime-dark",
        dark=True,
        primary="#6ea8fe",
        secondary="#8b949e",
        accent="#58a6ff",
        foreground="#e6edf3",
        background="#0d1117",
        surface="#161b22",
        panel="#21262d",
        success="#3fb950",
        warning="#d29922",
        error="#f85149",
    ),
    "light": Theme(
        name="realtime-light",
        dark=False,
        primary="#0550ae",
        secondary="#57606a",
        accent="#0969da",
        foreground="#1f2328",
        background="#ffffff",
        surface="#f6f8fa",
        panel="#eaeef2",
        success="#1a7f37",
        warning="#9a6700",
        error="#cf222e",
    ),
}
STATE_MARKS = {"connected": "●", "connecting": "◌", "reconnecting": "◌", "disconnected": "○", "replay": "▶"}


class RealtimeConsole(App[None]):
    """The inspector. ``call`` does, ``call.model`` knows, this shows."""

    TITLE = "realtime console"
    CSS_PATH = "screen.tcss"
    ENABLE_COMMAND_PALETTE = True
    # Priority: they are then run by the app itself, in the order of the keys. Otherwise what is typed right after t
    # would reach the pane that had the focus before. check_action leaves the keys to text fields and dialogs.
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding({"/": "slash", "?": "question_mark"}.get(key, key), action, key, priority=True)
            for key, action in ACTIONS.items()
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
        self._theme_wanted = theme

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
        yield Static(id="head")
        yield Static(id="tabs")
        with Horizontal(id="body"):
            with Vertical(id="main"):
                yield EventsPane()
                yield Input(
                    id="filter",
                    placeholder="words to look for: error, audio, session.updated ...",
                    compact=True,
                )
                yield ConversationPane()
            with Vertical(id="side"):
                yield WeatherPane()
                yield MemoryPane()
                yield DevicesPane()
        with Horizontal(id="bars"):
            yield Bars("mic", "blue", id="mic-bars")
            yield Bars("out", "green", id="out-bars")
            yield Static(id="gauge", markup=False)
        with Horizontal(id="talk"):
            yield Static(id="mode", markup=False)
            yield TalkBar(id="talk-bar", markup=False)
            yield Input(id="text", placeholder="t: type a message, enter sends it")
        yield Static(id="status", markup=False)
        yield Static(id="keys")
        yield Static(id="too-small", markup=False)

    def on_mount(self) -> None:
        wanted = self._theme_wanted
        known = {name: theme.name for name, theme in THEMES.items()}
        self.theme = known.get(
            wanted or "dark", wanted if wanted in self.available_themes else "realtime-dark"
        )
        self.query_one(ConversationPane).focus()
        self._fit(self.size.width, self.size.height)
        self.set_interval(1 / FRAMES_PER_SECOND, self._frame)
        self.call_after_refresh(self._painted)
        self.run_worker(self.call.refresh_devices(), exclusive=False)

    def _painted(self) -> None:
        self.first_paint = time.monotonic()
        self._frame()

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
        self._show_pane(self._active)
        self._seen.clear()  # every width-dependent part is drawn anew
        self.call_after_refresh(self._frame)

    def _show_pane(self, name: str) -> None:
        self._active = name
        for pane in self.query(LinePane):
            pane.set_class(pane.id == name, "active")
        self.screen_stack[0].set_class(name in SIDE, "side-active")
        labels = (
            f"[@click=app.pane('{p}')]{'[b]▌' if p == name else ' '}{n} {p}{'[/b]' if p == name else ''}[/]"
            for n, p in enumerate(PANES, 1)
        )
        self.query_one("#tabs", Static).update("  ".join(labels))

    # Drawing

    def _frame(self) -> None:
        """Draw what has changed since the last time."""
        self.call.tick()
        self._do(self.push_to_talk.tick(time.monotonic()))
        model, call = self.model, self.call
        base = self.screen_stack[0]
        if base.has_class("tiny") or not base.query(
            "#keys"
        ):  # the last of its widgets: not there yet, or gone already
            return
        base.query_one("#mic-bars", Bars).set(call.microphone_bars)
        base.query_one("#out-bars", Bars).set(call.speaker_bars)
        events_state = (model.events.revision, model.filter, len(model.unfolded), sum(model.unfolded))
        if self._changed("events", events_state):
            base.query_one(EventsPane).draw(model)
        playing = (model.playing, model.play_position)
        if self._changed("conversation", (model.transcript.revision, model.selected, playing)):
            base.query_one(ConversationPane).draw(model)
        second = int(time.time()) if model.connected_at is not None else 0
        tenth = int(time.time() * 10) if model.talking else 0
        if self._changed("rest", (model.revision, second, tenth, self.push_to_talk.hint)):
            self._draw_rest(base)

    def _changed(self, part: str, state: Any) -> bool:
        if self._seen.get(part) == state:
            return False
        self._seen[part] = state
        return True

    def _draw_rest(self, base: Screen[Any]) -> None:
        model, call = self.model, self.call
        if self._changed(
            "weather",
            (id(model.place), model.place.state, model.place.temperature, base.query_one(WeatherPane).zoomed),
        ):
            base.query_one(WeatherPane).draw(model)
        if self._changed("memory", tuple(model.memory.items())):
            base.query_one(MemoryPane).draw(model)
        devices = (
            model.microphone,
            model.speaker,
            model.microphone_problem,
            model.speaker_problem,
            len(call.microphones),
            len(call.speakers),
        )
        if self._changed("devices", (devices, id(call.microphones))):
            base.query_one(DevicesPane).draw(call)
        base.query_one("#head", Static).update(self._head())
        base.query_one("#gauge", Static).update(self._gauge())
        base.query_one("#mode", Static).update(
            "[manual]  vad" if model.mode == "manual" else " manual  [vad]"
        )
        bar = base.query_one("#talk-bar", TalkBar)
        bar.update(self._talk_text())
        bar.set_class(model.talking, "open")
        bar.set_class(model.mode == "vad" and model.state == "connected", "vad")
        base.query_one("#status", Static).update(self._status())
        if self._changed("keys", self.size.width):
            wide = self.size.width >= NARROW_COLUMNS
            parts = (
                f"[@click=app.{ACTIONS[key]}][b]{key}[/b] {long if wide else short}[/]"
                for key, long, short in KEYS
            )
            base.query_one("#keys", Static).update(("  " if wide else " ").join(parts))

    def _head(self) -> Text:
        model = self.model
        head = Text(no_wrap=True, overflow="ellipsis")
        wide = self.size.width >= NARROW_COLUMNS
        if wide:
            head.append("realtime console  ", style="bold")
        head.append(
            f"{STATE_MARKS[model.state]} {model.state}",
            style="bold green" if model.state == "connected" else "bold",
        )
        if model.connected_at is not None:
            minutes, seconds = divmod(int(time.time() - model.connected_at), 60)
            head.append(f" {minutes:02}:{seconds:02}")
        if model.latency is not None:
            head.append(f"  latency {model.latency * 1000:.0f} ms", style="bold")
        if model.model_name:
            head.append(f"  {model.model_name} · {model.voice_name}")
        head.append(f"  {model.endpoint}")
        if model.key_source not in ("", "none"):
            head.append(f"  key: {model.key_source}")
        tokens = model.tokens
        if tokens:
            head.append(f"  tokens {tokens.get('input_tokens', 0)} in {tokens.get('output_tokens', 0)} out")
        return head

    def _gauge(self) -> str:
        model = self.model
        return (
            f"mic {model.microphone}\nout {model.speaker}\n"
            + ("half-duplex · " if model.half_duplex else "")
            + ("ECHO: speakers are heard · " if model.echo else "")
            + ("answering · " if model.answering else "")
            + self._tokens()
        )

    def _tokens(self) -> str:
        """By kind: they cost differently."""
        tokens = self.model.tokens
        if not tokens:
            return ""
        kinds = " ".join(
            f"{kind} {tokens.get(f'input_token_details.{kind}_tokens', 0)}/"
            f"{tokens.get(f'output_token_details.{kind}_tokens', 0)}"
            for kind in ("text", "audio")
        )
        return f"tokens in/out: {kinds} cached {tokens.get('input_token_details.cached_tokens', 0)}"

    def _talk_text(self) -> str:
        model = self.model
        if model.talking:
            return f"● REC {time.time() - model.talking_since:.1f} s   {self.push_to_talk.hint} · esc cancels"
        if model.state == "disconnected":
            return "press c to connect"
        if model.state != "connected":
            return "replay" if model.state == "replay" else f"{model.state} …"
        if model.mode == "vad":
            return (
                "microphone closed while the speaker plays"
                if model.half_duplex and model.answering
                else "● listening: just speak"
            )
        return "no microphone: type" if model.microphone_problem else "tap space, or hold here, to talk"

    def _status(self) -> Text:
        if not self.model.notices:
            return Text("")
        notice = self.model.notices[-1]
        if notice.level == "info" and time.time() - notice.time > INFO_SECONDS:
            return Text("")
        mark, style = {
            "info": ("", "dim"),
            "warning": ("warning: ", "bold yellow"),
            "error": ("error! ", "bold red"),
        }[notice.level]
        return Text(mark + notice.text, style=style, no_wrap=True, overflow="ellipsis")

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
        pane = self.query_one(WeatherPane)
        pane.zoomed = not pane.zoomed
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
