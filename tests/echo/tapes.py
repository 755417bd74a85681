"""Tapes: a program plays and records live in a room while a person speaks there, and what came of it.

`PhoneProcess` drives tests/echo/phone.py; `record_tape` plays the script that all tapes share; `Tape` holds the result on
one clock and scores it.

Thread: the test's.
"""

from __future__ import annotations

import functools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.echo import scoring, voices
from tests.echo.phone import PhoneOptions
from tests.room import ROOT, Room
from tests.word_errors import word_errors
from wavtools.resample import resample

__all__ = ["LONG", "SHORT", "PhoneProcess", "Recording", "Score", "Script", "Tape", "record_tape"]

Int16Array = NDArray[np.int16]
# The person says this alone, over an answer that stops, and over one that goes on.
SAID = (voices.SENTENCES[0], voices.SENTENCES[1], voices.SENTENCES[2])


@dataclass(frozen=True)
class Script:
    """When what happens, in seconds.

    Attributes
    ----------
    plays : tuple of (float, float)
        When each of three answers begins, and how long it is.
    alone, barge_in, over : float
        When the person speaks: alone, over the second answer, over the third one.
    cut_after : float
        The second answer is cut so long after *barge_in*.
    end : float
        Of the tape.
    """

    plays: tuple[tuple[float, float], ...] = ((1.0, 12.0), (17.5, 8.0), (24.0, 10.0))
    alone: float = 14.0
    barge_in: float = 20.0
    over: float = 28.0
    cut_after: float = 0.4
    end: float = 35.0


LONG = Script()
SHORT = Script(((0.5, 8.0), (12.5, 5.0), (17.0, 6.0)), 9.5, 14.5, 20.0, 0.4, 23.5)


@dataclass(frozen=True)
class Recording:
    """What the program recorded: int16 at its rate, all of one length; ``time`` is the time of each chunk."""

    mono: Int16Array
    raw: Int16Array
    frame: NDArray[np.int64]
    time: NDArray[np.float64]
    events: list[dict[str, Any]]
    # What the recorder says was played at the same frames; silence if it does not know the player
    played: Int16Array


