"""Dialogs: help, and the question for the API key.

Thread: the event loop's.
"""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Checkbox, Input, Static

__all__ = ["HelpScreen", "KeyScreen"]

KEYS = (
    (
        "space",
        "talk: tap to open the microphone, tap again to send. Where the terminal shows that it repeats or reports "
        "the key, hold it instead. The talk bar can be held with the mouse anywhere",
    ),
    ("esc", "throw away what is being said; leave a text field"),
    ("v", "manual / vad, at any time"),
    ("c", "connect / disconnect"),
    ("p, x", "play the selected item; interrupt the answer, or the replay"),
    ("d, y", "delete, or copy, the selected item"),
    ("/", "filter the events: all of the words must be there"),
    ("m, s", "map of the world / the region; save the session to a folder"),
    ("t", "type a message"),
    ("e", "half-duplex: the microphone is closed while the speaker is heard"),
    ("a, r", "enter an API key; list the devices again"),
    ("?, q", "this help; quit"),
    ("tab", "to the next pane; the arrows (or j k g G) move inside one; 1 to 5 choose one"),
    ("enter", "unfold an event, play an item, change to a device"),
    ("ctrl+p", "all commands"),
)
TERMS = """\
In the conversation | marks where an answer was cut. The samples are exact: they are what the device took. The place in \
the text is by proportion, because servers send no word times. Latency is from the end of your turn, as it was known \
here, to the first sample that the device took."""


def key_table() -> Table:
    """Two columns; the second one wraps, so that it can be read at 80 columns too."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for key, does in KEYS:
        table.add_row(key, does)
    return table


class HelpScreen(ModalScreen[None]):
    """Keys and terms, and the notices of this session."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,question_mark,q,enter", "dismiss", "Close")]

    def __init__(self, notices: list[str]) -> None:
        super().__init__()
        self._notices = notices

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as box:
            box.border_title = "help"
            box.border_subtitle = "esc closes"
            yield Static(key_table())
            yield Static(f"\n{TERMS}", markup=False)
            if self._notices:
                yield Static("\nNotices\n" + "\n".join(self._notices), markup=False)


class KeyScreen(ModalScreen[tuple[str, bool] | None]):
    """Asks for the key, masked. Gives (key, keep) or None."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "Cancel")]

    def __init__(self, source: str) -> None:
        super().__init__()
        self._source = source

    def compose(self) -> ComposeResult:
        with Vertical(id="key") as box:
            box.border_title = "API key"
            box.border_subtitle = "enter connects · esc cancels"
            yield Static(
                f"Now: key from {self._source}." if self._source != "none" else "There is no key yet."
            )
            yield Input(password=True, placeholder="sk-…", id="key-input")
            yield Checkbox("keep it: in the keyring, or a file only you can read", id="keep")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss((event.value, self.query_one("#keep", Checkbox).value) if event.value.strip() else None)
