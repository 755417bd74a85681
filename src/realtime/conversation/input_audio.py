"""Audio sent to the server, addressed by the server's clock.

Servers count milliseconds since the first sample appended in a session, across commits, and state the start and
the end of the user's turn on that clock. `InputAudio` keeps the stream under the same numbers, so that the audio
of a user's item is cut exactly, and uncommitted audio can be sent again to the next session.

Thread: the event loop's only.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from ..protocol.audio_format import EMPTY, AudioFormat, Int16Array
from ..protocol.bounded_dict import remember
from ..protocol.numbers import not_negative

__all__ = ["InputAudio"]


class InputAudio:
    """The appended stream of one session, its commits, and the turns that the server detected in it.

    Positions are samples since the first append of the session.

    Parameters
    ----------
    audio_format : AudioFormat
        The format in which audio is sent.
    keep_seconds : float
        Seconds of the stream to keep.

    Attributes
    ----------
    end : int
        Position after the last appended sample.
    committed : int
        Position after the last committed sample.
    evicted : int
        Samples that were dropped before they were committed, over all sessions.
    """

    def __init__(self, audio_format: AudioFormat, keep_seconds: float = 300.0) -> None:
        self._keep_seconds = not_negative(keep_seconds, "keep_input_seconds")
        self.evicted = 0
        self.reset(audio_format)

    def reset(self, audio_format: AudioFormat) -> None:
        """Drop everything and start the clock of a new session."""
        self._blocks: deque[tuple[int, Int16Array]] = deque()
        # The stream in pieces of one sample rate each: (first millisecond, first sample, rate in Hz).
        self._pieces: list[tuple[float, int, int]] = [(0.0, 0, audio_format.sample_rate)]
        # Position of the first sample that is still kept.
        self._start = 0
        self.end = 0
        self.committed = 0
        # Where the last clear began and ended.
        self._cleared = (0, 0)
        # Commits sent but not answered yet, as ranges of positions.
        self._commits: deque[tuple[int, int]] = deque()
        # Item id -> [start ms, end ms] of a turn that the server detected and has not committed.
        self._speech: dict[str, list[float | None]] = {}
        # Item id -> range of positions, until take() reads it.
        self._ranges: dict[str, tuple[int, int]] = {}
        # Ids of items whose range is known.
        self._resolved: dict[str, None] = {}

    def set_format(self, audio_format: AudioFormat) -> None:
        """Set the format of the samples appended from here on."""
        if audio_format.sample_rate != self.sample_rate:
            self._pieces.append((self.ms_at(self.end), self.end, audio_format.sample_rate))

    # The stream

    @property
    def sample_rate(self) -> int:
        """Rate of the samples appended now, in Hz."""
        return self._pieces[-1][2]

    @property
    def uncommitted_ms(self) -> float:
        """Milliseconds appended since the last commit."""
        return self.ms_at(self.end) - self.ms_at(self.committed)

    def append(self, samples: Int16Array) -> None:
        """Add *samples* without copying them; they must not change afterwards. O(1)."""
        if not len(samples):
            return
        self._blocks.append((self.end, samples))
        self.end += len(samples)
        # May be infinite, as keep_seconds may be.
        until = self.end - self._keep_seconds * self.sample_rate
        while self._blocks and (beyond := self._start + len(self._blocks[0][1])) <= until:
            self._blocks.popleft()
            if beyond > self.committed:
                self.evicted += beyond - max(self._start, self.committed)
            self._start = beyond

    def read(self, start: int, end: int) -> Int16Array:
        """A copy of samples [start, end), without those that were dropped."""
        start, end = max(start, self._start), min(end, self.end)
        parts = [
            block[max(start - first, 0) : end - first]
            for first, block in self._blocks
            if first < end and first + len(block) > start
        ]
        return np.concatenate(parts) if parts else EMPTY

    def sample_at(self, milliseconds: float) -> int:
        """The position at *milliseconds* of the server's clock."""
        for first_ms, first_sample, rate in reversed(self._pieces):
            if milliseconds >= first_ms:
                # 1e-6 corrects rounding: the first millisecond of a later piece may be a fraction.
                return first_sample + int((milliseconds - first_ms) * rate / 1000 + 1e-6)
        return 0

    def ms_at(self, sample: int) -> float:
        """The time of position *sample* on the server's clock, in milliseconds."""
        for first_ms, first_sample, rate in reversed(self._pieces):
            if sample >= first_sample:
                return first_ms + (sample - first_sample) * 1000 / rate
        return 0.0

    # Commits by the client

    def commit_sent(self) -> None:
        """Record a commit that was sent. The server answers commits in order."""
        self._commits.append((self.committed, self.end))
        self.committed = self.end

    def commit_refused(self) -> None:
        """Undo the oldest unanswered commit, which the server refused; its audio stays in the server's buffer."""
        if self._commits:
            start, _ = self._commits.popleft()
            if self._commits:
                self._commits[0] = (start, self._commits[0][1])
            else:
                self.committed = start

    def clear_sent(self) -> None:
        """Record a clear that was sent: the server drops uncommitted audio, and its clock continues."""
        self._cleared = (self.committed, self.end)
        self.committed = self.end

    def clear_refused(self) -> None:
        """Undo the last clear, which the server refused, unless a commit was sent since."""
        start, end = self._cleared
        if self.committed == end:
            self.committed = start

    # Turns detected by the server

    @property
    def speaking(self) -> bool:
        """True while a turn has begun, or a commit was sent, and the server has not made an item of it."""
        return bool(self._speech) or bool(self._commits)

    def unfinished(self, keep_ms: float | None) -> list[Int16Array | None]:
        """The audio to send to a new session, in pieces; None stands for a commit between them.

        These are all unanswered commits, and then the turn that has begun, or else the last *keep_ms* of
        uncommitted audio, which may hold the first syllable of a turn.

        Parameters
        ----------
        keep_ms : float or None
            None for sessions without turn detection, where all uncommitted audio belongs to the turn.
        """
        pieces: list[Int16Array | None] = []
        for start, end in self._commits:
            pieces += [self.read(start, end), None]
        first = self.committed
        if keep_ms is not None:
            first = max(first, self.end - int(keep_ms * self.sample_rate / 1000))
            for start_ms, _ in self._speech.values():
                if start_ms is not None:
                    first = min(first, max(self.sample_at(start_ms), self.committed))
        rest = self.read(first, self.end)
        if len(rest):
            pieces.append(rest)
        return pieces

    def speech_started(self, item_id: str, milliseconds: float) -> None:
        """Record where the turn of the future item *item_id* begins."""
        if item_id not in self._resolved:
            remember(self._speech, item_id, [milliseconds, None])

    def speech_stopped(self, item_id: str, milliseconds: float) -> None:
        """Record where the turn of the future item *item_id* ends."""
        if item_id not in self._resolved:
            remember(self._speech, item_id, [self._speech.get(item_id, [None])[0], milliseconds])

    def item_committed(self, item_id: str) -> None:
        """Determine the samples of item *item_id*, which the server made from its buffer."""
        if item_id in self._resolved:
            return
        remember(self._resolved, item_id, None)
        start_ms, end_ms = self._speech.pop(item_id, (None, None))
        if self._commits and end_ms is None:
            start, end = self._commits.popleft()
        else:
            start = self.committed if start_ms is None else self.sample_at(start_ms)
            end = self.end if end_ms is None else min(self.sample_at(end_ms), self.end)
            self.committed = max(self.committed, end)
        remember(self._ranges, item_id, (start, end))

    def take(self, item_id: str) -> Int16Array | None:
        """The samples of the user's item *item_id*; None while they are unknown, and after the first call."""
        if item_id not in self._ranges:
            # The item arrived before the event about its commit, or that event was lost.
            if self._commits or self._speech.get(item_id, (None, None))[1] is not None:
                self.item_committed(item_id)
            if item_id not in self._ranges:
                return None
        start, end = self._ranges.pop(item_id)
        return self.read(start, end)
