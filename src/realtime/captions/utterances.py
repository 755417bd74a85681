"""Joins the events of a transcription to words: each utterance from its first interim word to its final text.

Thread: the event loop's; pure.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from ..events import Event, UserTranscriptEvent
from ..protocol.bounded_dict import remember
from ..protocol.reading import dict_of, text_of
from .transcript import Segment, TranscriptionUsage, Words

__all__ = ["Utterances"]


class Utterances:
    """Words that wait to be read, in order, with the errors between them; and the usage so far.

    Interim words that nobody has read are replaced by newer ones of the same utterance, so that a slow reader costs
    no memory.

    Attributes
    ----------
    due : dict
        Ids of the committed utterances whose final words are still to come; True for those that hold only silence.
    """

    def __init__(self) -> None:
        self.due: dict[str, bool] = {}
        self._texts: dict[str, str] = {}
        self._segments: dict[str, list[Segment]] = {}
        self._ready: deque[Words | Exception] = deque()
        self._seconds = 0.0
        self._input_tokens = self._output_tokens = 0

    # What the server says

    def committed(self, item_id: str, *, silent: bool = False) -> None:
        """An utterance has ended; its final words are due. Those of a *silent* one are not to be read."""
        remember(self.due, item_id, silent)

    def grew(self, event: Event) -> None:
        """``...input_audio_transcription.delta``"""
        item_id, delta = text_of(event.get("item_id")) or "", text_of(event.get("delta"))
        if delta and not self.due.get(item_id):
            text = self._texts.get(item_id, "") + delta
            remember(self._texts, item_id, text)
            self._interim(Words(text.lstrip(), False, item_id, delta))

    def segment(self, event: Event) -> None:
        """``...input_audio_transcription.segment``"""
        one = Segment(
            text_of(event.get("text")) or "",
            text_of(event.get("speaker")),
            _seconds(event.get("start")),
            _seconds(event.get("end")),
            text_of(event.get("id")) or "",
        )
        item_id = text_of(event.get("item_id")) or ""
        if item_id not in self._segments:
            remember(self._segments, item_id, [])
        self._segments[item_id].append(one)

    def completed(self, event: UserTranscriptEvent) -> None:
        """The final words. Without any, as after silence, nothing is to read."""
        silent = self.due.get(event.item_id)
        interim, segments = self._forget(event.item_id)
        self._count(dict_of(event.usage))
        if silent:
            return
        text = event.transcript.strip()
        if text or interim:
            new = text.removeprefix(interim) if interim else text
            self._ready.append(Words(text, True, event.item_id, new, segments, event.usage))

    def failed(self, item_id: str, error: Exception) -> None:
        """The final words will not come."""
        self._forget(item_id)
        self._ready.append(error)

    def interrupted(self) -> None:
        """The session has ended: its utterances in progress begin anew in the next one, under other ids."""
        self._texts.clear()
        self._segments.clear()

    # For the reader

    def take(self) -> Words | Exception | None:
        """The next words or error; None if there is nothing to read yet."""
        return self._ready.popleft() if self._ready else None

    def fail(self, error: Exception) -> None:
        """Put an error that concerns no single utterance behind the words so far."""
        self._ready.append(error)

    def usage(self, sent_seconds: float) -> TranscriptionUsage:
        """The usage so far."""
        return TranscriptionUsage(sent_seconds, self._seconds, self._input_tokens, self._output_tokens)

    def _interim(self, words: Words) -> None:
        last = self._ready[-1] if self._ready else None
        if isinstance(last, Words) and not last.final and last.item_id == words.item_id:
            self._ready[-1] = Words(words.text, False, words.item_id, last.new + words.new)
        else:
            self._ready.append(words)

    def _forget(self, item_id: str) -> tuple[str, tuple[Segment, ...]]:
        self.due.pop(item_id, None)
        return self._texts.pop(item_id, "").lstrip(), tuple(self._segments.pop(item_id, ()))

    def _count(self, usage: dict[str, Any]) -> None:
        self._seconds += _seconds(usage.get("seconds")) or 0.0
        self._input_tokens += int(_seconds(usage.get("input_tokens")) or 0)
        self._output_tokens += int(_seconds(usage.get("output_tokens")) or 0)


def _seconds(value: Any) -> float | None:
    """A number that a server states, or None for anything else."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12
    return float(value) if number else None
