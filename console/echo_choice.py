"""EchoChoice: what the user wants to be done about the echo of the speaker, and what the canceller measures.

Thread: the event loop's.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .session import SessionModel
from .state import Echo

if TYPE_CHECKING:
    from .audio import Microphone

__all__ = ["EchoChoice"]

MEASURE_SECONDS = 0.5
# What key e cycles through, and how that is said
CHOICES: dict[Echo, str] = {
    "auto": "echo: cancel: you can interrupt by speaking, with speakers and with headphones",
    "half-duplex": "echo: half-duplex: the microphone is closed while the speaker is heard; x interrupts",
    "off": "echo: off: for headphones; with speakers the answer would interrupt itself",
}


class EchoChoice:
    """Changes ``model.talk`` and passes it to the voice session."""

    def __init__(self, model: SessionModel) -> None:
        self._model = model
        self._measured = 0.0

    def next(self, voice: Any) -> None:
        """Change to the next choice, and tell the user; *voice* is the session, or None."""
        talk = self._model.talk
        names = list(CHOICES)
        talk.echo = names[(names.index(talk.echo) + 1) % len(names)]
        self.apply(voice)
        self._model.notice("info", CHOICES[talk.echo])

    def apply(self, voice: Any) -> None:
        """Let the session begin anew with what the user wants, for another device too."""
        if voice is not None:
            voice.set_echo(self._model.talk.echo)
            self.show(voice.echo)

    def show(self, action: Any) -> None:
        """Show what is done now; nothing is known of an echo yet."""
        talk = self._model.talk
        talk.action, talk.echo_heard = action, False
        self._model.set_echo_numbers(None, None)
        self._model.revision += 1

    def measure(self, microphone: Microphone) -> None:
        """Show twice a second what the canceller measures."""
        now = time.monotonic()
        if self._model.talk.action != "cancel" or now - self._measured < MEASURE_SECONDS:
            return
        self._measured = now
        echo = microphone.echo
        if echo is not None:
            delay = None if echo.delay_seconds is None else echo.delay_seconds * 1000
            self._model.set_echo_numbers(echo.erle_db, delay)
