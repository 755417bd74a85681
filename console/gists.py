"""What a protocol event says, in a few words: the gist that its folded row shows.

It knows the events of both dialects; of an event that it does not know, it shows a well-known field. Gists are clean,
short, and hold neither audio nor keys.

Thread: any; stateless.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from .text import clean, one_line
from .untrusted import mapping, number, whole

__all__ = ["KNOWN", "MAX_GIST_CHARS", "gist"]

MAX_GIST_CHARS = 120
# Of one value inside a gist
MAX_VALUE_CHARS = 32
# Text is cut before it is cleaned; cleaning may remove characters
MAX_RAW_CHARS = 1_000
# An integer may have more digits than Python converts
MOST_NUMBER = 1e15
# Values that name a key, and text that looks like base64
_SECRET = re.compile(r"(?i)\b(?:sk|ek|pk|xai|rk)[-_][\w-]{6,}|\bbearer\s+\S+|\beyJ[\w-]{8,}\S*")
_BASE64 = re.compile(r"[A-Za-z0-9+/_=-]{48,}")
_SECRET_NAME = re.compile(
    r"(?i)(?:api|access|private|secret).?key|token$|secret|passw|authorization|credential"
)
# Session fields whose values are short and public
_PUBLIC = ("model", "voice", "output_modalities", "modalities", "temperature", "speed", "tool_choice")


def gist(event: Any) -> str:
    """Return the gist of a wire event; "" if its type says all of it.

    Parameters
    ----------
    event : mapping
        The event; any value is taken, and one without a gist gives "".

    Returns
    -------
    str
        One clean line of at most MAX_GIST_CHARS characters.
    """
    if not isinstance(event, Mapping):
        return ""
    kind = event.get("type")
    make = _GISTS.get(kind, _unknown) if isinstance(kind, str) else _unknown
    return one_line(make(event), MAX_GIST_CHARS - 2)


def _text(value: Any, limit: int = MAX_GIST_CHARS) -> str:
    """A value as a short text without keys and base64; "" for what is no text or number."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return clean(value, limit) if abs(value) < MOST_NUMBER else "…"
    if not isinstance(value, str):
        return ""
    text = " ".join(_SECRET.sub("…", value[:MAX_RAW_CHARS]).split())
    return clean(_BASE64.sub("…", text), limit)


def _quoted(value: Any) -> str:
    text = _text(value)
    return f'"{text}"' if text else ""


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _call(name: Any, arguments: Any) -> str:
    """A function call as name(key=value, ...)."""
    called = _text(name, MAX_VALUE_CHARS * 2)
    try:
        given = json.loads(arguments) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        return f"{called}({_text(arguments)})"
    if not isinstance(given, dict):
        return f"{called}({_text(arguments)})"
    if given.keys() == {"key", "value"}:
        # set_memory(key="name", value="Ada")
        given = {str(given["key"])[:MAX_RAW_CHARS]: given["value"]}
    shown = [
        f"{_text(key, MAX_VALUE_CHARS)}={_argument(key, value)}" for key, value in list(given.items())[:8]
    ]
    return f"{called}({', '.join(shown)}{', …' if len(given) > 8 else ''})"


def _argument(name: Any, value: Any) -> str:
    if _SECRET_NAME.search(str(name)[:MAX_RAW_CHARS]):
        return "…"
    if isinstance(value, (dict, list)):
        return f"{{{len(value)}}}" if isinstance(value, dict) else f"[{len(value)}]"
    return "null" if value is None else _text(value, MAX_VALUE_CHARS) or '""'


def _content(item: Mapping[str, Any]) -> str:
    """The first text of a message, or the kinds of its parts."""
    content = item.get("content")
    kinds = []
    for part in content[:8] if isinstance(content, list) else ():
        part = mapping(part)
        said = _quoted(part.get("text") or part.get("transcript"))
        if said:
            return said
        kinds.append(_text(part.get("type"), MAX_VALUE_CHARS))
    return _joined(*kinds)


def _item(event: Mapping[str, Any]) -> str:
    item = mapping(event.get("item"))
    kind = item.get("type")
    if kind in ("function_call", "mcp_call"):
        return _call(item.get("name"), item.get("arguments"))
    if kind == "function_call_output":
        return f"output {_text(item.get('output'))}"
    role = _text(item.get("role") or kind, MAX_VALUE_CHARS)
    said = _content(item)
    return f"{role}: {said}" if said else role


