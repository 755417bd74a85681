"""Saver: writes a session to a folder while it happens, so that a console that dies loses a second at most.

The folder is that of session_files.py, with ``heard.wav`` beside it (see sound_track.py). Events are appended as they
happen; items, turns and numbers are written again about once a second while something changes; an item's audio when it is
complete; transcript and report at the end. A disk that is full, or any other failure, is told once and ends the saving, not
the session.

Thread: `Saver`'s methods on the event loop's, except `on_both`, on the recorder's delivery thread; files on a daemon
thread of its own, which waits for as long as nothing happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import shutil
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import PROGRAM
from .errors import UserError
from .event_lines import EventLines
from .session import SessionModel

if TYPE_CHECKING:
    from .sound_track import SoundTrack

__all__ = ["Saver"]

SECONDS = 1.0
# A longer session has no report until `report` makes it: the program ends within about two seconds
REPORT_SECONDS = 1_200
# Of sound, from the recorder to the saver at once
BLOCK_SECONDS = 0.25
# Events and blocks of sound that wait for a slow disk; those beyond are dropped
MAX_WAITING = 10_000
MAX_WAITING_SOUND = 1_000


class Saver:
    """Saves what happens in a model.

    Parameters
    ----------
    model : SessionModel
        Its events, items and turns are saved, and it gets the notices.
    parent : Path or None
        Where the folder is made, with the first event; None: nothing is saved.

    Attributes
    ----------
    folder : Path or None
        Where this session is saved, once it is made.
    problem : str
        Why nothing is saved any more; "" if it is.
    """

    def __init__(self, model: SessionModel, parent: Path | None) -> None:
        self._model = model
        self._parent = parent
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        # Blocks of the present quarter second, and their seconds
        self._blocks: list[tuple[Any, bool]] = []
        self._frames = self._rate = 0
        self._items: Any = None
        self.folder: Path | None = None
        self.problem = ""
        if parent is not None:
            model.events.keep = self._on_event

    @property
    def saves(self) -> bool:
        """True if sessions are saved."""
        return self._parent is not None

    # The event loop's thread

    def _on_event(self, time_: float, source: str, kind: str, line: str) -> None:
        if self.problem:
            return
        if self._thread is None:
            with contextlib.suppress(RuntimeError):
                self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._run, name="console-saver", daemon=True)
            self._thread.start()
        if self._waiting.qsize() < MAX_WAITING:
            self._waiting.put(("event", (time_, source, kind, line)))

    def _snapshot(self) -> None:
        from .session_files import Snapshot
        from .session_items import KeptItems

        if self._items is None:
            self._items = KeptItems()
        self._waiting.put(("snapshot", Snapshot(self._model, self._items)))

    def _tell(self, problem: str) -> None:
        self._model.notice("warning", f"the session is no longer saved: {problem}; it goes on")

    def _told(self, folder: Path) -> None:
        self._model.notice("info", f"this session is saved as it happens in {folder} (--no-save: it is not)")

    async def close(self) -> None:
        """Write what is left, and end the thread."""
        if self._thread is None:
            return
        self._model.events.keep = None
        if self._blocks:
            self._waiting.put(("sound", (self._blocks, self._rate)))
            self._blocks = []
        self._snapshot()
        self._waiting.put(("end", None))
        await asyncio.to_thread(self._thread.join, 10.0)

    async def keep(self, parent: Path) -> Path | None:
        """Save the session so far in a new folder in *parent*, which stays; return it, or None if that failed."""
        try:
            folder = await (self._copy(parent) if self._is_saving() else self._save(parent))
        except UserError as error:
            self._model.notice("error", str(error))
            return None
        self._model.notice(
            "info",
            f"saved: {folder} (replay it with: {PROGRAM} replay {folder}, as a page: {PROGRAM} report {folder})",
        )
        return folder

    def _is_saving(self) -> bool:
        return self._thread is not None and self._thread.is_alive() and not self.problem

    async def _save(self, parent: Path) -> Path:
        from .session_files import Snapshot, save_session

        return await asyncio.to_thread(save_session, Snapshot(self._model), parent)

    async def _copy(self, parent: Path) -> Path:
        copied: Future[Path] = Future()
        self._snapshot()
        self._waiting.put(("copy", (parent, copied)))
        return await asyncio.wrap_future(copied)

    # The recorder's thread

    def on_both(self, block: Any, rate: int) -> None:
        """Take a `wavtools.BothSides` at *rate* Hz."""
        if self._thread is None or self.problem:
            return
        self._blocks.append((block, self._model.talk.muted))
        self._frames += len(block.played)
        self._rate = rate
        if self._frames >= BLOCK_SECONDS * rate:
            blocks, self._blocks, self._frames = self._blocks, [], 0
            if self._waiting.qsize() < MAX_WAITING_SOUND:
                self._waiting.put(("sound", (blocks, rate)))

    # The saver's thread

    def _run(self) -> None:
        try:
            self._write()
        except OSError as error:
            self.problem = error.strerror or str(error)
        except Exception as error:
            self.problem = f"{type(error).__name__}: {error}"
        if self.problem:
            self._call(self._tell, self.problem)

    def _call(self, function: Any, *arguments: Any) -> None:
        """Run *function* on the event loop, if there still is one."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(function, *arguments)

    def _write(self) -> None:
        from .saved_folders import make_folder, prune
        from .session_files import EVENTS, write_document
        from .sound_track import NAME, SoundTrack

        assert self._parent is not None
        prune(self._parent)
        folder = make_folder(self._parent)
        write_document(folder, {})
        self.folder = folder
        self._call(self._told, folder)
        track = SoundTrack(folder / NAME)
        files = _Files(folder, track)
        with contextlib.closing(track), contextlib.closing(EventLines(folder / EVENTS)) as events:
            while self._step(events, files):
                pass
        if not files.has_items:
            # Nothing was said: nothing is worth a folder
            shutil.rmtree(folder, ignore_errors=True)
        elif track.frames <= REPORT_SECONDS * track.sample_rate:
            from .report import write_report

            # The session is saved; `report` makes the page again and says what is wrong
            with contextlib.suppress(UserError):
                write_report(folder)

    def _step(self, events: EventLines, files: _Files) -> bool:
        """Write what comes next; False at the end."""
        # Something changed since the last snapshot: ask for the next one when it is due
        try:
            kind, value = self._waiting.get(timeout=files.due)
        except queue.Empty:
            files.asked()
            self._call(self._snapshot)
            return True
        if kind == "event":
            events.add(*value)
            files.changed()
        elif kind == "sound":
            blocks, rate = value
            files.track.add(blocks, rate, time.time() - time.monotonic())
        elif kind == "snapshot":
            files.write(value)
        elif kind == "copy":
            parent, copied = value
            events.flush()
            files.copy(parent, copied)
        if self._waiting.empty():
            events.flush()
        return kind != "end"


