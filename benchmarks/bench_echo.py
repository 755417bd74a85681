"""Echo cancellation in simulated rooms: ours, WebRTC's, livekit's, half-duplex and none, in one run.

    python -m benchmarks.bench_echo [tapes] [talk]

Linux with PulseAudio and the right to real-time priority; pip install 'wavtools[offline,aec]' livekit. ``tapes`` plays
and records once in each room and lets every canceller clean the same tape; ``talk`` holds a conversation with each of them,
in each room with ours. Without an argument it does both and writes the section and the plot for RESULTS.md.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.sections import machine, write_section
from realtime.offline import start_server_process
from tests.echo import scoring, voices
from tests.echo.caller import CallerOptions
from tests.echo.cancellers import NAMES, available, make_canceller
from tests.echo.conversations import Outcome, converse
from tests.echo.phone import PhoneOptions
from tests.echo.rooms import ROOMS
from tests.echo.tapes import LONG, Score, Tape, record_tape
from tests.room import Room, RoomSettings, counted

PLOT = Path(__file__).parent / "echo.png"
# Those that a VoiceSession chooses from
OURS = [name for name in ("native", "webrtc") if available(name)]
COST_SECONDS, COST_ROUNDS = 8.0, 5
BARGE_INS = 5


def record(settings: RoomSettings) -> Tape:
    """One tape in a room, with the reference and without a canceller."""

    def once() -> Tape:
        with tempfile.TemporaryDirectory() as folder, Room(Path(folder), settings, truth=True) as room:
            return record_tape(room, PhoneOptions(""), LONG)

    return counted(once)


def costs(tape: Tape, names: list[str]) -> dict[str, float]:
    """Microseconds of processor time for 10 ms, the cancellers in turn, the median of the rounds."""
    rate, recording = tape.rate, tape.recording
    begin = tape.echoes[0][0]
    span = slice(begin, begin + int(COST_SECONDS * rate))
    raw, played = recording.raw[span], recording.played[span]
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(COST_ROUNDS):
        for name in names:
            canceller = make_canceller(name, rate)
            step = canceller.frame
            count = len(raw) // step
            started = time.thread_time()
            for i in range(0, count * step, step):
                canceller.process(raw[i : i + step], played[i : i + step])
            times[name].append((time.thread_time() - started) / count * 1e6 * (rate / 100) / step)
    return {name: statistics.median(found) for name, found in times.items()}


def own_delay_ms(tape: Tape, name: str) -> float:
    """By how much a canceller's output lags behind its input, measured where the person speaks alone."""
    canceller, (begin, end) = make_canceller(name, tape.rate), tape.near[0]
    step = canceller.frame
    raw = tape.recording.raw[begin : begin + (end - begin) // step * step]
    silent = np.zeros(step, np.int16)
    out = np.concatenate([canceller.process(raw[i : i + step], silent) for i in range(0, len(raw), step)])
    return scoring.offset_of(raw[: len(raw) // 2], out, tape.rate) * 1000 / tape.rate


def milliseconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.0f}"


def tape_lines(name: str, scores: dict[str, Score], steady: float) -> Iterator[str]:
    yield f"\n### {name}\n"
    yield (
        f"The path from what was played to the microphone stayed within {steady:.1f} ms on the recorder's clock.\n"
    )
    yield (
        "| | ERLE 0 to 0.5 s, dB | median, dB | false starts | person alone, dB | noticed alone, ms | "
        "over an answer cut after 0.4 s | over one that goes on | wrong words |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    for canceller, score in scores.items():
        cells = [
            f"{score.erle_first_db:.0f}",
            f"{score.erle_median_db:.0f}",
            str(score.false_starts),
            f"{score.near_change_db:+.1f}",
            *map(milliseconds, score.notice_ms),
            f"{sum(score.word_errors)}",
        ]
        yield f"| {canceller} | " + " | ".join(cells) + " |"


def measure_tapes(names: list[str]) -> Iterator[str]:
    """Lines of the tables; draws the plot from the first tape."""
    yield (
        "One tape of 35 s in each room, 24 kHz, recorded through two separate devices with the player as reference; "
        "every canceller cleans the same tape, 10 ms at a time. A false start: the offline server's turn detection "
        "hears speech where the person is silent. ERLE: by how much the echo falls. Times count from the person's first "
        "sample at the microphone to speech_started.\n"
    )
    first: Tape | None = None
    for name, settings in ROOMS.items():
        try:
            tape = record(settings)
        except pytest.skip.Exception as busy:
            yield f"\n### {name}\n\nNot measured: {busy}."
            continue
        cleaned = {canceller: tape.cleaned_by(make_canceller(canceller, tape.rate)) for canceller in names}
        found = scoring.delays(tape.recording.played, tape.recording.raw, tape.rate)
        steady = float(np.ptp(found)) if found else 0.0
        yield from tape_lines(name, {key: value.score() for key, value in cleaned.items()}, steady)
        if first is None:
            first = tape
            plot(name, cleaned)
    if first is not None:
        yield from cost_lines(first, names)


def cost_lines(tape: Tape, names: list[str]) -> Iterator[str]:
    yield "\n### What it costs\n"
    yield f"Processor time for 10 ms at 24 kHz, medians of {COST_ROUNDS} rounds, the cancellers in turn.\n"
    yield "| | µs per 10 ms | own delay, ms |"
    yield "|---|---:|---:|"
    spent = costs(tape, names)
    for name in names:
        if name not in ("none", "half-duplex"):
            yield f"| {name} | {spent[name]:.0f} | {own_delay_ms(tape, name):.1f} |"


def talk(url: str, settings: RoomSettings, canceller: str) -> Outcome:
    """One conversation: a long answer, and interruptions."""
    if canceller in ("none", "half-duplex"):
        options = CallerOptions(url, echo="off" if canceller == "none" else "half-duplex")
    else:
        options = CallerOptions(url, echo="cancel", canceller=canceller)

    def once() -> Outcome:
        with tempfile.TemporaryDirectory() as folder, Room(Path(folder), settings) as room:
            return converse(room, options, 1, 0 if canceller == "none" else BARGE_INS)

    return counted(once)


def measure_talk(names: list[str]) -> Iterator[str]:
    """Lines of the table of conversations."""
    yield "\n### Conversations\n"
    yield (
        f"VoiceSession under VAD against the offline server: one long answer to listen to, then {BARGE_INS} to "
        "interrupt. False starts by the minute of answers; times from the person's first sample at the microphone.\n"
    )
    yield "| room | | answers finished | false starts a minute | noticed, ms | cut, ms | sentences whole |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    with start_server_process("--voice", "models") as server:
        for number, (room, settings) in enumerate(ROOMS.items()):
            # What has no filter is the same in every room.
            for name in names if number == 0 else OURS:
                try:
                    held = talk(server.url, settings, name)
                except pytest.skip.Exception:
                    yield f"| {room} | {name} | not measured: the machine was too busy |"
                    continue
                yield talk_row(room, name, held)


def talk_row(room: str, name: str, held: Outcome) -> str:
    made = held.barge_ins
    columns = [[one.noticed_ms for one in made], [one.cut_ms for one in made]]
    spans = []
    for values in columns:
        known = sorted(value for value in values if value is not None)
        span = f"{known[0]:.0f} to {known[-1]:.0f}" if known else "never"
        spans.append(span if len(known) in (0, len(values)) else f"{span}, {len(values) - len(known)} never")
    whole = f"{sum(one.whole for one in made)} of {len(made)}"
    if not made:
        spans, whole = ["", ""], ""
    finished = f"{held.finished} of {held.asked}"
    return f"| {room} | {name} | {finished} | {held.false_starts_a_minute:.1f} | {spans[0]} | {spans[1]} | {whole} |"


def plot(room: str, cleaned: dict[str, Tape]) -> None:
    """Level at the microphone over the tape, for each canceller."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(cleaned), 1, figsize=(9, 7), sharex=True, sharey=True)
    for axis, (name, tape) in zip(axes, cleaned.items(), strict=True):
        step = tape.rate // 20
        mono = tape.recording.mono
        levels = [scoring.level_db(mono[i : i + step]) for i in range(0, len(mono) - step, step)]
        seconds = (np.arange(len(levels)) + 0.5) / 20
        axis.fill_between(seconds, np.maximum(levels, -90), -90, linewidth=0, color="#4878a8")
        for begin, end in tape.near:
            axis.axvspan(begin / tape.rate, end / tape.rate, color="#e8a33d", alpha=0.35, linewidth=0)
        for start in tape.false_starts():
            axis.axvline(start, color="#b22222", linewidth=1.5)
        axis.set(ylabel=name, ylim=(-80, 0))
        axis.grid(alpha=0.3)
    axes[0].set_title(
        f"Room {room}: level sent to the server, dBFS; orange: a person speaks; red: a false start"
    )
    axes[-1].set_xlabel("seconds; an answer plays at 1, 17.5 and 24 s")
    figure.tight_layout()
    figure.savefig(PLOT, dpi=110)
    pyplot.close(figure)


def main(parts: list[str]) -> None:
    names = [name for name in NAMES if available(name)]
    lines = [
        "## Echo cancellation over an open loudspeaker\n",
        f"`python -m benchmarks.bench_echo` on {machine()}; load average before: {os.getloadavg()[0]:.1f}. "
        "The rooms are simulated (tests/room.py): no real microphone, loudspeaker or voice was used.\n",
    ]
    for text in voices.SENTENCES:
        voices.person(text)

    def keep(found: Iterator[str]) -> None:
        for line in found:
            print(line, flush=True)
            lines.append(line)

    if not parts or "tapes" in parts:
        keep(measure_tapes(names))
    if not parts or "talk" in parts:
        keep(measure_talk(names))
    if not parts:
        lines += ["", "![level sent to the server, by canceller](echo.png)"]
        write_section("echo", lines)
        print("wrote the section of RESULTS.md")


if __name__ == "__main__":
    main(sys.argv[1:])
