"""Bars: shows ten frequency bands of a voice in 24 levels: three rows of eighth blocks.

A widget is drawn again only if a level has changed.

Thread: the event loop's.
"""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from ..state import BANDS

__all__ = ["Bars"]

ROWS = 3
BLOCKS = " ▁▂▃▄▅▆▇█"
LEVELS = ROWS * (len(BLOCKS) - 1)
WORD_CELLS = 5


class Bars(Widget):
    """The bars of one side of the conversation.

    Parameters
    ----------
    side : str
        Name of the side, which is shown: colour alone must not tell it.
    colour : str
        Colour of the bars.
    id : str
        Id of the widget.

    Attributes
    ----------
    drawn : int
        How often the bars were drawn, for the test that an idle screen draws nothing.
    """

    def __init__(self, side: str, colour: str, *, id: str) -> None:
        super().__init__(id=id, classes="bars")
        self._side = side
        self._style = Style(color=colour, bold=True)
        self._base = Style()
        self._levels = (0,) * BANDS
        self.drawn = 0

    def set(self, values: tuple[float, ...]) -> None:
        """Show BANDS values between 0 and 1."""
        levels = tuple(min(LEVELS, max(0, round(value * LEVELS))) for value in values)
        if levels != self._levels:
            self._levels = levels
            self.drawn += 1
            self.refresh()

    @property
    def levels(self) -> tuple[int, ...]:
        """The levels that are shown, from 0 to 24."""
        return self._levels

    def render_lines(self, crop: Region) -> list[Strip]:
        # Once for the three lines: it walks through the whole style sheet
        self._base = self.rich_style
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        base = self._base
        below = (ROWS - 1 - y) * (len(BLOCKS) - 1)
        cells = "".join(
            BLOCKS[min(max(level - below, 0), len(BLOCKS) - 1)] * 2 + " " for level in self._levels
        )
        word = f"{self._side:<{WORD_CELLS}}" if y == ROWS - 1 else " " * WORD_CELLS
        strip = Strip([Segment(word, base), Segment(cells, base + self._style)])
        return strip.adjust_cell_length(self.size.width, base)
