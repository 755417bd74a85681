"""Names what a session does at a moment: listening, thinking, speaking, or the cut of an answer.

Thread: the event loop's; pure.
"""

from __future__ import annotations

from typing import Literal, Protocol

from .heard import Heard
from .state import TalkState
from .waterfall import Waterfall

__all__ = ["PHASES", "Phase", "phase_of"]

Phase = Literal["", "ready", "listening", "thinking", "speaking", "cut"]
# The mark stands before the word, so that no state is told by colour
PHASES: dict[Phase, str] = {
    "": "",
    "ready": "○ ready",
    "listening": "● listening",
    "thinking": "◌ thinking",
    "speaking": "▶ speaking",
    "cut": "| cut",
}
# How long the cut of an answer is named
CUT_SECONDS = 1.5


class _Model(Protocol):
    """The part of a SessionModel that is read here."""

    @property
    def state(self) -> str: ...
    @property
    def answering(self) -> bool: ...
    @property
    def talk(self) -> TalkState: ...
    @property
    def heard(self) -> Heard: ...
    @property
    def waterfall(self) -> Waterfall: ...


def phase_of(model: _Model, now: float) -> Phase:
    """Return what the session does at *now*, in seconds since the epoch."""
    if model.state not in ("connected", "reconnecting"):
        return ""
    if model.heard.item_id is not None:
        return "speaking"
    if 0 <= now - model.heard.cut_at < CUT_SECONDS:
        return "cut"
    if model.talk.active:
        return "listening"
    if model.waterfall.awaited or model.answering:
        return "thinking"
    open_microphone = model.talk.mode == "vad" and not model.talk.muted and not model.talk.speaker_heard
    return "listening" if open_microphone else "ready"
