"""The keys and the clock of a replay on the screen.

Thread: the event loop's.
"""

from __future__ import annotations

from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from ..session import SessionModel

__all__ = ["KEYS", "LETTERS", "ReplayKeys", "clock"]

SEEK_SECONDS = 5.0
# Key, action, what it does, and a shorter word for 80 columns
KEYS = (
    ("space", "talk_key", "pause/go on", "pause"),
    ("←", "replay_back", "", ""),
    ("→", "replay_forward", "5 s", "5 s"),
    (",", "replay_step_back", "", ""),
    (".", "replay_step", "step", "step"),
    ("p", "play", "play item", "play"),
    ("/", "filter", "filter", "filter"),
    ("w", "waterfall", "turns", "turns"),
    ("?", "help", "help", "help"),
    ("ctrl+q", "quit", "quit", "quit"),
)
# Characters typed -> action
LETTERS = {",": "replay_step_back", ".": "replay_step"}


class ReplayKeys:
    """The part of the application that moves a replay; without one, its keys do nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "replay_back", show=False, priority=True),
        Binding("right", "replay_forward", show=False, priority=True),
    ]
    # Of the application
    call: Any
    _attempt: Any

    def action_replay_back(self) -> None:
        self._attempt(self.call.seek(-SEEK_SECONDS))

    def action_replay_forward(self) -> None:
        self._attempt(self.call.seek(SEEK_SECONDS))

    def action_replay_step_back(self) -> None:
        self._attempt(self.call.step(-1))

    def action_replay_step(self) -> None:
        self._attempt(self.call.step(1))

    def replay_pause(self) -> None:
        """Pause, or go on."""
        self._attempt(self.call.pause())


def clock(model: SessionModel) -> str:
    """Return the position in the replay and its length."""
    playback = model.playback
    mark = "‖ paused" if playback.paused else "▶"
    return f"{mark} {_minutes(playback.second)} / {_minutes(playback.seconds)}"


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:04.1f}"
