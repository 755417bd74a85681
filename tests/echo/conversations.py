"""Conversations: a VoiceSession speaks aloud in a room, and a person interrupts it.

`converse` drives tests/echo/caller.py against an offline server that hears and speaks; `Outcome` counts what happened.

Thread: the test's; another one reads what the program prints.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

from tests.echo import scoring, voices
from tests.echo.caller import CallerOptions
from tests.room import QUEUE_SECONDS, ROOT, Room

__all__ = ["BargeIn", "CallerProcess", "Outcome", "converse"]

STORY = "Please tell me a long story."
# How far into an answer the person speaks
INTO_SECONDS = (4.0, 6.0, 5.0, 3.0, 7.0)
# A story lasts 41 s.
ANSWER_SECONDS = 60.0
# Time for the words and the answer of a short turn
TURN_SECONDS = 12.0
# The server says speech_started that long after a person's last sample, at most, for that person's sake
AFTER_SECONDS = 0.6


@dataclass(frozen=True)
class BargeIn:
    """One interruption.

    Attributes
    ----------
    noticed_ms, cut_ms : float or None
        From the person's first sample at the microphone until the program knew that the server heard it, and until
        playback was cut; None if it was not.
    said : str
        The sentence.
    heard : tuple of str
        The turns that the server made of it.
    """

    noticed_ms: float | None
    cut_ms: float | None
    said: str
    heard: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """True if the sentence arrived in one turn and without a word error."""
        return len(self.heard) == 1 and scoring.words(self.said) == scoring.words(self.heard[0])


@dataclass(frozen=True)
class Outcome:
    """What happened in a conversation.

    Attributes
    ----------
    seconds : float
        How long answers played while the person was silent.
    asked, finished : int
        Long answers that were asked for without an interruption planned, and heard to their end.
    false_starts : int
        How often the server heard speech while the person was silent.
    barge_ins : tuple of BargeIn
        The planned interruptions.
    events : tuple of dict
        Everything that the program printed.
    """

    seconds: float
    asked: int
    finished: int
    false_starts: int
    barge_ins: tuple[BargeIn, ...]
    events: tuple[dict[str, Any], ...]

    @property
    def false_starts_a_minute(self) -> float:
        """The same, by the time in which answers played."""
        return 60 * self.false_starts / max(self.seconds, 1e-9)


class CallerProcess:
    """The program tests/echo/caller.py in a room."""

    def __init__(self, room: Room, options: CallerOptions) -> None:
        self.events: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.echo.caller", json.dumps(asdict(options))],
            cwd=ROOT,
            env=room.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait("ready", 0.0, 30)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.events.append(json.loads(line))

    def __enter__(self) -> CallerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)
        self._process.stdout.close()

    def ask(self, text: str) -> float:
        """Send *text* as the user's message; returns when."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"ask {text}\n")
        self._process.stdin.flush()
        return time.monotonic()

    def of(self, kind: str, since: float = 0.0, until: float = float("inf")) -> list[dict[str, Any]]:
        """Events of one kind between two times."""
        return [
            event for event in list(self.events) if event["kind"] == kind and since <= event["time"] < until
        ]

    def wait(self, kind: str, since: float, seconds: float) -> dict[str, Any] | None:
        """The first event of a kind after *since*; None if it does not come within *seconds*."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := self.of(kind, since):
                return found[0]
            assert self._process.poll() is None, "the program in the room ended; its error is on stderr"
            time.sleep(0.02)
        return None


class _Conversation:
    """One conversation while it is held."""

    def __init__(self, room: Room, caller: CallerProcess) -> None:
        self.room = room
        self.caller = caller
        # When the person spoke, and when answers played while the person was silent
        self.spoken: list[tuple[float, float]] = []
        self.seconds = 0.0
        self.finished = 0

    def listen(self) -> None:
        """Ask for a long answer and listen to the end; one that is broken off gets no second chance."""
        asked = self.caller.ask(STORY)
        begun = self.caller.wait("answer", asked, TURN_SECONDS)
        if begun is None:
            return

        def over() -> bool:
            return bool(self.caller.of("played", asked))

        self._wait(over, ANSWER_SECONDS)
        self.seconds += time.monotonic() - begun["time"]
        self.finished += over()

    def _wait(self, condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not condition():
            time.sleep(0.02)

    def interrupt(self, text: str, into: float) -> BargeIn:
        """Ask for a long answer and speak over it."""
        caller = self.caller
        asked = caller.ask(STORY)
        begun = caller.wait("answer", asked, TURN_SECONDS)
        time.sleep(into)
        if begun is not None:
            self.seconds += time.monotonic() - begun["time"]
        samples = voices.person(text)
        at = self.room.say(samples)[0] + QUEUE_SECONDS
        end = at + len(samples) / voices.RATE_HZ
        self.spoken.append((at, end))
        noticed = caller.wait("speech", at, end + AFTER_SECONDS - at)
        cut = caller.wait("cut", at, 0.5)
        caller.wait("heard", at, TURN_SECONDS)
        # The short answer to it, and a turn into which the sentence may have been split
        caller.wait("played", at, TURN_SECONDS / 2)
        heard = caller.of("heard", at)
        return BargeIn(
            None if noticed is None else (noticed["time"] - at) * 1000,
            None if cut is None or cut["time"] > end + AFTER_SECONDS else (cut["time"] - at) * 1000,
            text,
            tuple(event["text"].strip() for event in heard),
        )

    def false_starts(self) -> int:
        """Starts of speech while the person was silent."""
        return sum(
            not any(begin < event["time"] < end + AFTER_SECONDS for begin, end in self.spoken)
            for event in self.caller.of("speech")
        )


def converse(room: Room, options: CallerOptions, answers: int, barge_ins: int) -> Outcome:
    """Hold a conversation in *room*: long answers to listen to, then long answers to interrupt.

    Raises
    ------
    LateError
        the run does not count
    """
    with CallerProcess(room, options) as caller:
        held = _Conversation(room, caller)
        for _ in range(answers):
            held.listen()
        made = [
            held.interrupt(voices.SENTENCES[i % len(voices.SENTENCES)], INTO_SECONDS[i % len(INTO_SECONDS)])
            for i in range(barge_ins)
        ]
        room.watch()
        return Outcome(
            held.seconds, answers, held.finished, held.false_starts(), tuple(made), tuple(caller.events)
        )
