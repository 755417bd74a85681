"""What a recording of the test signal says: round trip, drift of the clocks, gaps.

Thread: any; pure.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wavtools.command.bench.signal import PERIOD, RATE, find_sweeps, tone_level

__all__ = ["Gap", "Heard", "Take", "analyse"]

# A step of the arrivals that is no jitter, in frames: 2 ms.
STEP = RATE // 500
# Below this share of its usual level the tone is missing.
MISSING = 0.25
# Sweeps that must be found before anything is said.
FEWEST = 3
# A captured chunk that comes that much later than the frames before it say, in seconds.
LATE = 0.03


@dataclass(frozen=True)
class Take:
    """What was recorded while the signal played.

    Attributes
    ----------
    captured, played : int16, shape (frames,)
        What the microphone heard and what the speaker was given, at the same frames.
    times : list of (int, float)
        Frame and time in seconds, of chunks.
    """

    captured: NDArray[np.int16]
    played: NDArray[np.int16]
    times: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Gap:
    """A place where sound is missing.

    Attributes
    ----------
    at, seconds : float
        Where it begins, from the start of the signal, and how long it is.
    kind : str
        "silence" (nothing was heard), "delay" (what follows came later), "skip" (earlier: sound was lost), or "stall"
        (the microphone gave nothing for a time).
    """

    at: float
    seconds: float
    kind: str


@dataclass(frozen=True)
class Heard:
    """The figures of a take.

    Attributes
    ----------
    sweeps, expected : int
        Sweeps that were heard, and that were played.
    clearness : float
        How far the sweeps stand out of the noise; see `Arrivals`.
    round_trip : float or None
        Median seconds from the speaker's callback to the microphone's; None if too little was heard.
    round_trip_spread : float
        Seconds between the 10th and the 90th percentile.
    drift_ppm : float or None
        How much faster the microphone's clock runs than the speaker's, in parts per million.
    gaps : list of Gap
    """

    sweeps: int
    expected: int
    clearness: float
    round_trip: float | None
    round_trip_spread: float
    drift_ppm: float | None
    gaps: list[Gap]


def analyse(take: Take) -> Heard:
    """Find the figures of a take."""
    played = find_sweeps(take.played)
    stalls = _stalls(take.times)
    if not len(played.frames):
        return Heard(0, 0, 0.0, None, 0.0, None, stalls)
    begin = float(played.frames[0])
    heard = find_sweeps(take.captured)
    expected = len(played.frames)
    if len(heard.frames) < FEWEST:
        return Heard(len(heard.frames), expected, heard.clearness, None, 0.0, None, stalls)
    trips = _trips(played.numbers, played.frames, heard.numbers, heard.frames)
    spread = float(np.diff(np.percentile(trips, [10, 90]))[0]) / RATE if len(trips) else 0.0
    trip = float(np.median(trips)) / RATE if len(trips) else None
    drift, steps = _drift(heard.numbers, heard.frames)
    first = float(heard.frames[0] - heard.numbers[0] * PERIOD)
    gaps = _silences(take.captured, first, float(heard.frames[-1]) + PERIOD)
    # A step where silence was found is the same gap.
    gaps += [step for step in steps if not any(abs(step.at - gap.at) < 2 * PERIOD / RATE for gap in gaps)]
    gaps += [Gap(stall.at - begin / RATE, stall.seconds, stall.kind) for stall in stalls]
    return Heard(
        len(heard.frames),
        expected,
        heard.clearness,
        trip,
        spread,
        drift,
        sorted(gaps, key=lambda gap: gap.at),
    )


def _trips(
    numbers: NDArray[np.intp], frames: NDArray[np.float64], heard: NDArray[np.intp], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Frames from playing to hearing, of each sweep that was found in both.

    Where the first sweep was not heard, the number of the first that was is not known: then the smallest round trip counts.
    """
    base = 0
    if len(heard) != len(numbers):
        base = round((at[0] - frames[0]) / PERIOD - (heard[0] - numbers[0]) - 0.499999)
    shifted = dict(zip((heard + base).tolist(), at, strict=True))
    return np.array(
        [shifted[k] - frame for k, frame in zip(numbers.tolist(), frames, strict=True) if k in shifted]
    )


def _drift(numbers: NDArray[np.intp], frames: NDArray[np.float64]) -> tuple[float | None, list[Gap]]:
    """Drift in ppm, and the steps between sweeps. Pieces between steps share one slope."""
    late = frames - numbers * float(PERIOD)
    moved = np.diff(late)
    usual = np.median(moved / np.diff(numbers)) if len(moved) else 0.0
    broken = np.abs(moved - usual * np.diff(numbers)) > STEP
    steps = [
        Gap(
            float(numbers[i] * PERIOD / RATE),
            abs(float(moved[i])) / RATE,
            "delay" if moved[i] > 0 else "skip",
        )
        for i in np.flatnonzero(broken)
    ]
    piece = np.concatenate([[0], np.cumsum(broken)])
    above, below = 0.0, 0.0
    for number in range(int(piece[-1]) + 1):
        x = numbers[piece == number] * float(PERIOD)
        y = late[piece == number]
        if len(x) > 1:
            above += float(np.sum((x - x.mean()) * (y - y.mean())))
            below += float(np.sum((x - x.mean()) ** 2))
    # Less than two seconds say nothing about a millionth.
    return (above / below * 1e6 if below > (2.0 * RATE) ** 2 / 6 else None), steps


def _silences(captured: NDArray[np.int16], first: float, last: float) -> list[Gap]:
    """Places inside the signal where the tone is missing."""
    step = RATE // 200
    begin = max(0, round(first / step)) + 1
    level = tone_level(captured)[begin : max(0, round(last / step)) - 2]
    if len(level) < 10:
        return []
    usual = float(np.median(level))
    if usual < 4 * float(np.percentile(level, 1)) and usual < 1e-4:
        # The tone is lost in the noise of the room.
        return []
    missing = np.concatenate([[False], level < MISSING * usual, [False]])
    edges = np.flatnonzero(np.diff(missing.astype(np.int8)))
    return [
        Gap(float(start * step / RATE), float((end - start) * step / RATE), "silence")
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]


def _stalls(times: list[tuple[int, float]]) -> list[Gap]:
    """Times in which the microphone gave nothing: the clock goes on, the frames do not."""
    found = []
    for (frame, time), (next_frame, next_time) in itertools.pairwise(times):
        late = (next_time - time) - (next_frame - frame) / RATE
        if late > LATE:
            found.append(Gap(next_frame / RATE, late, "stall"))
    return found
