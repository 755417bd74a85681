"""An answer of a hundred words whose times are known: each word has a level of its own in the audio."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from console.session import SessionModel
from realtime import Delta, Item, ItemUpdatedEvent

RATE = 24_000
# Of the level of two neighbouring words
LEVEL_STEP = 200


@dataclass(frozen=True)
class SpokenWord:
    """A word, its level, and its length in samples."""

    text: str
    level: int
    length: int

    @property
    def samples(self) -> np.ndarray:
        return np.full(self.length, self.level, np.int16)


def hundred_words(
    seed: int = 1, count: int = 100, shortest: float = 0.12, longest: float = 0.6
) -> list[SpokenWord]:
    """Words of 1 to 11 letters that last from *shortest* to *longest* seconds, whatever their letters."""
    chance = random.Random(seed)
    return [
        SpokenWord(
            "".join(chance.choices("abcdefghij", k=chance.randint(1, 11))),
            1_000 + LEVEL_STEP * number,
            int(RATE * chance.uniform(shortest, longest)),
        )
        for number in range(count)
    ]


def level_index(level: int) -> int:
    """Which word has this level; -1 for silence."""
    return -1 if level < 900 else round((level - 1_000) / LEVEL_STEP)


class Answer:
    """An item that grows as the client's does, and tells the model."""

    def __init__(self, model: SessionModel, item_id: str = "a1") -> None:
        self.model = model
        self.item = Item(item_id, role="assistant")
        self.item.content = [{"type": "output_audio", "transcript": ""}]

    def text(self, piece: str) -> None:
        self.item.content[0]["transcript"] += piece
        self.item.refresh()
        self.model.on_updated(ItemUpdatedEvent(self.item, Delta(transcript=piece)))

    def audio(self, samples: np.ndarray) -> None:
        self.item.formatted.store.append(samples)
        self.item.received_samples += len(samples)
        self.model.on_updated(ItemUpdatedEvent(self.item, Delta(audio=samples)))

    def end(self, status: str = "completed") -> None:
        self.item.finish(status)
        self.model.on_updated(ItemUpdatedEvent(self.item, None))


def deltas(words: list[SpokenWord], seed: int = 2) -> Iterator[str | np.ndarray]:
    """The answer in the deltas of a server: the text of a word before its audio, the audio in pieces of any length."""
    chance = random.Random(seed)
    for number, word in enumerate(words):
        # As the vendor's tokens: the space comes first
        yield word.text if number == 0 else f" {word.text}"
        at = 0
        while at < word.length:
            end = at + chance.randint(400, 9_600)
            yield word.samples[at:end]
            at = end
