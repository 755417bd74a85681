"""HeardText: a wrapped text whose heard words are bright, the word being heard underlined, and the rest dim.

The text is wrapped once; while its words light up only the lines that change are styled again.

Thread: the event loop's.
"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

__all__ = ["HeardText"]

# The underline tells the word that is heard without a colour
NOW, UNHEARD = "bold underline", "dim"


class HeardText:
    """The lines of one text.

    Parameters
    ----------
    text : str
        The text.
    console : rich.console.Console
        Wraps it.
    width : int
        Columns.
    """

    def __init__(self, text: str, console: Console, width: int) -> None:
        self._lines = list(Text(text).wrap(console, width)) or [Text("")]
        self._starts: list[int] = []
        at = 0
        for line in self._lines:
            # Spaces at the end of a line are dropped, and so are line breaks
            at = max(text.find(line.plain, at), at)
            self._starts.append(at)
            at += len(line.plain)

    def lines(self, word: tuple[int, int]) -> list[Text]:
        """Return the lines while the *word* that begins and ends at these characters is heard."""
        return [
            self._styled(line, start, *word) for line, start in zip(self._lines, self._starts, strict=True)
        ]

    @staticmethod
    def _styled(line: Text, start: int, begin: int, end: int) -> Text:
        length = len(line.plain)
        begin, end = (min(max(at - start, 0), length) for at in (begin, end))
        if begin == length:
            return line
        styled = line.copy()
        styled.stylize(NOW, begin, end)
        styled.stylize(UNHEARD, end)
        return styled
