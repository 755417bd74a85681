"""Openers: open the dialogs of the screen with what they show and what they do.

Thread: the event loop's.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import App

from ..raw_event import RawEvents
from ..session_form import apply, form_of
from .dialogs import HelpScreen, KeyScreen, MessagesScreen

__all__ = ["Openers"]

HELP_MESSAGES = 20


class Openers:
    """The dialogs of a call.

    Parameters
    ----------
    app : App
        Shows the dialogs.
    call : Call or Replay
        Its messages and its session are shown.
    attempt : callable
        Runs what a dialog asks for in the background; a failure becomes a notice.
    """

    def __init__(self, app: App[Any], call: Any, attempt: Callable[[Awaitable[Any]], None]) -> None:
        self._app = app
        self._call = call
        self._attempt = attempt
        self._raw = RawEvents(call)

    def help(self) -> None:
        """Show the keys, and the last messages."""
        self._app.push_screen(HelpScreen(self._messages()[-HELP_MESSAGES:]))

    def messages(self) -> None:
        """Show all messages in full."""
        self._app.push_screen(MessagesScreen(self._messages()))

    def _messages(self) -> list[str]:
        return [
            f"{time.strftime('%H:%M:%S', time.localtime(n.time))} {n.level}: {n.text}"
            for n in self._call.model.notices
        ]

    def session(self) -> None:
        """Show the session, to be changed."""
        if self._may_send():
            # Imported here: its widgets are not needed for the first paint
            from .editors import SessionScreen

            form = form_of(self._call.client.session)
            self._app.push_screen(SessionScreen(form, lambda changed: apply(self._call, form, changed)))

    def raw_event(self) -> None:
        """Show the editor of raw events."""
        if self._may_send():
            from .editors import RawEventScreen

            self._app.push_screen(RawEventScreen(self._raw))

    def key(self) -> None:
        """Ask for an API key, and connect with it."""

        async def connect_with(answer: tuple[str, bool]) -> None:
            if await self._call.use_key(*answer):
                await self._call.connect()

        def use(answer: tuple[str, bool] | None) -> None:
            if answer is not None:
                self._attempt(connect_with(answer))

        self._app.push_screen(KeyScreen(self._call.model.server.key_source), use)

    def _may_send(self) -> bool:
        model = self._call.model
        reason = model.why_not("text")
        if reason is None and getattr(self._call, "client", None) is None:
            reason = "still connecting: wait a moment"
        if reason is not None:
            model.notice("warning", reason)
        return reason is None
