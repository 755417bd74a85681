"""SavedSound: the sound of a saved session: both sides, which moment belongs to which second, and where each item is heard.

A session that was saved while it happened has ``heard.wav``. For one without it, both sides are laid out from the audio of
its items, one after another, so that every session can be heard.

Thread: any; reads files.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavtools import DecodeError, WavReader

from .errors import UserError
from .session_files import SavedSession
from .sound_track import NAME
from .transcript import ItemRow
from .untrusted import mapping, number, plain_file, sequence, whole

__all__ = ["SavedSound"]

MAX_BYTES = 2 * 1024 * 1024 * 1024
MAX_PIECES = 100_000
BLOCK_FRAMES = 1 << 16
# Between two items that are laid out
GAP_SECONDS = 0.4
# Rate at which items are looked for: 0.3 ms are told apart
SEARCH_HZ = 3_000
# How far from its time an item is looked for, and how much of it
SEARCH_SECONDS = 20.0
CLIP_SECONDS = 4.0
# Likeness of an item and the place where it is found, from 0 to 1
LIKE = 0.5

Samples = NDArray[np.int16]


class SavedSound:
    """The sound of a saved session. Not to be made: see `of`.

    Attributes
    ----------
    path : Path or None
        ``heard.wav``; None: it is laid out from the items.
    sample_rate : int
        Hz
    frames : int
        Of both sides.
    """

    def __init__(self, saved: SavedSession, path: Path | None, sample_rate: int, frames: int) -> None:
        self.path = path
        self.sample_rate = sample_rate
        self.frames = frames
        self._saved = saved
        # (frame, time), growing in both
        self._pieces: list[tuple[int, float]] = []
        self._laid: list[tuple[int, int, Samples]] = []
        self._laid_spans: dict[str, tuple[float, float]] = {}

    @classmethod
    def of(cls, saved: SavedSession) -> SavedSound | None:
        """Return the sound of a session; None if it has none."""
        sound = cls._as_heard(saved) or cls._from_items(saved)
        return sound if sound.frames else None

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.frames / self.sample_rate

    @cached_property
    def spans(self) -> dict[str, tuple[float, float]]:
        """Item id: from and to, in seconds of the sound, where the item is heard. The first look takes a moment."""
        return self._laid_spans if self.path is None else self._find(self._saved)

    def second_of(self, time: float) -> float:
        """Return the second at which a time lies, in seconds since the epoch; times outside are the beginning or the end."""
        at = max(bisect_right(self._pieces, time, key=lambda piece: piece[1]) - 1, 0)
        frame, began = self._pieces[at]
        end = self._pieces[at + 1][0] if at + 1 < len(self._pieces) else self.frames
        second = frame / self.sample_rate + max(time - began, 0.0)
        return min(second, end / self.sample_rate)

    def time_of(self, second: float) -> float:
        """Return the time of a second of the sound, in seconds since the epoch."""
        frame = round(second * self.sample_rate)
        at = max(bisect_right(self._pieces, frame, key=lambda piece: piece[0]) - 1, 0)
        began, time = self._pieces[at]
        return time + (frame - began) / self.sample_rate

    def blocks(self, frames: int = BLOCK_FRAMES, start: int = 0) -> Iterator[Samples]:
        """Yield both sides in blocks of int16, shape (n, 2), from frame *start* on; what cannot be read ends them."""
        if self.path is not None:
            try:
                with WavReader(self.path) as reader:
                    reader.seek(min(start, reader.frames))
                    for block in reader.blocks(frames, "int16"):
                        yield block
            except (OSError, DecodeError):
                return
            return
        for begin in range(start, self.frames, frames):
            block = np.zeros((min(frames, self.frames - begin), 2), np.int16)
            for at, side, samples in self._laid:
                first, last = max(at, begin), min(at + len(samples), begin + len(block))
                if first < last:
                    block[first - begin : last - begin, side] = samples[first - at : last - at]
            yield block

    @classmethod
    def _as_heard(cls, saved: SavedSession) -> SavedSound | None:
        path = saved.folder / NAME
        try:
            plain_file(path, MAX_BYTES)
            with WavReader(path) as reader:
                if reader.channel_count != 2 or not reader.frames or reader.sample_rate < SEARCH_HZ:
                    return None
                sound = cls(saved, path, reader.sample_rate, reader.frames)
        except (OSError, UserError, DecodeError):
            return None
        for piece in sequence(mapping(saved.document.get("sound")).get("pieces"))[:MAX_PIECES]:
            frame, time = whole(mapping(piece).get("frame")), number(mapping(piece).get("time"), 0)
            last = sound._pieces[-1] if sound._pieces else (-1, -1.0)
            if frame is not None and time is not None and frame > last[0] and time > last[1]:
                sound._pieces.append((frame, time))
        if not sound._pieces:
            # Nothing tells its time: it begins with the session
            sound._pieces = [(0, next((time for time, *_ in saved.events()), 0.0))]
        return sound

    @classmethod
    def _from_items(cls, saved: SavedSession) -> SavedSound:
        rows = [row for row in saved.rows if len(row.audio)]
        sound = cls(saved, None, max((row.sample_rate for row in rows), default=24_000), 0)
        frame = 0
        for row in rows:
            samples = row.audio
            if row.sample_rate != sound.sample_rate:
                samples = samples[
                    np.arange(len(samples) * sound.sample_rate // row.sample_rate)
                    * row.sample_rate
                    // sound.sample_rate
                ]
            sound._laid.append((frame, int(row.role == "assistant"), samples))
            end = frame + len(samples)
            sound._laid_spans[row.id] = frame / sound.sample_rate, end / sound.sample_rate
            time = row.began or row.ended or 0.0
            if not sound._pieces or time > sound._pieces[-1][1]:
                sound._pieces.append((frame, time))
            sound.frames, frame = end, end + round(GAP_SECONDS * sound.sample_rate)
        return sound

    # Where items are heard

    def _find(self, saved: SavedSession) -> dict[str, tuple[float, float]]:
        spans: dict[str, tuple[float, float]] = {}
        step = self.sample_rate // SEARCH_HZ
        rate = self.sample_rate / step
        sides = _thinned(self.blocks(step * 8192), step)
        times = {turn.item_id: turn.first_sample for turn in saved.turns() if turn.first_sample is not None}
        ends = [0.0, 0.0]
        for row in saved.rows:
            if not len(row.audio) or not self.frames:
                continue
            side = int(row.role == "assistant")
            length = len(row.audio) / row.sample_rate
            clip, skipped = _clip(row, rate)
            if side:
                about = self.second_of(times.get(row.id) or row.began or 0.0)
                first, last = about - 1.0, about + SEARCH_SECONDS
            else:
                about = self.second_of(row.began or row.ended or 0.0) - length
                first, last = about - SEARCH_SECONDS, about + length
            found = _find(
                sides[:, side],
                clip,
                max(first, ends[side] - 0.1) + skipped,
                last + skipped + CLIP_SECONDS,
                rate,
            )
            start = max(about, 0.0) if found is None else found - skipped
            start = min(max(start, 0.0), self.seconds)
            spans[row.id] = start, min(start + length, self.seconds)
            ends[side] = spans[row.id][1]
        return spans


def _thinned(blocks: Iterator[Samples], step: int) -> Samples:
    """Both sides at a lower rate: means of *step* frames."""
    parts = []
    for block in blocks:
        whole_ = len(block) // step * step
        parts.append(block[:whole_].reshape(-1, step, 2).mean(axis=1).astype(np.int16))
    return np.concatenate(parts) if parts else np.zeros((0, 2), np.int16)


def _clip(row: ItemRow, rate: float) -> tuple[NDArray[np.float32], float]:
    """The first seconds of an item that are not silent, at *rate* Hz, and the seconds before them."""
    audio = row.audio
    loud = np.flatnonzero(np.abs(audio[:: max(row.sample_rate // 100, 1)].astype(np.int32)) > 100)
    start = int(loud[0]) * (row.sample_rate // 100) if len(loud) else 0
    audio = audio[start : start + round(CLIP_SECONDS * row.sample_rate)].astype(np.float32)
    edges = np.arange(int(len(audio) * rate / row.sample_rate) + 1) * row.sample_rate / rate
    sums = np.concatenate([[0.0], np.cumsum(audio)])[edges.astype(np.int64)]
    return np.diff(sums).astype(np.float32) / np.float32(row.sample_rate / rate), start / row.sample_rate


def _find(side: Samples, clip: NDArray[Any], first: float, last: float, rate: float) -> float | None:
    """The second between *first* and *last* where *side* is most like *clip*; None if it is nowhere like it."""
    low = max(round(first * rate), 0)
    part = side[low : max(round(last * rate), low)].astype(np.float32)
    if len(clip) < 30 or len(part) < len(clip):
        return None
    size = 1 << (len(part) + len(clip)).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(part, size) * np.conj(np.fft.rfft(clip, size)), size)
    likeness = likeness[: len(part) - len(clip) + 1]
    energy = np.concatenate([[0.0], np.cumsum(part.astype(np.float64) ** 2)])
    local = energy[len(clip) :] - energy[: -len(clip)]
    norm = np.sqrt(np.maximum(local, 1.0) * max(float(clip @ clip), 1.0))
    likeness = likeness / norm
    best = float(likeness.max())
    if best < LIKE:
        return None
    # The same answer may be said twice: the first one that is as like
    at = int(np.flatnonzero(likeness >= best - 0.02)[0])
    at += int(np.argmax(likeness[at : at + 30]))
    return (low + at) / rate
