"""WaterfallPane: each turn as rows on a time axis, like the network tab of a browser.

Thread: the event loop's.
"""

from __future__ import annotations

from rich.text import Text

from ..session import SessionModel
from ..turn_times import Span, TurnTimes
from .lines import Line, LinePane

__all__ = ["WaterfallPane"]

NAME_CELLS = 19
TIME_CELLS = 10
# Seconds of the axis at least, and how far it goes beyond the first sample
SHORTEST_AXIS, BEYOND = 0.2, 1.15
# Of a bar; any other name is a tool
STYLES = {
    "speech": "blue",
    "silence window": "yellow",
    "commit": "cyan",
    "response.created": "cyan",
    "tool call": "cyan",
    "first delta": "cyan",
    "first sample": "bold green",
    "last sample": "green",
}
TOOL_STYLE = "magenta"


def duration(seconds: float) -> str:
    """Return seconds as milliseconds below ten seconds, else as seconds."""
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def summary(turn: TurnTimes) -> str:
    """Return how long the user waited, and for what; empty before the first sample."""
    if turn.wait is None:
        return ""
    tools = turn.tool_seconds
    parts = (
        ("silence", turn.silence),
        ("server", turn.server),
        ("tools", tools if tools else None),
        ("sound", turn.sound),
    )
    told = " + ".join(f"{name} {seconds * 1000:.0f}" for name, seconds in parts if seconds is not None)
    return f"you waited {duration(turn.wait)}" + (f" = {told}" if told else "")


def short(turn: TurnTimes) -> str:
    """Return how long the user waited beside what the server took, as far as it is known."""
    parts = [("you waited", turn.wait), ("server", turn.server)]
    return " · ".join(f"{name} {duration(seconds)}" for name, seconds in parts if seconds is not None)


class WaterfallPane(LinePane):
    """Every turn, the newest below; a row stands there as soon as its step has begun."""

    FOLLOWS = True

    def __init__(self) -> None:
        super().__init__(id="waterfall", title="waterfall")

    def draw(self, model: SessionModel, now: float) -> None:
        """Show the turns; steps under way last until *now*, in seconds since the epoch."""
        lines: list[Line] = []
        for turn in model.waterfall.turns:
            if lines:
                lines.append((None, Text("")))
            lines.append((turn.number, self._title(turn)))
            lines += [(turn.number, line) for line in self._rows(turn, now)]
        if not lines:
            lines.append((None, Text("the times of each turn appear here", style="dim")))
        newest = model.waterfall.newest
        told = "" if newest is None else short(newest)
        if told != self.border_subtitle:
            self.border_subtitle = told
        self.show(lines)

    def _title(self, turn: TurnTimes) -> Text:
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"turn {turn.number}", style="bold")
        if turn.kind != "speech":
            line.append(f" ({turn.kind})")
        told = summary(turn)
        line.append(f"  {told}" if told else "")
        if turn.outcome not in ("", "completed"):
            line.append(f"  {turn.outcome}", style="bold red")
        return line

    def _rows(self, turn: TurnTimes, now: float) -> list[Text]:
        spans = turn.spans()
        if not spans:
            return []
        # The words of the user and the sound of the answer may be long: what lies between them is shown to scale
        inner = [span for span in spans if span.name not in ("speech", "last sample")] or spans
        start = min(span.began for span in inner)
        end = max(now if span.ended is None else span.ended for span in inner)
        axis = max((end - start) * BEYOND, SHORTEST_AXIS)
        cells = max(self.text_width - NAME_CELLS - TIME_CELLS - 2, 8)
        # Some colours become a dark grey where there is no colour
        plain = self.app.no_color
        return [
            row(span, start, axis, cells, now, "" if plain else STYLES.get(span.name, TOOL_STYLE))
            for span in spans
        ]


def row(span: Span, start: float, axis: float, cells: int, now: float, style: str) -> Text:
    """Return one step: its name, its bar on an axis of *axis* seconds from *start* on, and how long it took."""
    ended = now if span.ended is None else span.ended
    first = (span.began - start) / axis * cells
    last = (ended - start) / axis * cells
    begin = min(max(int(first), 0), cells - 1)
    end = min(max(round(last), begin + 1), cells)
    bar = ["━"] * (end - begin)
    if first < -1:
        bar[0] = "◂"
    if last > cells:
        bar[-1] = "▸"
    line = Text(f"  {span.name[: NAME_CELLS - 3]:<{NAME_CELLS - 2}}", no_wrap=True)
    line.append(" " * begin + "".join(bar) + " " * (cells - end), style=style)
    took = "…" if span.ended is None and span.name != "last sample" else ""
    line.append(f"{duration(max(ended - span.began, 0.0)) + took:>{TIME_CELLS}}")
    return line
