"""The other parts of a report: a waterfall of each turn, the tools, the cost, and the events.

Thread: any.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from html import escape

from .event_book import EventBook
from .saved_sound import SavedSound
from .session import SessionModel
from .session_files import SavedSession
from .turn_times import Span, TurnTimes
from .untrusted import mapping, number, sequence, text

__all__ = ["cost_html", "events_html", "tools_html", "turns_html"]

# Of a waterfall, in units of its picture
WIDTH, LABEL, ROW = 400, 104, 16
COLOURS = {"speech": "you", "silence window": "wait", "last sample": "heard"}
STEPS = ("commit", "response.created", "first delta", "first sample")
MAX_TOOLS = 1_000
MAX_ARGUMENTS = 4_000
# Characters of all payloads
MAX_PAYLOADS = 8_000_000


def turns_html(turns: Iterable[TurnTimes], sound: SavedSound | None) -> str:
    """Return a waterfall of each turn."""
    return "\n".join(_turn(turn, sound) for turn in turns) or '<p class="dim">No turns.</p>'


def _turn(turn: TurnTimes, sound: SavedSound | None) -> str:
    if sound is not None and turn.item_id in sound.spans and turn.first_sample is not None:
        # The sound tells to the sample when the answer was heard to its end
        last = sound.time_of(sound.spans[turn.item_id][1])
        turn = replace(turn, last_sample=max(turn.last_sample or 0.0, last, turn.first_sample))
    spans = [span for span in turn.spans() if span.ended is not None]
    head = f"<b>{turn.number}</b> {turn.kind}{f', {escape(turn.outcome)}' if turn.outcome else ''}"
    waits = [
        f"{name} {seconds:.2f} s"
        for name, seconds in (
            ("silence window", turn.silence),
            ("server", turn.server),
            ("tools", turn.tool_seconds or None),
            ("sound", turn.sound),
        )
        if seconds is not None
    ]
    if turn.wait is not None:
        head += f" · you waited <b>{turn.wait:.2f} s</b>"
        head += f" ({', '.join(waits)})" if waits else ""
    place = ""
    if sound is not None and spans:
        place = f' data-from="{sound.second_of(spans[0].began):.3f}"'
    return f'<div class="turn"{place}><p>{head}</p>{_waterfall(spans)}</div>'


def _waterfall(spans: list[Span]) -> str:
    if not spans:
        return ""
    first = min(span.began for span in spans)
    last = max(max(span.ended or span.began for span in spans), first + 0.001)
    scale = (WIDTH - LABEL - 60) / (last - first)
    rows = []
    for number_, span in enumerate(spans):
        y = number_ * ROW
        x = LABEL + (span.began - first) * scale
        took = (span.ended or span.began) - span.began
        width = max(took * scale, 1.5)
        colour = COLOURS.get(span.name, "bar" if span.name in STEPS else "tool")
        rows.append(
            f'<text x="0" y="{y + 11}">{escape(span.name[:18])}</text>'
            f'<rect class="{colour}" x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="9" rx="1"/>'
            f'<text x="{min(x + width + 4, WIDTH - 44):.1f}" y="{y + 11}">{took:.2f} s</text>'
        )
    height = len(spans) * ROW + 2
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Steps of the turn">{"".join(rows)}</svg>'
    )


def tools_html(saved: SavedSession) -> str:
    """Return each call of a tool with its arguments and its output."""
    items = [mapping(item) for item in sequence(saved.document.get("items"))]
    outputs = {str(item.get("call_id")): item for item in items if item.get("role") == "output"}
    rows = []
    for item in [item for item in items if item.get("role") == "function"][:MAX_TOOLS]:
        shown = text(item.get("text"), MAX_ARGUMENTS)
        output = outputs.get(str(item.get("call_id")), {})
        ended, began = number(output.get("began")), number(item.get("ended"))
        took = "" if ended is None or began is None else f"{max(ended - began, 0.0):.2f} s"
        result = text(output.get("text"), MAX_ARGUMENTS)
        rows.append(
            f"<tr><td><code>{escape(shown)}</code></td><td>{escape(result)}</td><td class=number>{took}</td></tr>"
        )
    if not rows:
        return '<p class="dim">No tool was called.</p>'
    return f"<table><tr><th>call</th><th>output</th><th class=number>took</th></tr>{''.join(rows)}</table>"


def cost_html(model: SessionModel) -> str:
    """Return tokens and dollars."""
    rows = [
        f"<tr><td>{escape(name.replace('_', ' '))}</td><td class=number>{count:,}</td></tr>"
        for name, count in sorted(model.tokens.items())
    ]
    if model.dollars:
        rows.append(f"<tr><td>US dollars</td><td class=number>{model.dollars:.4f}</td></tr>")
    return f"<table>{''.join(rows)}</table>" if rows else '<p class="dim">The server told no usage.</p>'


def events_html(book: EventBook) -> str:
    """Return the events, folded, and a field that filters them."""
    rows, room = [], MAX_PAYLOADS
    for row in book.rows:
        payload = row.payload
        room -= len(payload)
        inside = f"<pre>{escape(payload)}</pre>" if room > 0 else '<p class="dim">See events.jsonl.</p>'
        error = ' class="error"' if row.error else ""
        rows.append(f"<details{error}><summary>{escape(row.label)}</summary>{inside}</details>")
    note = f"{len(rows)} rows"
    if book.evicted_rows:
        note += f"; {book.evicted_rows} earlier ones are in events.jsonl"
    return (
        '<p><label>Filter <input type="search" id="filter" placeholder="words of type or direction"></label> '
        f'<span class="dim">{note} <span id="count"></span></span></p><div class="list">{"".join(rows)}</div>'
    )
