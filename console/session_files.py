"""Saved sessions: writes a session to a folder and reads it again.

``session.json``  items in order, turns, tokens, memory, numbers of dropped entries; ``version`` 1
``events.jsonl``  every event, audio as its size: {"time", "source", "event"}, "repeat" for a run of microphone chunks
``NNN-role.wav``  the audio of each item that has audio

The folder is written under another name and then renamed, so it is complete or missing. Reading does not trust it:
sizes are bounded, file names cannot leave the folder, and text is cleaned.

Thread: a `Snapshot` is taken on the event loop's; writing and reading: any.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wavtools import DecodeError, WavPacker, read_wav

from .errors import UserError
from .session import SessionModel
from .state import Place, Turn
from .text import clean, one_line
from .transcript import ItemRow

__all__ = ["SavedSession", "Snapshot", "load_session", "save_session"]

VERSION = 1
MAX_FILE_BYTES = 64 * 1024 * 1024


class Snapshot:
    """The parts of a model that are saved, as they are now. It does not copy the audio."""

    def __init__(self, model: SessionModel) -> None:
        self.lines = list(model.events.journal())
        # File name -> samples, sample rate
        self.audio: dict[str, tuple[Any, int]] = {}
        self.document = _document(model, self.audio)


def save_session(session: SessionModel | Snapshot, parent: Path) -> Path:
    """Write a session to a new folder in *parent* and return that folder.

    Raises
    ------
    UserError
        There is nothing to save, or the folder cannot be written.
    """
    snapshot = session if isinstance(session, Snapshot) else Snapshot(session)
    if not snapshot.lines:
        raise UserError("there is nothing to save yet")
    name = time.strftime("%Y-%m-%d-%H%M%S")
    folder = parent / name
    for number in range(2, 100):
        if not folder.exists():
            break
        folder = parent / f"{name}-{number}"
    partial = folder.with_name(folder.name + ".partial")
    try:
        partial.mkdir(parents=True)
        with (partial / "events.jsonl").open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{line}\n" for line in snapshot.lines)
        for file_name, (samples, rate) in snapshot.audio.items():
            WavPacker.pack(samples, rate).save(partial / file_name)
        (partial / "session.json").write_text(json.dumps(snapshot.document, indent=2), encoding="utf-8")
        partial.rename(folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise UserError(f"cannot save to {folder}: {error.strerror}") from error
    return folder


def _document(model: SessionModel, files: dict[str, tuple[Any, int]]) -> dict[str, Any]:
    items = []
    for number, row in enumerate(list(model.transcript)):
        entry: dict[str, Any] = {
            "id": row.id,
            "role": row.role,
            "status": row.status,
            "text": row.text,
            "began": row.began,
            "ended": row.ended,
            "latency": row.latency,
            "heard_samples": row.heard_samples,
            "heard_chars": row.heard_chars,
            "received": row.received,
        }
        audio = row.audio
        if len(audio):
            entry["audio"] = f"{number:03}-{row.role if row.role.isalpha() else 'item'}.wav"
            files[entry["audio"]] = (audio, row.sample_rate)
        items.append(entry)
    return {
        "version": VERSION,
        "model": model.server.model,
        "voice": model.server.voice,
        "endpoint": model.server.endpoint,
        "mode": model.talk.mode,
        "items": items,
        "turns": [vars(turn) for turn in model.turns],
        "tokens": model.tokens,
        "memory": model.memory,
        "place": vars(model.place),
        "evicted": {
            "event_lines": model.events.evicted_lines,
            "event_rows": model.events.evicted_rows,
            "items": model.transcript.evicted,
        },
    }


class SavedSession:
    """A session that was read from a folder; its ``rows`` have their audio."""

    def __init__(self, folder: Path, document: dict[str, Any], rows: list[ItemRow]) -> None:
        self.folder = folder
        self.document = document
        self.rows = rows

    def events(self) -> Iterator[tuple[float, str, dict[str, Any], int]]:
        """Read the events: (seconds since the epoch, source, event, repeat count)."""
        with (self.folder / "events.jsonl").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                    repeat = min(max(int(entry.get("repeat", 1)), 1), 1_000_000)
                    event = entry["event"]
                    if isinstance(event, dict):
                        yield float(entry["time"]), one_line(entry["source"], 12), event, repeat
                except (ValueError, KeyError, TypeError):
                    # An incomplete last line, or one that somebody edited
                    continue

    def apply_end(self, model: SessionModel) -> None:
        """Set everything but events and conversation to what it was when the session was saved."""
        document = self.document
        model.server.model = one_line(document.get("model", ""), 40)
        model.server.voice = one_line(document.get("voice", ""), 20)
        model.tokens = {
            one_line(name, 60): count
            for name, count in _dict(document, "tokens").items()
            if isinstance(count, int)
        }
        model.remember({str(key): str(value) for key, value in _dict(document, "memory").items()})
        place = _dict(document, "place")
        try:
            model.place = Place(
                max(-90.0, min(90.0, float(place["latitude"]))),
                max(-180.0, min(180.0, float(place["longitude"]))),
                one_line(place["name"], 60),
                one_line(place["state"], 120),
                None if place["temperature"] is None else float(place["temperature"]),
                None if place["wind"] is None else float(place["wind"]),
            )
            for turn in document.get("turns") or []:
                model.turns.append(
                    Turn(
                        str(turn["item_id"]),
                        *(float(turn[k]) for k in ("latency", "speech_end", "first_sample")),
                    )
                )
        except (KeyError, TypeError, ValueError):
            # Damaged: shown as if there were no place and no turns
            pass
        model.revision += 1


def load_session(folder: Path) -> SavedSession:
    """Read a saved session.

    Raises
    ------
    UserError
        The folder is not a saved session, or it is damaged.
    """
    try:
        path = folder / "session.json"
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UserError(f"{path} has {path.stat().st_size} bytes; a session has at most {MAX_FILE_BYTES}")
        document = json.loads(path.read_text(encoding="utf-8"))
        (folder / "events.jsonl").stat()
    except FileNotFoundError as error:
        raise UserError(f"{folder} is not a saved session: it has no {Path(error.filename).name}") from error
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{folder / 'session.json'} is damaged: {error}") from error
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise UserError(f"{folder} was not saved by this version of the console")
    items = document.get("items")
    rows = (
        [_row(folder, item) for item in items[:10_000] if isinstance(item, dict)]
        if isinstance(items, list)
        else []
    )
    return SavedSession(folder, document, rows)


def _row(folder: Path, item: dict[str, Any]) -> ItemRow:
    row = ItemRow(one_line(item.get("id", ""), 100), one_line(item.get("role", ""), 12))
    row.status = one_line(item.get("status", ""), 20)
    row.text = clean(item.get("text", ""), 65_536)
    row.live = False
    row.began, row.ended, row.latency = (_number(item, key) for key in ("began", "ended", "latency"))
    heard = _number(item, "heard_samples")
    row.heard_samples = None if heard is None else int(heard)
    row.heard_chars = min(max(int(_number(item, "heard_chars") or 0), 0), len(row.text))
    row.received = int(_number(item, "received") or 0)
    name = item.get("audio")
    if isinstance(name, str) and Path(name).name == name:
        try:
            wav = read_wav(folder / name)
        except (OSError, DecodeError):
            # Shown without its audio
            return row
        row.saved_audio, row.sample_rate = wav.pcm.reshape(-1), wav.sample_rate
    return row


def _dict(document: dict[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _number(item: dict[str, Any], key: str) -> float | None:
    value = item.get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
