"""--plain and --json: the session model as lines, for pipes, screen readers and programs.

Type a line and press Enter to say it; a line of one letter is a command. Without a terminal the lines come from stdin,
and at their end the program waits for the last answer and ends.

Thread: one event loop; lines come from a thread of their own, because a terminal read cannot be cancelled.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from typing import Any

from .call import Call
from .errors import UserError
from .state import Notice
from .transcript import ItemRow

__all__ = ["JsonView", "PlainView", "hold"]

HELP = "speak, or type and press Enter · x interrupts · m mutes the microphone · v manual/vad · s saves · q quits"
FRAME_SECONDS = 0.05
LAST_ANSWER_SECONDS = 60.0
NAMES = {"user": "you", "function": "tool", "output": "result"}


class PlainView:
    """Prints what is finished: notices, and items with their text."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._said: dict[str, str] = {}  # item -> what was printed of it
        self._notice: Notice | None = None
        self._revision = -1

    def draw(self) -> None:
        """Print what is new."""
        model = self._call.model
        notices = list(model.notices)
        at = notices.index(self._notice) + 1 if self._notice in notices else 0
        for notice in notices[at:]:
            self.notice(notice)
        self._notice = notices[-1] if notices else None
        if model.transcript.revision != self._revision:
            self._revision = model.transcript.revision
            for row in model.transcript:
                # A user's transcript may come late, an answer's is finished with its item, and then it may be cut.
                done = row.text and (row.status != "in_progress" or row.role == "user")
                state = f"{row.text}|{row.heard_samples}" if done else ""
                if state and self._said.get(row.id) != state:
                    again = row.id in self._said
                    self._said[row.id] = state
                    self.item(row, again)

    def notice(self, notice: Notice) -> None:
        print(notice.text if notice.level == "info" else f"{notice.level}: {notice.text}", flush=True)

    def item(self, row: ItemRow, again: bool) -> None:
        if again and row.heard_samples is not None:
            heard = row.heard_samples / row.sample_rate
            print(f"(cut after {heard:.1f} s: {row.text[: row.heard_chars]} |)", flush=True)
        elif row.role != "session":
            name = NAMES.get(row.role, row.role) + ":"
            print(f"{name:<10} {' '.join(row.text.split())}", flush=True)

    def hello(self) -> None:
        print(HELP, flush=True)


class JsonView(PlainView):
    """A line of JSON each: {"event": ...} as it went over the wire, {"item": ...}, {"notice": ...}. ASCII only."""

    def __init__(self, call: Any) -> None:
        super().__init__(call)
        call.model.events.tap = lambda line: self._write(json.loads(line))

    def notice(self, notice: Notice) -> None:
        self._write({"notice": vars(notice)})

    def item(self, row: ItemRow, again: bool) -> None:
        item = {
            "id": row.id,
            "role": row.role,
            "status": row.status,
            "text": row.text,
            "seconds": round(row.seconds, 3),
            "heard_samples": row.heard_samples,
            "latency": row.latency,
        }
        self._write({"item": item})

    def hello(self) -> None:
        """Programs need no help."""

    def _write(self, entry: dict[str, Any]) -> None:
        # json escapes all of the controls but DEL.
        print(json.dumps(entry).replace("\x7f", "\\u007f"), flush=True)


async def hold(call: Call, view: PlainView) -> int:
    """Talk until the user quits or the input ends. Raises UserError when it cannot connect."""
    try:
        if not await call.connect():
            view.draw()
            raise UserError(call.model.notices[-1].text)
        if call.model.microphone.problem:
            await call.set_mode("manual")
        view.draw()
        view.hello()
        await _commands(call, view)
    finally:
        await call.close()
    return 0


async def _commands(call: Call, view: PlainView) -> None:
    lines = _lines(asyncio.get_running_loop())
    while True:
        try:
            line = await asyncio.wait_for(lines.get(), FRAME_SECONDS)
        except asyncio.TimeoutError:
            call.tick()
            view.draw()
            if call.model.state == "disconnected":
                raise UserError("the connection has ended; start again to reconnect") from None
            continue
        if line == "q":
            return
        if line is None:
            await _last_answer(call, view)
            return
        await _command(call, line)
        view.draw()


async def _command(call: Call, line: str) -> None:
    muted = call.model.talk.muted
    if line == "x":
        await call.interrupt()
    elif line == "m":
        call.mute(not muted)
    elif line == "v":
        await call.toggle_mode()
    elif line == "s":
        await call.save()
    elif line:
        call.send_text(line)


async def _last_answer(call: Call, view: PlainView) -> None:
    """The input has ended: let the answer be finished and heard."""
    quiet = 0.0
    for _ in range(int(LAST_ANSWER_SECONDS / FRAME_SECONDS)):
        await asyncio.sleep(FRAME_SECONDS)
        call.tick()
        view.draw()
        busy = call.model.answering or call.is_audible()
        quiet = 0.0 if busy else quiet + FRAME_SECONDS
        if quiet > 1.0 or call.model.state == "disconnected":  # a tool's answer follows within that
            return


def _lines(loop: asyncio.AbstractEventLoop) -> asyncio.Queue[str | None]:
    """Typed lines; None at the end of input."""
    queue: asyncio.Queue[str | None] = asyncio.Queue()

    def put(line: str | None) -> None:
        try:
            loop.call_soon_threadsafe(queue.put_nowait, line)
        except RuntimeError:  # the loop has closed: nobody reads any more
            pass

    def read() -> None:
        for line in sys.stdin:
            put(line.strip())
        put(None)

    threading.Thread(target=read, name="console-input", daemon=True).start()
    return queue