class _Files:
    """The document and the items' audio of one folder. Thread: the saver's."""

    def __init__(self, folder: Path, track: SoundTrack) -> None:
        self.track = track
        self.has_items = False
        self._folder = folder
        self._due_at: float | None = None
        self._pause = SECONDS
        # Samples in the file of each item
        self._written: dict[str, int] = {}

    @property
    def due(self) -> float | None:
        """Seconds until a snapshot is due; None: none is."""
        return None if self._due_at is None else max(0.0, self._due_at - time.monotonic())

    def changed(self) -> None:
        """Note that something changed."""
        if self._due_at is None:
            self._due_at = time.monotonic() + self._pause

    def asked(self) -> None:
        """Note that a snapshot was asked for."""
        self._due_at = None

    def copy(self, parent: Path, copied: Future[Path]) -> None:
        """Copy the folder to a new one in *parent*, and tell *copied* where it is."""
        from .session_files import copy_session

        try:
            if not self.has_items and not self.track.frames:
                raise UserError("there is nothing to save yet")
            copied.set_result(copy_session(self._folder, parent))
        except UserError as error:
            copied.set_exception(error)

    def write(self, snapshot: Any) -> None:
        """Write a snapshot: the audio of items that are complete, then the document."""
        from .session_files import write_audio, write_document

        began = time.monotonic()
        for name, (samples, rate) in snapshot.audio.items():
            if self._written.get(name) != len(samples):
                write_audio(self._folder / name, samples, rate)
                self._written[name] = len(samples)
        for name in snapshot.gone:
            self._written.pop(name, None)
            with contextlib.suppress(FileNotFoundError):
                (self._folder / name).unlink()
        self.has_items = self.has_items or bool(snapshot.document["items"])
        track = self.track
        snapshot.document["sound"] = {"sample_rate": track.sample_rate, "pieces": track.pieces}
        write_document(self._folder, snapshot.document)
        # A long document on a slow disk is written less often
        self._pause = max(SECONDS, 20 * (time.monotonic() - began))
