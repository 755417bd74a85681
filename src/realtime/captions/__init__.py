"""Captions: what is said, as text, over transcription sessions.

Modules: ``transcriber`` (`Transcriber`), ``transcript`` (words, segments, usage), ``utterances`` (which words belong
together, and which are due), ``pauses`` (where an utterance ends).

Thread: importing it starts none.
"""

from .transcriber import Transcriber
from .transcript import Segment, TranscriptionUsage, Words

__all__ = ["Segment", "Transcriber", "TranscriptionUsage", "Words"]
