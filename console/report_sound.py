"""The sound in a report: waveforms of both sides with the cuts marked, and an audio player with the sound in it.

Thread: any.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from wavtools import WavWriter
from wavtools.resample import Resampler

from .saved_sound import SavedSound

__all__ = ["player_html", "waves_html"]

# Bytes of sound in a report, one for each sample; beyond it the sound ends early, and the report says so
MAX_BYTES = 16_000_000
# Rates of the embedded sound: the first with which all of it fits
RATES = (16_000, 12_000, 8_000)
# Columns of a waveform
COLUMNS = 1_200
HEIGHT = 48


def waves_html(sound: SavedSound, cuts: Iterable[float]) -> str:
    """Return the waveforms, the user above and the model below; *cuts* are seconds at which an answer was cut."""
    peaks = _peaks(sound)
    seconds = sound.seconds
    parts = [
        f'<div class="waves" data-seconds="{seconds:.4f}">'
        f'<svg viewBox="0 0 {COLUMNS} {2 * HEIGHT}" preserveAspectRatio="none" role="img" '
        'aria-label="Loudness of both sides over time">'
    ]
    for side, name in enumerate(("you", "model")):
        middle = HEIGHT * side + HEIGHT / 2
        half = peaks[:, side] * (HEIGHT / 2 - 2)
        points = [(x, middle - h) for x, h in enumerate(half)]
        points += [(x, middle + h) for x, h in reversed(list(enumerate(half)))]
        parts.append(f'<line class="middle" x1="0" x2="{COLUMNS}" y1="{middle:g}" y2="{middle:g}"/>')
        path = " ".join(f"{x},{y:.1f}" for x, y in points)
        parts.append(f'<polygon class="{name}" points="{path}"/>')
    for cut in cuts:
        x = COLUMNS * cut / seconds
        parts.append(f'<line class="cut" x1="{x:.1f}" x2="{x:.1f}" y1="{HEIGHT}" y2="{2 * HEIGHT}"/>')
    parts.append('</svg><div class="head"></div></div>')
    return "".join(parts)


def player_html(sound: SavedSound) -> str:
    """Return an audio player with both sides mixed, in G.711 u-law, which every browser plays."""
    rate = next((rate for rate in RATES if sound.seconds * rate <= MAX_BYTES), RATES[-1])
    rate = min(rate, sound.sample_rate)
    file = io.BytesIO()
    with WavWriter(file, rate, 1, encoding="ulaw") as writer:
        for block in _resampled(sound, rate):
            writer.write(block[: max(MAX_BYTES - writer.frames, 0)])
        embedded = writer.duration
    data = base64.b64encode(file.getvalue()).decode("ascii")
    note = ""
    if embedded < sound.seconds - 1:
        note = (
            f'<p class="dim">The player holds the first {embedded / 60:.0f} minutes; heard.wav holds all.</p>'
        )
    return f'<audio controls preload="auto" src="data:audio/wav;base64,{data}"></audio>{note}'


def _resampled(sound: SavedSound, rate: int) -> Iterator[NDArray[np.int16]]:
    resampler = None if rate == sound.sample_rate else Resampler(sound.sample_rate, rate)
    for block in sound.blocks():
        mixed = np.clip(block.sum(axis=1, dtype=np.int32), -32768, 32767).astype(np.int16)
        yield mixed if resampler is None else resampler.process(mixed)
    if resampler is not None:
        yield resampler.flush().astype(np.int16, copy=False)


def _peaks(sound: SavedSound) -> NDArray[np.float64]:
    """The greatest magnitude of each column and side, from 0 to 1; quiet speech is raised so that it can be seen."""
    peaks = np.zeros((COLUMNS, 2))
    start = 0
    for block in sound.blocks():
        columns = np.minimum((start + np.arange(len(block))) * COLUMNS // sound.frames, COLUMNS - 1)
        first = np.concatenate([[0], np.flatnonzero(np.diff(columns)) + 1])
        loud = np.maximum.reduceat(np.abs(block.astype(np.int32)), first, axis=0)
        peaks[columns[first]] = np.maximum(peaks[columns[first]], loud)
        start += len(block)
    return np.sqrt(np.minimum(peaks / max(float(peaks.max()), 3_000.0), 1.0))
