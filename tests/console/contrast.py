"""Contrast of what a screen shows, measured on its cells: each character against what is behind it."""

from __future__ import annotations

from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.style import Style
from rich.terminal_theme import TerminalTheme

from console.screen.app import RealtimeConsole
from console.screen.contrast import SHAPES, SIXTEEN, contrast

XTERM = TerminalTheme((0, 0, 0), (229, 229, 229), list(SIXTEEN[:8]), list(SIXTEEN[8:]))
# A terminal dims by about a third
DIM = 0.66


def triplet(colour: Color | None, foreground: bool) -> ColorTriplet:
    return (colour or Color.default()).get_truecolor(XTERM, foreground)


def colours(style: Style) -> tuple[ColorTriplet, ColorTriplet]:
    """The colour of the characters and the one behind them, as a terminal shows them."""
    front, back = triplet(style.color, True), triplet(style.bgcolor, False)
    if style.reverse:
        front, back = back, front
    if style.dim:
        front = ColorTriplet(*(round(f * DIM + b * (1 - DIM)) for f, b in zip(front, back, strict=True)))
    return front, back


def contrasts(app: RealtimeConsole) -> dict[tuple[str, str], tuple[float, str]]:
    """For each pair of colours on the screen: its contrast, and a text that has it. Spaces and check boxes do not count."""
    found: dict[tuple[str, str], tuple[float, str]] = {}
    for strip in app.screen._compositor.render_strips(app.size):
        for text, style, _ in strip:
            if style is not None and text.strip() and text not in SHAPES:
                front, back = colours(style)
                found.setdefault((front.hex, back.hex), (contrast(front, back), text.strip()))
    return found
