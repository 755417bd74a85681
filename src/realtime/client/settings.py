"""Session settings in force: what the application set, else what the server states.

Thread: the event loop's only; pure.
"""

from __future__ import annotations

from typing import Any

from ..protocol.audio_format import PCM16, AudioFormat, format_of
from ..protocol.profiles import PROFILES
from ..protocol.reading import Wire, branch, dict_of, list_of, text_of
from .settings_log import SettingsLog

__all__ = ["Settings"]


class Settings:
    """Session objects in GA's shape: the application's and the server's.

    Attributes
    ----------
    log : SettingsLog
        The application's changes.
    server_session : dict
        The session as the server last stated it.
    profile : Profile
        What the connected server speaks.
    asked_model : str or None
        The model that the request asked for.
    """

    def __init__(self) -> None:
        self.log = SettingsLog()
        self.server_session: Wire = {}
        self.profile = PROFILES["ga"]
        self.asked_model: str | None = None

    def reset(self) -> None:
        """Forget everything."""
        self.log.clear()
        self.server_session = {}

    @property
    def config(self) -> Wire:
        """What the application set, except ``tools``."""
        merged = self.log.merged
        return (
            {key: value for key, value in merged.items() if key != "tools"} if "tools" in merged else merged
        )

    @property
    def given_tools(self) -> list[Wire]:
        """Tools that the application set as a whole and whose calls it handles itself."""
        return list_of(self.log.merged.get("tools"))

    @property
    def model(self) -> str | None:
        """The model that answers: as the server states it, else the one asked for."""
        return text_of(self.server_session.get("model")) or self.asked_model

    @property
    def transcription_model(self) -> str | None:
        """The model that transcribes the user's speech."""
        return text_of(dict_of(self._in_force("input", "transcription")).get("model"))

    def take_server_session(self, session: Any) -> bool:
        """Keep what the server states; returns False for anything but a dictionary."""
        if not isinstance(session, dict):
            return False
        self.server_session = session
        return True

    def _in_force(self, side: str, key: str) -> Any:
        """The value under ``audio.<side>.<key>``: the application's, else the server's, else None."""
        for session in (self.log.merged, self.server_session):
            holder = branch(session, side)
            if key in holder:
                return holder[key]
        return None

    def turn_detection(self) -> Any:
        """The turn detection in force: a dictionary, or None."""
        return self._in_force("input", "turn_detection")

    def audio_format(self, side: str) -> AudioFormat:
        """The audio format of "input" or "output" in force."""
        stated = format_of(self._in_force(side, "format"))
        if stated is None:
            # The application's, else the server's, else PCM16.
            stated = format_of(branch(self.server_session, side).get("format")) or PCM16
        return self.profile.format_in_force(side, stated)

    def stated_formats(self, session_kind: str) -> Wire:
        """The formats in force as ``audio`` of a session: some servers assume others where none are stated."""
        sides = ("input", "output") if session_kind == "realtime" else ("input",)
        return {"audio": {side: {"format": self.audio_format(side).as_ga()} for side in sides}}

    def server_states_formats(self, session_kind: str) -> bool:
        """True if the server states the formats of this kind of session, and this client can use them."""
        sides = ("input", "output") if session_kind == "realtime" else ("input",)
        return all(format_of(branch(self.server_session, side).get("format")) for side in sides)

    def server_interrupts(self) -> bool:
        """True if the server itself cancels an answer when it hears the user."""
        detection = self.turn_detection()
        return isinstance(detection, dict) and detection.get("interrupt_response") is not False

    def server_answers(self) -> bool:
        """True if the server itself answers when the user's turn is over."""
        detection = self.turn_detection()
        return isinstance(detection, dict) and detection.get("create_response") is not False

    def server_transcribes(self) -> bool:
        """True if the server says that it transcribes the user's speech."""
        return bool(branch(self.server_session, "input").get("transcription"))

    def server_input_format(self) -> Any:
        """The input format as the server states it, not interpreted; None if it states none."""
        return branch(self.server_session, "input").get("format")

    def sets_input_format(self) -> bool:
        """True if the application set the input format."""
        return "format" in branch(self.log.merged, "input")
