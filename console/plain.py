"""The views --plain and --json: the session model as lines, for pipes, screen readers and programs.

A typed line is sent to the model; a line of one letter is a command. Without a terminal the lines come from stdin; after
the last one the program waits for the last answer and ends.

Thread: the event loop's; a thread of its own reads the lines, because reading a terminal cannot be cancelled.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from typing import Any

from .call import Call
from .errors import UserError
from .plain_words import plain_words
from .state import Notice
from .transcript import ItemRow

__all__ = ["JsonView", "PlainView", "hold"]

HELP = "speak, or type and press Enter · x interrupts · m mutes the microphone · v manual/vad · s saves · q quits"
FRAME_SECONDS = 0.05
LAST_ANSWER_SECONDS = 60.0
MAX_LINE_CHARS = 100_000
NAMES = {"user": "you", "function": "tool", "output": "result"}


class PlainView:
    """Prints notices, and items when their text is complete."""

    def __init__(self, call: Any) -> None:
        self._call = call
        # Id of an item -> its state when it was printed
        self._printed: dict[str, str] = {}
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
                # A user's transcript may come late. An answer is complete with its item, and may be cut later
                done = row.text and (row.status != "in_progress" or row.role == "user")
                state = f"{row.text}|{row.heard_samples}" if done else ""
                if state and self._printed.get(row.id) != state:
                    again = row.id in self._printed
                    self._printed[row.id] = state
                    self.item(row, again)

    def notice(self, notice: Notice) -> None:
        """Print a notice."""
        text = plain_words(notice.text)
        print(text if notice.level == "info" else f"{notice.level}: {text}", flush=True)

    def item(self, row: ItemRow, again: bool) -> None:
        """Print an item; *again* if it was printed before and has changed."""
        text, cut = row.text, ""
        if row.heard_samples is not None:
            text, cut = row.text[: row.heard_chars], f"cut after {row.heard_samples / row.sample_rate:.1f} s"
        if again and cut:
            print(f"({cut}: {' '.join(text.split())} |)", flush=True)
        elif row.role != "session":
            name = NAMES.get(row.role, row.role) + ":"
            print(f"{name:<10} {' '.join(text.split())}{f' | ({cut})' if cut else ''}", flush=True)

    def hello(self) -> None:
        """Print the help, at the beginning."""
        print(HELP, flush=True)


class JsonView(PlainView):
    """Prints lines of JSON in ASCII: {"event": ...} for each wire event, {"item": ...}, {"notice": ...}."""

    def __init__(self, call: Any) -> None:
        super().__init__(call)
        self._failure: OSError | None = None
        call.model.events.tap = self._event

    def draw(self) -> None:
        """Print what is new. Raises OSError if an event could not be printed."""
        if self._failure is not None:
            raise self._failure
        super().draw()

    def _event(self, line: str) -> None:
        try:
            self._write(json.loads(line))
        except OSError as error:
            # A handler of the client must not raise; the next draw() does
            self._failure = error

    def notice(self, notice: Notice) -> None:
        self._write({"notice": {**vars(notice), "text": plain_words(notice.text)}})

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
        """Print nothing: programs need no help."""

    def _write(self, entry: dict[str, Any]) -> None:
        # ASCII: json escapes every control character but DEL
        print(json.dumps(entry).replace("\x7f", "\\u007f"), flush=True)


async def hold(call: Call, view: PlainView) -> int:
    """Hold the conversation until the user quits or the input ends; return the exit status.

    Raises
    ------
    UserError
        The connection fails or ends.
    """
    try:
        if not await call.connect():
            view.draw()
            raise UserError(plain_words(call.model.notices[-1].text))
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
            line: str | OSError | None = await asyncio.wait_for(lines.get(), FRAME_SECONDS)
        except asyncio.TimeoutError:
            call.tick()
            view.draw()
            if call.model.state == "disconnected":
                raise UserError("the connection has ended; start again to reconnect") from None
            continue
        if isinstance(line, OSError):
            raise UserError(f"cannot read the input: {line.strerror or line}; start again in a terminal")
        if line == "q":
            return
        if line is None:
            await _last_answer(call, view)
            return
        await call.attempt(_command(call, line))
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
    """Wait until the last answer is complete and heard: the input has ended."""
    quiet = 0.0
    for _ in range(int(LAST_ANSWER_SECONDS / FRAME_SECONDS)):
        await asyncio.sleep(FRAME_SECONDS)
        call.tick()
        view.draw()
        busy = call.model.answering or call.is_audible()
        quiet = 0.0 if busy else quiet + FRAME_SECONDS
        # The answer that follows the result of a tool begins within a second
        if quiet > 1.0 or call.model.state == "disconnected":
            return


def _lines(loop: asyncio.AbstractEventLoop) -> asyncio.Queue[str | OSError | None]:
    """Return a queue of typed lines; None marks the end of input, an OSError its failure."""
    queue: asyncio.Queue[str | OSError | None] = asyncio.Queue()

    def put(line: str | OSError | None) -> None:
        try:
            loop.call_soon_threadsafe(queue.put_nowait, line)
        except RuntimeError:
            # The loop is closed: no reader is left
            pass

    def read() -> None:
        try:
            # No input, or one that was closed, has ended
            if sys.stdin is not None and not sys.stdin.closed:
                for line in sys.stdin:
                    put(line.strip()[:MAX_LINE_CHARS])
            put(None)
        except OSError as error:
            # The terminal has gone
            put(error)
        except ValueError:
            # Closed meanwhile
            put(None)

    threading.Thread(target=read, name="console-input", daemon=True).start()
    return queue
