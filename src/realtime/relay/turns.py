"""Follows a conversation closely enough to know when it may be cut without losing anything: between two turns.

Thread: the event loop's only; no I/O, the clock is the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Turns"]

QUIET_SECONDS = 0.5  # after the last event: rate limits and late transcripts come behind response.done
PATIENCE_SECONDS = 20.0  # something that was expected and has not come by then does not come


class Turns:
    """Feed it types and events; ask `between`."""

    def __init__(self) -> None:
        self._responses = 0
        self._speaking = False
        self._expecting = (
            False  # a response is due: speech was committed, it was asked for, or a tool was called
        )
        self._unheard: set[str] = set()  # items whose transcript is due
        self._manual = False
        self._transcribes = False
        self._last = 0.0
        self.appended = False  # audio that is neither committed nor cleared

    def client_said(self, kind: str, now: float) -> None:
        """A client event other than audio went upstream."""
        self._last = now
        if kind == "response.create":
            self._expecting = True

    def server_said(self, kind: str, event: Mapping[str, Any], now: float) -> None:
        """A server event other than a delta came."""
        self._last = now
        if kind in ("session.created", "session.updated"):
            self._configure(event.get("session"))
        elif kind == "input_audio_buffer.speech_started":
            self._speaking = True
        elif kind == "input_audio_buffer.speech_stopped":
            self._speaking = False
            self._expecting = True
        elif kind == "input_audio_buffer.committed":
            self.appended = False
            self._expecting = True
            if self._transcribes and isinstance(event.get("item_id"), str):
                self._unheard.add(event["item_id"])
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
            self._unheard.discard(str(event.get("item_id")))
        elif kind == "error":
            self._expecting = False

    def between(self, now: float) -> bool:
        """Whether nothing is being said, answered or awaited."""
        silence = now - self._last
        if silence > PATIENCE_SECONDS:
            return True
        busy = self._responses or self._speaking or self._expecting or self._unheard
        return not busy and not (self._manual and self.appended) and silence >= QUIET_SECONDS

    def _configure(self, session: Any) -> None:
        if not isinstance(session, dict):
            return
        audio = session.get("audio")
        heard = audio.get("input") if isinstance(audio, dict) else None
        if isinstance(heard, dict):
            self._manual = heard.get("turn_detection", True) is None
            self._transcribes = bool(heard.get("transcription"))
        else:  # the beta dialect
            self._manual = session.get("turn_detection", True) is None
            self._transcribes = bool(session.get("input_audio_transcription"))
