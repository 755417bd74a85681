"""The incoming audio stream of one item: its format, a sample cut in two, and whether the item is finished.

Thread: the event loop's only.
"""

from __future__ import annotations

from ..protocol.audio_format import PCM16, AudioFormat, Int16Array

__all__ = ["AnswerStream"]


class AnswerStream:
    """State for decoding one item's audio, owned by the item as ``item.stream``.

    For the modules of the conversation package; applications read the item's attributes instead.

    Attributes
    ----------
    format : AudioFormat
        The format of the item's audio: the response's own, else the session's.
    closed : bool
        True once the item has its final status.
    unheard : bool
        True if the response was cancelled before any of this item was passed on.
    deleting : bool
        True once the server was asked to delete the item.
    """

    __slots__ = ("_carry", "closed", "deleting", "format", "unheard")

    def __init__(self) -> None:
        self.format: AudioFormat = PCM16
        self.closed = False
        self.unheard = False
        self.deleting = False
        # Half a sample: the last byte of a delta that the server cut within a sample.
        self._carry = b""

    def decode(self, audio: str | bytes) -> Int16Array:
        """Whole samples of the next delta, given as base64 text or as wire bytes. Raises ValueError for other text."""
        if isinstance(audio, bytes):
            samples, self._carry = self.format.split(audio, self._carry)
        else:
            samples, self._carry = self.format.decode(audio, self._carry)
        return samples
