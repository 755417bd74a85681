"""Waterfall: the times of every turn, from the events as they pass and from the loudspeaker.

Each row is there as soon as its step has begun. It holds no clock: every event brings its time, in seconds since the epoch.

Thread: the event loop's; pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from .input_clock import InputClock
from .text import one_line
from .turn_times import MAX_TOOLS, Kind, ToolTime, TurnTimes
from .untrusted import mapping, number

__all__ = ["Waterfall"]

MAX_TURNS = 200
# Answers, responses whose turn is remembered
MAX_REMEMBERED = 64
AUDIO_DELTAS = ("response.output_audio.delta", "response.audio.delta")
DELTAS = (
    *AUDIO_DELTAS,
    "response.output_audio_transcript.delta",
    "response.audio_transcript.delta",
    "response.output_text.delta",
    "response.text.delta",
)

# Takes the time of an event, and the event
Handler = Callable[[float, dict[str, Any]], None]


class Waterfall:
    """The turns of a session, the newest last; at most MAX_TURNS.

    Attributes
    ----------
    turns : deque of TurnTimes
    total : int
        How many turns there were.
    revision : int
        Grows with every change.
    """

    def __init__(self) -> None:
        self.turns: deque[TurnTimes] = deque(maxlen=MAX_TURNS)
        self.total = 0
        self.revision = 0
        self._clock = InputClock()
        # When the user's words were sent, until an answer to them is requested
        self._sent: tuple[float, Kind] | None = None
        # Output of a tool was sent: the next response goes on with the same turn
        self._continues = False
        self._responses: dict[str, TurnTimes] = {}
        self._answers: dict[str, TurnTimes] = {}
        self._handlers: dict[tuple[str, str], Handler] = {
            ("client", "input_audio_buffer.append"): self._clock.appended,
            ("client", "input_audio_buffer.commit"): self._audio_sent,
            ("client", "conversation.item.create"): self._item_sent,
            ("client", "response.create"): self._requested,
            ("server", "session.created"): self._clock.session,
            ("server", "session.updated"): self._clock.session,
            ("server", "input_audio_buffer.speech_started"): self._speech_started,
            ("server", "input_audio_buffer.speech_stopped"): self._speech_stopped,
            ("server", "input_audio_buffer.committed"): self._committed,
            ("server", "response.created"): self._created,
            ("server", "response.output_item.done"): self._output_item_done,
            ("server", "response.done"): self._done,
            **{("server", kind): self._delta for kind in DELTAS},
        }

    @property
    def newest(self) -> TurnTimes | None:
        """The newest turn."""
        return self.turns[-1] if self.turns else None

    @property
    def awaited(self) -> bool:
        """True while the user waits for an answer."""
        newest = self.newest
        return newest is not None and newest.awaited

    def take(self, time: float, source: str, event: Any) -> None:
        """Take an event of the protocol; whatever it holds, nothing is raised."""
        kind = event.get("type")
        handler = self._handlers.get((source, kind)) if isinstance(kind, str) else None
        if handler is not None:
            handler(time, event)

    def turn_of(self, item_id: str) -> TurnTimes | None:
        """Return the turn of an answer."""
        return self._answers.get(item_id)

    def first_sample(self, item_id: str, time: float) -> TurnTimes | None:
        """Note that the device took the first sample of an answer; returns its turn, None if it sounded before."""
        turn = self._answers.get(item_id)
        if turn is None or turn.first_sample is not None:
            return None
        turn.first_sample = turn.last_sample = max(time, turn.first_delta or time)
        turn.item_id = item_id
        self.revision += 1
        return turn

    def heard(self, item_id: str, time: float, ended: bool, cut: bool = False) -> None:
        """Note that the device took more samples of an answer; *ended*: the last ones, *cut*: because it was cut."""
        turn = self._answers.get(item_id)
        if turn is None or turn.over:
            return
        turn.last_sample, turn.silent = time, ended
        if cut:
            turn.outcome, turn.over = "cut", True
        self._settle(turn)
        self.revision += 1

    def stop(self) -> None:
        """End the turn under way: the connection has ended."""
        self._end_newest()
        self._sent = None

    def load(self, turns: list[TurnTimes]) -> None:
        """Show the turns of a saved session in place of those that there are."""
        self.turns.clear()
        self.turns.extend(turns)
        self.total = len(turns)
        self.revision += 1

    def as_json(self) -> list[dict[str, Any]]:
        """Return every turn as `TurnTimes.as_json` does."""
        return [turn.as_json() for turn in self.turns]

    # What the user does

    def _begin(self, kind: Kind, **times: float) -> TurnTimes:
        self._end_newest()
        self.total += 1
        turn = TurnTimes(self.total, kind, **times)  # type: ignore[arg-type]
        self.turns.append(turn)
        self._continues = False
        self.revision += 1
        return turn

    def _end_newest(self) -> None:
        newest = self.newest
        if newest is not None and not newest.over:
            newest.over = True
            self.revision += 1

    def _audio_sent(self, time: float, event: dict[str, Any]) -> None:
        self._sent = time, "speech"

    def _item_sent(self, time: float, event: dict[str, Any]) -> None:
        item = mapping(event.get("item"))
        if item.get("type") == "function_call_output":
            self._tool_ended(time, item.get("call_id"))
        elif item.get("role") == "user":
            self._sent = time, "text"

    def _requested(self, time: float, event: dict[str, Any]) -> None:
        if self._sent is not None:
            sent, kind = self._sent
            self._sent = None
            self._begin(kind, speech_end=sent, requested=time)
        elif self._continues:
            return
        elif self.newest is None or self.newest.over or self.newest.created is not None:
            self._begin("request", speech_end=time, requested=time)
        else:
            self.newest.requested = time

    def _speech_started(self, time: float, event: dict[str, Any]) -> None:
        turn = self.newest
        if turn is None or turn.over or turn.created is not None:
            turn = self._begin("speech")
            self._sent = None
            turn.speech_start = min(self._clock.when(number(event.get("audio_start_ms"))) or time, time)
        # The user goes on: there was no answer yet
        turn.speech_end = turn.stopped = turn.committed = None
        self.revision += 1

    def _speech_stopped(self, time: float, event: dict[str, Any]) -> None:
        turn = self.newest
        if turn is None or turn.over or turn.created is not None:
            turn = self._begin("speech")
        silence = self._clock.silence
        end_ms = number(event.get("audio_end_ms"))
        end = self._clock.when(None if end_ms is None else end_ms - silence * 1000)
        # Servers count the silence window in; the speech began before it ended, whatever they say
        end = min(time - silence if end is None else end, time)
        turn.speech_end = max(end, turn.speech_start or end)
        turn.stopped = time
        self.revision += 1

    def _committed(self, time: float, event: dict[str, Any]) -> None:
        turn = self.newest
        if turn is not None and not turn.over and turn.created is None and turn.committed is None:
            turn.committed = time
            self.revision += 1

    # What the server does

    def _created(self, time: float, event: dict[str, Any]) -> None:
        response_id = mapping(event.get("response")).get("id")
        turn = self.newest
        if turn is None or turn.over or (turn.created is not None and not self._continues):
            # Of a request that came before the connection was watched, or of none
            turn = self._begin("request", speech_end=time)
        if turn.created is None:
            turn.created = time
        else:
            turn.resumed, turn.done = time, None
        self._sent, self._continues = None, False
        if isinstance(response_id, str):
            _remember(self._responses, response_id, turn)
        self.revision += 1

    def _delta(self, time: float, event: dict[str, Any]) -> None:
        """Called for every piece of an answer: a look-up, but for the first one."""
        item_id = event.get("item_id")
        turn = self._answers.get(item_id) if isinstance(item_id, str) else None
        if turn is None:
            turn = self._turn_of_response(event.get("response_id"))
            if turn is None or not isinstance(item_id, str):
                return
            _remember(self._answers, item_id, turn)
            turn.first_delta = time if turn.first_delta is None else turn.first_delta
            turn.item_id = turn.item_id or one_line(item_id, 100)
            self.revision += 1
        if not turn.spoken and event["type"] in AUDIO_DELTAS:
            turn.spoken = True
            self.revision += 1

    def _turn_of_response(self, response_id: Any) -> TurnTimes | None:
        return self._responses.get(response_id) if isinstance(response_id, str) else self.newest

    def _output_item_done(self, time: float, event: dict[str, Any]) -> None:
        item = mapping(event.get("item"))
        turn = self._turn_of_response(event.get("response_id"))
        if item.get("type") != "function_call" or turn is None or len(turn.tools) >= MAX_TOOLS:
            return
        turn.tools.append(
            ToolTime(one_line(item.get("name") or "tool", 60), one_line(item.get("call_id"), 100), time)
        )
        self.revision += 1

    def _tool_ended(self, time: float, call_id: Any) -> None:
        for turn in reversed(self.turns):
            for tool in turn.tools:
                if tool.call_id == one_line(call_id, 100) and tool.ended is None:
                    tool.ended = time
                    self._continues = turn is self.newest and not turn.over
                    self.revision += 1
                    return

    def _done(self, time: float, event: dict[str, Any]) -> None:
        response = mapping(event.get("response"))
        response_id = response.get("id")
        turn = self._responses.get(response_id) if isinstance(response_id, str) else None
        if turn is None or turn.over:
            return
        turn.done = time
        turn.outcome = turn.outcome or one_line(response.get("status"), 20)
        self._settle(turn)
        self.revision += 1

    def _settle(self, turn: TurnTimes) -> None:
        """End the turn if its response is done, its sound was heard, and no tool asks for another response."""
        if turn.done is not None and (turn.silent or not turn.spoken) and not turn.tool_runs:
            turn.over = turn.over or not (self._continues and turn is self.newest)


def _remember(turns: dict[str, TurnTimes], name: str, turn: TurnTimes) -> None:
    turns[name] = turn
    while len(turns) > MAX_REMEMBERED:
        del turns[next(iter(turns))]
