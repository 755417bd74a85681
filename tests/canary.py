"""The key that the client's tests connect with, and a watch over everything that is logged meanwhile."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator

KEY = "sk-test-canary-0123456789"
# The test's own server, which is the vendor's side of the wire: it logs the requests that it gets.
OTHER_SIDE = "websockets.server"


class KeyWatch(logging.Handler):
    """Looks for `KEY` in every record, its traceback included."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records = 0
        self.leaks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records += 1
        if KEY in self.format(record):
            # Without the text: a report must not hold the key either.
            where = f"{record.name} at {record.filename}:{record.lineno}"
            self.leaks.append(f"{where}, during {os.environ.get('PYTEST_CURRENT_TEST')}")


@contextlib.contextmanager
def watch() -> Iterator[KeyWatch]:
    """Everything down to DEBUG passes the watch, but for what the other side logs."""
    root, other = logging.getLogger(), logging.getLogger(OTHER_SIDE)
    levels = root.level, other.level
    watch = KeyWatch()
    root.addHandler(watch)
    root.setLevel(logging.DEBUG)
    other.setLevel(logging.INFO)
    try:
        yield watch
    finally:
        root.removeHandler(watch)
        root.setLevel(levels[0])
        other.setLevel(levels[1])
