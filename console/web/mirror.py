"""Mirror: what one page knows of the session model, and what must be sent to it so that it knows all.

A snapshot has everything that a page shows, within bounds. After it, only what changed is sent: an event row as a list of
numbers when it was repeated, a text by its added end. A page that is slow gets fewer and larger changes, so nothing
piles up. Text passes as it is in the model, where it is clean; the page writes it as text, never as HTML.

Thread: the event loop's of the call.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..event_book import EventRow
from ..text import one_line
from ..transcript import ItemRow

__all__ = ["Mirror"]

MAX_EVENTS = 500
MAX_ITEMS = 200
MAX_TEXT_CHARS = 16_384
MAX_NOTICES = 20
MAX_TURNS = 20
# How often the counts of a row and the heard part of an answer are sent: a quarter of the ticks of the call
SLOW_SECONDS = 0.25
ACTIONS = ("talk", "mode", "connect", "delete", "text", "echo", "interrupt")


class Mirror:
    """The state of one page.

    Parameters
    ----------
    call : Call or Replay
        Its model, and the devices that it has found.
    """

    def __init__(self, call: Any) -> None:
        self._call = call
        self._head: dict[str, Any] = {}
        # Number of the newest event row that the page has, and what it knows of it
        self._last_row = -1
        self._row: list[Any] = []
        # Item id -> the state of its row when it was described, and the description that the page has
        self._items: dict[str, tuple[Any, dict[str, Any]]] = {}
        # Number of a turn -> its description
        self._turns: dict[int, dict[str, Any]] = {}
        self._playing: list[Any] | None = None
        self._seen: tuple[Any, ...] = ()
        self._slow_at = 0.0

    def snapshot(self, now: float) -> dict[str, Any]:
        """Return everything.

        Parameters
        ----------
        now : float
            Seconds since the epoch; the page compares it with its own clock.
        """
        fresh = Mirror(self._call)
        changes = fresh.changes(now) or {}
        self.__dict__.update(fresh.__dict__)
        return {"kind": "snapshot", "now": round(now, 3), **changes}

    def changes(self, now: float) -> dict[str, Any] | None:
        """Return what the page does not know yet; None if it knows all.

        Parameters
        ----------
        now : float
            Seconds since the epoch.
        """
        model = self._call.model
        seen = revisions(model)
        if seen == self._seen:
            return None
        slow = now - self._slow_at >= SLOW_SECONDS or now < self._slow_at
        parts: dict[str, Any] = {"head": self._head_changes()}
        if slow or len(model.events.rows) == 0 or model.events.rows[-1].number != self._last_row:
            parts["events"] = self._event_changes()
            if parts["events"]:
                parts["total"] = model.events.total
            playing = playing_of(model)
            if playing != self._playing:
                self._playing = parts["playing"] = playing
            self._slow_at = now
            self._seen = seen
        parts["turns"] = self._turn_changes()
        parts.update(self._item_changes())
        found = {name: part for name, part in parts.items() if part or name == "playing"}
        return found or None

    def _head_changes(self) -> dict[str, Any]:
        head = describe(self._call)
        changed = {name: value for name, value in head.items() if self._head.get(name, ...) != value}
        self._head = head
        return changed

    def _event_changes(self) -> list[list[Any]]:
        changed: list[list[Any]] = []
        for row in reversed(self._call.model.events.rows):
            if row.number < self._last_row or len(changed) >= MAX_EVENTS:
                break
            if row.number > self._last_row:
                changed.append(_event(row))
            elif _known(row) != self._row:
                changed.append([row.number, *_known(row)])
        changed.reverse()
        rows = self._call.model.events.rows
        if rows:
            self._last_row, self._row = rows[-1].number, _known(rows[-1])
        return changed

    def _turn_changes(self) -> list[dict[str, Any]]:
        turns = {turn["number"]: turn for turn in turns_of(self._call.model)}
        changed = [turn for number, turn in turns.items() if self._turns.get(number) != turn]
        self._turns = turns
        return changed

    def _item_changes(self) -> dict[str, Any]:
        rows = list(self._call.model.transcript)[-MAX_ITEMS:]
        known, self._items = self._items, {}
        changed: list[dict[str, Any]] = []
        for row in rows:
            before = known.get(row.id)
            # Most rows stay as they are, and are not described again
            state = (row.revision, row.live, row.heard_samples, getattr(row, "lit", None))
            if before is not None and before[0] == state:
                self._items[row.id] = before
                continue
            item = describe_item(row)
            self._items[row.id] = (state, item)
            difference = item if before is None else _difference(before[1], item)
            if difference:
                changed.append({"id": row.id, **difference})
        kept = [name for name in known if name in self._items]
        order = list(self._items)
        parts: dict[str, Any] = {
            "items": changed,
            "gone": [name for name in known if name not in self._items],
        }
        if kept + [name for name in order if name not in known] != order:
            # An item has come between others
            parts["order"] = order
        return parts


def describe(call: Any) -> dict[str, Any]:
    """Return what a page shows beside events and items; each value is compared as a whole."""
    model = call.model
    microphones = [[device.id, one_line(device.name, 120)] for device in call.microphones[:50]]
    speakers = [[device.id, one_line(device.name, 120)] for device in call.speakers[:50]]
    place = asdict(model.place)
    return {
        "state": model.state,
        "connected_at": model.connected_at,
        "answering": model.answering,
        "phase": getattr(model, "phase", ""),
        "server": asdict(model.server),
        "microphone": asdict(model.microphone),
        "speaker": asdict(model.speaker),
        "microphones": microphones,
        "speakers": speakers,
        "talk": asdict(model.talk),
        "half_duplex": model.talk.half_duplex,
        "tokens": dict(model.tokens),
        "dollars": round(model.dollars, 6),
        "latency": model.latency,
        "memory": dict(model.memory),
        "place": place,
        "notices": [[n.level, n.text, round(n.time, 2)] for n in list(model.notices)[-MAX_NOTICES:]],
        "dropped": [model.events.evicted_rows, model.transcript.evicted],
        "why_not": {action: why for action in ACTIONS if (why := model.why_not(action)) is not None},
    }


def describe_item(row: ItemRow) -> dict[str, Any]:
    """Return what a page shows of an item. Times are in seconds, ``heard`` and ``received`` in samples."""
    return {
        "role": row.role,
        "status": row.status,
        "text": row.shown[:MAX_TEXT_CHARS],
        "waits": not row.text,
        "seconds": round(row.seconds, 2),
        "rate": row.sample_rate,
        "heard": row.heard_samples,
        "heard_chars": row.heard_chars,
        "lit": getattr(row, "lit", None),
        "received": row.received,
        "latency": row.latency,
        "live": row.live,
    }


def revisions(model: Any) -> tuple[int, ...]:
    """The numbers that grow when what a page shows has changed."""
    parts = (
        model,
        model.events,
        model.transcript,
        *(getattr(model, name, None) for name in ("heard", "waterfall")),
    )
    return tuple(part.revision for part in parts if part is not None)


def playing_of(model: Any) -> list[Any] | None:
    """The answer that is heard, and how many samples of it were heard; None while it is silent."""
    heard = getattr(model, "heard", None)
    return None if heard is None or heard.item_id is None else [heard.item_id, heard.samples]


def turns_of(model: Any) -> list[dict[str, Any]]:
    """The last turns: their number, outcome, and spans of name, beginning and end in seconds since the epoch."""
    waterfall = getattr(model, "waterfall", None)
    if waterfall is None:
        return [
            {
                "number": number,
                "latency": turn.latency,
                "spans": [["first sample", turn.speech_end, turn.first_sample]],
            }
            for number, turn in list(enumerate(model.turns, 1))[-MAX_TURNS:]
        ]
    return [
        {
            "number": turn.number,
            "kind": turn.kind,
            "outcome": turn.outcome,
            "latency": turn.latency,
            **{name: getattr(turn, name) for name in ("wait", "silence", "server", "sound", "tool_seconds")},
            "spans": [[one_line(span.name, 60), span.began, span.ended] for span in turn.spans()],
        }
        for turn in list(waterfall.turns)[-MAX_TURNS:]
    ]


def _event(row: EventRow) -> list[Any]:
    """Number, count, bytes of audio, error and gist; of a new row also time, source and type."""
    return [row.number, *_known(row), round(row.seconds, 2), row.source, one_line(row.type, 80)]


def _known(row: EventRow) -> list[Any]:
    return [row.count, row.audio_bytes, int(row.error), getattr(row, "gist", "")]


def _difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What changed; the end that a text got is sent as ``more``."""
    changed = {name: value for name, value in after.items() if before[name] != value}
    text = changed.get("text")
    if text is not None and before["text"] and not before["waits"] and text.startswith(before["text"]):
        del changed["text"]
        changed["more"] = text[len(before["text"]) :]
    return changed
