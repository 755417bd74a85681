"""The key that the client's tests connect with, and a watch over everything that the whole suite logs."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator

KEY = "sk-test-canary-0123456789"
# The keys of other tests (the console's, the relay's) look like this.
ANY_KEY = re.compile(r"sk-[a-z]+-[\w-]{4,}")
# The test's own server, which is the vendor's side of the wire: it logs the requests that it gets.
OTHER_SIDE = "websockets.server"
# Not the root's level: pytest sets that back after each phase of a test.
LEVELS = {
    "realtime": logging.DEBUG,
    "wavtools": logging.DEBUG,
    "console": logging.DEBUG,
    "httpx": logging.DEBUG,
    "websockets": logging.DEBUG,
    "asyncio": logging.DEBUG,
    OTHER_SIDE: logging.INFO,
}


class KeyWatch(logging.Handler):
    """Looks for `KEY`, and whatever else looks like a test's key, in every record, its traceback included."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records = 0
        self.leaks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records += 1
        text = self.format(record) if record.exc_info else record.getMessage()
        # Under its own name websockets logs for the bare clients that tests of the servers are made of.
        theirs = record.name.startswith("websockets")
        if KEY in text or (not theirs and ANY_KEY.search(text)):
            # Without the text: a report must not hold the key either.
            where = f"{record.name} at {record.filename}:{record.lineno}"
            self.leaks.append(f"{where}, during {os.environ.get('PYTEST_CURRENT_TEST')}")


@contextlib.contextmanager
def watch() -> Iterator[KeyWatch]:
    """Everything down to DEBUG passes the watch, but for what the other side logs."""
    watch = KeyWatch()
    logging.getLogger().addHandler(watch)
    before = {name: logging.getLogger(name).level for name in LEVELS}
    for name, level in LEVELS.items():
        logging.getLogger(name).setLevel(level)
    try:
        yield watch
    finally:
        logging.getLogger().removeHandler(watch)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
