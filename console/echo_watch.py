"""EchoWatch: looks now and then whether the microphone hears the speaker, and warns the user once.

Thread: the event loop's; the correlation runs in a thread.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from .session import SessionModel

if TYPE_CHECKING:
    from .audio import Microphone, Speaker
    from .echo import EchoDetector

__all__ = ["EchoWatch"]

INTERVAL_SECONDS = 0.5


class EchoWatch:
    """Sets ``model.talk.echo``. It looks under vad only: there the echo of an answer interrupts that answer."""

    def __init__(self, model: SessionModel) -> None:
        self._model = model
        self._detector: EchoDetector | None = None
        self._looked_at = 0.0

    def start(self, sample_rate: int) -> None:
        """Begin anew, for devices of a new session."""
        # NumPy is imported here, when the screen is already there
        from .echo import EchoDetector

        self._detector = EchoDetector(sample_rate)

    def is_due(self, speaker: Speaker) -> bool:
        """True if it is time for another look; then call `look`."""
        talk, now = self._model.talk, time.monotonic()
        if talk.mode != "vad" or talk.echo or talk.half_duplex or now - self._looked_at < INTERVAL_SECONDS:
            return False
        self._looked_at = now
        return speaker.is_audible()

    async def look(self, speaker: Speaker, microphone: Microphone) -> None:
        """Compare what was played with what was recorded."""
        if self._detector is None:
            return
        if await asyncio.to_thread(self._detector.look, speaker.tape.read(), microphone.tape.read()):
            self._model.talk.echo = True
            self._model.notice(
                "warning", "your speakers are being heard: use headphones, or press e for half-duplex"
            )
