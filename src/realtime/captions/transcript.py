"""What a transcription gives: words, segments with their speakers, and usage.

Thread: any; immutable.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..events import Event

__all__ = ["Segment", "TranscriptionUsage", "Words"]


@dataclass(frozen=True)
class Segment:
    """A part of an utterance with one speaker, from models that tell speakers apart.

    Attributes
    ----------
    text : str
    speaker : str or None
        A label such as "A"; the same voice has the same label within a session.
    start, end : float or None
        Seconds from the beginning of the utterance's audio.
    id : str
    """

    text: str
    speaker: str | None = None
    start: float | None = None
    end: float | None = None
    id: str = ""


@dataclass(frozen=True)
class Words:
    """One utterance as far as it is known: interim words while it is spoken, and once the final ones.

    ``str(words)`` is the text.

    Attributes
    ----------
    text : str
        The whole utterance so far. The final text may differ from the interim one.
    final : bool
        True for the last `Words` of the utterance.
    item_id : str
        Id of the utterance: interim and final words have the same.
    new : str
        The end of ``text`` that the `Words` before did not have; for final words that differ, all of it.
    segments : tuple of Segment
        With final words, from models that tell speakers apart; else empty.
    usage : Event or None
        What the server states for the utterance, with final words.
    """

    text: str
    final: bool
    item_id: str
    new: str = ""
    segments: tuple[Segment, ...] = ()
    usage: Event | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class TranscriptionUsage:
    """What was transcribed since the transcriber was made.

    Attributes
    ----------
    sent_seconds : float
        Audio that was given to `Transcriber.append`, silence included.
    seconds : float
        Audio that the server billed by time.
    input_tokens, output_tokens : int
        What the server billed by tokens.
    """

    sent_seconds: float = 0.0
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def minutes(self) -> float:
        """``seconds`` as minutes, the unit of the prices."""
        return self.seconds / 60
