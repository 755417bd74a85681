"""The dialogs that send: the session panel, and the editor of raw events.

They are imported when they are opened for the first time.

Thread: the event loop's.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from ..raw_event import EXAMPLE, RawEvents
from ..session_form import SessionForm, edited
from ..text import one_line

__all__ = ["RawEventScreen", "SessionScreen"]

MAX_TITLE = 100


class Editor(ModalScreen[None]):
    """A dialog with fields, a line for a problem, and a key that sends."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("ctrl+s", "send", "Send"),
        ("escape", "dismiss", "Close"),
    ]

    def tell(self, problem: str) -> None:
        """Show why nothing was sent; "" removes an older problem."""
        part = self.query_one("#problem", Static)
        part.update(f"error! {problem}" if problem else "")
        part.set_class(bool(problem), "told")


class SessionScreen(Editor):
    """Shows instructions, voice, turn detection and tools, and sends what was changed.

    Parameters
    ----------
    form : SessionForm
        The session.
    send : callable
        Gets the changed form; its result is a problem, or "" if the change was sent.
    """

    def __init__(self, form: SessionForm, send: Callable[[SessionForm], Awaitable[str]]) -> None:
        super().__init__()
        self._form = form
        self._send = send

    def compose(self) -> ComposeResult:
        with Vertical(id="session", classes="editor") as box:
            box.border_title = "session"
            box.border_subtitle = "ctrl+s sends what has changed · tab: next field · esc closes"
            yield Label("instructions")
            yield TextArea(self._form.instructions, id="instructions", soft_wrap=True)
            yield Label("voice")
            yield Input(self._form.voice, id="voice", compact=True)
            yield Label(
                "vad: manual, or server_vad threshold=0.5 silence_duration_ms=500, or semantic_vad eagerness=low"
            )
            yield Input(self._form.vad, id="vad", compact=True)
            yield Static(id="problem", markup=False)
            with VerticalScroll(id="tools"):
                listed = "\n".join(f"  {tool}" for tool in self._form.tools) or "  none"
                yield Static(f"tools\n{listed}", markup=False)

    async def action_send(self) -> None:
        form = edited(
            self._form,
            self.query_one("#instructions", TextArea).text,
            self.query_one("#voice", Input).value,
            self.query_one("#vad", Input).value,
        )
        problem = await self._send(form)
        if problem:
            self.tell(problem)
        else:
            self.dismiss()

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        await self.action_send()


class RawEventScreen(Editor):
    """A field for an event as JSON, and the events that were sent before.

    Parameters
    ----------
    raw : RawEvents
        Checks and sends; keeps what was sent.
    """

    def __init__(self, raw: RawEvents) -> None:
        super().__init__()
        self._raw = raw

    def compose(self) -> ComposeResult:
        with Vertical(id="raw", classes="editor") as box:
            box.border_title = "send an event"
            box.border_subtitle = "ctrl+s sends · tab: sent events, enter takes one · esc closes"
            yield TextArea(self._raw.sent[0] if self._raw.sent else EXAMPLE, id="event")
            yield Static(id="problem", markup=False)
            yield Label("sent before")
            yield OptionList(*self._options(), id="sent")

    def _options(self) -> list[Option]:
        return [Option(_title(text), id=str(number)) for number, text in enumerate(self._raw.sent)]

    def action_send(self) -> None:
        problem = self._raw.send(self.query_one("#event", TextArea).text)
        self.tell(problem)
        if not problem:
            sent = self.query_one("#sent", OptionList)
            sent.clear_options()
            sent.add_options(self._options())

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        field = self.query_one("#event", TextArea)
        field.text = self._raw.sent[int(str(event.option_id))]
        field.focus()


def _title(text: str) -> str:
    """One line for a sent event, as markup."""
    line = one_line(json.dumps(json.loads(text), ensure_ascii=False), MAX_TITLE)
    return line.replace("[", r"\[")
