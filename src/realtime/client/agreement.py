"""Compares the session that the server states with what the client asked for, and says what does not agree.

Thread: the event loop's only.
"""

from __future__ import annotations

from typing import Any

from ..events import ErrorEvent, Event
from ..protocol.audio_format import format_of
from ..protocol.reading import branch, dict_of
from .reports import Reports
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

    def review(self, event: Event, settings: Settings, reports: Reports) -> None:
        """Report what a session event states that the client cannot use, or did not ask for."""
        for message in self.unusable_formats(event.get("session")):
            reports.error(ErrorEvent(message, "server", code="unknown_audio_format", event=event))
        if event["type"] == "session.updated":
            self.update_answered()
            for code, message in self.contradictions(settings):
                reports.warn(message, code)

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

    def contradictions(self, settings: Settings) -> list[tuple[str, str]]:
        """Code and message of each setting that the server states otherwise, once every update was answered."""
        if self._unanswered:
            return []
        found = {"turn_detection_not_null": _detection_ignored(settings)}
        for side in ("input", "output"):
            found[f"{side}_audio_format_differs"] = _format_ignored(settings, side)
        return [(code, message) for code, message in found.items() if message and self._new([message])]

    def _new(self, messages: list[str]) -> list[str]:
        """Those of *messages* that were not given out before."""
        new = [message for message in messages if message not in self._told]
        # A server can state only so many kinds of sessions before it is no use to tell more.
        if len(self._told) < 20:
            self._told.update(new)
            return new
        return []


def _detection_ignored(settings: Settings) -> str:
    """What to say if manual mode was asked for and the server still detects turns; "" if it agrees."""
    asked = branch(settings.config, "input")
    stated = branch(settings.server_session, "input")
    manual = "turn_detection" in asked and asked["turn_detection"] is None
    # An object without the input's fields says nothing about them.
    if not manual or not stated or ("turn_detection" in stated and stated["turn_detection"] is None):
        return ""
    kind = dict_of(stated.get("turn_detection")).get("type", "nothing")
    return (
        f"the server did not confirm turn_detection null, it states {kind!s:.40}: "
        "it may detect turns by itself although the client works in manual mode"
    )


def _format_ignored(settings: Settings, side: str) -> str:
    """What to say if the server states another format than the one asked for; "" if it agrees or states none."""
    asked = format_of(branch(settings.config, side).get("format"))
    stated = format_of(branch(settings.server_session, side).get("format"))
    if asked is None or stated is None:
        return ""
    in_force = settings.profile.format_in_force
    if in_force(side, asked) == in_force(side, stated):
        return ""
    return f"the server states {stated.as_ga()} as its {side} format, not {asked.as_ga()}: the sound may be wrong"
