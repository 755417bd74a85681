"""Items of a conversation: what the application reads, and how the server's statements merge into it.

Thread: the event loop's; an item changes as events arrive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ..protocol.audio_format import PCM16, AudioFormat, Int16Array
from .audio_store import AudioStore

__all__ = ["Formatted", "FormattedTool", "Item"]

# A server that goes on for ever must not fill the memory: a response is at most 32k tokens, well under this.
MAX_TEXT = 1 << 20
MAX_PARTS = 256
KNOWN_FIELDS = frozenset(
    ("id", "type", "role", "status", "content", "call_id", "name", "arguments", "output", "object")
)


@dataclass
class FormattedTool:
    """A function call in one place: ``arguments`` is the JSON text so far."""

    type: str
    name: str
    call_id: str
    arguments: str


class Formatted:
    """An item as a reader wants it.

    Attributes
    ----------
    text, transcript : str
        All parts of the content joined.
    tool : FormattedTool or None
        Set for function calls.
    output : str or None
        Set for function call outputs.
    sample_rate : int
        Of ``audio``, in Hz: the rate of the format that was negotiated.
    """

    __slots__ = ("_audio", "_file", "_file_length", "output", "sample_rate", "text", "tool", "transcript")

    def __init__(self) -> None:
        self.text = ""
        self.transcript = ""
        self.tool: FormattedTool | None = None
        self.output: str | None = None
        self.sample_rate = PCM16.sample_rate
        self._audio = AudioStore()
        self._file: Any = None
        self._file_length: int | None = 0  # None: set by the application

    @property
    def audio(self) -> Int16Array:
        """int16, shape (frames,), mono, read-only, at ``sample_rate``. Copies nothing."""
        return self._audio.view()

    @property
    def file(self) -> Any:
        """``audio`` as a `wavtools.WavFile`, made when it is asked for; None without audio. Can be set."""
        length = len(self._audio)
        if self._file_length is not None and self._file_length != length:
            from wavtools import WavPacker

            self._file = WavPacker.pack(self._audio.view(), self.sample_rate) if length else None
            self._file_length = length
        return self._file

    @file.setter
    def file(self, value: Any) -> None:
        self._file, self._file_length = value, None

    def __repr__(self) -> str:
        return (
            f"Formatted(text={self.text!r}, transcript={self.transcript!r}, tool={self.tool!r}, "
            f"output={self.output!r}, audio={len(self._audio)} samples at {self.sample_rate} Hz)"
        )


@dataclass(eq=False)
class Item:
    """One item: a message, a function call or its output, or whatever else the server puts there.

    Attributes
    ----------
    role : "user", "assistant", "system", or None
    status : "in_progress", "completed" or "incomplete"
    content : list of dict
        The parts as the server last stated them, in GA names, without audio data.
    audio_end_ms : int or None
        Set once the answer was cut: how much of it was heard.
    received_samples : int
        Audio of it that arrived, dropped parts included: the length that the server believes in.
    fields : dict
        Everything else of the server's item: ``tools``, ``server_label``, ``approval_request_id``, ...
    """

    id: str
    type: str = "message"
    role: str | None = None
    status: str = "in_progress"
    content: list[dict[str, Any]] = field(default_factory=list)
    formatted: Formatted = field(default_factory=Formatted)
    previous_item_id: str | None = None
    response_id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | None = None
    audio_end_ms: int | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    received_samples: int = 0
    interrupted: bool = False

    _format: AudioFormat = field(default=PCM16, repr=False)
    _carry: bytes = field(default=b"", repr=False)  # half a sample, of a delta that was cut there
    _closed: bool = field(default=False, repr=False)  # its final status was reported

    @property
    def item(self) -> Item:
        """The item itself, so that what a waiter returns reads like an event: ``result.item``."""
        return self

    @property
    def truncated(self) -> bool:
        """Whether the listener heard only a part."""
        return self.audio_end_ms is not None

    @property
    def heard_transcript(self) -> str:
        """The part of the transcript that was heard: all of it, unless the answer was cut.

        The server drops its own text of a truncated answer and never sends word times. So this is an
        estimate: as much of the transcript as of the audio, back to the end of a word.
        """
        text = self.formatted.transcript
        if self.audio_end_ms is None:
            return text
        heard = self._format.samples_of_ms(self.audio_end_ms)
        if heard >= self.received_samples:
            return text
        cut = len(text) * heard // self.received_samples
        if cut and not text[cut].isspace():
            cut = text.rfind(" ", 0, cut) + 1
        return text[:cut].rstrip()

    # Merging, by the reducer

    def merge(self, raw: dict[str, Any], *, final: bool) -> int:
        """Take the server's statement of this item; returns how many parts were malformed."""
        malformed = 0
        for name in ("type", "role", "call_id", "name", "output"):
            value = raw.get(name)
            if isinstance(value, str):
                setattr(self, name, value)
        arguments = raw.get("arguments")
        if isinstance(arguments, str) and (final or len(arguments) >= len(self.arguments or "")):
            self.arguments = arguments[:MAX_TEXT]
        content = raw.get("content")
        if isinstance(content, list):
            malformed = self._merge_content(content[:MAX_PARTS], final=final)
        self.fields.update({key: value for key, value in raw.items() if key not in KNOWN_FIELDS})
        self.refresh()
        return malformed

    def _merge_content(self, content: list[Any], *, final: bool) -> int:
        malformed = 0
        parts: list[dict[str, Any]] = []
        for index, raw in enumerate(content):
            if not isinstance(raw, dict):
                malformed += 1
                raw = {}
            part = {key: value for key, value in raw.items() if key != "audio"}
            old = self.content[index] if index < len(self.content) else {}
            for name in ("text", "transcript"):
                had, has = old.get(name), part.get(name)
                # A late or doubled announcement must not wipe what has been streamed since, and the
                # final item of a user may still say null for a transcript that came early.
                if isinstance(had, str) and (not isinstance(has, str) or (not final and len(has) < len(had))):
                    part[name] = had
                elif isinstance(has, str):
                    part[name] = has[:MAX_TEXT]
            parts.append(part)
        if final and parts:
            self.content = parts
        else:
            self.content[: len(parts)] = parts
        return malformed

    def part(self, index: int, kind: str) -> dict[str, Any]:
        """The content part at *index*, made if it was never announced."""
        while len(self.content) <= index:
            self.content.append({})
        part = self.content[index]
        part.setdefault("type", kind)
        return part

    def put_text(self, part: dict[str, Any], name: Literal["text", "transcript"], value: str) -> None:
        part[name] = value[:MAX_TEXT]
        if len(self.content) == 1:
            setattr(self.formatted, name, part[name])
        else:
            self.refresh()

    def refresh(self) -> None:
        """Bring ``formatted`` up to date with the content and the fields."""
        formatted = self.formatted
        formatted.text = "".join(p["text"] for p in self.content if isinstance(p.get("text"), str))
        formatted.transcript = "".join(
            p["transcript"] for p in self.content if isinstance(p.get("transcript"), str)
        )
        formatted.output = self.output
        if self.type == "function_call":
            formatted.tool = FormattedTool(
                "function", self.name or "", self.call_id or "", self.arguments or ""
            )
