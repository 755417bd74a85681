"""Compares the session that the server states with what the client asked for, and says what does not agree.

Thread: the event loop's only; pure.
"""

from __future__ import annotations

from typing import Any

from ..protocol.audio_format import format_of
from ..protocol.reading import branch, dict_of
from .settings import Settings

__all__ = ["Agreement"]


class Agreement:
    """What was asked for and not answered yet, and what was complained about already."""

    def __init__(self) -> None:
        # Updates of the session that the server has not answered.
        self._unanswered = 0
        self._told: set[str] = set()

    def session_began(self) -> None:
        """A new session knows of no update."""
        self._unanswered = 0

    def update_sent(self) -> None:
        """A ``session.update`` was sent."""
        self._unanswered += 1

    def update_answered(self) -> None:
        """The server confirmed or refused an update."""
        self._unanswered = max(0, self._unanswered - 1)

    def unusable_formats(self, session: Any) -> list[str]:
        """One message for each audio format in a server's session that this client cannot encode or decode."""
        messages = []
        for side in ("input", "output"):
            stated = branch(session, side).get("format")
            # Anything else than a name or an object states no format.
            if isinstance(stated, (str, dict)) and format_of(stated) is None:
                messages.append(
                    f"the server states an {side} audio format that this client does not know: {str(stated)[:100]}; "
                    f"set {side}_audio_format='pcm16'"
                )
        return self._new(messages)

    def null_turn_detection_ignored(self, settings: Settings) -> list[str]:
        """A message if manual mode was asked for, every update was answered, and the server still detects turns."""
        asked = branch(settings.config, "input")
        stated = branch(settings.server_session, "input")
        manual = "turn_detection" in asked and asked["turn_detection"] is None
        # An object without the input's fields says nothing about them.
        if not manual or self._unanswered or not stated:
            return []
        if "turn_detection" in stated and stated["turn_detection"] is None:
            return []
        kind = dict_of(stated.get("turn_detection")).get("type", "nothing")
        return self._new(
            [
                f"the server did not confirm turn_detection null, it states {kind!s:.40}: "
                "it may detect turns by itself although the client works in manual mode"
            ]
        )

    def _new(self, messages: list[str]) -> list[str]:
        """Those of *messages* that were not given out before."""
        new = [message for message in messages if message not in self._told]
        # A server can state only so many kinds of sessions before it is no use to tell more.
        if len(self._told) < 20:
            self._told.update(new)
            return new
        return []
