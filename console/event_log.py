"""EventLog: writes every protocol event of a session to a file, as one line of JSON without its audio.

Thread: the event loop's.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any

from .errors import UserError

__all__ = ["EventLog", "without_audio"]


def without_audio(event: Any) -> Any:
    """Return a copy of a wire event in which base64 audio is replaced by its size."""
    if isinstance(event, list):
        return [without_audio(part) for part in event]
    if not isinstance(event, dict):
        return event
    is_audio_delta = str(event.get("type", "")).endswith("audio.delta")
    copy = {}
    for key, value in event.items():
        if isinstance(value, str) and value.startswith("<") and value.endswith(" bytes of audio>"):
            # An event of a saved session: replaced already
            copy[key] = value
        elif isinstance(value, str) and (key == "audio" or (key == "delta" and is_audio_delta)):
            copy[key] = f"<{len(value) * 3 // 4} bytes of audio>"
        else:
            copy[key] = without_audio(value)
    return copy


class EventLog:
    """A file that grows by one line for each event: {"time", "source", "event"}.

    Close it, or use it as a context manager. A file without a line is removed when it is closed.

    Raises
    ------
    UserError
        The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = 0
        try:
            self._file = path.open("w", encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot write the event log {path}: {error.strerror}") from error

    def add(self, entry: Any) -> None:
        """Append a ``realtime.event``."""
        line = {"time": entry.time, "source": entry.source, "event": without_audio(dict(entry.event))}
        self._lines += 1
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        if self._lines == 0:
            self._path.unlink(missing_ok=True)

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
