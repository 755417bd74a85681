"""print_transcript(): prints what is said in a conversation, a line for each turn, and why an answer is missing.

Thread: the event loop's, in which the client's handlers run.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import TextIO

from .client.client import RealtimeClient
from .conversation.items import Item
from .events import (
    CloseEvent,
    ErrorEvent,
    ItemEvent,
    ResponseEndedEvent,
    UserTranscriptEvent,
    UserTranscriptFailedEvent,
)
from .printing import one_line

__all__ = ["print_transcript"]

# Turns that wait for the words of one before them. A server that never sends these holds up no more.
MAX_WAITING = 4
NOT_TRANSCRIBED = "conversation.item.input_audio_transcription.failed"


def print_transcript(client: RealtimeClient, *files: TextIO) -> None:
    """Print what user and model say from now on, a line for each turn: ``user: ...`` and ``assistant: ...``.

    The lines come in the order of the conversation, although a server often transcribes the user's words after the answer
    to them. Of an interrupted answer the line has the part that was heard. ``no answer: ...`` says why an answer failed or
    is incomplete, ``error: ...`` what else failed, ``connection lost: ...`` that it has ended for good. Control characters
    are left out.

    Call it once for a client, before or after it connects. For the user's words set ``input_audio_transcription``.

    Parameters
    ----------
    client : RealtimeClient
    *files : text files
        Where the lines go, flushed one by one; without any, to `sys.stdout`.

    Examples
    --------
    >>> client = RealtimeClient(input_audio_transcription="gpt-transcribe")    # doctest: +SKIP
    >>> print_transcript(client)                                               # doctest: +SKIP
    """
    lines = _Lines(files)
    client.on("conversation.item.appended", lines.begin)
    client.on("conversation.item.deleted", lines.forget)
    client.on("conversation.item.ended", lines.settle)
    client.on("user.transcript", lines.settle)
    client.on("user.transcript.failed", lines.settle)
    client.on("response.ended", lines.end_answer)
    client.on("error", lines.fail)
    client.on("close", lines.close)


class _Lines:
    """The turns of a conversation that are not printed yet, in its order."""

    def __init__(self, files: tuple[TextIO, ...]) -> None:
        self._files = files
        self._waiting: deque[Item] = deque()

    def begin(self, event: ItemEvent) -> None:
        """A turn begins."""
        if event.item.type == "message" and event.item.role in ("user", "assistant"):
            self._waiting.append(event.item)
            self._flush(MAX_WAITING)

    def forget(self, event: ItemEvent) -> None:
        """The item was deleted: it is no turn of the conversation any more."""
        self._waiting = deque(item for item in self._waiting if item is not event.item)

    def settle(self, event: ItemEvent | UserTranscriptEvent | UserTranscriptFailedEvent) -> None:
        """An item is complete, or has its words, or will not have them."""
        self._flush()

    def end_answer(self, event: ResponseEndedEvent) -> None:
        """An answer ended otherwise than completed. Told at once, even if the user's words are still to come."""
        if event.status != "cancelled":
            self._print("no answer", event.message, event.code or event.reason)

    def fail(self, event: ErrorEvent) -> None:
        """Something failed; the line of a turn without words says that by itself."""
        if event.event is None or event.event.get("type") != NOT_TRANSCRIBED:
            self._print("error", event.message, event.code)

    def close(self, event: CloseEvent) -> None:
        """Nothing more will come."""
        self._flush(0)
        if event.error:
            self._print("connection lost", event.reason or "without a reason", str(event.code))

    def _flush(self, left: int | None = None) -> None:
        """Print the turns that are complete, up to the first that is not; more until only *left* wait."""
        while self._waiting and (
            _complete(self._waiting[0]) or (left is not None and len(self._waiting) > left)
        ):
            item = self._waiting.popleft()
            said = item.formatted.text or item.heard_transcript
            if item.truncated:
                said = f"{said} [interrupted]".strip()
            elif item.role == "user" and not said:
                said = "[not transcribed]" if item.transcription == "failed" else "[speech]"
            if said:
                self._print(item.role or "", said)

    def _print(self, who: str, text: str, code: str | None = None) -> None:
        detail = f" ({code})" if code and code not in text else ""
        for file in self._files or (sys.stdout,):
            print(f"{who}: {one_line(text)}{one_line(detail)}", file=file, flush=True)


def _complete(item: Item) -> bool:
    """True if the words of *item* are there, or nobody will bring them."""
    return item.status != "in_progress" and item.transcription != "pending"
