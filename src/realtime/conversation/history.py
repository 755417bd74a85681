"""Makes the events that repeat a conversation to a new session, as text.

Sessions cannot be resumed: a new session is empty. Audio of answers cannot be sent to the server, so messages are
sent as text: the user's transcript, and the part of an answer that was heard. Calls are sent with their outputs; a
call without an output is left out, because most models would wait for the output for ever. A note to the model
comes last, because models tend to greet again and to return to English after they read a history.

Thread: the event loop's only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ..protocol.reading import Wire, text_of
from .items import Item
from .text_cut import without_lone_surrogates

__all__ = ["RESUME_NOTE", "awaits_transcript", "note", "placed_anew", "replay"]

RESUME_NOTE = (
    "The conversation above goes on without a break. Do not greet again or sum up; "
    "keep the language, the manner and the format of the answers."
)

# Longest user turn without transcript that is sent as audio; the vendor refuses events over 15 MiB.
MAX_AUDIO_SECONDS = 120


def replay(items: Iterable[Item], running_calls: Collection[str] = ()) -> list[dict[str, Any]]:
    """``conversation.item.create`` events for *items*, in order and with their own ids.

    Parameters
    ----------
    items : iterable of Item
    running_calls : collection of str
        Call ids of tools that are still running; these calls are sent without an output.

    Returns
    -------
    list of dict
        client events
    """
    items = list(items)
    with_output = {item.call_id for item in items if item.type == "function_call_output"} | set(running_calls)
    calls = {
        item.call_id
        for item in items
        if item.type == "function_call" and item.status == "completed" and item.call_id
    } & with_output
    events = []
    for item in items:
        # MCP lists and calls belong to the server, which makes them again.
        body: dict[str, Any] | None = None
        if item.type == "message":
            body = _message(item)
        elif item.type == "function_call" and item.status == "completed" and item.call_id in calls:
            arguments = without_lone_surrogates(item.arguments or "{}")
            body = {"call_id": item.call_id, "name": item.name or "", "arguments": arguments}
        elif item.type == "function_call_output" and item.call_id in calls:
            body = {"call_id": item.call_id, "output": without_lone_surrogates(item.output or "")}
        if body is not None:
            events.append(
                {"type": "conversation.item.create", "item": {"id": item.id, "type": item.type, **body}}
            )
    return events


def placed_anew(creations: Iterable[Wire], replayed: Iterable[Any], order: Sequence[str]) -> list[Wire]:
    """*creations* with predecessors that the new session knows: a server refuses any other.

    Parameters
    ----------
    creations : iterable of dict
        ``conversation.item.create`` events to send after the replayed ones.
    replayed : iterable of dict
        The events of `replay`; anything else among them is ignored.
    order : sequence of str
        Ids of all items of the conversation, in order.

    Returns
    -------
    list of dict
        client events
    """
    known = {"root", *(event["item"]["id"] for event in replayed if isinstance(event, dict))}
    placed = []
    for event in creations:
        previous = event.get("previous_item_id")
        if previous is not None and previous not in known:
            event = {key: value for key, value in event.items() if key != "previous_item_id"}
            if previous in order:
                before = [item_id for item_id in order[: order.index(previous)] if item_id in known]
                event["previous_item_id"] = before[-1] if before else "root"
        known.add(event["item"]["id"])
        placed.append(event)
    return placed


def note(item_id: str, text: str) -> dict[str, Any]:
    """The event that adds *text* after the history, as a system message with the id *item_id*."""
    content = [{"type": "input_text", "text": text}]
    item = {"id": item_id, "type": "message", "role": "system", "content": content}
    return {"type": "conversation.item.create", "item": item}


def awaits_transcript(items: Sequence[Item]) -> bool:
    """True if the user's last turn was spoken, and neither its transcript nor a transcription error has arrived."""
    for item in reversed(items):
        if item.role == "user":
            part = item.content[0] if item.content else {}
            return part.get("type") == "input_audio" and not (
                isinstance(part.get("transcript"), str) or "transcription_error" in part
            )
    return False


def _message(item: Item) -> dict[str, Any] | None:
    if item.role == "assistant":
        text, heard = item.formatted.text, item.heard_transcript
        text = without_lone_surrogates(text if heard in text else text + heard)
        return {"role": "assistant", "content": [{"type": "output_text", "text": text}]} if text else None
    content: list[Wire] = []
    audio = item.formatted.audio
    for part in item.content:
        kind = part.get("type")
        said = text_of(part.get("text")) or text_of(part.get("transcript")) or ""
        image = text_of(part.get("image_url"))
        if kind == "input_image" and image:
            detail = text_of(part.get("detail"))
            content.append({"type": kind, "image_url": image, **({"detail": detail} if detail else {})})
        elif said.strip():
            content.append({"type": "input_text", "text": without_lone_surrogates(said)})
        elif kind == "input_audio" and 0 < len(audio) <= MAX_AUDIO_SECONDS * item.formatted.sample_rate:
            # Without a transcript, the audio itself keeps the turn from being lost.
            content.append({"type": "input_audio", "audio": item.stream.format.encode(audio)})
    return {"role": item.role or "user", "content": content} if content else None
