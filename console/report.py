"""Report: one HTML file of a saved session that opens anywhere: sound, conversation, turns, tools, cost, events.

The page loads nothing: its style, its script and the sound are inside, and a content security policy allows no more.
All text of a session is escaped. The script is not needed to read the page; it lets the conversation follow the player.

Thread: any; reads and writes files.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from html import escape
from pathlib import Path

from . import PROGRAM
from .errors import UserError
from .report_rows import conversation_html, seconds_text, transcript_text
from .report_sides import cost_html, events_html, tools_html, turns_html
from .report_sound import player_html, waves_html
from .saved_sound import SavedSound
from .session import SessionModel
from .session_files import SavedSession, load_session

__all__ = ["REPORT", "TRANSCRIPT", "write_report"]

REPORT, TRANSCRIPT = "report.html", "transcript.txt"
NO_SOUND = '<p class="dim">This session has no sound.</p>'


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write the report of a saved session, by default ``report.html`` in its folder, and return its path.

    The transcript is written beside it as ``transcript.txt``.

    Raises
    ------
    UserError
        *folder* is no saved session, or the file cannot be written
    """
    saved = load_session(folder)
    out = out or folder / REPORT
    pages = {out: report_html(saved), out.with_name(TRANSCRIPT): transcript_text(saved)}
    for path, content in pages.items():
        partial = path.with_name(path.name + ".partial")
        try:
            partial.write_text(content, encoding="utf-8", errors="replace")
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise UserError(f"cannot write {path}: {error.strerror}; name another file with --out") from error
    return out


def report_html(saved: SavedSession) -> str:
    """Return the page."""
    model = SessionModel()
    for when, source, event, repeat in saved.events():
        model.events.add(when, source, event, repeat)
    saved.apply_end(model)
    sound = SavedSound.of(saved)
    style, script = _part("report.css"), _part("report.js")
    parts = {
        "title": escape(_title(saved)),
        "facts": escape(_facts(saved, model, sound)),
        "style": style,
        "style_hash": _hash(style),
        "script": script,
        "script_hash": _hash(script),
        "sound": NO_SOUND if sound is None else _sound(saved, sound),
        "conversation": conversation_html(saved, sound),
        "turns": turns_html(model.waterfall.turns, sound),
        "tools": tools_html(saved),
        "cost": cost_html(model),
        "events": events_html(model.events),
    }
    # In one pass: text of a session that looks like a place for a part stays text
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _part("report.html"))


def _sound(saved: SavedSession, sound: SavedSound) -> str:
    cuts = []
    for row in saved.rows:
        if row.heard_samples is not None and row.id in sound.spans:
            cuts.append(sound.spans[row.id][0] + row.heard_samples / row.sample_rate)
    legend = (
        '<p class="legend"><span><b class="you">you</b>: what the microphone took</span>'
        '<span><b class="model">model</b>: what was played</span>'
        f'<span><b class="cut">|</b> cut ({len(cuts)})</span>'
        "<span>click to listen from there, space plays and pauses</span></p>"
    )
    return waves_html(sound, cuts) + legend + player_html(sound)


def _title(saved: SavedSession) -> str:
    began = next((when for when, *_ in saved.events()), None)
    if began is None:
        return f"Session {saved.folder.name}"
    return time.strftime("Session of %Y-%m-%d, %H:%M", time.localtime(began))


def _facts(saved: SavedSession, model: SessionModel, sound: SavedSound | None) -> str:
    spoken = sum(row.role in ("user", "assistant") for row in saved.rows)
    facts = [
        model.server.model,
        model.server.voice,
        f"{spoken} messages",
        "" if sound is None else f"{seconds_text(sound.seconds)} of sound",
        f"${model.dollars:.4f}" if model.dollars else "",
        f"made by {PROGRAM} report",
    ]
    return " · ".join(fact for fact in facts if fact)


def _part(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
