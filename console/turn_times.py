"""TurnTimes: when each step of one turn happened, and the spans between the steps.

All times are seconds since the epoch.

Thread: the event loop's; pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from .state import Turn
from .untrusted import mapping, number, sequence, text, whole

__all__ = ["Span", "ToolTime", "TurnTimes"]

MAX_TOOLS = 32
# The times of a turn that are saved
TIMES = (
    "speech_start",
    "speech_end",
    "stopped",
    "requested",
    "committed",
    "created",
    "resumed",
    "first_delta",
    "first_sample",
    "last_sample",
    "done",
)

Kind = Literal["speech", "text", "request"]


@dataclass
class ToolTime:
    """A call of a tool: from its complete arguments to the output that is sent."""

    name: str
    call_id: str
    began: float
    ended: float | None = None


@dataclass(frozen=True)
class Span:
    """A step of a turn.

    Attributes
    ----------
    name : str
        "speech", "silence window", "commit", "response.created", "tool call", "first delta", "first sample",
        "last sample", or the name of a tool.
    began : float
        When the step before it happened, in seconds since the epoch.
    ended : float or None
        When it happened; None while it has not.
    """

    name: str
    began: float
    ended: float | None


@dataclass
class TurnTimes:
    """One turn: what the user said or typed, and the answer to it.

    Attributes
    ----------
    number : int
        From 1.
    kind : {"speech", "text", "request"}
        How it began; "request": an answer that nobody's words asked for.
    item_id : str
        The answer; empty while there is none.
    outcome : str
        Status of the response, or "cut"; empty while it runs.
    over : bool
        Nothing more will happen.
    spoken : bool
        The answer has audio.
    silent : bool
        All of that audio was heard so far.
    speech_start, speech_end : float or None
        The user's words, as far as they are known; a key that was released, or text that was sent, is their end.
    stopped : float or None
        When the server said that the user's turn was over: ``speech_end`` and its silence window.
    requested, committed, created : float or None
        When an answer was requested here, when the user's audio became an item, when the server began the response.
    resumed : float or None
        When the server began the response after the last tool.
    first_delta : float or None
        First piece of text or sound of the answer.
    first_sample, last_sample : float or None
        When the device took the first and the newest sample of the answer.
    done : float or None
        End of the last response.
    tools : list of ToolTime
        At most MAX_TOOLS.
    """

    number: int
    kind: Kind = "speech"
    item_id: str = ""
    outcome: str = ""
    over: bool = False
    spoken: bool = False
    silent: bool = False
    speech_start: float | None = None
    speech_end: float | None = None
    stopped: float | None = None
    requested: float | None = None
    committed: float | None = None
    created: float | None = None
    resumed: float | None = None
    first_delta: float | None = None
    first_sample: float | None = None
    last_sample: float | None = None
    done: float | None = None
    tools: list[ToolTime] = field(default_factory=list)

    @property
    def known(self) -> float | None:
        """When it was known here that the user's turn was over."""
        return self.stopped if self.stopped is not None else self.speech_end

    @property
    def wait(self) -> float | None:
        """Seconds that the user waited: from the end of the words to the first sample."""
        return _between(self.speech_end, self.first_sample)

    @property
    def latency(self) -> float | None:
        """Seconds from the known end of the user's turn to the first sample."""
        return _between(self.known, self.first_sample)

    @property
    def silence(self) -> float | None:
        """Seconds of ``wait`` in which the server made sure that the user had finished."""
        return _between(self.speech_end, self.stopped)

    @property
    def tool_seconds(self) -> float:
        """Seconds in which a tool ran, before the answer began."""
        end = self.first_delta
        total, last = 0.0, float("-inf")
        for tool in sorted(self.tools, key=lambda tool: tool.began):
            if tool.ended is not None and (end is None or tool.began < end):
                total += max(tool.ended - max(tool.began, last), 0.0)
                last = max(tool.ended, last)
        return total

    @property
    def server(self) -> float | None:
        """Seconds of ``wait`` that the server took, network included: up to the first delta, without the tools."""
        took = _between(self.known, self.first_delta)
        return None if took is None else max(took - self.tool_seconds, 0.0)

    @property
    def sound(self) -> float | None:
        """Seconds of ``wait`` from the first delta to the first sample."""
        return _between(self.first_delta, self.first_sample)

    @property
    def awaited(self) -> bool:
        """True while the user waits for the answer."""
        return not self.over and self.known is not None and self.first_sample is None

    @property
    def tool_runs(self) -> bool:
        """True while the output of a tool is awaited."""
        return any(tool.ended is None for tool in self.tools)

    def spans(self) -> list[Span]:
        """Return the steps so far, in order; the last one may be under way."""
        known, created = self.known, self.created
        committed = self.committed if self.kind == "speech" else None
        chain = [
            ("speech", self.speech_start, self.speech_end if self.stopped is not None else None),
            ("silence window", self.speech_end if self.stopped is not None else None, self.stopped),
            ("commit", known if self.kind == "speech" else None, committed),
            ("response.created", committed if committed is not None else known, created),
        ]
        spans = [
            Span(name, began, ended)
            for name, began, ended in chain
            if began is not None and (ended is not None or not self.over)
        ]
        if self.tools and created is not None:
            # Up to the complete arguments of the first call
            spans.append(Span("tool call", created, self.tools[0].began))
        spans += [Span(tool.name, tool.began, tool.ended) for tool in self.tools]
        ends = [tool.ended for tool in self.tools if tool.ended is not None]
        if ends and self.resumed is not None:
            spans.append(Span("response.created", max(ends), self.resumed))
        for name, began, ended in (
            ("first delta", self._asked_last(), self.first_delta),
            ("first sample", self.first_delta if self.spoken else None, self.first_sample),
            ("last sample", self.first_sample, self.last_sample if self.over else None),
        ):
            if began is not None and (ended is not None or not self.over):
                spans.append(Span(name, began, ended))
        return sorted(spans, key=lambda span: span.began)

    def _asked_last(self) -> float | None:
        """When the server began the response that the first delta belongs to; None while a tool holds it up."""
        if self.first_delta is None:
            return self.resumed if self.tools else self.created
        resumed = self.resumed
        return resumed if resumed is not None and resumed <= self.first_delta else self.created

    def as_json(self) -> dict[str, Any]:
        """Return times, spans and sums in a form that JSON can hold."""
        return {
            "number": self.number,
            "kind": self.kind,
            "item_id": self.item_id,
            "outcome": self.outcome,
            "spoken": self.spoken,
            **{name: getattr(self, name) for name in TIMES},
            "tools": [vars(tool).copy() for tool in self.tools],
            "wait": self.wait,
            "silence": self.silence,
            "server": self.server,
            "tool_seconds": self.tool_seconds,
            "sound": self.sound,
            "spans": [vars(span).copy() for span in self.spans()],
        }

    @classmethod
    def from_json(cls, saved: Any) -> TurnTimes:
        """Return a turn that is over, from what `as_json` gave; what is no time is missing."""
        saved = mapping(saved)
        kind: Kind = saved["kind"] if saved.get("kind") in ("speech", "text", "request") else "speech"
        turn = cls(
            whole(saved.get("number")) or 1,
            kind,
            text(saved.get("item_id"), 100),
            text(saved.get("outcome"), 20),
            over=True,
            spoken=saved.get("spoken") is True,
        )
        for name in TIMES:
            setattr(turn, name, number(saved.get(name)))
        for tool in map(mapping, sequence(saved.get("tools"))[:MAX_TOOLS]):
            began = number(tool.get("began"))
            if began is not None:
                name, call_id = text(tool.get("name"), 60), text(tool.get("call_id"), 100)
                turn.tools.append(ToolTime(name, call_id, began, number(tool.get("ended"))))
        return turn

    @classmethod
    def from_turns(cls, turns: Iterable[Turn]) -> list[TurnTimes]:
        """Return what is known of turns that were saved before there was a waterfall."""
        return [
            cls(
                number,
                item_id=turn.item_id,
                over=True,
                spoken=True,
                speech_end=turn.speech_end,
                first_sample=turn.first_sample,
            )
            for number, turn in enumerate(turns, 1)
        ]


def _between(began: float | None, ended: float | None) -> float | None:
    return None if began is None or ended is None else max(ended - began, 0.0)
