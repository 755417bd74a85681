"""What is in force in a session: what the application set, else what the server states.

Thread: the event loop's only; pure.
"""

from __future__ import annotations

from typing import Any

from ..protocol.audio_format import PCM16, AudioFormat, format_of
from ..protocol.reading import Wire, branch

__all__ = ["Settings"]


class Settings:
    """Session objects in GA's shape: the application's, and the server's."""

    def __init__(self) -> None:
        self.config: Wire = {}  # what the application set
        self.given_tools: list[Wire] = []  # set as a whole, handled by the application
        self.server_session: Wire = {}  # as the server last stated it

    def _stated(self, side: str, key: str) -> Any:
        """What is in force under ``audio.<side>.<key>``: the application's word, else the server's."""
        for session in (self.config, self.server_session):
            holder = branch(session, side)
            if key in holder:
                return holder[key]
        return None

    def turn_detection(self) -> Any:
        """The turn detection in force: None, or an object."""
        return self._stated("input", "turn_detection")

    def audio_format(self, side: str) -> AudioFormat:
        """The audio format of "input" or "output" in force."""
        return format_of(self._stated(side, "format")) or PCM16

    def server_interrupts(self) -> bool:
        """Whether the server itself cancels an answer when it hears the user."""
        detection = self.turn_detection()
        return isinstance(detection, dict) and detection.get("interrupt_response") is not False

    def server_answers(self) -> bool:
        """Whether the server itself answers when the user's turn is over."""
        detection = self.turn_detection()
        return isinstance(detection, dict) and detection.get("create_response") is not False
