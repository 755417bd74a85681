"""The dialogs: help, messages, and the question for the API key.

Thread: the event loop's.
"""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Checkbox, Input, Static

from .keymap import KEYS, LIST_KEYS, Key

__all__ = ["HelpScreen", "KeyScreen", "MessagesScreen"]

# One line of LIST_KEYS tells of all of them
IN_LIST_KEYS = frozenset("123456jkgG")
# Characters of a row with several keys
ROW_KEYS, ROW_WORDS = 5, 74
TERMS = """\
In the conversation the word that is heard is underlined, and | marks where an answer was cut; the unfolded event has \
the exact number of samples that the device took. Between the places that the server's stream tells, the place in the \
text is by proportion, because servers send no word times. Latency is the time from the end of your turn, as it \
was known here, to the first sample that the device took."""


def rows(keys: list[Key]) -> list[tuple[str, str]]:
    """Return rows of keys and what they do; neighbours with few words share a row, so that the help fits a screen."""
    shared: list[tuple[str, str]] = []
    for one in keys:
        names, does = shared[-1] if shared else ("", "")
        if names and len(names + one.key) <= ROW_KEYS and len(does + one.does) <= ROW_WORDS:
            shared[-1] = (f"{names}, {one.key}", f"{does}; {one.does}")
        else:
            shared.append((one.key, one.does))
    return shared


def key_table(keys: tuple[tuple[str, str], ...] = ()) -> Table:
    """Return *keys*, or all of them, in two columns; the second one wraps, so it is readable in 80 columns too."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for names, does in keys:
        table.add_row(names, does)
    if keys:
        return table
    table.add_row(
        "",
        Text(
            "In the lists. A letter alone is a command; a typed word goes to the text field.",
            "italic",
        ),
    )
    for names, does in [*rows([one for one in KEYS if one.lone and one.key not in IN_LIST_KEYS]), *LIST_KEYS]:
        table.add_row(names, does)
    table.add_row("", Text("Everywhere, in the text field too.", "italic"))
    for names, does in rows([one for one in KEYS if not one.lone]):
        table.add_row(names, does)
    return table


class HelpScreen(ModalScreen[None]):
    """Shows keys and terms, and the notices of this session."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,question_mark,f1,enter", "dismiss", "Close")]

    def __init__(self, notices: list[str], keys: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__()
        self._notices = notices
        self._keys = keys

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as box:
            box.border_title = "help"
            box.border_subtitle = "esc closes"
            yield Static(key_table(self._keys))
            yield Static(f"\n{TERMS}", markup=False)
            if self._notices:
                yield Static("\nNotices\n" + "\n".join(self._notices), markup=False)


class MessagesScreen(ModalScreen[None]):
    """Shows the messages of this session in full, the newest first."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,enter", "dismiss", "Close")]

    def __init__(self, notices: list[str]) -> None:
        super().__init__()
        self._notices = notices

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="messages") as box:
            box.border_title = "messages"
            box.border_subtitle = "esc closes"
            yield Static("\n\n".join(reversed(self._notices)) or "no message yet", markup=False)


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