def _vad(session: Mapping[str, Any]) -> str:
    """The detection of turns: its kind, "manual" if it is off, "" if the session does not tell."""
    places = (session, mapping(mapping(session.get("audio")).get("input")))
    for place in places:
        if "turn_detection" in place:
            detection = place["turn_detection"]
            return "manual" if detection is None else _text(mapping(detection).get("type"), MAX_VALUE_CHARS)
    return ""


def _session_state(event: Mapping[str, Any]) -> str:
    session = mapping(event.get("session"))
    output = mapping(mapping(session.get("audio")).get("output"))
    voice = output.get("voice") or session.get("voice")
    return _joined(
        _text(session.get("model"), MAX_VALUE_CHARS),
        _text(voice, MAX_VALUE_CHARS) or ("custom voice" if voice else ""),
        _vad(session),
        _tool_count(event),
    )


def _tool_count(event: Mapping[str, Any]) -> str:
    tools = mapping(event.get("session")).get("tools")
    return f"{len(tools)} tools" if isinstance(tools, list) and tools else ""


def _session_update(event: Mapping[str, Any]) -> str:
    session = mapping(event.get("session"))
    audio = mapping(session.get("audio"))
    fields = {**session, **mapping(audio.get("output")), **mapping(audio.get("input"))}
    parts = []
    for name, value in fields.items():
        if name in ("audio", "type"):
            continue
        shown = _text(name, MAX_VALUE_CHARS)
        if name in _PUBLIC:
            value = " ".join(map(_text, value)) if isinstance(value, list) else value
            shown += f" {_text(value, MAX_VALUE_CHARS) or 'custom'}"
        elif name == "turn_detection":
            shown = f"vad {_vad(fields)}" if value is not None else "manual"
        elif name == "tools" and isinstance(value, list):
            shown = f"{len(value)} tools"
        elif name == "instructions" and isinstance(value, str):
            shown = f"instructions {len(value):,} characters".replace(",", " ")
        parts.append(shown)
    return _joined(*parts[:8])


def _error(event: Mapping[str, Any]) -> str:
    # Errors of the console itself have their message in the event
    error = mapping(event.get("error")) or event
    code = _text(error.get("code") or (error.get("type") if error is not event else ""), MAX_VALUE_CHARS * 2)
    message = _text(error.get("message"))
    return f"{code}: {message}" if code and message else code or message


def _rate_limits(event: Mapping[str, Any]) -> str:
    limits = event.get("rate_limits")
    shown = []
    for limit in limits[:4] if isinstance(limits, list) else ():
        limit = mapping(limit)
        name = _text(limit.get("name"), MAX_VALUE_CHARS)
        shown.append(f"{name} {_text(limit.get('remaining'))}/{_text(limit.get('limit'))}")
    return _joined(*shown)


def _response_created(event: Mapping[str, Any]) -> str:
    return _text(mapping(event.get("response")).get("id"), MAX_VALUE_CHARS * 2)


def _response_done(event: Mapping[str, Any]) -> str:
    response = mapping(event.get("response"))
    details = mapping(response.get("status_details"))
    error = mapping(details.get("error"))
    tokens = whole(mapping(response.get("usage")).get("total_tokens"))
    return _joined(
        _text(response.get("status"), MAX_VALUE_CHARS),
        _text(details.get("reason"), MAX_VALUE_CHARS),
        _text(error.get("message") or error.get("code")),
        f"{tokens:,} tokens".replace(",", " ") if tokens is not None else "",
    )


def _response_create(event: Mapping[str, Any]) -> str:
    response = mapping(event.get("response"))
    conversation = _text(response.get("conversation"), MAX_VALUE_CHARS)
    return _joined(
        f"conversation {conversation}" if conversation else "",
        *(_text(kind, MAX_VALUE_CHARS) for kind in _list(response.get("output_modalities"))),
        _quoted(response.get("instructions")),
    )


def _list(value: Any) -> list[Any]:
    return value[:4] if isinstance(value, list) else []


def _part(event: Mapping[str, Any]) -> str:
    part = mapping(event.get("part"))
    return _quoted(part.get("text") or part.get("transcript")) or _text(part.get("type"), MAX_VALUE_CHARS)


def _milliseconds(*names: str) -> Callable[[Mapping[str, Any]], str]:
    def make(event: Mapping[str, Any]) -> str:
        times = [whole(event.get(name)) for name in names]
        shown = [f"{time / 1000:.2f} s" for time in times if time is not None]
        return f"at {' to '.join(shown)}" if shown else ""

    return make


