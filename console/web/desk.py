"""Desk: one call with the device of its pages, and a View for each page that looks at it.

A view gives text for its page, first a snapshot, then changes, and takes the verbs of the page. The desk ticks the call
twenty times a second, as every view of the console does, and closes a microphone that no page holds any more.

Thread: the event loop's of the call.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable
from typing import Any

from ..errors import UserError
from .mirror import Mirror
from .verbs import VERBS, read_frame

__all__ = ["Desk", "View"]

FRAME_SECONDS = 0.05
# As in push_to_talk.py: the microphone never stays open by mistake
MAX_TALK_SECONDS = 120.0
MAX_ANSWERS = 100
# The longest way of the last sound of a turn
WAIT_SECONDS, MAX_WAITS = 0.01, 50


class Desk:
    """What the pages of one server share.

    Parameters
    ----------
    call : Call
        The session.
    device : object
        The microphone and loudspeaker of the page, as `device=` takes it.

    Attributes
    ----------
    talker : View or None
        The view that opened the microphone.
    """

    def __init__(self, call: Any, device: Any) -> None:
        self.call = call
        self.device = device
        self.talker: View | None = None
        self._work: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Tick the call until cancelled."""
        while True:
            await asyncio.sleep(FRAME_SECONDS)
            self.call.tick()
            talk = self.call.model.talk
            if talk.active and time.time() - talk.since > MAX_TALK_SECONDS:
                await self.call.attempt(self.call.release())

    async def open(self) -> View:
        """Return the view of a new page."""
        return View(self)

    async def wait_for_sound(self, captured: int) -> None:
        """Wait until *captured* microphone frames of the page have come: they were on their way when it let go."""
        for _ in range(MAX_WAITS):
            peer = self.device.peer
            if peer is None or peer.captured >= captured:
                return
            await asyncio.sleep(WAIT_SECONDS)

    async def audio(self, item_id: str) -> tuple[Any, int] | None:
        """Return the int16 samples of shape (n,) of an item and their rate in Hz; None if it has no audio."""
        row = self.call.model.transcript.get(item_id)
        if row is None or not len(row.audio):
            return None
        return row.audio.copy(), row.sample_rate

    def spawn(self, work: Awaitable[Any]) -> None:
        """Do *work* beside what follows."""
        task = asyncio.get_running_loop().create_task(self.call.attempt(work))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def close(self) -> None:
        """Stop what was begun for a page."""
        for task in tuple(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)


class View:
    """What one page sees and asks."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._mirror = Mirror(desk.call)
        self._begun = False
        self._answers: deque[str] = deque(maxlen=MAX_ANSWERS)

    async def next(self) -> str:
        """Wait for something that the page does not know, and return it as JSON; at most twenty times a second."""
        if not self._begun:
            self._begun = True
            return _json(self._mirror.snapshot(time.time()))
        while True:
            await asyncio.sleep(FRAME_SECONDS)
            if self._answers:
                return self._answers.popleft()
            changes = self._mirror.changes(time.time())
            if changes is not None:
                return _json(changes)

    async def ask(self, frame: str | bytes) -> None:
        """Do what a frame of the page asks for; whatever it holds, this raises nothing."""
        try:
            name, arguments, ask = read_frame(frame)
        except UserError as error:
            self._answers.append(_json({"kind": "refused", "reason": str(error)}))
            return
        verb = VERBS[name]
        work = self._answer(name, arguments, ask)
        if verb.waits:
            await self._desk.call.attempt(work)
        else:
            self._desk.spawn(work)

    async def _answer(self, name: str, arguments: dict[str, Any], ask: int | None) -> None:
        if name == "talk":
            self._desk.talker = self
        try:
            value, error = await VERBS[name].do(self._desk, arguments), None
        except UserError as refusal:
            value, error = None, str(refusal)
            if ask is None:
                self._desk.call.model.notice("error", error)
        if ask is not None:
            self._answers.append(_json({"kind": "answer", "ask": ask, "value": value, "error": error}))

    async def close(self) -> None:
        """The page has gone: what it was saying is sent."""
        if self._desk.talker is self:
            self._desk.talker = None
            await self._desk.call.attempt(self._desk.call.release())


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
