"""TapConsole: the screen of a `console.tap.tap.Tap`: the events, the conversation and the audio of one client, and a list.

Thread: the event loop's.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from ..text import one_line
from . import words
from .app import RealtimeConsole
from .dialogs import HelpScreen
from .drawing import Drawing
from .lines import Line, LinePane

__all__ = ["TapConsole"]

PANES = ("events", "conversation", "clients")
KEYS = (
    ("<", "client_before", "client before", "prev"),
    (">", "client_after", "next client", "next"),
    ("p", "play", "play", "play"),
    ("x", "interrupt", "stop", "stop"),
    ("/", "filter", "filter", "find"),
    ("s", "save", "save", "save"),
    ("?", "help", "help", ""),
    ("ctrl+q", "quit", "quit", "quit"),
)
HELP = (
    ("< >", "the client before, the next one; the list of clients shows all: enter chooses one"),
    ("p, x", "play the selected item; stop it"),
    ("y", "copy the selected item or event"),
    ("/", "filter the events: an event must have all of the words"),
    ("s", "save the session that is shown, to a folder that can be replayed"),
    ("tab", "to the next pane; the arrows (or j k g G) move inside one; 1 to 3 choose one"),
    ("enter", "unfold an event, play an item, choose a client"),
    ("ctrl+p", "all commands"),
    ("ctrl+q", "quit: clients that are connected stay connected"),
)


class ClientsPane(LinePane):
    """Every client that has passed: its number, its request and what has become of it; Enter shows its session."""

    FOLLOWS = True

    def __init__(self) -> None:
        super().__init__(id="clients", title="clients")

    def draw(self, tap: Any) -> None:
        """Show the sessions of the tap."""
        lines: list[Line] = []
        for session in tap.sessions:
            mark = "▶" if session is tap.chosen else " "
            state = "●" if session.open else "○"
            style = "bold" if session.open else ""
            request = one_line(session.request.removeprefix("GET "), 200)
            lines.append(
                (
                    session.number,
                    Text(f"{mark}{state} {session.number}  {request}", style=style, no_wrap=True),
                )
            )
            lines.append((session.number, Text(f"     {session.status}", no_wrap=True)))
        if not lines:
            lines = [
                (None, Text(text))
                for text in (
                    "no client yet: let one connect to",
                    "",
                    f"  {tap.url}",
                    "",
                    "in place of its server's address",
                )
            ]
        gone = f"{tap.dropped} older dropped" if tap.dropped else ""
        if gone != self.border_subtitle:
            self.border_subtitle = gone
        self.show(lines)


class TapDrawing(Drawing):
    """The widgets of a tap's screen."""

    def __init__(self, tap: Any) -> None:
        super().__init__(tap)
        self._tap = tap
        self._model: Any = None
        self.clients = ClientsPane()

    @property
    def panes(self) -> tuple[LinePane, ...]:
        return self.events, self.conversation, self.clients

    def choose_pane(self, name: str) -> None:
        self.active = name
        for pane in self.panes:
            pane.set_class(pane.id == name, "active")
        self.tabs.update(words.tabs(PANES, name), layout=False)

    def draw(self, hint: str, wide: bool) -> None:
        if self._tap.model is not self._model:
            # Another client: its rows may have the numbers of those that are drawn
            self._model = self._tap.model
            self.shown.clear()
            for pane in (self.events, self.conversation):
                pane.forget()
        super().draw(hint, wide)
        state = (self._tap.revision, id(self._model))
        if self.shown.get("clients") != state:
            self.shown["clients"] = state
            self.clients.draw(self._tap)

    def keys_line(self, wide: bool) -> str:
        return words.keys(wide, KEYS)


class TapConsole(RealtimeConsole):
    """The screen of a tap.

    Parameters
    ----------
    tap : Tap
        What is shown; it has started.
    theme : str, optional
        As for `RealtimeConsole`.
    """

    CSS = """
    #weather, #memory, #devices, #talk { display: none; }
    #clients { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("less_than_sign", "client_before", show=False, priority=True),
        Binding("greater_than_sign", "client_after", show=False, priority=True),
    ]

    def __init__(self, tap: Any, theme: str | None = None) -> None:
        super().__init__(tap, theme)
        self.tap = tap
        self.drawing: TapDrawing = TapDrawing(tap)

    def on_mount(self) -> None:
        # Textual calls the handler of the base class too
        self.query_one("#side").mount(self.drawing.clients)

    def _choose_pane(self, name: str) -> None:
        name = name if name in PANES else "clients"
        self.drawing.choose_pane(name)
        self.screen_stack[0].set_class(name == "clients", "side-active")

    def action_pane(self, name: str) -> None:
        super().action_pane(name if name in PANES else "clients")

    def action_client_before(self) -> None:
        self.tap.step(-1)

    def action_client_after(self) -> None:
        self.tap.step(1)

    def action_help(self) -> None:
        notices = [
            f"{time.strftime('%H:%M:%S', time.localtime(n.time))} {n.level}: {n.text}"
            for n in self.model.notices
        ]
        self.push_screen(HelpScreen(notices[-20:], HELP))

    def on_line_pane_chosen(self, event: LinePane.Chosen) -> None:
        # Textual calls the handler of the base class too
        if event.pane is self.drawing.clients and isinstance(event.entry, int):
            self.tap.choose(event.entry)
