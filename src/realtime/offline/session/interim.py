"""Interim transcripts: reports words once two successive recognitions of the growing utterance agree on them.

Source: LocalAgreement-2 of Machacek, Dabre & Bojar 2023, "Turning Whisper into a real-time transcription system".

Thread: the event loop; pure state.
"""

from __future__ import annotations

import re

_WORDS = re.compile(r"\s*\S+")


class InterimTranscript:
    """The words of one utterance that have been reported; they stay, even if the final text differs."""

    def __init__(self) -> None:
        self._last: list[str] = []
        self._reported: list[str] = []

    def push(self, text: str) -> str:
        """The words to report now that *text* is the latest recognition of the utterance, or ""."""
        words = _WORDS.findall(text)
        agreed = 0
        for word, last in zip(words, self._last, strict=False):
            if word != last:
                break
            agreed += 1
        self._last = words
        done = len(self._reported)
        if words[:done] != self._reported[: len(words)]:
            # Reported words were recognised differently: the final transcript decides.
            return ""
        new = words[done:agreed]
        self._reported += new
        return "".join(new)

    def finish(self, text: str) -> list[str]:
        """The unreported words of the final *text*; none if it differs from the words reported so far."""
        words = _WORDS.findall(text)
        done = len(self._reported)
        return words[done:] if words[:done] == self._reported else []
