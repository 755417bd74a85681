"""Logs events as JSON objects, one a line: what happened, to which client, how much.

Logs never contain what was said, a token or a key.

Thread: any; `logging` synchronizes.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from pathlib import PurePath
from typing import Any

__all__ = ["JsonLines", "place_of", "record", "record_failure"]

log = logging.getLogger("realtime.relay")


def record(event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Write one event, such as ``record("session.closed", session=..., code=1000)``."""
    log.log(level, event, extra={"fields": fields})


def record_failure(event: str, error: BaseException, **fields: Any) -> None:
    """Write that something failed in a way that nobody foresaw: the class of the error and its place."""
    record(event, level=logging.ERROR, **fields, error=type(error).__name__, at=place_of(error))


def place_of(error: BaseException) -> str:
    """Where an exception was raised, such as ``pipe.py:120``. Its message is left out: it may hold what was said."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"


class JsonLines(logging.Formatter):
    """Formats records as JSON, which escapes control characters: text from outside cannot begin a line."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            # Class and place only: the message may contain what a client said.
            error = record.exc_info[1]
            frames = traceback.extract_tb(error.__traceback__)
            line["error"] = type(error).__name__
            line["at"] = [f"{frame.filename}:{frame.lineno}" for frame in frames[-4:]]
        return json.dumps(line, default=str, separators=(",", ":"))
