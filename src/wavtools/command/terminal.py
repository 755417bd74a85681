"""What the verbs print with: tables, colours where a terminal is, and a line of progress.

Text from files and devices is escaped, because a control character would command the terminal.

Thread: the main one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TextIO

__all__ = ["Progress", "bar", "bold", "dim", "has_colour", "one_line", "table"]

# Seconds between two drawings of the line of progress, and before the first: quick work shows none.
PERIOD, PATIENCE = 0.1, 1.0


def one_line(text: object) -> str:
    """Return *text* with every character escaped that does not print."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def has_colour(stream: TextIO | None = None) -> bool:
    """True if *stream* (standard output when not given) is a terminal and colours are welcome there."""
    stream = sys.stdout if stream is None else stream
    try:
        return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):
        return False


def bold(text: str) -> str:
    """Return *text* bold, where colours are welcome."""
    return f"\x1b[1m{text}\x1b[0m" if has_colour() else text


def dim(text: str) -> str:
    """Return *text* dim, where colours are welcome."""
    return f"\x1b[2m{text}\x1b[0m" if has_colour() else text


def table(rows: Iterable[Sequence[object]], align: str = "") -> str:
    """Return *rows* as columns of text; the first row is the heading.

    Parameters
    ----------
    rows : iterable of sequences
        All of one length.
    align : str
        One of "<" and ">" for each column; "<" for those that are missing.
    """
    texts = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = [
        "  ".join(f"{cell:{align[i : i + 1] or '<'}{widths[i]}}" for i, cell in enumerate(row)).rstrip()
        for row in texts
    ]
    return "\n".join([bold(lines[0]), *lines[1:]])


def bar(share: float, width: int) -> str:
    """Return a bar of *width* characters of which *share*, 0.0 to 1.0, is filled."""
    full = round(min(max(share, 0.0), 1.0) * width)
    return "#" * full + "-" * (width - full)


class Progress:
    """A line on standard error that says how far the work is, while it takes more than a second.

    Where standard error is no terminal it prints nothing.

    Parameters
    ----------
    what : str
        The work, in one or two words.
    patience : float
        Seconds before the line is drawn for the first time.
    """

    def __init__(self, what: str, patience: float = PATIENCE) -> None:
        self._what = what
        self._shows = has_colour(sys.stderr) or (sys.stderr is not None and sys.stderr.isatty())
        self._next = time.monotonic() + patience
        self._drawn = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._drawn:
            self._write("\r\x1b[K")

    def show(self, share: float | None, text: str = "") -> None:
        """Draw the line: *share* of the work is done, 0.0 to 1.0, or None if nobody knows how much there is."""
        now = time.monotonic()
        if not self._shows or now < self._next:
            return
        self._next, self._drawn = now + PERIOD, True
        width = max(10, shutil.get_terminal_size().columns - 1)
        part = "" if share is None else f" [{bar(share, 24)}] {100 * min(share, 1.0):3.0f} %"
        self._write(f"\r\x1b[K{self._what}{part} {text}"[: width + 4])

    def _write(self, text: str) -> None:
        # The terminal may be gone; the work goes on.
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()
