"""Saved sessions: writes a session to a folder and reads it again.

``session.json``  items in order, turns, tokens, dollars, memory, numbers of dropped entries; ``version`` 1
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

import numpy as np

from wavtools import DecodeError, WavPacker, read_wav

from .errors import UserError
from .heard_words import HeardWords
from .session import SessionModel
from .state import Place, Turn
from .transcript import ItemRow
from .turn_times import TurnTimes
from .untrusted import document, lines_of_json, mapping, number, plain_file, sequence, text, whole

__all__ = ["SavedSession", "Snapshot", "load_session", "save_session"]

VERSION = 1
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_EVENTS_BYTES = 1024 * 1024 * 1024
MAX_ITEMS = 10_000
MAX_MEMORY = 1_000
MAX_TURNS = 200


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
    for count in range(2, 100):
        if not folder.exists():
            break
        folder = parent / f"{name}-{count}"
    partial = folder.with_name(folder.name + ".partial")
    try:
        partial.mkdir(parents=True)
        with (partial / "events.jsonl").open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{line}\n" for line in snapshot.lines)
        for file_name, (samples, rate) in snapshot.audio.items():
            WavPacker.pack(samples, rate).save(partial / file_name)
        (partial / "session.json").write_text(json.dumps(snapshot.document, indent=2), encoding="utf-8")
        partial.rename(folder)
    except (OSError, ValueError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"cannot save to {folder}: {reason}") from error
    return folder


def _document(model: SessionModel, files: dict[str, tuple[Any, int]]) -> dict[str, Any]:
    items = []
    for count, row in enumerate(list(model.transcript)):
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
            "words": row.words.as_json() if row.spoken else [],
        }
        audio = row.audio
        if len(audio):
            entry["audio"] = f"{count:03}-{row.role if row.role.isalpha() else 'item'}.wav"
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
        "waterfall": model.waterfall.as_json(),
        "tokens": model.tokens,
        "dollars": model.dollars,
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
        """Read the events: (seconds since the epoch, source, event, repeat count). A torn line is left out."""
        try:
            for entry in lines_of_json(self.folder / "events.jsonl"):
                time, event = number(entry.get("time"), 0), entry.get("event")
                if time is not None and isinstance(event, dict):
                    repeat = whole(entry.get("repeat", 1), 1, 1_000_000)
                    yield time, text(entry.get("source"), 12), event, repeat or 1
        except OSError:
            # The file has gone, or its disk fails: what was read is shown
            return

    def apply_end(self, model: SessionModel) -> None:
        """Set everything but events and conversation to what it was when the session was saved."""
        saved = self.document
        model.server.model = text(saved.get("model"), 40)
        model.server.voice = text(saved.get("voice"), 20)
        counts = {text(name, 60): whole(count) for name, count in mapping(saved.get("tokens")).items()}
        model.tokens = {name: count for name, count in counts.items() if count is not None}
        model.dollars = number(saved.get("dollars"), 0) or 0.0
        memory = list(mapping(saved.get("memory")).items())[:MAX_MEMORY]
        model.remember({text(key, 200): text(value, 2_000, lines=True) for key, value in memory})
        if isinstance(saved.get("place"), dict):
            model.place = _place(saved["place"])
        for turn in sequence(saved.get("turns")):
            times = [number(mapping(turn).get(key)) for key in ("latency", "speech_end", "first_sample")]
            if None not in times:
                latency, speech_end, first_sample = (time or 0.0 for time in times)
                model.turns.append(Turn(text(turn.get("item_id"), 100), latency, speech_end, first_sample))
        waterfall = [TurnTimes.from_json(turn) for turn in sequence(saved.get("waterfall"))[:MAX_TURNS]]
        model.waterfall.load(waterfall or TurnTimes.from_turns(model.turns))
        model.revision += 1


def _place(saved: dict[str, Any]) -> Place:
    place = Place()
    latitude, longitude = number(saved.get("latitude"), -90, 90), number(saved.get("longitude"), -180, 180)
    if latitude is not None and longitude is not None:
        place.latitude, place.longitude = latitude, longitude
        place.name, place.state = text(saved.get("name"), 60), text(saved.get("state"), 120)
        place.temperature = number(saved.get("temperature"), -1e4, 1e4)
        place.wind = number(saved.get("wind"), -1e4, 1e4)
    return place


def load_session(folder: Path) -> SavedSession:
    """Read a saved session.

    Raises
    ------
    UserError
        The folder is not a saved session, or it is damaged.
    """
    try:
        found = document(folder / "session.json", MAX_FILE_BYTES)
        plain_file(folder / "events.jsonl", MAX_EVENTS_BYTES)
    except FileNotFoundError as error:
        raise UserError(f"{folder} is not a saved session: it has no {Path(error.filename).name}") from error
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror}") from error
    except ValueError as error:
        # A folder name that no system call takes
        raise UserError(f"{folder} is not a saved session: {error}") from error
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise UserError(f"{folder} was not saved by this version of the console")
    items = sequence(found.get("items"))[:MAX_ITEMS]
    return SavedSession(folder, found, [_row(folder, item) for item in items if isinstance(item, dict)])


def _row(folder: Path, item: dict[str, Any]) -> ItemRow:
    row = ItemRow(text(item.get("id"), 100), text(item.get("role"), 12))
    row.status = text(item.get("status"), 20)
    row.text = text(item.get("text"), 65_536, lines=True)
    row.live = False
    row.began, row.ended, row.latency = (number(item.get(key)) for key in ("began", "ended", "latency"))
    row.heard_samples = whole(item.get("heard_samples"))
    row.heard_chars = whole(item.get("heard_chars"), 0, len(row.text)) or 0
    row.received = whole(item.get("received")) or 0
    row.spoken, row.played = row.role == "assistant" and row.received > 0, True
    name = item.get("audio")
    if isinstance(name, str) and Path(name).name == name:
        try:
            plain_file(folder / name, MAX_FILE_BYTES)
            wav = read_wav(folder / name)
        except (OSError, ValueError, DecodeError, UserError):
            # Shown without its audio. ValueError: a name that no file can have
            return row
        if wav.sample_rate > 0 and wav.channel_count > 0:
            # One channel, as the console writes it
            channel = wav.pcm.reshape(-1, wav.channel_count)[:, 0]
            row.saved_audio, row.sample_rate = np.ascontiguousarray(channel), wav.sample_rate
    row.words = HeardWords.from_json(item.get("words"), row.received, row.text, row.sample_rate)
    row.words.add_audio(row.audio)
    return row
