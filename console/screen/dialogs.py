"""Dialogs: help, and the question for the API key.

Thread: the event loop's.
"""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Checkbox, Input, Static

__all__ = ["HELP", "HelpScreen", "KeyScreen"]

HELP = """\
space   talk: tap to open the microphone, tap again to send. Where the terminal shows
        that it repeats or reports the key, hold it instead. The talk bar can be held
        with the mouse anywhere.  esc throws away what was said.
v       manual / vad, at any time          c   connect / disconnect
p       play the selected item             x   interrupt the answer, or the replay
d       delete the selected item           /   filter the events
m       map: world / region                s   save the session to a folder
t       type a message                     y   copy the selected item or event
e       half-duplex: the microphone is closed while the speaker is heard
a       API key                            r   list the devices again
?       this help                          q   quit

tab moves between the panes, the arrows (or j k g G) inside one, enter unfolds an event
or changes to a device. 1 to 5 choose a pane where only one fits. ctrl+p: all commands.

In the conversation | marks where an answer was cut. The samples are exact: they are what
the device took. The place in the text is by proportion, because servers send no word
times. Latency is from the end of your turn, as it was known here, to the first sample
that the device took.
"""


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
            yield Static(HELP, markup=False)
            if self._notices:
                yield Static("Notices\n" + "\n".join(self._notices), markup=False)


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
            yield Checkbox("keep it (keyring if installed, else a file that only you can read)", id="keep")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss((event.value, self.query_one("#keep", Checkbox).value) if event.value.strip() else None)
