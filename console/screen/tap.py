"""TapConsole: the screen of a `console.tap.tap.Tap`: the events, the conversation and the audio of one client, and a list.

Thread: the event loop's.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from typing import Any

from rich.text import Text

from ..text import one_line
from .dialogs import HelpScreen
from .keymap import Part
from .lines import Line, LinePane
from .side import SideConsole, SideDrawing, SidePane

__all__ = ["TapConsole"]

KEYS = (
    ("<", "client_before", "client before", "prev"),
    (">", "client_after", "next client", "next"),
    ("p", "play", "play", "play"),
    ("x", "interrupt", "stop", "stop"),
    ("/", "filter", "filter", "find"),
    ("w", "waterfall", "turns", "turn"),
    ("s", "save", "save", "save"),
    ("?", "help", "help", ""),
    ("ctrl+q", "quit", "quit", "quit"),
)
HELP = (
    ("< >", "the client before, the next one; the list of clients shows all: enter chooses one"),
    ("p, x", "play the selected item; stop it"),
    ("y", "copy the selected item or event"),
    ("/", "filter the events: an event must have all of the words"),
    ("w", "the times of each turn in the place of the events, or the events again"),
    ("s", "save the session that is shown, to a folder that can be replayed"),
    ("tab", "to the next pane; the arrows (or j k g G) move inside one; 1 to 4 choose one"),
    ("enter", "unfold an event, play an item, choose a client"),
    ("ctrl+p", "all commands"),
    ("ctrl+q", "quit: clients that are connected stay connected"),
)


class ClientsPane(SidePane):
    """Every client that has passed: its number, its request and what has become of it; Enter shows its session."""

    FOLLOWS = True

    def __init__(self) -> None:
        super().__init__(id="clients", title="clients")

    def state(self, call: Any) -> Hashable:
        return call.revision, id(call.chosen)

    def draw(self, call: Any) -> None:
        """Show the sessions of the call."""
        lines: list[Line] = []
        for session in call.sessions:
            mark = "▶" if session is call.chosen else " "
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
                    f"  {call.url}",
                    "",
                    "in place of its server's address",
                )
            ]
        gone = f"{call.dropped} older dropped" if call.dropped else ""
        if gone != self.border_subtitle:
            self.border_subtitle = gone
        self.show(lines)


class TapDrawing(SideDrawing):
    """The widgets of a tap's screen."""

    def __init__(self, tap: Any) -> None:
        super().__init__(tap, ClientsPane(), ("events", "conversation", "clients", "waterfall"))
        self._tap = tap
        self._model: Any = None

    def draw(self, hint: str, wide: bool) -> None:
        """As `Drawing.draw`."""
        if self._tap.model is not self._model:
            # Another client: its rows may have the numbers of those that are drawn
            self._model = self._tap.model
            self.shown.clear()
            for pane in (self.events, self.conversation):
                pane.forget()
        super().draw(hint, wide)

    def footer(self, wide: bool) -> list[Part]:
        """Return the parts of the line of keys."""
        return [(key, action, long if wide else short) for key, action, long, short in KEYS]


class TapConsole(SideConsole):
    """The screen of a tap, which has started."""

    CSS = SideConsole.CSS + "\n#devices, #talk { display: none; }\n#clients { height: 1fr; }"

    def make_drawing(self, call: Any) -> SideDrawing:
        """Return what draws the screen."""
        return TapDrawing(call)

    @property
    def own_letters(self) -> Mapping[str, str]:
        """As `RealtimeConsole.own_letters`."""
        return {"<": "client_before", ">": "client_after"}

    def action_client_before(self) -> None:
        self.call.step(-1)

    def action_client_after(self) -> None:
        self.call.step(1)

    def action_help(self) -> None:
        notices = [
            f"{time.strftime('%H:%M:%S', time.localtime(n.time))} {n.level}: {n.text}"
            for n in self.model.notices
        ]
        self.push_screen(HelpScreen(notices[-20:], HELP))

    def on_line_pane_chosen(self, event: LinePane.Chosen) -> None:
        # Textual calls the handler of the base class too
        if event.pane is self.drawing.side and isinstance(event.entry, int):
            self.call.choose(event.entry)
