"""Counts what the caller of a telephone call has heard of each answer, by the marks that the provider returns.

Thread: the event loop's; pure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from ..protocol.audio_format import Int16Array

__all__ = ["PhoneMarks", "Piece"]


@dataclass(frozen=True)
class Piece:
    """Audio that goes to the caller.

    Attributes
    ----------
    item_id : str
        The answer.
    end : int
        Offset in it where the piece ends, in samples.
    samples : int16, shape (frames,)
    mark : str
        Name of the mark behind it.
    """

    item_id: str
    end: int
    samples: Int16Array
    mark: str


class PhoneMarks:
    """Pieces of answers in order: waiting to be sent, then sent and not heard yet.

    Parameters
    ----------
    piece_samples : int
        Longest piece. A cut is exact to one piece.
    """

    def __init__(self, piece_samples: int) -> None:
        self._piece_samples = piece_samples
        self._waiting: deque[Piece] = deque()
        self._sent: deque[Piece] = deque()
        self._count = 0
        # Of the answer that was queued last.
        self._item_id: str | None = None
        self._queued = 0
        # Of the answer that was audible last.
        self._heard_id: str | None = None
        self._heard = 0

    @property
    def is_silent(self) -> bool:
        """True if everything that was queued has been heard."""
        return not self._waiting and not self._sent

    def queue(self, item_id: str, samples: Int16Array) -> None:
        """Add the next samples of an answer."""
        if item_id != self._item_id:
            self._item_id, self._queued = item_id, 0
        for start in range(0, len(samples), self._piece_samples):
            piece = samples[start : start + self._piece_samples]
            self._queued += len(piece)
            self._count += 1
            self._waiting.append(Piece(item_id, self._queued, piece, f"realtime-{self._count}"))

    def next_piece(self) -> Piece | None:
        """The next piece to send; from now on its mark is awaited."""
        if not self._waiting:
            return None
        piece = self._waiting.popleft()
        self._sent.append(piece)
        return piece

    def returned(self, mark: str) -> bool:
        """A mark came back: the caller has heard everything before it. False for a mark that is not awaited."""
        if not any(piece.mark == mark for piece in self._sent):
            return False
        while True:
            piece = self._sent.popleft()
            self._heard_id, self._heard = piece.item_id, piece.end
            if piece.mark == mark:
                return True

    def cut(self) -> list[tuple[str, int]]:
        """Forget what was not heard; returns each answer that was cut, with the samples of it that were heard.

        A provider returns the marks of cleared audio too: they are not awaited any more.
        """
        unheard = dict.fromkeys(piece.item_id for piece in (*self._sent, *self._waiting))
        self._sent.clear()
        self._waiting.clear()
        if not unheard and self._heard_id is not None:
            # The rest of this answer may be on its way.
            unheard = {self._heard_id: None}
        return [(item_id, self._heard if item_id == self._heard_id else 0) for item_id in unheard]
