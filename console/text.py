"""Cleans text of models, tools, servers and files, so that it cannot control the terminal that shows it.

It drops the C0 controls except newline and tab, DEL, the C1 controls, the bidirectional controls (U+202E makes a file
name read backwards), line separators, byte order marks and tag characters (CWE-150). Every rule looks at a single
character, so an escape sequence that is split over two deltas is as harmless as a whole one. Only a surrogate pair
needs both of its halves: `Cleaner` keeps the first half until the next delta.

Thread: any.
"""

from __future__ import annotations

import re

__all__ = ["Cleaner", "clean", "one_line"]

# C0 but tab and newline, DEL, C1; bidirectional controls; line separators, byte order marks, tag characters
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\u2028\u2029\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_PAIR = re.compile("([\ud800-\udbff])([\udc00-\udfff])")
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: object, limit: int | None = None) -> str:
    """Return *text* as it may be shown: at most *limit* characters, followed by an ellipsis if some were left out."""
    shown = text if isinstance(text, str) else str(text)
    if limit is not None and len(shown) > limit:
        shown = shown[:limit] + "…"
    shown = _CONTROL.sub("", shown)
    # UTF-8 cannot hold a surrogate: writing it to a terminal would raise
    if _SURROGATE.search(shown):
        shown = _SURROGATE.sub("\ufffd", _PAIR.sub(_join, shown))
    return shown


def one_line(text: object, limit: int | None = None) -> str:
    """Return `clean` text in which newlines and tabs are spaces."""
    return clean(text, limit).replace("\n", " ").replace("\t", " ")


def _join(pair: re.Match[str]) -> str:
    return (pair[1] + pair[2]).encode("utf-16", "surrogatepass").decode("utf-16")


class Cleaner:
    """Cleans text that arrives in deltas: the results joined equal `clean` of the whole text."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, delta: str) -> str:
        """Return the part of the text so far that can be shown now and was not yet returned."""
        delta = self._half + delta
        self._half = ""
        if delta and "\ud800" <= delta[-1] <= "\udbff":
            self._half, delta = delta[-1], delta[:-1]
        return clean(delta)

    def end(self) -> str:
        """Return the rest: the replacement character for half of a surrogate pair whose other half did not come."""
        half, self._half = self._half, ""
        return clean(half)
