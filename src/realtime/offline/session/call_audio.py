"""The loudspeaker of a call as its sideband connections see it: audio goes to the caller, they get events about it.

No caller is there: the audio is played by the clock alone.

Thread: the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class CallAudio:
    """Reports ``output_audio_buffer.started``, ``.stopped`` and ``.cleared`` by *emit*."""

    def __init__(self, emit: Callable[..., None]) -> None:
        self._emit = emit
        self._response_id = ""
        self._stop: asyncio.TimerHandle | None = None

    def play(self, response_id: str, seconds: float) -> None:
        """Play *seconds* more of a response's audio."""
        loop = asyncio.get_running_loop()
        end = loop.time()
        if self._stop is not None and response_id == self._response_id:
            end = self._stop.when()
            self._stop.cancel()
        else:
            self.close("stopped")
            self._response_id = response_id
            self._report("started")
        self._stop = loop.call_at(end + seconds, self.close, "stopped")

    def clear(self) -> None:
        """Drop what is not played yet."""
        self._cancel()
        self._report("cleared")

    def close(self, reason: str = "") -> None:
        """End the playback, and report *reason* if audio was playing."""
        was_playing = self._stop is not None
        self._cancel()
        if was_playing and reason:
            self._report(reason)

    def _cancel(self) -> None:
        if self._stop is not None:
            self._stop.cancel()
            self._stop = None

    def _report(self, what: str) -> None:
        fields: dict[str, Any] = {"response_id": self._response_id}
        self._emit(f"output_audio_buffer.{what}", **fields)
