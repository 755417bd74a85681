"""Heard: which answer is heard, to the word, from the positions of the loudspeaker.

Thread: the event loop's; pure.
"""

from __future__ import annotations

from typing import Any

from .transcript import ItemRow, Transcript

__all__ = ["Heard"]

MAX_WAITING = 64
# Half of the time between two looks at the loudspeaker
HALF_FRAME_SECONDS = 0.025


class Heard:
    """The answer that is heard now, and those that wait behind it.

    Attributes
    ----------
    following : bool
        A loudspeaker plays the answers. Without one every text counts as heard.
    item_id : str or None
        The answer that is heard; None while it is silent.
    samples : int
        Samples of it that were heard: those handed to the device, less what the device may still hold.
    total : int
        Samples of it that have arrived.
    sample_rate : int
        Hz, of both.
    word : tuple of int
        Where the word that is heard begins and ends in the row's text; the text up to its end was heard.
    cut_at : float
        When an answer was cut last, in seconds since the epoch; 0 before.
    revision : int
        Grows with every change.
    """

    def __init__(self) -> None:
        self.following = False
        self.item_id: str | None = None
        self.samples = self.total = 0
        self.sample_rate = 24_000
        self.word = (0, 0)
        self.cut_at = 0.0
        self.revision = 0
        # Answers that were not heard to their end, in their order
        self._waiting: dict[str, ItemRow] = {}

    def expect(self, row: ItemRow) -> None:
        """An answer has changed: if it will be heard, none of it has been so far. Called for every delta."""
        if not self.following or row.played or row.id in self._waiting or not (row.spoken and row.live):
            return
        row.lit = (0, 0)
        self._waiting[row.id] = row
        while len(self._waiting) > MAX_WAITING:
            self.release(next(iter(self._waiting.values())))
        self.revision += 1

    def release(self, row: ItemRow) -> None:
        """No more of an answer will be heard: it was cut, played to its end, or lost."""
        row.played, row.lit = True, None
        self._waiting.pop(row.id, None)
        if self.item_id == row.id:
            self.item_id = None
        self.revision += 1

    def release_all(self) -> None:
        """Nothing more will be heard: the loudspeaker has closed."""
        for row in tuple(self._waiting.values()):
            self.release(row)
        self.following = False

    def follow(self, transcript: Transcript, position: Any) -> ItemRow | None:
        """Take the position of the loudspeaker.

        Parameters
        ----------
        transcript : Transcript
            The rows that there are.
        position : TrackOffset or None
            As the player gives it.

        Returns
        -------
        ItemRow or None
            The answer that is heard, or was heard to its end just now (then its ``played`` is True).
        """
        for waiting in tuple(self._waiting.values()):
            if transcript.get(waiting.id) is not waiting or (
                waiting.status != "in_progress" and not waiting.received
            ):
                # Deleted, or it ended without a sound
                self.release(waiting)
        row = None if position is None else self._waiting.get(position.track_id)
        if row is None or position.offset <= 0:
            return None
        for before in tuple(self._waiting.values()):
            if before is row:
                break
            self.release(before)
        # While the device has more to come it still holds the newest samples
        held = round(position.latency * row.sample_rate) if position.queued else 0
        # Lost with a device, samples are played again: a word that was heard stays heard
        same = self.item_id == row.id
        samples = max(position.offset - held, self.samples if same else 0, 0)
        # What is drawn now is seen for a frame: words that begin in its first half are lit
        soon = min(samples + round(HALF_FRAME_SECONDS * row.sample_rate), max(position.offset, samples))
        word = row.words.word(soon, row.text)
        if same and word[1] < self.word[1]:
            word = self.word
        state = (row.id, samples, row.received, word)
        if state != (self.item_id, self.samples, self.total, self.word):
            self.item_id, self.samples, self.total, self.word = state
            self.sample_rate = row.sample_rate
            row.lit = word
            self.revision += 1
        if row.status != "in_progress" and not position.queued:
            self.release(row)
        return row
