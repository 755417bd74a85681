"""Items of a conversation: the attributes that applications read, and the merging of server events into them.

Thread: the event loop's only; an item changes as events arrive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ..protocol.audio_format import PCM16, AudioFormat, Int16Array
from ..protocol.reading import text_of
from .answer_stream import AnswerStream
from .audio_store import AudioStore
from .text_cut import cut_text

__all__ = ["Formatted", "FormattedTool", "Item"]

# Bounds the memory that a server which never stops sending can fill. A response has at most 32k tokens, far
# fewer characters than this.
MAX_TEXT = 1 << 20
MAX_PARTS = 256
KNOWN_FIELDS = frozenset(
    ("id", "type", "role", "status", "content", "call_id", "name", "arguments", "output", "object")
)


@dataclass
class FormattedTool:
    """A function call; ``arguments`` is the JSON text received so far."""

    type: str
    name: str
    call_id: str
    arguments: str


class Formatted:
    """An item in the form that applications show, store or play.

    Attributes
    ----------
    text, transcript : str
        The text and the transcript of all parts of the content, joined.
    tool : FormattedTool or None
        Set for function calls.
    output : str or None
        Set for function call outputs.
    sample_rate : int
        Rate of ``audio`` in Hz, from the negotiated audio format.
    store : AudioStore
        The samples behind ``audio``. For the modules of the conversation package, which add and drop samples
        through `ItemList`; applications read ``audio``.
    """

    __slots__ = ("_file", "_file_length", "output", "sample_rate", "store", "text", "tool", "transcript")

    def __init__(self) -> None:
        self.text = ""
        self.transcript = ""
        self.tool: FormattedTool | None = None
        self.output: str | None = None
        self.sample_rate = PCM16.sample_rate
        self.store = AudioStore()
        self._file: Any = None
        # Samples in _file; None: the application set the file.
        self._file_length: int | None = 0

    @property
    def audio(self) -> Int16Array:
        """Samples received so far: int16, shape (frames,), mono, read-only, at ``sample_rate``. No copy."""
        return self.store.view()

    @property
    def file(self) -> Any:
        """``audio`` as a `wavtools.WavFile`, made on first access; None without audio. Can be set."""
        length = len(self.store)
        if self._file_length is not None and self._file_length != length:
            from wavtools import WavPacker

            self._file = WavPacker.pack(self.store.view(), self.sample_rate) if length else None
            self._file_length = length
        return self._file

    @file.setter
    def file(self, value: Any) -> None:
        self._file, self._file_length = value, None

    def __repr__(self) -> str:
        return (
            f"Formatted(text={self.text!r}, transcript={self.transcript!r}, tool={self.tool!r}, "
            f"output={self.output!r}, audio={len(self.store)} samples at {self.sample_rate} Hz)"
        )


@dataclass(eq=False)
class Item:
    """One item: a message, a function call or its output, or any other type of item that the server adds.

    Attributes
    ----------
    role : "user", "assistant", "system", or None
    status : "in_progress", "completed" or "incomplete"
    content : list of dict
        The parts as the server last stated them, with GA names and without audio data.
    audio_end_ms : int or None
        How many milliseconds of the answer were heard; None unless the answer was truncated.
    transcription : "pending", "completed", "failed" or None
        Of what the user said: its words are due, there, or will not come. None if the server was not asked for them.
    received_samples : int
        Samples of its audio that arrived, dropped ones included: the length of the audio on the server.
    fields : dict
        All other fields of the server's item: ``tools``, ``server_label``, ``approval_request_id``, ...
    stream : AnswerStream
        State for decoding the item's audio, for the modules of the conversation package.
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
    transcription: Literal["pending", "completed", "failed"] | None = None
    received_samples: int = 0
    interrupted: bool = False
    stream: AnswerStream = field(default_factory=AnswerStream, repr=False)

    @property
    def item(self) -> Item:
        """The item itself, so that the result of a wait reads like an event: ``result.item``."""
        return self

    @property
    def phase(self) -> str | None:
        """What a message of the assistant is: "commentary" on its work, "final_answer"; None if the server does not say."""
        return text_of(self.fields.get("phase"))

    @property
    def truncated(self) -> bool:
        """True if the listener heard only a part."""
        return self.audio_end_ms is not None

    @property
    def heard_transcript(self) -> str:
        """The part of the transcript that was heard: all of it, unless the answer was truncated.

        This is an estimate, because the server drops its own text of a truncated answer and never sends word
        times: the same fraction of the transcript as of the audio, shortened to the end of a word. Scripts without
        spaces between words are cut at a character.
        """
        text = self.formatted.transcript
        if self.audio_end_ms is None:
            return text
        heard = self.stream.format.samples_of_ms(self.audio_end_ms)
        if not heard:
            return ""
        if heard >= self.received_samples:
            return text
        return cut_text(text, len(text) * heard // self.received_samples)

    # Changes, made by the reducer

    def drop(self) -> None:
        """The response was cancelled: drop what is still to come."""
        self.interrupted = True
        if not (self.received_samples or self.formatted.text):
            self.stream.unheard = True

    def set_audio_format(self, audio_format: AudioFormat) -> None:
        """Set the format of the audio that follows; called before the first sample."""
        self.stream.format = audio_format
        self.formatted.sample_rate = audio_format.sample_rate

    def finish(self, status: str) -> bool:
        """Set the final status; False, and no change, if the item already had one."""
        if self.stream.closed:
            return False
        self.stream.closed = True
        self.status = status
        self.formatted.store.compact()
        return True

    def merge(self, raw: dict[str, Any], *, final: bool) -> int:
        """Merge the server's object for this item; returns the number of malformed parts."""
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
                # A late or repeated announcement must not erase text that was streamed since. The final item
                # of a user may hold null for a transcript that has already arrived.
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
        """The content part at *index*; made, with type *kind*, if it was never announced."""
        while len(self.content) <= index:
            self.content.append({})
        part = self.content[index]
        if "type" not in part:
            part["type"] = kind
        return part

    def merge_part(self, part: dict[str, Any], raw: dict[str, Any], *, final: bool) -> None:
        """Merge the server's object *raw* into *part*; only a final one replaces text that was streamed."""
        for name in ("text", "transcript"):
            value = raw.get(name)
            if isinstance(value, str) and (final or not part.get(name)):
                part[name] = value[:MAX_TEXT]
        self.refresh()

    def put_text(self, part: dict[str, Any], name: Literal["text", "transcript"], value: str) -> None:
        """Set the text or the transcript of *part*, which is one of ``content``."""
        part[name] = value[:MAX_TEXT]
        if len(self.content) == 1:
            setattr(self.formatted, name, part[name])
        else:
            self.refresh()

    def refresh(self) -> None:
        """Update ``formatted`` from the content and the fields."""
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
