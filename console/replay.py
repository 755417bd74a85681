"""Replay: repeats a saved session at its own speed or faster, in the same model and for the same views.

It needs no connection and no key. The speaker is used only when the user plays an item.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

from .playback import Playback
from .session import SessionModel
from .session_files import SavedSession
from .state import SILENCE
from .transcript import ItemRow

__all__ = ["Replay"]


class Replay:
    """A saved session with the methods of `console.call.Call`; those that need a server refuse with a notice.

    Parameters
    ----------
    saved : SavedSession
        What `load_session` has read.
    speed : float
        1 is the speed of the session; 0 means without pauses.
    output : str, optional
        Speaker, by its id or a part of its name.
    """

    def __init__(self, saved: SavedSession, *, speed: float = 1.0, output: str | None = None) -> None:
        self.model = SessionModel()
        self.model.state = "replay"
        self.model.server.endpoint = saved.folder.name
        self.model.talk.mode = "vad" if saved.document.get("mode") == "vad" else "manual"
        self.microphone_bars = self.speaker_bars = SILENCE
        self.microphones: list[Any] = []
        self.speakers: list[Any] = []
        self._saved = saved
        self._speed = speed
        self._output = output
        self._playback = Playback(self.model)
        self._run: asyncio.Task[None] | None = None
        self._stops: set[asyncio.Task[None]] = set()

    def start(self) -> asyncio.Task[None]:
        """Begin, if it has not begun; the task ends with the replay."""
        if self._run is None:
            self._run = asyncio.get_running_loop().create_task(self.attempt(self._replay()))
        return self._run

    async def attempt(self, work: Awaitable[Any]) -> None:
        """As `Call.attempt`."""
        try:
            await work
        except Exception as error:
            self.model.notice_failure(error)

    async def _replay(self) -> None:
        model, last = self.model, None
        for time, step in self._steps():
            if last is not None and self._speed > 0:
                # Long pauses are shortened
                await asyncio.sleep(min(max(time - last, 0.0), 5.0) / self._speed)
            last = time
            if isinstance(step, ItemRow):
                model.transcript.add(step)
                model.selected = step.id
            else:
                source, event, repeat = step
                model.events.add(time, source, event, repeat)
        self._saved.apply_end(model)
        model.notice("info", "the replay has ended: p plays an item, / filters, ctrl+q quits")

    def _steps(self) -> Iterator[tuple[float, Any]]:
        """Yield events and items in the order of their times."""
        rows = sorted(
            ((row.ended or row.began or 0.0, number, row) for number, row in enumerate(self._saved.rows)),
            key=lambda entry: entry[:2],
        )
        waiting = iter(rows)
        upcoming = next(waiting, None)
        for time, source, event, repeat in self._saved.events():
            while upcoming is not None and upcoming[0] <= time:
                yield upcoming[0], upcoming[2]
                upcoming = next(waiting, None)
            yield time, (source, event, repeat)
        while upcoming is not None:
            yield upcoming[0], upcoming[2]
            upcoming = next(waiting, None)

    def tick(self) -> None:
        """Bring position and bars up to date; the first call starts the replay."""
        self.start()
        if self._playback.tick():
            self._stop_soon()
        self.speaker_bars = self._playback.get_bars()

    def _stop_soon(self) -> None:
        task = asyncio.get_running_loop().create_task(self.attempt(self._playback.stop()))
        self._stops.add(task)
        task.add_done_callback(self._stops.discard)

    async def play(self) -> None:
        """Play the selected item, or stop it."""
        row = self.model.selection
        if (
            self.model.playback.item_id is not None
            and row is not None
            and self.model.playback.item_id == row.id
        ):
            await self._playback.stop()
        elif row is not None and not self._refuse("play"):
            await self._playback.start(row, self._output)

    async def interrupt(self) -> None:
        """Stop the item that plays."""
        await self._playback.stop()

    async def close(self) -> None:
        """Stop everything, at the end of the program."""
        if self._run is not None:
            self._run.cancel()
        await self._playback.stop()

    async def refresh_devices(self) -> None:
        """List no devices."""
        self.model.revision += 1

    async def save(self) -> Path | None:
        """Save nothing: the session is saved already."""
        self.model.notice("info", f"this session is saved already: {self._saved.folder}")
        return None

    # Methods that need a server

    async def talk(self) -> None:
        self._refuse("talk")

    async def release(self) -> None:
        """Do nothing: no microphone is open."""

    cancel_talk = release

    async def toggle_mode(self) -> None:
        self._refuse("mode")

    async def toggle_connection(self) -> None:
        self._refuse("connect")

    async def connect(self) -> bool:
        self._refuse("connect")
        return False

    async def delete(self) -> None:
        self._refuse("delete")

    def send_text(self, text: str) -> bool:
        self._refuse("text")
        return False

    def next_echo(self) -> None:
        self._refuse("echo")

    async def use_key(self, value: str, keep: bool) -> bool:
        self._refuse("connect")
        return False

    async def use_microphone(self, device: str | None, name: str) -> bool:
        self._refuse("talk")
        return False

    async def use_speaker(self, device: str | None, name: str) -> bool:
        self._output, self.model.speaker.name = device, name
        self.model.revision += 1
        return True

    def _refuse(self, action: str) -> bool:
        reason = self.model.why_not(action)
        if reason is not None:
            self.model.notice("warning", reason)
        return reason is not None
