"""What may reach a terminal: text of a model, a tool, a server or a file, without anything that could steer one.

Dropped are the C0 controls except newline and tab, DEL, the C1 controls, the bidirectional controls (U+202E makes a
file name read backwards), line separators, byte order marks and tag characters (CWE-150). Every rule looks at one
character, so a sequence that is cut in two by a delta boundary is harmless like a whole one. The one pair that only
exists as a pair, a surrogate pair that a server split over two deltas, is what `Cleaner` waits for.

Pure; any thread.
"""

from __future__ import annotations

import re

__all__ = ["Cleaner", "clean", "one_line"]

_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    "\u2028\u2029\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_PAIR = re.compile("([\ud800-\udbff])([\udc00-\udfff])")
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: object, limit: int | None = None) -> str:
    """*text* as it may be shown; at most *limit* characters, and then an ellipsis."""
    shown = text if isinstance(text, str) else str(text)
    if limit is not None and len(shown) > limit:
        shown = shown[:limit] + "…"
    shown = _CONTROL.sub("", shown)
    if _SURROGATE.search(shown):  # a terminal's UTF-8 cannot hold one; writing it would raise
        shown = _SURROGATE.sub("\ufffd", _PAIR.sub(_join, shown))
    return shown


def one_line(text: object, limit: int | None = None) -> str:
    """`clean`, with newlines and tabs as spaces."""
    return clean(text, limit).replace("\n", " ").replace("\t", " ")


def _join(pair: re.Match[str]) -> str:
    return (pair[1] + pair[2]).encode("utf-16", "surrogatepass").decode("utf-16")


class Cleaner:
    """`clean` for text that arrives in deltas: the pieces joined equal the whole, cleaned."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, delta: str) -> str:
        """What of *delta* can be shown now."""
        delta = self._half + delta
        self._half = ""
        if delta and "\ud800" <= delta[-1] <= "\udbff":
            self._half, delta = delta[-1], delta[:-1]
        return clean(delta)

    def end(self) -> str:
        """What was waited for and did not come."""
        half, self._half = self._half, ""
        return clean(half)
