"""Interim transcripts: words are reported as soon as two recognitions of the growing utterance agree on them.

Thread: the event loop; pure. Source: LocalAgreement-2 of Machacek, Dabre & Bojar 2023, "Turning Whisper
into a real-time transcription system".
"""

from __future__ import annotations

import re

_WORDS = re.compile(r"\s*\S+")

# Transcription models that report while the user is still speaking; the others report after the commit.
STREAMING_MODELS = ("gpt-realtime-whisper", "gpt-live-transcribe")


class InterimTranscript:
    """The deltas of one utterance. What has been reported is never taken back; the final text may still
    differ."""

    def __init__(self) -> None:
        self._last: list[str] = []
        self._reported: list[str] = []

    def push(self, text: str) -> str:
        """New words that *text*, the utterance as heard so far, shares with the recognition before it, or
        ""."""
        words = _WORDS.findall(text)
        agreed = 0
        for word, last in zip(words, self._last, strict=False):
            if word != last:
                break
            agreed += 1
        self._last = words
        done = len(self._reported)
        if words[:done] != self._reported[: len(words)]:
            return ""  # it changed its mind about reported words; the final transcript will settle it
        new = words[done:agreed]
        self._reported += new
        return "".join(new)

    def finish(self, text: str) -> list[str]:
        """Words of the final *text* that are not reported yet; none if it is not what was reported so far."""
        words = _WORDS.findall(text)
        done = len(self._reported)
        return words[done:] if words[:done] == self._reported else []
