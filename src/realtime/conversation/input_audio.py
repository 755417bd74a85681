"""What was sent to the server, addressed by the server's own clock.

Servers count milliseconds since the first sample ever appended in a session, across commits, and say
where the user's turn began and ended on that clock. `InputAudio` keeps the stream under the same numbers,
so that the audio of a user's item is cut out exactly, and what was not committed can be sent again to
the next session.

Thread: the event loop's only.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from ..protocol.audio_format import EMPTY, AudioFormat, Int16Array
from ..protocol.bounded_dict import remember

__all__ = ["InputAudio"]


class InputAudio:
    """The appended stream of one session, its commits and the turns the server heard in it.

    Positions are samples since the first append of the session.

    Parameters
    ----------
    keep_seconds : float
        How much of the stream is kept; what goes before it was committed is counted in ``evicted``.
    """

    def __init__(self, audio_format: AudioFormat, keep_seconds: float = 300.0) -> None:
        if not keep_seconds >= 0:
            raise ValueError(f"keep_input_seconds must be 0 or more, not {keep_seconds!r}")
        self._keep_seconds = keep_seconds
        self.evicted = 0
        self.reset(audio_format)

    def reset(self, audio_format: AudioFormat) -> None:
        """Begin the clock of a new session."""
        self._blocks: deque[tuple[int, Int16Array]] = deque()
        # Pieces of one rate each: (first millisecond, first sample, rate).
        self._pieces: list[tuple[float, int, int]] = [(0.0, 0, audio_format.sample_rate)]
        self._start = 0  # the first sample still kept
        self.end = 0
        self.committed = 0
        self._commits: deque[tuple[int, int]] = deque()  # sent, not answered yet
        self._speech: dict[str, list[float | None]] = {}  # item id -> [start ms, end ms]
        self._ranges: dict[str, tuple[int, int]] = {}  # item id -> its samples, not asked for yet
        self._resolved: dict[str, None] = {}

    def set_format(self, audio_format: AudioFormat) -> None:
        """Samples appended from here on are at the rate of *audio_format*."""
        if audio_format.sample_rate != self.sample_rate:
            self._pieces.append((self.ms_at(self.end), self.end, audio_format.sample_rate))

    # The stream

    @property
    def sample_rate(self) -> int:
        return self._pieces[-1][2]

    @property
    def uncommitted_ms(self) -> float:
        return self.ms_at(self.end) - self.ms_at(self.committed)

    def append(self, samples: Int16Array) -> None:
        """Take *samples*, which must not change afterwards. O(1)."""
        if not len(samples):
            return
        self._blocks.append((self.end, samples))
        self.end += len(samples)
        until = self.end - self._keep_seconds * self.sample_rate  # may be infinite
        while self._blocks and (beyond := self._start + len(self._blocks[0][1])) <= until:
            self._blocks.popleft()
            if beyond > self.committed:
                self.evicted += beyond - max(self._start, self.committed)
            self._start = beyond

    def read(self, start: int, end: int) -> Int16Array:
        """A copy of samples [start, end), as far as they are still kept."""
        start, end = max(start, self._start), min(end, self.end)
        parts = [
            block[max(start - first, 0) : end - first]
            for first, block in self._blocks
            if first < end and first + len(block) > start
        ]
        return np.concatenate(parts) if parts else EMPTY

    def sample_at(self, milliseconds: float) -> int:
        """The sample at *milliseconds* of the server's clock."""
        for first_ms, first_sample, rate in reversed(self._pieces):
            if milliseconds >= first_ms:
                # 1e-6: the first millisecond of a later piece may be a fraction.
                return first_sample + int((milliseconds - first_ms) * rate / 1000 + 1e-6)
        return 0

    def ms_at(self, sample: int) -> float:
        for first_ms, first_sample, rate in reversed(self._pieces):
            if sample >= first_sample:
                return first_ms + (sample - first_sample) * 1000 / rate
        return 0.0

    # Commits of ours

    def commit_sent(self) -> None:
        """A commit was sent; the server answers commits in order."""
        self._commits.append((self.committed, self.end))
        self.committed = self.end

    def commit_refused(self) -> None:
        """The server refused the oldest commit that it had not answered; the audio stays in its buffer."""
        if self._commits:
            start, _ = self._commits.popleft()
            if self._commits:
                self._commits[0] = (start, self._commits[0][1])
            else:
                self.committed = start

    def clear_sent(self) -> None:
        """A clear was sent: the server drops what was not committed. Its clock goes on."""
        self.committed = self.end

    # Turns that the server tells of

    @property
    def speaking(self) -> bool:
        """Whether a turn has begun, or was committed, that the server has not answered for."""
        return bool(self._speech) or bool(self._commits)

    def unfinished(self, keep_ms: float | None) -> list[Int16Array | None]:
        """What a new session must hear again, in pieces; None stands for a commit between them.

        That is every commit that was not answered, the turn that has begun, else the last *keep_ms* of
        what was not committed: its first syllable may be in there. *keep_ms* None is for sessions without
        detection of turns, where all that was not committed belongs to the turn.
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
        if item_id not in self._resolved:
            remember(self._speech, item_id, [milliseconds, None])

    def speech_stopped(self, item_id: str, milliseconds: float) -> None:
        if item_id not in self._resolved:
            remember(self._speech, item_id, [self._speech.get(item_id, [None])[0], milliseconds])

    def item_committed(self, item_id: str) -> None:
        """The server made *item_id* of its buffer: settle which samples those are."""
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
        """The samples of the user's item *item_id*, once; None as long as they are not known."""
        if item_id not in self._ranges:
            # The item came before its commit, or the commit's event never came.
            if self._commits or self._speech.get(item_id, (None, None))[1] is not None:
                self.item_committed(item_id)
            if item_id not in self._ranges:
                return None
        start, end = self._ranges.pop(item_id)
        return self.read(start, end)
