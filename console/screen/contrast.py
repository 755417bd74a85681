"""ContrastFilter: keeps every character readable, at least 4.5:1 to what is behind it, in every theme.

It is Textual's last filter of a line, so it sees what themes, dimming and NO_COLOR made of the colours. A colour that is too
close to its background moves toward white or black until it can be read. On a terminal of sixteen colours it chooses from
those, because rounding to them would bring close colours together.

Thread: the event loop's.
"""

from __future__ import annotations

from functools import lru_cache

from rich.color import Color as RichColor
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

__all__ = ["READABLE", "SHAPES", "SIXTEEN", "ContrastFilter", "contrast"]

# What WCAG 2 asks for text of usual size
READABLE = 4.5
STEPS = 24
BLACK, WHITE = ColorTriplet(0, 0, 0), ColorTriplet(255, 255, 255)
# The sixteen colours of xterm; other terminals are close to them
SIXTEEN = (
    *(BLACK, ColorTriplet(205, 0, 0), ColorTriplet(0, 205, 0), ColorTriplet(205, 205, 0)),
    *(
        ColorTriplet(0, 0, 238),
        ColorTriplet(205, 0, 205),
        ColorTriplet(0, 205, 205),
        ColorTriplet(229, 229, 229),
    ),
    *(
        ColorTriplet(127, 127, 127),
        ColorTriplet(255, 0, 0),
        ColorTriplet(0, 255, 0),
        ColorTriplet(255, 255, 0),
    ),
    *(ColorTriplet(92, 92, 255), ColorTriplet(255, 0, 255), ColorTriplet(0, 255, 255), WHITE),
)
# The parts of a check box: its mark is hidden by its colour while it is not ticked
SHAPES = {"▐", "▌", "X"}


def _luminance(colour: ColorTriplet) -> float:
    parts = [value / 255 for value in colour]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)


def contrast(front: ColorTriplet, back: ColorTriplet) -> float:
    """Return the contrast of two colours by WCAG 2, from 1 to 21."""
    dark, light = sorted((_luminance(front), _luminance(back)))
    return (light + 0.05) / (dark + 0.05)


def readable(front: ColorTriplet, back: ColorTriplet) -> ColorTriplet:
    """Return *front*, or the first colour on its way to black or white that can be read on *back*."""
    goal = max(BLACK, WHITE, key=lambda one: contrast(one, back))
    if contrast(front, back) >= READABLE:
        return front
    for step in range(1, STEPS):
        share = step / STEPS
        mixed = ColorTriplet(*(round(f + (g - f) * share) for f, g in zip(front, goal, strict=True)))
        if contrast(mixed, back) >= READABLE:
            return mixed
    return goal


def nearest_of_sixteen(front: ColorTriplet, back: ColorTriplet) -> int:
    """Return the number of the colour that is nearest to *front* among those that can be read on *back*."""
    usable = [number for number, one in enumerate(SIXTEEN) if contrast(one, back) >= READABLE]
    return min(
        usable, key=lambda number: sum((a - b) ** 2 for a, b in zip(SIXTEEN[number], front, strict=True))
    )


class ContrastFilter(LineFilter):
    """The filter; *sixteen*: the terminal has sixteen colours."""

    def __init__(self, sixteen: bool) -> None:
        super().__init__()
        self._style = lru_cache(4096)(_sixteen_style if sixteen else _readable_style)

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments in colours that can be read."""
        style_of, behind = self._style, background.rich_color
        return [
            segment
            if segment.style is None or segment.text in SHAPES
            else Segment(segment.text, style_of(segment.style, behind), segment.control)
            for segment in segments
        ]


def _colours(style: Style, behind: RichColor) -> tuple[ColorTriplet, ColorTriplet] | None:
    """Return the two colours of a style; None for colours that only the terminal knows."""
    front, back = style.color, style.bgcolor or behind
    if front is None or front.triplet is None or back.triplet is None:
        return None
    return front.triplet, back.triplet


def _readable_style(style: Style, behind: RichColor) -> Style:
    colours = _colours(style, behind)
    if colours is None:
        return style
    better = readable(*colours)
    return style if better is colours[0] else style + Style(color=RichColor.from_triplet(better))


def _sixteen_style(style: Style, behind: RichColor) -> Style:
    colours = _colours(style, behind)
    if colours is None:
        return style
    front, back = colours
    number = 15 if contrast(back, BLACK) > contrast(back, WHITE) else 0
    best = nearest_of_sixteen(front, SIXTEEN[number])
    return style + Style(color=RichColor.from_ansi(best), bgcolor=RichColor.from_ansi(number))
