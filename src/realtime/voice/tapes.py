"""Tapes: the last seconds of what a voice session played and recorded, and whether the loudspeaker is audible.

Recorders that know what was played at the frames of a chunk (``chunk.played``) say so to the sample. For others it is
found from what was queued and from the player's position, to a period of the device.

Thread: `Tapes.take` runs on the recorder's delivery thread, `Queued.add` and `Queued.clear` on the event loop's; any
thread may read.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import numpy as np

from ..protocol.audio_format import Int16Array
from .devices import Player, Receipt

__all__ = ["Queued", "Tape", "Tapes"]

TAPE_SECONDS = 3.0
# The room's reverberation, and what the devices hold, after the last audible sample
TAIL_SECONDS = 0.4
# Of 32768: -60 dBFS. Below it no loudspeaker is heard over a microphone's own noise.
AUDIBLE = 33


class Tape:
    """The last TAPE_SECONDS of a stream of int16, with silence before its beginning."""

    def __init__(self, sample_rate: int) -> None:
        self._samples = np.zeros(int(TAPE_SECONDS * sample_rate), np.int16)
        self._next = 0
        self._lock = threading.Lock()

    def add(self, samples: Int16Array) -> None:
        """Append *samples*; as many of the oldest go."""
        tape, size = self._samples, len(self._samples)
        samples = samples[-size:]
        with self._lock:
            first = min(len(samples), size - self._next)
            tape[self._next : self._next + first] = samples[:first]
            tape[: len(samples) - first] = samples[first:]
            self._next = (self._next + len(samples)) % size

    def read(self) -> Int16Array:
        """A copy, oldest first."""
        with self._lock:
            return np.concatenate((self._samples[self._next :], self._samples[: self._next]))


class Queued:
    """Audio that was given to a player and is not played yet, by the player's positions.

    Parameters
    ----------
    player : Player
    """

    def __init__(self, player: Player) -> None:
        self._player = player
        self._lock = threading.Lock()
        # Pieces with their track and their position in it
        self._pieces: deque[tuple[str, int, Int16Array]] = deque()
        self._track: str | None = None
        self._end = 0

    def __len__(self) -> int:
        """Pieces that are not played yet."""
        return len(self._pieces)

    def add(self, samples: Int16Array, track_id: str) -> None:
        """Note that *samples* were queued as the next of a track."""
        if track_id != self._track:
            self._track, self._end = track_id, 0
        with self._lock:
            self._pieces.append((track_id, self._end, samples))
        self._end += len(samples)

    def clear(self) -> None:
        """Forget what was queued: playback was stopped."""
        with self._lock:
            self._pieces.clear()

    def take(self) -> list[Int16Array]:
        """What was played since the last call."""
        if not self._pieces:
            return []
        position: Receipt | None = self._player.get_track_sample_offset()
        taken: list[Int16Array] = []
        if position is None:
            return taken
        with self._lock:
            pieces = self._pieces
            if all(track != position.track_id for track, _, _ in pieces):
                return taken
            while pieces:
                track, start, samples = pieces[0]
                count = position.offset - start if track == position.track_id else len(samples)
                if count >= len(samples):
                    taken.append(samples)
                    pieces.popleft()
                    continue
                if count > 0:
                    taken.append(samples[:count])
                    pieces[0] = track, start + count, samples[count:]
                break
        return taken


class Tapes:
    """What the loudspeaker played and the microphone recorded up to now.

    Parameters
    ----------
    sample_rate : int
        Hz, of the microphone's chunks.
    queued : Queued
        Says what was played where the chunks do not.
    convert : callable, optional
        Brings what the player played to the microphone's rate.

    Attributes
    ----------
    played, recorded, clean : Tape
        ``recorded`` is as captured, ``clean`` is after the canceller.
    audible_samples : int
        Samples of answers since the beginning: while `audible` was true, pauses of speech included.
    audible : bool
        True while the loudspeaker is audible, and for TAIL_SECONDS after.
    tail_seconds : float
        TAIL_SECONDS, or more where the sound takes long to come back.
    """

    def __init__(
        self,
        sample_rate: int,
        queued: Queued,
        convert: Callable[[Int16Array], Int16Array] = lambda samples: samples,
    ) -> None:
        self.sample_rate = sample_rate
        self.played, self.recorded, self.clean = (Tape(sample_rate) for _ in range(3))
        self.audible_samples = 0
        self.audible = False
        self.tail_seconds = TAIL_SECONDS
        self._queued = queued
        self._convert = convert
        # Samples for which `audible` holds after the last audible one
        self._left = 0

    def take(self, recorded: Int16Array, played: Int16Array | None, clean: Int16Array | None) -> None:
        """Append one chunk of the microphone, and what was played meanwhile."""
        count = len(recorded)
        self.recorded.add(recorded)
        if clean is not None:
            self.clean.add(clean)
        if played is not None:
            self.played.add(played)
            sounds = _sounds(played)
        else:
            sounds = self._follow(count)
        if sounds:
            self._left = int(self.tail_seconds * self.sample_rate)
        else:
            self._left = max(0, self._left - count)
        self.audible = self._left > 0
        if self.audible:
            self.audible_samples += count

    def _follow(self, count: int) -> bool:
        """Append what was played during *count* samples, by the player's position. True while something plays."""
        # Before the position is asked for: what it covers then was queued.
        plays = len(self._queued) > 0
        fresh = [self._convert(samples) for samples in self._queued.take()]
        for samples in fresh:
            self.played.add(samples)
        if not len(self._queued):
            # The tape runs on in silence, so that it stays beside the microphone's.
            self.played.add(np.zeros(max(0, count - sum(map(len, fresh))), np.int16))
        return plays


def _sounds(samples: Int16Array) -> bool:
    """True if *samples* are loud enough to be heard."""
    return len(samples) > 0 and (int(samples.max()) > AUDIBLE or int(samples.min()) < -AUDIBLE)
