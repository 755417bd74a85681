"""TurnDetection: sets the turn detection that the mode of a voice session needs, and knows the one to return to.

Thread: the event loop's.
"""

from __future__ import annotations

from typing import Any

from ..client.client import RealtimeClient
from .options import Mode

__all__ = ["TurnDetection"]

# The fields that let the server interrupt and answer by itself
DECISIONS = ("interrupt_response", "create_response")


class TurnDetection:
    """The turn detection of one voice session.

    Parameters
    ----------
    client : RealtimeClient
    ours : bool
        True if the session interrupts and requests answers itself, in place of the server.
    """

    def __init__(self, client: RealtimeClient, *, ours: bool) -> None:
        self._client = client
        self._ours = ours
        # As the application set it, for the return from manual mode
        self._vad: dict[str, Any] = {"type": "server_vad"}

    @property
    def answers(self) -> bool:
        """True if the session is to request the answers, because the server no longer does."""
        given = self._vad.get("create_response") is not False
        return self._ours and given and not self._client.server_answers()

    def begin(self, mode: Mode | None) -> Mode:
        """Set *mode*, or take the mode from the client; returns it."""
        self.remember()
        is_on = bool(self._client.get_turn_detection_type())
        if mode == "manual":
            self.set_manual()
        elif is_on or mode == "vad":
            mode = "vad"
            if self._ours or not is_on:
                self.set_vad()
        return mode or "manual"

    def end(self) -> None:
        """Leave the client's settings as the application set them."""
        detection = self._client.get_turn_detection()
        if detection is not None and self._is_ours(detection):
            self._client.update_session(turn_detection=self._vad)

    def set_manual(self) -> None:
        """The application says where turns end."""
        self._client.update_session(turn_detection=None)

    def set_vad(self) -> None:
        """The server finds the turns."""
        decisions = dict.fromkeys(DECISIONS, False) if self._ours else {}
        self._client.update_session(turn_detection={**self._vad, **decisions})

    def remember(self) -> None:
        """Take the turn detection in force as the one to return to."""
        # The whole object: servers give missing keys their defaults, not the earlier values.
        detection = self._client.get_turn_detection()
        if detection is not None and not self._is_ours(detection):
            self._vad = detection

    def _is_ours(self, detection: dict[str, Any]) -> bool:
        return self._ours and all(detection.get(key) is False for key in DECISIONS)
