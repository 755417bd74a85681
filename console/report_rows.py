"""The conversation in a report: rows whose words have the second at which they are heard, and the same as plain text.

Thread: any.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from html import escape

from .saved_sound import SavedSound
from .session_files import SavedSession
from .transcript import ItemRow

__all__ = ["conversation_html", "seconds_text", "transcript_text"]

WHO = {"user": "you", "assistant": "model", "function": "tool call", "output": "tool", "session": "session"}
# Words with a second of their own; later rows have one for the whole row
MAX_WORDS = 30_000
# Step in which the words of an answer are looked for
STEPS_PER_SECOND = 25
_WORD = re.compile(r"\S+")


def seconds_text(seconds: float) -> str:
    """Return minutes and seconds, such as 2:07."""
    minutes, rest = divmod(int(max(seconds, 0.0)), 60)
    return f"{minutes}:{rest:02}"


def transcript_text(saved: SavedSession) -> str:
    """Return the conversation as lines of plain text."""
    began = _began(saved)
    lines = []
    for row in saved.rows:
        text = row.text if row.heard_samples is None else f"{row.text[: row.heard_chars]} | {_cut(row)}"
        lines.append(
            f"[{seconds_text((row.began or began) - began)}] {WHO.get(row.role, row.role)}: {text}\n"
        )
    return "".join(lines)


def conversation_html(saved: SavedSession, sound: SavedSound | None) -> str:
    """Return the rows; those that are heard in *sound* know from when to when."""
    began, words = _began(saved), MAX_WORDS
    parts = []
    for row in saved.rows:
        span = None if sound is None else sound.spans.get(row.id)
        place = "" if span is None else f' data-from="{span[0]:.3f}" data-to="{span[1]:.3f}"'
        if span is not None and words > 0:
            said, used = _words(row, span)
            words -= used
        else:
            heard = len(row.text) if row.heard_samples is None else row.heard_chars
            rest = row.text[heard:]
            said = escape(row.text[:heard]) + (f'<span class="unheard">{escape(rest)}</span>' if rest else "")
        mark = "" if row.heard_samples is None else f' <span class="mark">| {escape(_cut(row))}</span>'
        role = row.role if row.role in WHO else "other"
        if span is not None:
            second = span[0]
        else:
            time = row.began or began
            second = time - began if sound is None else sound.second_of(time)
        parts.append(
            f'<div class="row {role}"{place}><time>{seconds_text(second)}</time>'
            f'<span class="who">{escape(WHO.get(row.role, row.role))}</span>'
            f'<p class="said">{said or "…"}{mark}</p></div>'
        )
    return "\n".join(parts) or '<p class="dim">Nothing was said.</p>'


def _words(row: ItemRow, span: tuple[float, float]) -> tuple[str, int]:
    """The text of a row with the second of each word, and how many words it has."""
    begins, seconds = _times(row, span)
    heard = len(row.text) if row.heard_samples is None else row.heard_chars
    parts, last, count = [], 0, 0
    for word in _WORD.finditer(row.text):
        parts.append(escape(row.text[last : word.start()]))
        last, count = word.end(), count + 1
        if word.start() >= heard:
            parts.append(f'<span class="unheard">{escape(word[0])}</span>')
            continue
        at = min(bisect_left(begins, word.start()), len(begins) - 1)
        parts.append(f'<span data-t="{seconds[at]:.3f}">{escape(word[0])}</span>')
    return "".join([*parts, escape(row.text[last:])]), count


def _times(row: ItemRow, span: tuple[float, float]) -> tuple[list[int], list[float]]:
    """Characters at which words begin, and the second at which each is heard."""
    first, last = span
    total = row.received or len(row.audio)
    if row.role != "assistant" or not total:
        # Divided by characters
        length = max(len(row.text), 1)
        begins = [word.start() for word in _WORD.finditer(row.text)] or [0]
        return begins, [first + (last - first) * begin / length for begin in begins]
    begins, seconds = [0], [first]
    step = max(row.sample_rate // STEPS_PER_SECOND, 1)
    for samples in range(step, min(total, len(row.audio)) + step, step):
        begin, _ = row.words.word(samples, row.text)
        if begin > begins[-1]:
            begins.append(begin)
            seconds.append(first + (samples - step) / row.sample_rate)
    return begins, seconds


def _began(saved: SavedSession) -> float:
    times = [row.began for row in saved.rows if row.began is not None]
    return next((when for when, *_ in saved.events()), min(times, default=0.0))


def _cut(row: ItemRow) -> str:
    heard = (row.heard_samples or 0) / row.sample_rate
    return f"cut: heard {heard:.1f} of {row.received / row.sample_rate:.1f} s"
