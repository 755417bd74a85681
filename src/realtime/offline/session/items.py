"""One conversation item, and its construction from the fields that a client sent.

Thread: the event loop; pure state, no I/O.
"""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass, field
from typing import Any

from ...protocol import codec
from ...protocol.audio_format import AudioFormat, Int16Array
from ...protocol.ids import generate_server_id
from ..checks.schema import RequestError
from ..replies.images import Image


@dataclass
class Item:
    """One item of a conversation.

    Attributes
    ----------
    fields : dict
        The item as events show it, without the bytes of its audio.
    audio : ndarray, optional
        What the user said: int16 mono, at the rate of *audio_format*.
    audio_format : AudioFormat, optional
        Format of the user's audio, or of the assistant's.
    heard : Future of str, optional
        The words recognised in *audio*; done some time after the commit.
    spoken_samples : int
        Assistant audio sent so far, in samples of *audio_format*.
    truncated : bool
        True after a truncation: the transcript stays empty.
    images : list of Image
        What the user showed.
    """

    fields: dict[str, Any]
    audio: Int16Array | None = None
    audio_format: AudioFormat | None = None
    heard: asyncio.Future[str] | None = None
    spoken_samples: int = 0
    truncated: bool = False
    images: list[Image] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The item's id."""
        return str(self.fields["id"])

    @property
    def kind(self) -> str:
        """The item's type, such as message or function_call."""
        return str(self.fields["type"])

    @property
    def characters(self) -> int:
        """Characters in all strings of the item, names included, without its images."""
        return _count_characters(self.fields) - self.image_characters

    @property
    def image_characters(self) -> int:
        """Characters of the URLs that hold its images."""
        return sum(len(image.url) for image in self.images)

    def as_dict(self) -> dict[str, Any]:
        """A copy of the fields."""
        return copy.deepcopy(self.fields)

    def text(self) -> str:
        """All words of a message: its texts and transcripts."""
        heard = ""
        if self.heard is not None and self.heard.done() and not self.heard.cancelled():
            heard = self.heard.result()
        words = []
        for part in self.fields.get("content", ()):
            # Words that the server recognised take precedence over a transcript that the client sent.
            spoken = heard if part["type"] == "input_audio" and heard else part.get("transcript")
            words.append(part.get("text") or spoken or "")
        return " ".join(word for word in words if word)


def _count_characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(len(name) + _count_characters(inner) for name, inner in value.items())
    if isinstance(value, list):
        return sum(_count_characters(inner) for inner in value)
    return 1


def item_from_client(fields: dict[str, Any], path: str, audio_format: AudioFormat) -> Item:
    """An Item made from a client's (checked) fields; the bytes of its audio parts become samples.

    Parameters
    ----------
    fields : dict
        The item as the client sent it.
    path : str
        Path of the item in the event, for error messages.
    audio_format : AudioFormat
        Format of the audio parts: the session's input format.

    Raises
    ------
    RequestError
        Audio in an assistant message, or audio that cannot be decoded.
    """
    fields = {"id": generate_server_id("item"), **{key: v for key, v in fields.items() if key != "object"}}
    fields["status"] = "completed"
    if fields["type"] == "function_call":
        fields.setdefault("call_id", generate_server_id("call"))
    audio = b""
    parts = []
    for i, part in enumerate(fields.get("content", ())):
        if "audio" in part and part["type"] == "output_audio":
            raise RequestError(
                "unsupported_content_type",
                "Assistant messages cannot be created with audio content; use output_text.",
                f"{path}.content[{i}].audio",
            )
        audio += decode_base64(part.get("audio", ""), f"{path}.content[{i}].audio")
        parts.append({key: value for key, value in part.items() if key != "audio"})
    if "content" in fields:
        fields["content"] = parts
    images = [Image.of(part) for part in parts if part["type"] == "input_image"]
    if not audio:
        return Item(fields, images=images)
    samples = decode_samples(audio, audio_format, f"{path}.content")
    return Item(fields, samples, audio_format, images=images)


def decode_base64(data: str, path: str) -> bytes:
    """Bytes of strict base64; raises RequestError for anything else."""
    try:
        # A decoder for what servers send may be lenient about these two.
        if len(data) % 4 or any(space in data for space in " \t\n\r\f"):
            raise ValueError("no strict base64")
        return codec.b64decode(data)
    except ValueError:
        raise RequestError(
            "invalid_value", f"Invalid '{path}'. Expected base64-encoded audio bytes.", path
        ) from None


def decode_samples(data: bytes, audio_format: AudioFormat, path: str) -> Int16Array:
    """Samples in the wire bytes of a client; raises RequestError if they end within a sample."""
    try:
        return audio_format.decode_bytes(data)
    except ValueError as error:
        raise RequestError("invalid_value", f"Invalid '{path}': {error}.", path) from None
