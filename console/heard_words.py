"""HeardWords: tells which word of an answer is heard, from the number of its samples that were heard.

Servers send no word times. They send the transcript in pieces between the pieces of audio, so for each piece the number
of samples that came before it is known exactly. Between two such places time is divided by characters, spaces not counted.
No clock is used, so the words stay right when playback runs dry, pauses, or moves to another device.

* Usually a piece of text comes before its audio: its first character is heard from that place on.
* If the first audio comes before any text, the server sends each piece of text after its audio.
* A server whose text runs far ahead of its audio tells no places: there the whole answer is divided by characters.

Thread: the event loop's; pure.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from typing import Any

from .untrusted import sequence, whole

__all__ = ["HeardWords"]

# Speech has about so many characters a second, used until an answer has told its own rate
CHARS_PER_SECOND = 14
RATE_CHARS = 40
# Text that would need faster speech than this, by more characters than a word has, runs ahead of its audio
FASTEST_CHARS_PER_SECOND = 40
AHEAD_CHARS = 30
# So does text after which much more audio comes than its last words need
SLOWEST_CHARS_PER_SECOND = 5
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
        # Parallel lists, both growing: samples before a place, and characters before it without spaces
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
        if weight - self._weights[-1] > FASTEST_CHARS_PER_SECOND * seconds + AHEAD_CHARS:
            self._runs_ahead = not self._follows
        self._samples.append(samples)
        self._weights.append(weight)

    def word(self, samples: int, text: str) -> tuple[int, int]:
        """Return where the word being heard begins and ends in *text*, after *samples* were heard; (0, 0) before the first.

        *text* is what `grow` got last. A word counts as heard from its first sample on.
        """
        if samples <= 0 or not self._weight:
            return 0, 0
        weight = min(self._weight_at(samples - 1), self._weight - 1)
        return _word_around(text, self._index(weight, text))

    def index(self, samples: int, text: str) -> int:
        """Return how many characters of *text* are heard after *samples*."""
        weight = self._weight_at(samples)
        return len(text) if weight >= self._weight else self._index(weight, text)

    def _weight_at(self, samples: int) -> int:
        """Characters without spaces that lie before the sample number *samples*."""
        if self._is_ahead():
            start_samples, start, end_samples, end = 0, 0, self._end(0, self._weight), self._weight
        else:
            at = max(bisect_right(self._samples, samples) - 1, 0)
            start_samples, start = self._samples[at], self._weights[at]
            if at + 1 < len(self._samples):
                end_samples, end = self._samples[at + 1], self._weights[at + 1]
            else:
                end = self._weight
                end_samples = self._end(start_samples, end - start)
        if samples >= end_samples:
            return end
        return start + (end - start) * (samples - start_samples) // (end_samples - start_samples)

    def _end(self, start: int, weight: int) -> int:
        """Where *weight* characters from *start* on end, if no later place is known."""
        if self._complete:
            return self._total
        told = self._weights[-1]
        # Samples of a character
        each = self._samples[-1] / told if told >= RATE_CHARS else self._rate / CHARS_PER_SECOND
        return max(self._total, start + round(weight * each))

    def _is_ahead(self) -> bool:
        if self._runs_ahead or self._follows or not self._complete or len(self._samples) == 1:
            return self._runs_ahead
        tail = (self._total - self._samples[-1]) / self._rate
        return tail - (self._weight - self._weights[-1]) / SLOWEST_CHARS_PER_SECOND > AHEAD_SECONDS

    def _index(self, weight: int, text: str) -> int:
        """Index in *text* of the character before which *weight* others stand, spaces not counted."""
        count, index = self._cursor if self._cursor[0] <= weight else (0, 0)
        while index < len(text) and (count < weight or text[index].isspace()):
            count += not text[index].isspace()
            index += 1
        self._cursor = count, index
        return index

    def as_json(self) -> list[list[int]]:
        """Return the places as [samples, characters without spaces]."""
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
    """Characters of *text* from *start* on, spaces not counted."""
    return sum(1 for at in range(start, len(text)) if not text[at].isspace())


def _word_around(text: str, index: int) -> tuple[int, int]:
    """Return the word at *index*; a single character where words are not separated by spaces."""
    if index >= len(text):
        return len(text), len(text)
    if unicodedata.east_asian_width(text[index]) in "WF":
        return index, index + 1
    start = end = index
    while start > max(index - MAX_WORD, 0) and not text[start - 1].isspace():
        start -= 1
    while end < min(index + MAX_WORD, len(text)) and not text[end].isspace():
        end += 1
    return (start, end) if end - start < MAX_WORD else (index, index + 1)
