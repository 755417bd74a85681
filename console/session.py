"""SessionModel: what happened in a session, what is selected, and what can be done now.

It knows no user interface, no sockets and no devices. Every view (the screen, --plain, --json) reads it; `Call` and
`Replay` write it. Its size is bounded, and all of its text is clean (see text.py). Views compare ``revision`` numbers
a few times a second, so a burst of a thousand events is drawn once.

Thread: the event loop's.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .answer_end import answer_end
from .event_book import EventBook
from .heard import Heard
from .phase import Phase, phase_of
from .places import place_of
from .state import (
    BANDS,
    SILENCE,
    DeviceState,
    Level,
    Notice,
    Place,
    PlaybackState,
    ServerState,
    State,
    TalkState,
    Turn,
)
from .text import clean, one_line
from .transcript import ItemRow, Transcript
from .untrusted import mapping, number, whole
from .waterfall import Waterfall

__all__ = ["BANDS", "SILENCE", "SessionModel"]

MAX_NOTICES = 100
MAX_NOTICE_CHARS = 2_000
MAX_TURNS = 200


@dataclass
class SessionModel:
    """The state of the console.

    Attributes
    ----------
    selected : str or None
        Id of the selected row of the conversation.
    filter : str
        Words that the shown events must have.
    unfolded : set of int
        Numbers of the event rows that show their payload.
    connected_at : float or None
        Seconds since the epoch; None while disconnected.
    tokens : dict
        Sums since the connection began, by kind.
    dollars : float
        US dollars for everything whose price is known.
    answering : bool
        The server is making a response.
    heard : Heard
        The answer that is heard now, to the word.
    waterfall : Waterfall
        The times of every turn.
    phase : str
        "listening", "thinking", "speaking", "cut", "ready"; empty while disconnected.
    revision : int
        Grows with every change but those of ``events``, ``transcript``, ``heard`` and ``waterfall``, which count their own.
    """

    # More than 20 attributes: one place that every view reads; what belongs together is an object of its own
    events: EventBook = field(default_factory=EventBook)
    transcript: Transcript = field(default_factory=Transcript)
    state: State = "disconnected"
    connected_at: float | None = None
    answering: bool = False
    server: ServerState = field(default_factory=ServerState)
    microphone: DeviceState = field(default_factory=DeviceState)
    speaker: DeviceState = field(default_factory=DeviceState)
    talk: TalkState = field(default_factory=TalkState)
    playback: PlaybackState = field(default_factory=PlaybackState)
    selected: str | None = None
    filter: str = ""
    unfolded: set[int] = field(default_factory=set)
    notices: deque[Notice] = field(default_factory=lambda: deque(maxlen=MAX_NOTICES))
    turns: deque[Turn] = field(default_factory=lambda: deque(maxlen=MAX_TURNS))
    tokens: dict[str, int] = field(default_factory=dict)
    dollars: float = 0.0
    memory: dict[str, str] = field(default_factory=dict)
    place: Place = field(default_factory=Place)
    heard: Heard = field(default_factory=Heard)
    waterfall: Waterfall = field(default_factory=Waterfall)
    phase: Phase = ""
    revision: int = 0

    # Handlers of the client's events, whose names stand in their docstrings (see realtime.events)

    def on_wire(self, entry: Any) -> None:
        """``realtime.event``"""
        self.events.add(entry.timestamp, entry.source, entry.event)
        self.waterfall.take(entry.timestamp, entry.source, entry.event)

    def on_updated(self, event: Any) -> None:
        """``conversation.updated`` and the other events that carry an item."""
        last = self.transcript.last()
        follows = self.selection is None or last is self.selection
        row = self.transcript.take(event.item, time.time(), getattr(event, "delta", None))
        if follows and self.transcript.last() is row:
            self.selected = row.id
        if row.role == "assistant":
            self.heard.expect(row)

    def on_deleted(self, event: Any) -> None:
        """``conversation.item.deleted``"""
        self.forget(event.item.id)

    def on_cut(self, event: Any) -> None:
        """``voice.cut``: the receipt tells, to the sample, what was played."""
        receipt = event.receipt
        self.events.add(
            time.time(),
            "player",
            {
                "type": "interrupted",
                "track_id": receipt.track_id,
                "offset": receipt.offset,
                "dropped": dict(receipt.dropped),
            },
        )
        row = self.transcript.get(receipt.track_id)
        if row is not None and event.item is not None and event.item.truncated:
            if row.heard_samples is None:
                self.heard.cut_at = time.time()
            row.heard_samples = receipt.offset
            row.take(event.item)
            self.transcript.revision += 1
            self.waterfall.heard(row.id, time.time(), ended=True, cut=True)
        for stopped in map(self.transcript.get, (receipt.track_id, *receipt.dropped)):
            if stopped is not None:
                self.heard.release(stopped)

    def on_echo(self, event: Any) -> None:
        """``voice.echo``: what is done about the echo of the speaker, and why."""
        self.talk.action, self.talk.echo_heard = event.action, event.heard
        self.set_echo_numbers(event.erle_db, event.delay_ms)
        self.events.add(
            time.time(),
            "device",
            {
                "type": "echo",
                "heard": event.heard,
                "action": event.action,
                "delay_ms": event.delay_ms,
                "erle_db": event.erle_db,
            },
        )
        self.notice("warning" if event.action == "half-duplex" else "info", f"echo: {event.reason}")

    def set_echo_numbers(self, erle_db: float | None, delay_ms: float | None) -> None:
        """Take what the canceller measures; views show whole numbers."""
        erle = None if erle_db is None else round(erle_db)
        delay = None if delay_ms is None else round(delay_ms)
        if (erle, delay) != (self.talk.erle_db, self.talk.delay_ms):
            self.talk.erle_db, self.talk.delay_ms = erle, delay
            self.revision += 1

    def on_timings(self, event: Any, now: float, monotonic: float) -> None:
        """``timings``: the device has taken the first sample of the answer."""
        if event.first_sample is None or event.speech_end is None or event.item_id is None:
            return
        if any(turn.item_id == event.item_id for turn in self.turns):
            # It was seen when it sounded
            return
        first_sample = now - (monotonic - event.first_sample)
        self.waterfall.first_sample(event.item_id, first_sample)
        self._add_turn(Turn(event.item_id, event.latency, now - (monotonic - event.speech_end), first_sample))

    def on_played(self, position: Any, now: float) -> None:
        """The loudspeaker is at *position* (a TrackOffset, or None) at *now*, in seconds since the epoch.

        Called twenty times a second: a turn has its numbers as soon as its first sample was played.
        """
        self.heard.following = True
        row = self.heard.follow(self.transcript, position)
        if row is not None:
            began = self.waterfall.first_sample(row.id, now - position.offset / row.sample_rate)
            if began is not None and began.first_sample is not None and began.known is not None:
                self._add_turn(Turn(row.id, began.latency or 0.0, began.known, began.first_sample))
            self.waterfall.heard(row.id, now, row.played)
        phase = phase_of(self, now)
        if phase != self.phase:
            self.phase = phase
            self.revision += 1

    def _add_turn(self, turn: Turn) -> None:
        self.turns.append(turn)
        self.events.add(
            turn.first_sample,
            "player",
            {"type": "first_sample", "item_id": turn.item_id, "latency": turn.latency},
        )
        row = self.transcript.get(turn.item_id)
        if row is not None:
            row.latency = turn.latency
            row.revision += 1
            self.transcript.revision += 1
        self.revision += 1

    def on_usage(self, event: Any) -> None:
        """``usage``"""
        counts = {one_line(name, 60): whole(count) for name, count in event.total.items()}
        self.tokens = {name: count for name, count in counts.items() if count is not None}
        cost = number(getattr(event, "cost", None), 0) or 0.0
        self.dollars += cost
        if getattr(event, "source", "response") == "response":
            self.events.price(cost)
        self.revision += 1

    def on_session(self, session: Any) -> None:
        """``server.session.updated``: the session as the server describes it."""
        session = mapping(session)
        output = mapping(mapping(session.get("audio")).get("output"))
        voice = output.get("voice") or session.get("voice") or ""
        self.server.model = one_line(session.get("model") or self.server.model, 40)
        self.server.voice = one_line(voice if isinstance(voice, str) else "custom", 20)
        self.revision += 1

    def on_response_done(self, event: Any) -> None:
        """``server.response.done``: say how the answer ended, unless it is complete, failed or was interrupted here."""
        response = event.get("response")
        end = answer_end(response)
        details = mapping(mapping(response).get("status_details"))
        if end is not None and response["status"] != "failed" and details.get("reason") != "client_cancelled":
            self.notice("warning", end)

    def on_connection(self, event: Any) -> None:
        """``connection.changed``"""
        if event.state == "reconnecting":
            reason = f" ({one_line(event.reason, 80)})" if event.reason else ""
            self.notice("warning", f"connection lost{reason}; trying again, attempt {event.attempt}")
        elif event.state == "connected" and self.state == "reconnecting":
            self.notice("info", "connected again; the conversation was restored")
        self.set_state(event.state)

    def on_error(self, event: Any) -> None:
        """``error``"""
        if event.source == "connection" and self.state == "connecting":
            # connect() tells it
            return
        if event.code == "not_allowed" and event.caused_by == "session.update":
            # A relay in its default state has instructions and tools of its own
            self.notice("info", event.message)
            return
        message = event.message
        if event.source not in ("server", "connection"):
            # The user's own code may have raised it
            place = place_of(event.exception)
            message = f"{place}: {message}" if place else message
            self.events.add(
                time.time(), "console", {"type": "error", "source": event.source, "message": message}
            )
        self.notice("error", message)

    def on_failed(self, event: Any) -> None:
        """``response.failed``"""
        self.notice("error", f"the server could not answer: {event.message}")

    # Changes that the console makes

    def set_state(self, state: State) -> None:
        """Set the state of the connection."""
        if state == "connected" and self.connected_at is None:
            self.connected_at = time.time()
        if state == "disconnected":
            self.connected_at = None
            self.talk.active = self.answering = False
            self.phase = ""
            self.heard.release_all()
            self.waterfall.stop()
        self.state = state
        self.revision += 1

    def set_talking(self, talking: bool) -> None:
        """Note that push to talk opened or closed the microphone."""
        self.talk.active = talking
        self.talk.since = time.time()
        self.revision += 1

    def notice(self, level: Level, text: str) -> None:
        """Tell the user; the status line shows the newest notice, the help screen the last ones."""
        self.notices.append(Notice(level, one_line(text, MAX_NOTICE_CHARS), time.time()))
        self.revision += 1

    def notice_failure(self, error: BaseException) -> None:
        """Tell the user of a failure that nobody foresaw."""
        self.notice("error", f"{type(error).__name__}: {error}; please report it")

    def forget(self, item_id: str) -> None:
        """Remove a row and select its neighbour."""
        neighbour = self.transcript.neighbour(item_id, -1)
        if neighbour is None or neighbour.id == item_id:
            neighbour = self.transcript.neighbour(item_id, 1)
        self.transcript.remove(item_id)
        if self.selected == item_id:
            self.selected = neighbour.id if neighbour is not None and neighbour.id != item_id else None

    def remember(self, entries: Mapping[str, str]) -> None:
        """Show *entries* as what set_memory has stored."""
        self.memory = {clean(key): clean(value) for key, value in entries.items()}
        self.revision += 1

    def select(self, step: int) -> ItemRow | None:
        """Move the selection of the conversation by *step* rows."""
        row = self.transcript.neighbour(self.selected, step)
        self.selected = None if row is None else row.id
        self.revision += 1
        return row

    @property
    def selection(self) -> ItemRow | None:
        """The selected row."""
        return self.transcript.get(self.selected)

    @property
    def latency(self) -> float | None:
        """Latency of the last answer in seconds."""
        return self.turns[-1].latency if self.turns else None

    # What can be done

    def why_not(self, action: str) -> str | None:
        """Return why *action* is impossible now, in words for the user; None if it is possible."""
        connected = self.state in ("connected", "reconnecting")
        row = self.selection
        if self.state == "replay":
            if action in ("talk", "mode", "connect", "delete", "text", "echo"):
                return "this is a replay: nothing is connected"
        elif self.state == "tap":
            if action in ("talk", "mode", "connect", "delete", "text", "echo"):
                return "this is a tap: it changes nothing of what passes"
        elif action in ("talk", "mode", "text", "echo", "interrupt") and not connected:
            return "not connected: press c"
        if action == "talk" and self.talk.mode == "vad":
            return "vad: the microphone is live; press v for manual"
        if action == "talk" and self.microphone.problem:
            return f"no microphone: {self.microphone.problem}"
        if action == "delete" and row is None:
            return "nothing is selected"
        if action == "play":
            if row is None:
                return "nothing is selected"
            if not len(row.audio):
                return "the selected item has no audio"
        return None
