"""HeardWords: tells which word of an answer is heard, from the number of its samples that were heard.

Servers send no word times. They send the transcript in pieces between the pieces of audio, so for each piece the number
of samples that came before it is known exactly. Between two such places the time that is no silence is divided by
characters: spaces take none, and a digit takes as long as a word of some letters.
No clock is used, so the words stay right when playback runs dry, pauses, or moves to another device.

* Usually a piece of text comes before its audio: its first character is heard from that place on.
* If the first audio comes before any text, the server sends each piece of text after its audio.
* A server whose text runs far ahead of its audio tells no places: there the whole answer is divided by characters.

Thread: the event loop's; pure.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from .sounding import Sounding
from .untrusted import sequence, whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["HeardWords"]

# How long a character is spoken, in letters
DIGIT, WIDE = 4, 3
# Speech has about so many letters a second, used until an answer has told its own rate
LETTERS_PER_SECOND = 14
RATE_LETTERS = 40
# Text that would need faster speech than this, by more letters than a word has, runs ahead of its audio
FASTEST_LETTERS_PER_SECOND = 40
AHEAD_LETTERS = 30
# So does text after which much more audio comes than its last words need
SLOWEST_LETTERS_PER_SECOND = 5
AHEAD_SECONDS = 1.5
# A longer run without a space is no word: it lights up character by character
MAX_WORD = 32
MAX_PLACES = 20_000


class HeardWords:
    """The known places of one answer: samples that came before a character.

    Parameters
    ----------
    sample_rate : int
        Hz, of the samples.
    """

    def __init__(self, sample_rate: int = 24_000) -> None:
        self._rate = sample_rate
        # Parallel lists, both growing: samples before a place, and the letters before it
        self._samples = [0]
        self._weights = [0]
        self._total = 0
        self._weight = 0
        self._chars = 0
        self._complete = False
        self._follows = False
        self._runs_ahead = False
        # Weight and character index of the last answer: the search goes on from there
        self._cursor = (0, 0)
        self._sounding = Sounding()

    def add_audio(self, samples: NDArray[np.int16]) -> None:
        """Take the next samples of the answer, to tell speech from silence: int16, shape (frames,)."""
        self._sounding.add(samples)

    def grow(self, samples: int, text: str, complete: bool = False, sample_rate: int = 24_000) -> None:
        """Take what has arrived.

        Parameters
        ----------
        samples : int
            All samples of the answer so far.
        text : str
            All of its transcript so far.
        complete : bool
            True if no more will come.
        sample_rate : int
            Hz
        """
        self._rate = sample_rate
        if len(text) < self._chars:
            self._replace(text)
        elif len(text) > self._chars:
            before = self._weight
            self._weight += _weight(text, self._chars)
            if before == 0:
                self._follows = samples > 0
            self._note(samples, self._weight if self._follows else before)
            self._chars = len(text)
        self._total = samples
        self._complete = complete

    def _replace(self, text: str) -> None:
        """The text became shorter: the server's final transcript differs."""
        self._chars, self._weight, self._cursor = len(text), _weight(text, 0), (0, 0)
        self._weights = [min(weight, self._weight) for weight in self._weights]

    def _note(self, samples: int, weight: int) -> None:
        last = self._samples[-1]
        if samples <= last:
            if self._follows:
                self._weights[-1] = weight if last else 0
            return
        if len(self._samples) >= MAX_PLACES:
            return
        seconds = (samples - last) / self._rate
        if weight - self._weights[-1] > FASTEST_LETTERS_PER_SECOND * seconds + AHEAD_LETTERS:
            self._runs_ahead = not self._follows
        self._samples.append(samples)
        self._weights.append(weight)

    def word(self, samples: int, text: str) -> tuple[int, int]:
        """Return where the word being heard begins and ends in *text*, after *samples* were heard; (0, 0) before the first.

        *text* is what `grow` got last. A word counts as heard from its first sample on.
        """
        begun = self._weight_at(samples, begun=True) if samples > 0 else 0
        return _word_around(text, self._index(begun - 1, text)) if begun else (0, 0)

    def index(self, samples: int, text: str) -> int:
        """Return how many characters of *text* are heard after *samples*."""
        weight = self._weight_at(samples)
        return len(text) if weight >= self._weight else self._index(weight, text)

    def _weight_at(self, samples: int, begun: bool = False) -> int:
        """Letters that were spoken in the first *samples*; with *begun*, the one that is being spoken too."""
        before = samples - begun
        if self._is_ahead():
            start_samples, start, end_samples, end = 0, 0, self._end(0, self._weight), self._weight
        else:
            at = max(bisect_right(self._samples, before) - 1, 0)
            start_samples, start = self._samples[at], self._weights[at]
            if at + 1 < len(self._samples):
                end_samples, end = self._samples[at + 1], self._weights[at + 1]
            else:
                end = self._weight
                end_samples = self._end(start_samples, end - start)
        if before >= end_samples:
            return end
        first, now, last = map(self._sounding.count, (start_samples, samples, end_samples))
        if first == last:
            # Silence only: divided by its samples
            first, now, last = start_samples, samples, end_samples
        if begun and now == first:
            # Its first word has not begun to sound
            return start
        return min(start + (end - start) * (now - begun - first) // (last - first) + begun, end)

    def _end(self, start: int, weight: int) -> int:
        """Where *weight* characters from *start* on end, if no later place is known."""
        if self._complete:
            return self._total
        told = self._weights[-1]
        # Samples of a letter
        each = self._samples[-1] / told if told >= RATE_LETTERS else self._rate / LETTERS_PER_SECOND
        return max(self._total, start + round(weight * each))

    def _is_ahead(self) -> bool:
        if self._runs_ahead or self._follows or not self._complete or len(self._samples) == 1:
            return self._runs_ahead
        tail = (self._total - self._samples[-1]) / self._rate
        return tail - (self._weight - self._weights[-1]) / SLOWEST_LETTERS_PER_SECOND > AHEAD_SECONDS

    def _index(self, weight: int, text: str) -> int:
        """Index in *text* of the character that is spoken after *weight* letters."""
        count, index = self._cursor if self._cursor[0] <= weight else (0, 0)
        while index < len(text) and count + (letters := _letters(text[index])) <= weight:
            count += letters
            index += 1
        self._cursor = count, index
        return index

    def as_json(self) -> list[list[int]]:
        """Return the places as [samples, letters]; a space is no letter, a digit DIGIT, a wide character WIDE of them."""
        return [[samples, weight] for samples, weight in zip(self._samples, self._weights, strict=True)]

    @classmethod
    def from_json(cls, saved: Any, samples: int, text: str, sample_rate: int) -> HeardWords:
        """Return the places of a complete answer as `as_json` gave them; what is no place is left out.

        Parameters
        ----------
        saved : object
            Anything.
        samples, text, sample_rate
            As for `grow`.
        """
        words = cls(sample_rate)
        words._chars, words._weight = len(text), _weight(text, 0)
        words._total, words._complete = samples, True
        for place in sequence(saved)[:MAX_PLACES]:
            pair = [whole(number) for number in sequence(place)[:2]]
            if len(pair) == 2 and pair[0] is not None and pair[1] is not None:
                at, weight = pair[0], min(pair[1], words._weight)
                if words._samples[-1] < at <= samples and weight >= words._weights[-1]:
                    words._samples.append(at)
                    words._weights.append(weight)
        return words


def _weight(text: str, start: int) -> int:
    """How long *text* is spoken from *start* on, in letters."""
    return sum(map(_letters, text[start:]))


def _letters(code: str) -> int:
    if code.isspace():
        return 0
    if code.isdigit():
        return DIGIT
    return WIDE if unicodedata.east_asian_width(code) in "WF" else 1


def _word_around(text: str, index: int) -> tuple[int, int]:
    """Return the word at *index*; a single character where words are not separated by spaces."""
    if index >= len(text):
        return len(text), len(text)
    if _is_divided(text[index]):
        return index, index + 1
    start = end = index
    while start > max(index - MAX_WORD, 0) and not _is_divided(text[start - 1]):
        start -= 1
    while end < min(index + MAX_WORD, len(text)) and not _is_divided(text[end]):
        end += 1
    return (start, end) if end - start < MAX_WORD else (index, index + 1)


def _is_divided(code: str) -> bool:
    """True for a space, and for a character of a script that writes no spaces."""
    return code.isspace() or unicodedata.east_asian_width(code) in "WF"
