"""Replay: repeats a saved session with its sound, at its own speed or faster, in the same model and for the same views.

It has a clock that pauses, steps and seeks. The sound is that of saved_sound.py, at the speed of the session; the clock then
follows the player. It needs no connection and no key.

Thread: the event loop's; the sound is looked for in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .playback import Playback
from .replay_sound import ReplaySound
from .replay_time import EventTimeline, ReplayClock, Timeline
from .saved_sound import SavedSound
from .session import SessionModel
from .session_files import SavedSession
from .state import SILENCE
from .transcript import ItemRow
from .view_only import ViewOnly

__all__ = ["Replay"]

FRAME_SECONDS = 0.02
# Steps between two looks at the rest of the program
SLICE = 500


class Replay(ViewOnly):
    """A saved session with the methods of `console.call.Call`; those that need a server refuse with a notice.

    Parameters
    ----------
    saved : SavedSession
        What `load_session` has read.
    speed : float
        1 is the speed of the session; 0 means without pauses.
    output : str, optional
        Speaker, by its id or a part of its name.
    sound : bool
        Play the sound of the session, at speed 1.
    """

    model: SessionModel

    def __init__(
        self, saved: SavedSession, *, speed: float = 1.0, output: str | None = None, sound: bool = False
    ) -> None:
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
        self._with_sound = sound and speed == 1
        self._playback = Playback(self.model)
        self._run: asyncio.Task[None] | None = None
        self._stops: set[asyncio.Task[None]] = set()
        self._sound: SavedSound | None = None
        self._player: ReplaySound | None = None
        self._timeline: Timeline = EventTimeline(())
        self._clock: ReplayClock | None = None
        # Held while steps are shown
        self._showing = asyncio.Lock()
        self._steps: Iterator[tuple[float, Any]] = iter(())
        self._upcoming: tuple[float, Any] | None = None
        self._shown = 0

    def start(self) -> asyncio.Task[None]:
        """Begin, if it has not begun; the task ends with the replay."""
        if self._run is None:
            self._run = asyncio.get_running_loop().create_task(self.attempt(self._replay()))
        return self._run

    async def _replay(self) -> None:
        if self._clock is None:
            await self._open()
        clock = self._clock
        assert clock is not None
        while self._upcoming is not None or clock.second < clock.seconds:
            if self._player is not None and (heard := self._player.second) is not None and not clock.paused:
                self._player.feed()
                clock.seek(heard)
            if not clock.paused:
                async with self._showing:
                    await self._show_until(clock.second)
            self._note()
            if self._speed == 0 and not clock.paused:
                clock.seek(clock.seconds)
            else:
                await asyncio.sleep(FRAME_SECONDS)
        if self._player is not None:
            await self._player.pause()
        self._saved.apply_end(self.model)
        self._note()
        self.model.notice(
            "info", "the replay has ended: left goes back, p plays an item, / filters, ctrl+q quits"
        )

    async def _open(self) -> None:
        """Look for the sound and lay out the time."""
        if self._speed == 1:
            self._sound = await asyncio.to_thread(SavedSound.of, self._saved)
        self._timeline = self._sound or EventTimeline(moment for moment, _ in self._all_steps())
        self._clock = ReplayClock(self._timeline.seconds, self._speed or 1.0)
        self._rewind()
        if self._with_sound and self._sound is not None:
            await asyncio.to_thread(lambda sound: sound.spans, self._sound)
            self._player = ReplaySound(self._sound, self._output)
            await self._player.play(0.0)
            if self._player.problem:
                self.model.notice("warning", f"no speaker: {self._player.problem}; replaying in silence")

    def _rewind(self) -> None:
        """Forget what was shown."""
        self.model.events.clear()
        self.model.transcript.clear()
        self.model.selected = None
        self._steps, self._shown = self._all_steps(), 0
        self._upcoming = next(self._steps, None)

    async def _show_until(self, second: float) -> None:
        """Show the steps up to a second that have not been shown."""
        while self._upcoming is not None and self._timeline.second_of(self._upcoming[0]) <= second:
            self._show_one()
            if self._shown % SLICE == 0:
                await asyncio.sleep(0)

    def _show_one(self) -> None:
        assert self._upcoming is not None
        moment, step = self._upcoming
        model = self.model
        if isinstance(step, ItemRow):
            model.transcript.add(step)
            model.selected = step.id
        else:
            source, event, repeat = step
            model.events.add(moment, source, event, repeat)
        self._shown += 1
        self._upcoming = next(self._steps, None)

    def _all_steps(self) -> Iterator[tuple[float, Any]]:
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

    def _note(self) -> None:
        """Tell the views where the replay is, and which word is heard."""
        clock, playback = self._clock, self.model.playback
        assert clock is not None
        state = (int(clock.second * 10) / 10, clock.seconds, clock.paused)
        if state != (playback.second, playback.seconds, playback.paused):
            playback.second, playback.seconds, playback.paused = state
            self.model.revision += 1
        if self._sound is not None and self._player is not None:
            self._light(clock.second)

    def _light(self, second: float) -> None:
        """Light the word of the answer that is heard."""
        assert self._sound is not None
        heard = self.model.heard
        for row in self.model.transcript:
            first, last = self._sound.spans.get(row.id, (0.0, 0.0))
            if row.role == "assistant" and first <= second < last:
                samples = round((second - first) * row.sample_rate)
                word = row.words.word(samples, row.text)
                if (heard.item_id, heard.word) != (row.id, word):
                    self._unlight()
                    heard.item_id, heard.samples, heard.total, heard.word = (
                        row.id,
                        samples,
                        row.received,
                        word,
                    )
                    row.lit = word
                    heard.revision += 1
                return
        self._unlight()

    def _unlight(self) -> None:
        heard = self.model.heard
        row = self.model.transcript.get(heard.item_id)
        if row is not None:
            row.lit = None
        if heard.item_id is not None:
            heard.item_id = None
            heard.revision += 1

    # What a view asks for

    async def pause(self) -> None:
        """Pause, or go on."""
        clock = self._clock
        if clock is None:
            return
        if self._run is not None and self._run.done():
            await self.seek(-clock.seconds)
            return
        clock.pause(not clock.paused)
        await self._sound_goes_on()
        self._note()

    async def seek(self, seconds: float) -> None:
        """Go forward, or back, by so many seconds."""
        clock = self._clock
        if clock is None:
            return
        if self._player is not None:
            self._player.hold()
        async with self._showing:
            before = clock.second
            clock.seek(before + seconds)
            if clock.second < before:
                self._rewind()
            await self._show_until(clock.second)
        await self._go_on()

    async def step(self, count: int) -> None:
        """Pause, and go forward, or back, by so many events and items."""
        clock = self._clock
        if clock is None:
            return
        clock.pause(True)
        async with self._showing:
            target = max(self._shown + count, 0)
            if count < 0:
                self._rewind()
            second = clock.second if count > 0 else 0.0
            while self._shown < target and self._upcoming is not None:
                second = self._timeline.second_of(self._upcoming[0])
                self._show_one()
                if self._shown % SLICE == 0:
                    await asyncio.sleep(0)
            clock.seek(second)
        await self._go_on()

    async def _go_on(self) -> None:
        """Play from the present position, also after the end."""
        await self._sound_goes_on()
        self._note()
        if self._run is not None and self._run.done():
            self._run = None
            self.start()

    async def _sound_goes_on(self) -> None:
        clock, player = self._clock, self._player
        if player is None or clock is None:
            return
        if clock.paused:
            await player.pause()
        else:
            await player.play(clock.second)

    def tick(self) -> None:
        """Bring position and bars up to date; the first call starts the replay."""
        self.start()
        if self._playback.tick():
            self._stop_soon()
        item_plays = self.model.playback.item_id is not None
        self.speaker_bars = (
            self._player.get_bars()
            if self._player is not None and not item_plays
            else self._playback.get_bars()
        )

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
        elif row is not None and not self.refuse("play"):
            if self._clock is not None and not self._clock.paused:
                await self.pause()
            await self._playback.start(row, self._output)

    async def interrupt(self) -> None:
        """Stop the item that plays."""
        await self._playback.stop()

    async def close(self) -> None:
        """Stop everything, at the end of the program."""
        if self._run is not None:
            self._run.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._run
        if self._player is not None:
            await self._player.close()
        await self._playback.stop()

    async def save(self) -> Path | None:
        """Save nothing: the session is saved already."""
        self.model.notice("info", f"this session is saved already: {self._saved.folder}")
        return None

    # Devices

    async def use_microphone(self, device: str | None, name: str) -> bool:
        self.refuse("talk")
        return False

    async def use_speaker(self, device: str | None, name: str) -> bool:
        self._output, self.model.speaker.name = device, name
        if self._player is not None and self._sound is not None:
            await self._player.close()
            self._player = ReplaySound(self._sound, device)
            await self._sound_goes_on()
        self.model.revision += 1
        return True
