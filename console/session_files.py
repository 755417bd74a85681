"""Saved sessions: writes a session to a folder and reads it again.

``session.json``  items in order, turns, tokens, dollars, memory, numbers of dropped entries; ``version`` 1
``events.jsonl``  every event, audio as its size: {"time", "source", "event"}, "repeat" for a run of microphone chunks
``NNN-role.wav``  the audio of each item that has audio
``heard.wav``     both sides as they were heard, if the session was saved while it happened: see sound_track.py

`save_session` writes the folder under another name and then renames it, so it is complete or missing; saving.py writes one
while the session happens. Reading does not trust it: sizes are bounded, file names cannot leave the folder, text is cleaned,
and what a killed console left is read as far as it goes.

Thread: a `Snapshot` is taken on the event loop's; writing and reading: any.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wavtools import DecodeError, WavPacker, read_wav

from .errors import UserError
from .heard_words import HeardWords
from .saved_folders import MARK
from .session import SessionModel
from .session_items import KeptItems
from .state import Place, Turn
from .transcript import ItemRow
from .turn_times import TurnTimes
from .untrusted import document, lines_of_json, mapping, number, plain_file, sequence, text, whole

__all__ = [
    "EVENTS",
    "SavedSession",
    "Snapshot",
    "copy_session",
    "load_session",
    "save_session",
    "write_audio",
    "write_document",
]

VERSION = 1
DOCUMENT, EVENTS = "session.json", "events.jsonl"
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_EVENTS_BYTES = 1024 * 1024 * 1024
MAX_ITEMS = 10_000
MAX_MEMORY = 1_000
MAX_TURNS = 200


class Snapshot:
    """The parts of a model that are saved, as they are now. It does not copy the audio.

    Parameters
    ----------
    model : SessionModel
    kept : KeptItems, optional
        Of the saver of that model: the items before, too. The journal is then left out: the saver has written it.
    """

    def __init__(self, model: SessionModel, kept: KeptItems | None = None) -> None:
        self.lines = list(model.events.journal()) if kept is None else []
        # Names of files whose items were deleted since the last snapshot
        self.gone: list[str] = []
        # File name -> samples, sample rate
        self.audio: dict[str, tuple[Any, int]] = {}
        self.document = self._document(model, kept or KeptItems())

    def _document(self, model: SessionModel, kept: KeptItems) -> dict[str, Any]:
        items, audio, self.gone = kept.take(list(model.transcript))
        for name, row in audio:
            self.audio[name] = row.audio, row.sample_rate
        return {
            "model": model.server.model,
            "voice": model.server.voice,
            "endpoint": model.server.endpoint,
            "mode": model.talk.mode,
            "items": items,
            "turns": kept.take_turns(model.turns),
            "waterfall": kept.take_waterfall(model.waterfall.as_json()),
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

    def write(partial: Path) -> None:
        partial.mkdir(parents=True)
        with (partial / EVENTS).open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{line}\n" for line in snapshot.lines)
        for file_name, (samples, rate) in snapshot.audio.items():
            write_audio(partial / file_name, samples, rate)
        write_document(partial, snapshot.document)

    return _made(parent, write)


def copy_session(folder: Path, parent: Path) -> Path:
    """Copy a session that is being saved to a new folder in *parent* and return that folder. Raises UserError."""
    return _made(
        parent, lambda partial: shutil.copytree(folder, partial, ignore=shutil.ignore_patterns(MARK))
    )


def _made(parent: Path, write: Callable[[Path], object]) -> Path:
    """Return a new folder in *parent* that *write* has filled; if that fails, nothing is left. Raises UserError."""
    name = time.strftime("%Y-%m-%d-%H%M%S")
    folder = parent / name
    for count in range(2, 100):
        if not folder.exists():
            break
        folder = parent / f"{name}-{count}"
    partial = folder.with_name(folder.name + ".partial")
    try:
        write(partial)
        partial.rename(folder)
    except (OSError, ValueError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"cannot save to {folder}: {reason or error}") from error
    return folder


def write_audio(path: Path, samples: Any, rate: int) -> None:
    """Write a WAV file. Raises OSError."""
    WavPacker.pack(samples, rate).save(path)


def write_document(folder: Path, content: dict[str, Any]) -> None:
    """Replace the document of a folder, so that it is the old one or the new one at every moment. Raises OSError."""
    partial = folder / f"{DOCUMENT}.partial"
    partial.write_text(json.dumps({"version": VERSION, **content}, indent=1), encoding="utf-8")
    partial.replace(folder / DOCUMENT)


class SavedSession:
    """A session that was read from a folder; its ``rows`` have their audio."""

    def __init__(self, folder: Path, document: dict[str, Any], rows: list[ItemRow]) -> None:
        self.folder = folder
        self.document = document
        self.rows = rows

    def events(self) -> Iterator[tuple[float, str, dict[str, Any], int]]:
        """Read the events: (seconds since the epoch, source, event, repeat count). A torn line is left out."""
        try:
            for entry in lines_of_json(self.folder / EVENTS):
                time, event = number(entry.get("time"), 0), entry.get("event")
                if time is not None and isinstance(event, dict):
                    repeat = whole(entry.get("repeat", 1), 1, 1_000_000)
                    yield time, text(entry.get("source"), 12), event, repeat or 1
        except OSError:
            # The file has gone, or its disk fails: what was read is shown
            return

    def turns(self) -> list[Turn]:
        """Return the turns whose times are known."""
        found = []
        for turn in sequence(self.document.get("turns"))[:MAX_ITEMS]:
            times = [number(mapping(turn).get(key)) for key in ("latency", "speech_end", "first_sample")]
            if None not in times:
                latency, speech_end, first_sample = (time or 0.0 for time in times)
                found.append(Turn(text(turn.get("item_id"), 100), latency, speech_end, first_sample))
        return found

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
        model.turns.extend(self.turns())
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
        found = document(folder / DOCUMENT, MAX_FILE_BYTES)
        plain_file(folder / EVENTS, MAX_EVENTS_BYTES)
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
