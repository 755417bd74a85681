"""Replay: a saved session happens again, at the speed it had or faster, in the same model and the same views.

Nothing is connected and no key is needed; only the audio of items goes to the speaker, when it is asked for.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .playback import Playback
from .session import SessionModel
from .session_files import SavedSession
from .state import SILENCE
from .transcript import ItemRow

__all__ = ["Replay"]


class Replay:
    """Has the methods of `console.call.Call`; those that need a server say that there is none."""

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
        """Begin; the task ends when all has happened."""
        if self._run is None:
            self._run = asyncio.get_running_loop().create_task(self._happen())
        return self._run

    async def _happen(self) -> None:
        model, last = self.model, None
        for time, step in self._steps():
            if last is not None and self._speed > 0:
                # A pause of minutes is of no interest; what happened within one is.
                await asyncio.sleep(min(max(time - last, 0.0), 5.0) / self._speed)
            last = time
            if isinstance(step, ItemRow):
                model.transcript.add(step)
                model.selected = step.id
            else:
                source, event, repeat = step
                model.events.add(time, source, event, repeat)
        self._saved.apply_end(model)
        model.notice("info", "the replay has ended: p plays an item, / filters, q quits")

    def _steps(self) -> Iterator[tuple[float, Any]]:
        """Events and items in the order of their times."""
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
        self.start()
        if self._playback.tick():
            self._stop_soon()
        self.speaker_bars = self._playback.get_bars()

    def _stop_soon(self) -> None:
        task = asyncio.get_running_loop().create_task(self._playback.stop())
        self._stops.add(task)
        task.add_done_callback(self._stops.discard)

    async def play(self) -> None:
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
        await self._playback.stop()

    async def close(self) -> None:
        if self._run is not None:
            self._run.cancel()
        await self._playback.stop()

    async def refresh_devices(self) -> None:
        self.model.revision += 1

    async def save(self) -> Path | None:
        self.model.notice("info", f"this session is saved already: {self._saved.folder}")
        return None

    async def talk(self) -> None:
        self._refuse("talk")

    async def release(self) -> None:
        """Nothing was opened."""

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

    def set_half_duplex(self, on: bool) -> None:
        self._refuse("half_duplex")

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
