"""EventLines: appends the protocol events of a session to a file, as lines of JSON, while they happen.

Thread: the saver's.
"""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["STREAMED", "EventLines"]

# These come 50 times a second and differ only in their audio: a run of them is one line
STREAMED = ("input_audio_buffer.append",)
# A day of conversation
MAX_BYTES = 256 * 1024 * 1024


class EventLines:
    """A file of lines {"time", "source", "event"}, with "repeat" for a run of microphone chunks.

    Parameters
    ----------
    path : Path
        Is replaced.
    most_bytes : int
        Later events are counted in ``dropped``.

    Raises
    ------
    OSError
        the file cannot be written; by every method
    """

    def __init__(self, path: Path, most_bytes: int = MAX_BYTES) -> None:
        self.dropped = 0
        self._room = most_bytes
        self._file = path.open("w", encoding="utf-8", errors="backslashreplace")
        # The run that has not ended: its first time, source and line, and its length
        self._run: tuple[float, str, str] | None = None
        self._count = 0

    def add(self, time: float, source: str, kind: str, line: str) -> None:
        """Append an event of type *kind* whose JSON is *line*; *time* is in seconds since the epoch."""
        if kind in STREAMED:
            self._run = self._run or (time, source, line)
            self._count += 1
            return
        self._end_run()
        self._write(time, source, line, 1)

    def flush(self) -> None:
        """Give the operating system what was added."""
        self._file.flush()

    def close(self) -> None:
        """Write a run that has not ended, and close the file."""
        try:
            self._end_run()
        finally:
            self._file.close()

    def _end_run(self) -> None:
        if self._run is not None:
            time, source, line = self._run
            count, self._run, self._count = self._count, None, 0
            self._write(time, source, line, count)

    def _write(self, time: float, source: str, line: str, count: int) -> None:
        repeat = f',"repeat":{count}' if count > 1 else ""
        text = f'{{"time":{time:.6f},"source":{json.dumps(source)}{repeat},"event":{line}}}\n'
        self._room -= len(text)
        if self._room < 0:
            self.dropped += 1
        else:
            self._file.write(text)
