"""A conversation as the events that tell it to a new session, as text.

Sessions cannot be resumed: a new one is empty. Audio of answers cannot be sent back, so messages become what
was said: the user's transcript, of an answer the part that was heard. Calls go with their outputs; a
call that was never answered is left out, since most models wait for its output for ever. A note to the model
comes last: given a history to read, models tend to greet again, and to fall back into English.

Thread: any; pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ..protocol import codec
from .items import Item

__all__ = ["RESUME_NOTE", "awaits_words", "note", "replay"]

RESUME_NOTE = (
    "The conversation above goes on without a break. Do not greet again or sum up; "
    "keep the language, the manner and the format of the answers."
)

MAX_AUDIO_SECONDS = 120  # of a user's turn without transcript; the vendor refuses events over 15 MiB


def replay(items: Iterable[Item], running_calls: Collection[str] = ()) -> list[dict[str, Any]]:
    """``conversation.item.create`` events for *items*, in order, under their own ids.

    *running_calls* are ids of calls whose output will still come.
    """
    items = list(items)
    answered = {item.call_id for item in items if item.type == "function_call_output"}
    asked = {item.call_id for item in items if item.type == "function_call"}
    events = []
    body: dict[str, Any] | None
    for item in items:
        if item.type == "message":
            body = _message(item)
        elif item.type == "function_call":
            wanted = item.status == "completed" and (
                item.call_id in answered or item.call_id in running_calls
            )
            body = (
                {"call_id": item.call_id, "name": item.name or "", "arguments": item.arguments or "{}"}
                if wanted
                else None
            )
        elif item.type == "function_call_output":
            body = {"call_id": item.call_id, "output": item.output or ""} if item.call_id in asked else None
        else:
            body = None  # MCP lists and calls are the server's own; it makes them again
        if body is not None:
            events.append(
                {"type": "conversation.item.create", "item": {"id": item.id, "type": item.type, **body}}
            )
    return events


def note(item_id: str, text: str) -> dict[str, Any]:
    """The event that puts *text* behind the history, as a system message."""
    content = [{"type": "input_text", "text": text}]
    item = {"id": item_id, "type": "message", "role": "system", "content": content}
    return {"type": "conversation.item.create", "item": item}


def awaits_words(items: Sequence[Item]) -> bool:
    """Whether the user's last turn was spoken, and neither its transcript has come nor that there will be none."""
    for item in reversed(items):
        if item.role == "user":
            part = item.content[0] if item.content else {}
            return part.get("type") == "input_audio" and not (
                isinstance(part.get("transcript"), str) or "transcription_error" in part
            )
    return False


def _message(item: Item) -> dict[str, Any] | None:
    if item.role == "assistant":
        text = item.formatted.text or item.heard_transcript
        return {"role": "assistant", "content": [{"type": "output_text", "text": text}]} if text else None
    content: list[dict[str, Any]] = []
    for part in item.content:
        kind = part.get("type")
        said = part.get("text") or part.get("transcript")
        if kind == "input_image" and part.get("image_url"):
            content.append(dict(part))
        elif isinstance(said, str) and said.strip():
            content.append({"type": "input_text", "text": said})
        elif (
            kind == "input_audio"
            and 0 < len(item.formatted.audio) <= MAX_AUDIO_SECONDS * item.formatted.sample_rate
        ):
            # Nobody wrote down what was said: the audio itself is better than a turn that is missing.
            content.append(
                {
                    "type": "input_audio",
                    "audio": codec.b64encode(item.stream.format.to_wire(item.formatted.audio)),
                }
            )
    return {"role": item.role or "user", "content": content} if content else None
