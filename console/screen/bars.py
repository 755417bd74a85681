"""Bars: ten voice bands of one side, three rows high, eighth blocks: 24 levels. Drawn again only when one changes.

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
    """``side`` names it in words: colour alone must not."""

    def __init__(self, side: str, colour: str, *, id: str) -> None:
        super().__init__(id=id, classes="bars")
        self._side = side
        self._style = Style(color=colour, bold=True)
        self._base = Style()
        self._levels = (0,) * BANDS
        self.drawn = 0  # how often it was drawn, for the test that idle costs nothing

    def set(self, values: tuple[float, ...]) -> None:
        """BANDS values between 0 and 1."""
        levels = tuple(min(LEVELS, max(0, round(value * LEVELS))) for value in values)
        if levels != self._levels:
            self._levels = levels
            self.drawn += 1
            self.refresh()

    @property
    def levels(self) -> tuple[int, ...]:
        return self._levels

    def render_lines(self, crop: Region) -> list[Strip]:
        self._base = self.rich_style  # once for the three lines: it walks through the whole style sheet
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
