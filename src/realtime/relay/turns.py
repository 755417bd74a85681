"""Follows a conversation to know when it can be cut without loss: between two turns.

Thread: the event loop only; no I/O, the caller passes the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Turns"]

# Silence that a cut needs: rate limits and late transcripts follow response.done.
QUIET_SECONDS = 0.5
# An expected event that has not come by then is no longer waited for.
PATIENCE_SECONDS = 20.0


class Turns:
    """The state of one conversation's turns.

    Parameters
    ----------
    answers : bool
        False for a session that makes no responses, such as a transcription.

    Attributes
    ----------
    appended : bool
        True while the input buffer holds audio that is neither committed nor cleared.
    """

    def __init__(self, *, answers: bool = True) -> None:
        self._answers = answers
        self._responses = 0
        self._speaking = False
        # A response is due: speech was committed, a response was requested, or a tool was called.
        self._expecting = False
        # Items whose transcript is due
        self._untranscribed: set[str] = set()
        self._manual = False
        self._transcribes = False
        self._last = 0.0
        self.appended = False

    def client_said(self, kind: str, now: float) -> None:
        """Follow a client event other than audio that went upstream."""
        self._last = now
        if kind == "response.create":
            self._expecting = True

    def server_said(self, kind: str, event: Mapping[str, Any], now: float) -> None:
        """Follow a server event other than a delta."""
        self._last = now
        if kind in ("session.created", "session.updated"):
            self._configure(event.get("session"))
        elif kind == "input_audio_buffer.speech_started":
            self._speaking = True
        elif kind == "input_audio_buffer.speech_stopped":
            self._speaking = False
            self._expecting = self._answers
        elif kind == "input_audio_buffer.committed":
            self.appended = False
            self._expecting = self._answers
            if self._transcribes and isinstance(event.get("item_id"), str):
                self._untranscribed.add(event["item_id"])
        elif kind == "input_audio_buffer.cleared":
            self.appended = self._speaking = self._expecting = False
        elif kind == "response.created":
            self._responses += 1
            self._expecting = False
        elif kind == "response.done":
            self._responses = max(0, self._responses - 1)
            response = event.get("response")
            output = response.get("output") if isinstance(response, dict) else None
            self._expecting = isinstance(output, list) and any(
                isinstance(item, dict) and item.get("type") == "function_call" for item in output
            )
        elif kind.startswith("conversation.item.input_audio_transcription.") and not kind.endswith("delta"):
            self._untranscribed.discard(str(event.get("item_id")))
        elif kind == "error":
            self._expecting = False

    def between(self, now: float) -> bool:
        """True if nothing is being said, answered or awaited."""
        silence = now - self._last
        if silence > PATIENCE_SECONDS:
            return True
        busy = self._responses or self._speaking or self._expecting or self._untranscribed
        return not busy and not (self._manual and self.appended) and silence >= QUIET_SECONDS

    def _configure(self, session: Any) -> None:
        if not isinstance(session, dict):
            return
        audio = session.get("audio")
        given = audio.get("input") if isinstance(audio, dict) else None
        if isinstance(given, dict):
            self._manual = given.get("turn_detection", True) is None
            self._transcribes = bool(given.get("transcription"))
        # The beta dialect
        else:
            self._manual = session.get("turn_detection", True) is None
            self._transcribes = bool(session.get("input_audio_transcription"))
