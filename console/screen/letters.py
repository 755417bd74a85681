"""Letters: takes the keys that type something, and gives them to a command or to the text field.

While a list has the focus, `TypedKeys` tells commands from words. A word opens the text field, which gives the focus back
to the list after the message.

Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual import events
from textual.app import App
from textual.widgets import Input

from ..typed_keys import TypedKeys
from . import keymap
from .key_release import IGNORED, RELEASE

__all__ = ["Letters", "put_focus"]


def put_focus(app: App[Any], selector: str) -> None:
    """Move the focus now: `Widget.focus` would wait, and text typed meanwhile would be taken for commands."""
    app.screen.set_focus(app.query_one(selector))


class Letters:
    """The typed keys of the main screen.

    Parameters
    ----------
    app : App
        Its actions are run; its text field has the id "text".
    clock : callable
        Seconds that only grow.

    Attributes
    ----------
    back_to_list : bool
        A letter typed in a list has opened the text field: after the message, the list gets the focus back.
    """

    def __init__(self, app: App[Any], clock: Callable[[], float]) -> None:
        self.back_to_list = False
        # Beyond Textual's own: own_letters, takes_text
        self._app: Any = app
        self._clock = clock
        self._typed = TypedKeys(keymap.LETTERS, keymap.AT_ONCE)

    @property
    def text_field(self) -> Input | None:
        """The text field, if it has the focus."""
        focused = self._app.focused
        return focused if isinstance(focused, Input) and focused.id == "text" else None

    @property
    def typing(self) -> keymap.Typing:
        """Where keys go."""
        field = self.text_field
        return "" if field is None else "text" if field.value else "empty"

    def tick(self) -> None:
        """Run the command of a letter that has stayed alone."""
        lone = self._typed.tick(self._clock())
        if lone:
            self._app.call_later(self._app.run_action, keymap.LETTERS[lone])

    def open_text(self) -> None:
        """Give the focus to the text field."""
        self.back_to_list = self._in_list()
        put_focus(self._app, "#text")

    async def take(self, event: events.Event) -> bool:
        """Take an event before any widget does; True if nobody else may have it."""
        if not isinstance(event, (events.Key, events.Paste)) or event.is_forwarded:
            return False
        if not self._in_list():
            return await self._begins_to_talk(event)
        if isinstance(event, events.Paste):
            self.open_text()
        elif event.is_printable and event.character:
            if event.character in self._app.own_letters:
                await self._run(self._typed.flush())
                await self._app.run_action(self._app.own_letters[event.character])
            else:
                await self._press(event.character)
            return True
        elif event.key not in (RELEASE, IGNORED):
            # The release of a key types nothing and ends no word; another key ends it
            await self._run(self._typed.flush())
        return False

    def _in_list(self) -> bool:
        return len(self._app.screen_stack) == 1 and not isinstance(self._app.focused, Input)

    async def _begins_to_talk(self, event: events.Key | events.Paste) -> bool:
        """True for a space in the empty text field, which talks: no message begins with it."""
        if self.typing != "empty" or not isinstance(event, events.Key) or event.key != "space":
            return False
        await self._run(" ")
        return True

    async def _press(self, character: str) -> None:
        commands, text = self._typed.press(character, self._clock())
        await self._run(*commands)
        if text and self._in_list() and self._app.takes_text:
            self.open_text()
        # A command before the text may have opened the field already, or a dialog, which does not want it
        field = self.text_field
        if text and field is not None:
            field.insert_text_at_cursor(text)

    async def _run(self, *letters: str) -> None:
        for letter in letters:
            if letter:
                await self._app.run_action(keymap.LETTERS[letter])