def _field(*names: str, quoted: bool = False) -> Callable[[Mapping[str, Any]], str]:
    """Return a function that takes the first of the fields that is there."""

    def make(event: Mapping[str, Any]) -> str:
        value = next((event[name] for name in names if event.get(name) not in (None, "")), None)
        return _quoted(value) if quoted else _text(value)

    return make


def _cut(event: Mapping[str, Any]) -> str:
    offset = whole(event.get("offset"))
    heard = f"heard {offset:,} samples".replace(",", " ") if offset is not None else ""
    return _joined(heard, _text(event.get("track_id"), MAX_VALUE_CHARS))


def _first_sample(event: Mapping[str, Any]) -> str:
    latency = number(event.get("latency"))
    return f"{latency * 1000:.0f} ms after the end of the turn" if latency is not None else ""


def _unknown(event: Mapping[str, Any]) -> str:
    if isinstance(event.get("item"), Mapping):
        return _item(event)
    if isinstance(event.get("error"), Mapping):
        return _error(event)
    # Of an unknown event, a delta may be audio
    return _field("message", "transcript", "text", "reason", "device", "name", "item_id")(event)


def _nothing(event: Mapping[str, Any]) -> str:
    return ""


_said = _field("delta", "text", "transcript", quoted=True)
_id = _field("item_id")
_GISTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    # From the client
    "session.update": _session_update,
    "input_audio_buffer.append": _nothing,
    "input_audio_buffer.commit": _nothing,
    "input_audio_buffer.clear": _nothing,
    "conversation.item.create": _item,
    "conversation.item.retrieve": _id,
    "conversation.item.truncate": _milliseconds("audio_end_ms"),
    "conversation.item.delete": _id,
    "response.create": _response_create,
    "response.cancel": _field("response_id"),
    "output_audio_buffer.clear": _nothing,
    # From the server
    "error": _error,
    "session.created": _session_state,
    "session.updated": _session_state,
    "conversation.created": lambda event: _text(
        mapping(event.get("conversation")).get("id"), MAX_VALUE_CHARS * 2
    ),
    "rate_limits.updated": _rate_limits,
    "conversation.item.added": _item,
    "conversation.item.done": _item,
    "conversation.item.created": _item,
    "conversation.item.retrieved": _item,
    "conversation.item.truncated": _milliseconds("audio_end_ms"),
    "conversation.item.deleted": _id,
    "conversation.item.input_audio_transcription.delta": _said,
    "conversation.item.input_audio_transcription.completed": _said,
    "conversation.item.input_audio_transcription.segment": _said,
    "conversation.item.input_audio_transcription.failed": _error,
    "input_audio_buffer.committed": _id,
    "input_audio_buffer.cleared": _nothing,
    "input_audio_buffer.speech_started": _milliseconds("audio_start_ms"),
    "input_audio_buffer.speech_stopped": _milliseconds("audio_end_ms"),
    "input_audio_buffer.timeout_triggered": _milliseconds("audio_start_ms", "audio_end_ms"),
    "input_audio_buffer.dtmf_event_received": lambda event: f"key {_text(event.get('event'), 4)}",
    "response.created": _response_created,
    "response.done": _response_done,
    "response.output_item.added": _item,
    "response.output_item.done": _item,
    "response.content_part.added": _part,
    "response.content_part.done": _part,
    **{
        f"response.{name}.{end}": _said
        for name in ("output_text", "text", "output_audio_transcript", "audio_transcript")
        for end in ("delta", "done")
    },
    # Their deltas are audio
    **{f"response.{name}.{end}": _nothing for name in ("output_audio", "audio") for end in ("delta", "done")},
    "response.function_call_arguments.delta": _field("delta"),
    "response.function_call_arguments.done": lambda event: _call(event.get("name"), event.get("arguments")),
    "response.mcp_call_arguments.delta": _field("delta"),
    "response.mcp_call_arguments.done": lambda event: _call(event.get("name"), event.get("arguments")),
    **{f"response.mcp_call.{end}": _id for end in ("in_progress", "completed")},
    "response.mcp_call.failed": lambda event: _error(event) or _id(event),
    **{f"mcp_list_tools.{end}": _id for end in ("in_progress", "completed")},
    "mcp_list_tools.failed": lambda event: _error(event) or _id(event),
    **{f"output_audio_buffer.{end}": _field("response_id") for end in ("started", "stopped", "cleared")},
    # Noticed by the console
    "interrupted": _cut,
    "first_sample": _first_sample,
    "echo": lambda event: _joined(_text(event.get("action")), "heard" if event.get("heard") is True else ""),
}
# The types of events whose gist is made for them
KNOWN = frozenset(_GISTS)