class PhoneProcess:
    """The program tests/echo/phone.py in a room."""

    def __init__(self, room: Room, options: PhoneOptions) -> None:
        self.options = options
        self._folder = room.folder
        self._clips = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.echo.phone", json.dumps(asdict(options))],
            cwd=ROOT,
            env=room.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def __enter__(self) -> PhoneProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the program in the room ended; its error is on stderr"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def tell(self, *command: object) -> dict[str, Any]:
        """Carry out one command, see the program; returns its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, command)) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def play(self, samples: Int16Array) -> dict[str, Any]:
        """Queue samples at the program's rate."""
        self._clips += 1
        path = self._folder / f"far-{self._clips}.npy"
        np.save(path, samples)
        return self.tell("play", path)

    def end(self) -> Recording:
        """Let the program end; returns what it recorded."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(30) == 0
        with np.load(self.options.out) as kept:
            found = {name: kept[name] for name in kept.files if name != "events"}
            found.setdefault("played", np.zeros_like(found["mono"]))
            return Recording(events=json.loads(str(kept["events"])), **found)


@dataclass(frozen=True)
class Score:
    """How one tape went.

    Attributes
    ----------
    erle_first_db : float
        ERLE in the first half second in which the echo is heard.
    erle_median_db : float
        Median of windows of 0.25 s with echo alone.
    false_starts : int
        Times at which a server would have heard speech where the person was silent.
    near_change_db : float
        Level of the person who speaks alone, cleaned against raw.
    notice_ms : tuple of (float or None)
        Until a server notices the person: alone, over an answer that is cut 0.4 s later, over an answer that goes on;
        from the first sample at the microphone; None if never.
    word_errors : tuple of int
        In the sentences said alone and into an answer that is cut.
    """

    erle_first_db: float
    erle_median_db: float
    false_starts: int
    near_change_db: float
    notice_ms: tuple[float | None, float | None, float | None]
    word_errors: tuple[int, int]


@dataclass(frozen=True)
class Tape:
    """A recording with the spans, in frames, of what was played and what the person said."""

    recording: Recording
    rate: int
    # Where the echo of each of the three plays begins and ends at the microphone
    echoes: tuple[tuple[int, int], ...]
    near: tuple[tuple[int, int], ...]

    def with_clean(self, clean: Int16Array) -> Tape:
        """The same tape, cleaned by another canceller."""
        return replace(self, recording=replace(self.recording, mono=clean))

    def cleaned_by(self, canceller: Any) -> Tape:
        """The same tape, cleaned by *canceller* 10 ms at a time, its delay taken out."""
        raw, played, step = self.recording.raw, self.recording.played, canceller.frame
        count = len(raw) // step * step
        parts = [canceller.process(raw[i : i + step], played[i : i + step]) for i in range(0, count, step)]
        clean = np.zeros_like(raw)
        late = np.concatenate(parts)[canceller.delay_frames :]
        clean[: len(late)] = late
        return self.with_clean(clean)

    def _alone(self) -> list[tuple[int, int]]:
        """Spans with echo and without the person; half a second after each sentence is left out."""
        spans = []
        for begin, end in self.echoes:
            at = begin
            for near_begin, near_end in self.near:
                if begin < near_begin < end:
                    spans.append((at, near_begin))
                    at = near_end + self.rate // 2
            if at < end:
                spans.append((at, end))
        return spans

    def erle(self) -> list[float]:
        """ERLE of windows with echo alone."""
        raw, clean = self.recording.raw, self.recording.mono
        return [
            value
            for begin, end in self._alone()
            for value in scoring.erle_windows(raw[begin:end], clean[begin:end], self.rate)
        ]

    def false_starts(self) -> list[float]:
        """Seconds of the starts for which no person spoke."""
        rate = self.rate
        return [
            start
            for start in scoring.speech_starts(self.recording.mono, rate)
            if not any(begin / rate - 0.05 < start < end / rate + 0.3 for begin, end in self.near)
        ]

    def notices(self) -> list[float | None]:
        """Milliseconds until a server hears each sentence, on its own detector; None if it does not."""
        starts = scoring.speech_starts(self.recording.mono, self.rate)
        found: list[float | None] = []
        for begin, end in self.near:
            inside = [start for start in starts if begin / self.rate < start < end / self.rate + 0.3]
            found.append((inside[0] - begin / self.rate) * 1000 if inside else None)
        return found

    def score(self) -> Score:
        """All scores."""
        raw, clean, rate = self.recording.raw, self.recording.mono, self.rate
        begin = self.echoes[0][0]
        alone = slice(*self.near[0])
        heard = [scoring.transcribe(clean[b - rate // 4 : e + rate // 4], rate) for b, e in self.near[:2]]
        errors = [
            word_errors(scoring.words(said), scoring.words(text))
            for said, text in zip(SAID[:2], heard, strict=True)
        ]
        return Score(
            scoring.erle_db(raw[begin : begin + rate // 2], clean[begin : begin + rate // 2]),
            statistics.median(self.erle()),
            len(self.false_starts()),
            scoring.level_db(clean[alone]) - scoring.level_db(raw[alone]),
            tuple(self.notices()),  # type: ignore[arg-type]
            (errors[0], errors[1]),
        )


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def record_tape(
    room: Room,
    options: PhoneOptions,
    script: Script = LONG,
    far: Int16Array | None = None,
    near_db: float = 0.0,
) -> Tape:
    """Play and record *script* in *room*, which must keep the truth; it is closed then.

    Parameters
    ----------
    room : Room
        Made with ``truth=True``.
    options : PhoneOptions
        Of the program; ``out`` is set here.
    script : Script
        `SHORT` or `LONG`.
    far : ndarray of int16, optional
        What is played, 30 s or more, at the program's rate; the story when not given.
    near_db : float
        Level of the person.

    Raises
    ------
    LateError
        the run does not count
    """
    rate = options.rate
    far = resample(voices.story(), voices.RATE_HZ, rate) if far is None else far
    pieces, at = [], 0
    for _, seconds in script.plays:
        pieces.append(far[at : at + int(seconds * rate)])
        at += int(seconds * rate)
    said = [voices.person(text) for text in SAID]
    with PhoneProcess(room, replace(options, out=str(room.folder / "recording.npz"))) as phone:
        begun = time.monotonic()

        def say(number: int) -> None:
            room.say(said[number], gain_db=near_db)

        steps: list[tuple[float, Callable[[], object]]] = [
            *(
                (start, functools.partial(phone.play, piece))
                for (start, _), piece in zip(script.plays, pieces, strict=True)
            ),
            (script.alone, lambda: say(0)),
            (script.barge_in, lambda: say(1)),
            (script.barge_in + script.cut_after, lambda: phone.tell("interrupt")),
            (script.over, lambda: say(2)),
            (script.end, lambda: None),
        ]
        for moment, step in sorted(steps, key=lambda pair: pair[0]):
            _wait_until(begun + moment)
            step()
        recording = phone.end()
    room.watch()
    return _on_one_clock(recording, room, rate)


def _on_one_clock(recording: Recording, room: Room, rate: int) -> Tape:
    """Find where in the recording the person spoke and the echo was heard, from the room's own tapes."""
    microphone, person = (resample(tape, room.settings.rate, rate) for tape in room.truth())
    offset = scoring.offset_of(recording.raw, microphone, rate)
    count = len(recording.raw)
    person = _shifted(person, offset, count)
    echo = _shifted(microphone, offset, count).astype(np.int32) - person
    noise = round(6 * 32768 * 10 ** (room.settings.noise_db / 20))
    echoes = _spans(echo, rate, max(200, noise), rate)
    return Tape(recording, rate, echoes, _spans(person.astype(np.int32), rate, 50, rate // 2))


def _shifted(samples: Int16Array, offset: int, count: int) -> Int16Array:
    """*count* samples from *offset* on, zeros outside."""
    out = np.zeros(count, np.int16)
    first, last = max(0, -offset), min(count, len(samples) - offset)
    out[first:last] = samples[first + offset : last + offset]
    return out


def _spans(samples: NDArray[np.int32], rate: int, above: int, gap: int) -> tuple[tuple[int, int], ...]:
    """Where *samples* are louder than *above*, joined over pauses shorter than *gap*."""
    loud = np.flatnonzero(np.abs(samples) > above)
    if not len(loud):
        return ()
    cuts = np.flatnonzero(np.diff(loud) > gap)
    begins, ends = loud[np.r_[0, cuts + 1]], loud[np.r_[cuts, len(loud) - 1]] + 1
    return tuple((int(b), int(e)) for b, e in zip(begins, ends, strict=True) if e - b > rate // 20)
