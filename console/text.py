"""Cleans text of models, tools, servers and files, so that it cannot control the terminal that shows it.

The rules are those of `realtime.printing`, through which everything printed goes. Text in printable ASCII passes by
itself: until other text comes, nothing is imported, so that the screen comes first. Only a surrogate pair needs both of
its halves: `Cleaner` keeps the first half until the next delta.

Thread: any.
"""

from __future__ import annotations

__all__ = ["Cleaner", "clean", "one_line"]


def clean(text: object, limit: int | None = None) -> str:
    """Return *text* as it may be shown: at most *limit* characters, followed by an ellipsis if some were left out."""
    if (
        isinstance(text, str)
        and text.isascii()
        and text.isprintable()
        and (limit is None or len(text) <= limit)
    ):
        return text
    from realtime.printing import clean as clean_any

    return clean_any(text, limit)


def one_line(text: object, limit: int | None = None) -> str:
    """Return `clean` text in which newlines and tabs are spaces."""
    return clean(text, limit).replace("\n", " ").replace("\t", " ")


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
