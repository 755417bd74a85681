"""The key with which the client's tests connect, and a check that no key appears in any log record of the suite."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator

KEY = "sk-test-canary-0123456789"
# Keys in other tests (of the console, of the relay) match this pattern.
ANY_KEY = re.compile(r"sk-[a-z]+-[\w-]{4,}")
# Logger of the test server, which plays the vendor: it logs the requests that it receives.
OTHER_SIDE = "websockets.server"
# Levels of named loggers: pytest resets the root's level after each phase of a test.
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
    """Looks for `KEY`, and for any other test key, in every log record and its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records = 0
        self.leaks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records += 1
        text = self.format(record) if record.exc_info else record.getMessage()
        # The tests of the servers use plain websockets clients, which log under the name of websockets.
        theirs = record.name.startswith("websockets")
        if KEY in text or (not theirs and ANY_KEY.search(text)):
            # Not the text itself: a report must not contain the key either.
            where = f"{record.name} at {record.filename}:{record.lineno}"
            self.leaks.append(f"{where}, during {os.environ.get('PYTEST_CURRENT_TEST')}")


@contextlib.contextmanager
def watch() -> Iterator[KeyWatch]:
    """Check all records from DEBUG up, except those of the test server, which are checked from INFO up."""
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
