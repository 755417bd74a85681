"""The dialogs: help, and the question for the API key.

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
        "talk: tap to open the microphone, tap again to send. If your terminal repeats a held key or reports its "
        "release, you can hold it instead. In every terminal you can hold the talk bar with the mouse",
    ),
    ("esc", "discard what you are saying; leave a text field"),
    ("v", "manual / vad, at any time"),
    ("c", "connect / disconnect"),
    ("p, x", "play the selected item; interrupt the answer, or the replay"),
    ("d, y", "delete, or copy, the selected item"),
    ("/", "filter the events: an event must have all of the words"),
    ("m, s", "map of the world / the region; keep a copy of the session in a folder"),
    ("← → , .", "in a replay: 5 seconds back and forward, one event back and forward; space pauses"),
    ("w", "the times of each turn in the place of the events, or the events again"),
    ("t", "type a message"),
    (
        "e",
        "echo of the speaker: cancel it; half-duplex, where the microphone is closed while the speaker is heard; off, for "
        "headphones",
    ),
    ("a, r", "enter an API key; list the devices again"),
    ("?, q", "this help; quit"),
    ("tab", "to the next pane; the arrows (or j k g G) move inside one; 1 to 6 choose one"),
    ("enter", "unfold an event, play an item, change to a device"),
    ("ctrl+p", "all commands"),
)
TERMS = """\
In the conversation the word that is heard is underlined, and | marks where an answer was cut; the unfolded event has \
the exact number of samples that the device took. Between the places that the server's stream tells, the place in the \
text is by proportion, because servers send no word times. Latency is the time from the end of your turn, as it \
was known here, to the first sample that the device took."""


def key_table() -> Table:
    """Return the keys in two columns; the second one wraps, so it is readable in 80 columns too."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for key, does in KEYS:
        table.add_row(key, does)
    return table


class HelpScreen(ModalScreen[None]):
    """Shows keys and terms, and the notices of this session."""

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
    """Asks for the key, which is masked; its result is (key, keep), or None if it was cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "Cancel")]

    def __init__(self, source: str) -> None:
        super().__init__()
        self._source = source

    def compose(self) -> ComposeResult:
        with Vertical(id="key") as box:
            box.border_title = "API key"
            box.border_subtitle = "enter connects · esc cancels"
            yield Static(
                f"Present key: from {self._source}." if self._source != "none" else "There is no key yet."
            )
            yield Input(password=True, placeholder="sk-…", id="key-input")
            yield Checkbox("save it in the keyring, or in a file that only you can read", id="keep")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss((event.value, self.query_one("#keep", Checkbox).value) if event.value.strip() else None)
