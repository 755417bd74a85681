"""ViewOnly: what a replay and a tap have in common. They show a session and change nothing in it.

It has the methods of `console.call.Call` that views call and that need a server: each refuses with a notice.

Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .session import SessionModel

__all__ = ["ViewOnly"]


class ViewOnly:
    """A session that is shown only; subclasses have its ``model``."""

    if TYPE_CHECKING:

        @property
        def model(self) -> SessionModel:
            """The session."""
            ...

    async def attempt(self, work: Awaitable[Any]) -> None:
        """As `Call.attempt`."""
        try:
            await work
        except Exception as error:
            self.model.notice_failure(error)

    async def refresh_devices(self) -> None:
        """Do nothing: the devices are not looked for."""

    async def talk(self) -> None:
        self.refuse("talk")

    async def release(self) -> None:
        """Do nothing: no microphone is open."""

    cancel_talk = release

    async def toggle_mode(self) -> None:
        self.refuse("mode")

    async def toggle_connection(self) -> None:
        self.refuse("connect")

    async def connect(self) -> bool:
        self.refuse("connect")
        return False

    async def delete(self) -> None:
        self.refuse("delete")

    def send_text(self, text: str) -> bool:
        self.refuse("text")
        return False

    def next_echo(self) -> None:
        self.refuse("echo")

    async def use_key(self, value: str, keep: bool) -> bool:
        self.refuse("connect")
        return False

    def refuse(self, action: str) -> bool:
        """If *action* is impossible now, tell the user why and return True."""
        reason = self.model.why_not(action)
        if reason is not None:
            self.model.notice("warning", reason)
        return reason is not None
