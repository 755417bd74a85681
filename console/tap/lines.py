"""The views --plain and --json of a tap: requests, events, items and notices of every client as lines.

Each line begins with the number of the client, as in ``#2``; in JSON it is the field "client".

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from ..errors import UserError
from ..event_book import EventRow
from ..event_lines import STREAMED
from ..plain import JsonView, PlainView
from .tap import Tap

__all__ = ["hold_tap"]

FRAME_SECONDS = 0.05


class _PlainLines(PlainView):
    """Prints what one client and its server say. A run of equal events is one line, printed at its end."""

    def __init__(self, session: Any) -> None:
        super().__init__(session)
        self._session = session
        # Number of the newest printed row, and its count
        self._row = (-1, 0)
        self._waiting = (-1, 0)
        self._revision_drawn = -1

    def draw(self) -> None:
        """Print what is new."""
        if self._session.model.events.revision != self._revision_drawn or self._row != self._waiting:
            self._revision_drawn = self._session.model.events.revision
            self._draw_events()
        super().draw()

    def _draw_events(self) -> None:
        rows = [row for row in self._session.model.events.rows if row.number >= self._row[0]]
        for row in rows[:-1]:
            self._event(row)
        if rows:
            # The newest one may still grow: it is printed when it has not grown for a frame
            newest = (rows[-1].number, rows[-1].count)
            if rows[-1].type not in STREAMED or newest == self._waiting or not self._session.open:
                self._event(rows[-1])
            self._waiting = newest

    def _event(self, row: EventRow) -> None:
        if (row.number, row.count) != self._row:
            self._row = (row.number, row.count)
            detail = f"  {self._session.request}" if row.type == "tap.request" else ""
            print(f"#{self._session.number} {row.label}{detail}", flush=True)

    def notice(self, notice: Any) -> None:
        print(f"#{self._session.number} ", end="")
        super().notice(notice)

    def item(self, row: Any, again: bool) -> None:
        print(f"#{self._session.number} ", end="")
        super().item(row, again)


class _JsonLines(JsonView):
    """Prints {"client": number, ...} for each event, item and notice of one client."""

    def __init__(self, session: Any) -> None:
        self._number = session.number
        super().__init__(session)

    def _write(self, entry: dict[str, Any]) -> None:
        super()._write({"client": self._number, **entry})


async def hold_tap(tap: Tap, as_json: bool) -> int:
    """Print what passes until the program is told to end; return the exit status.

    Raises
    ------
    UserError
        The tap cannot start, or the forwarding process has died.
    """
    views: dict[int, PlainView] = {}

    def follow(session: Any) -> None:
        views[session.number] = _JsonLines(session) if as_json else _PlainLines(session)

    tap.on_session = follow
    try:
        await tap.start()
        print(json.dumps({"listening": tap.url}) if as_json else f"listening on {tap.url}", flush=True)
        while tap.running:
            await asyncio.sleep(FRAME_SECONDS)
            for session in tap.sessions:
                views[session.number].draw()
            for number in views.keys() - {session.number for session in tap.sessions}:
                del views[number]
        raise UserError("the forwarding process has ended; start again")
    finally:
        await tap.close()
        if tap.farewell():
            print(json.dumps({"farewell": tap.farewell()}) if as_json else tap.farewell(), flush=True)
