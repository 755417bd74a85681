"""EventLog: writes every protocol event of a session to a file, as one line of JSON without its audio.

Thread: the event loop's.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import TracebackType
from typing import Any

from .errors import UserError

__all__ = ["EventLog", "event_line", "without_audio"]

# Deeper parts are left out
MAX_DEPTH = 64


def without_audio(event: Any, depth: int = 0) -> Any:
    """Return a copy of a wire event in which base64 audio is replaced by its size.

    JSON can hold the copy: numbers that are not finite, parts deeper than MAX_DEPTH and other objects become text.
    """
    if isinstance(event, float) and not math.isfinite(event):
        return str(event)
    if depth > MAX_DEPTH and isinstance(event, (dict, list, tuple)):
        return "<too deep>"
    if isinstance(event, (list, tuple)):
        return [without_audio(part, depth + 1) for part in event]
    if not isinstance(event, dict):
        return event
    is_audio_delta = isinstance(event.get("type"), str) and event["type"].endswith("audio.delta")
    copy = {}
    for key, value in event.items():
        name = key if isinstance(key, str) else str(key)
        if isinstance(value, str) and value.startswith("<") and value.endswith(" bytes of audio>"):
            # An event of a saved session: replaced already
            copy[name] = value
        elif isinstance(value, str) and (key == "audio" or (key == "delta" and is_audio_delta)):
            copy[name] = f"<{len(value) * 3 // 4} bytes of audio>"
        else:
            copy[name] = without_audio(value, depth + 1)
    return copy


def event_line(event: Any, **options: Any) -> str:
    """Return *event* as JSON without its audio, whatever it holds."""
    try:
        return json.dumps(without_audio(event), ensure_ascii=False, default=_text_of, **options)
    except (TypeError, ValueError) as error:
        # An integer of more digits than Python converts
        return json.dumps({"type": "unreadable", "reason": type(error).__name__})


def _text_of(value: object) -> str:
    from realtime.printing import clean

    return clean(value, 1_000)


class EventLog:
    """A file that grows by one line for each event: {"time", "source", "event"}.

    Close it, or use it as a context manager. A file without a line is removed when it is closed.

    Attributes
    ----------
    problem : str
        Why nothing is written any more; empty while the file can be written. A session goes on without its log.

    Raises
    ------
    UserError
        The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.problem = ""
        self._path = path
        self._lines = 0
        try:
            # JSON writes the same escape for half of a surrogate pair
            self._file = path.open("w", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise UserError(f"cannot write the event log {path}: {error.strerror}") from error

    def add(self, entry: Any) -> None:
        """Append a ``realtime.event``."""
        if self.problem:
            return
        line = event_line({"time": entry.time, "source": entry.source, "event": entry.event})
        self._lines += 1
        try:
            self._file.write(line + "\n")
        except OSError as error:
            self._failed(error)

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            self._failed(error)
        if self._lines == 0:
            self._path.unlink(missing_ok=True)

    def _failed(self, error: OSError) -> None:
        self.problem = f"the event log {self._path} is incomplete: {error.strerror}"

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
