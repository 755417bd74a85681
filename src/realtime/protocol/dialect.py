"""Translates between the two dialects of the protocol; inside this package everything is GA.

GA is the vendor's dialect today. Beta (October 2024 to May 2026) lives on in other servers, recordings and relays.
It has flat session fields, other event names and other content types. `inbound` translates events of either dialect
to GA, `outbound` translates GA events to the dialect of the server, and `detect` tells which dialect a server speaks.
The tables also serve the other end of a connection, which answers a beta client: see `beta`.

Source: the vendor's migration tables.

Thread: any; stateless.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from .audio_format import FORMATS, format_of
from .reading import Wire, branch, dict_of

__all__ = [
    "BETA_FORMATS",
    "GA_NAMES",
    "PLACES",
    "Dialect",
    "SessionKind",
    "beta_item",
    "beta_part",
    "beta_session",
    "detect",
    "ga_item",
    "ga_session",
    "inbound",
    "merge_session",
    "outbound",
    "session_from_keywords",
    "without",
]

Dialect = Literal["ga", "beta"]
SessionKind = Literal["realtime", "transcription"]

GA_NAMES = {
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "transcription_session.created": "session.created",
    "transcription_session.updated": "session.updated",
}
BETA_FORMATS = {ga_type: audio_format.beta_name for ga_type, audio_format in FORMATS.items()}

_SAME = (
    "response.output_audio.delta",
    "response.output_audio_transcript.delta",
    "response.output_text.delta",
    "response.function_call_arguments.delta",
)
# Flat session field of beta -> its path in a GA session.
PLACES = {
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_format": ("audio", "input", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "modalities": ("output_modalities",),
    "max_response_output_tokens": ("max_output_tokens",),
}
# Objects of a session that merge key by key; every other value is replaced as a whole.
_BRANCHES = frozenset(("audio", "input", "output"))


def detect(session: Any) -> Dialect | None:
    """The dialect of the server that sent this session object; None if the object does not tell."""
    fields = dict_of(session)
    if "audio" in fields or "type" in fields or "output_modalities" in fields:
        return "ga"
    if "modalities" in fields or "input_audio_format" in fields or "turn_detection" in fields:
        return "beta"
    return None


# Inbound


def inbound(event: Wire) -> tuple[Wire, ...]:
    """Translate a server event to GA: one event, or two where GA has two events for one of beta.

    *event* itself is not changed; it is returned as it is where GA has the same.
    """
    kind = given = event.get("type")
    if kind in _SAME:
        return (event,)
    if isinstance(kind, str):
        renamed = GA_NAMES.get(kind)
        if renamed is not None:
            event = {**event, "type": renamed}
            kind = renamed
        if kind == "conversation.item.created":
            item = ga_item(event.get("item"))
            added = {**event, "type": "conversation.item.added", "item": item}
            if dict_of(item).get("status") in ("completed", "incomplete"):
                return added, {**added, "type": "conversation.item.done"}
            return (added,)
        if kind in ("session.created", "session.updated"):
            session = ga_session(event.get("session"))
            if given != kind and isinstance(session, dict):
                session = {**session, "type": "transcription"}
            return ({**event, "session": session},)
        if dict_of(event.get("item")).get("role") == "assistant":
            return ({**event, "item": ga_item(event["item"])},)
        if kind in ("response.created", "response.done"):
            return ({**event, "response": _ga_response(event.get("response"))},)
    return (event,)


def ga_item(item: Any) -> Any:
    """A beta item in GA: the contents of an answer are called "output_text" and "output_audio", not "text" and "audio"."""
    fields = dict_of(item)
    if fields.get("role") != "assistant" or not isinstance(fields.get("content"), list):
        return item
    content = [
        {**part, "type": f"output_{part['type']}"}
        if isinstance(part, dict) and part.get("type") in ("text", "audio")
        else part
        for part in fields["content"]
    ]
    return {**fields, "content": content}


def _ga_response(response: Any) -> Any:
    if not isinstance(response, dict):
        return response
    if isinstance(response.get("output"), list):
        response = {**response, "output": [ga_item(item) for item in response["output"]]}
    if "output_audio_format" in response and "audio" not in response:
        response = {**response, "audio": {"output": {"format": _ga_format(response["output_audio_format"])}}}
    return response


def ga_session(session: Any, places: Mapping[str, tuple[str, ...]] = PLACES) -> Any:
    """A session or response object with every flat field of *places* moved to its path in GA."""
    if not isinstance(session, dict) or not places.keys() & session.keys():
        return session
    tree: Wire = {key: value for key, value in session.items() if key not in places}
    for key, path in places.items():
        if key in session:
            _put(tree, path, _ga_value(key, session[key]))
    return tree


def _ga_value(key: str, value: Any) -> Any:
    if key.endswith("_audio_format"):
        return _ga_format(value)
    if key == "modalities" and isinstance(value, (list, tuple)):
        # In GA audio always comes with its transcript; asking for both is an error.
        return ["audio"] if "audio" in value else list(value)
    return value


def _ga_format(value: Any) -> Any:
    known = format_of(value) if isinstance(value, str) else None
    return known.as_ga() if known is not None else value


def _put(tree: Wire, path: tuple[str, ...], value: Any) -> None:
    """Set *value* at *path* in *tree*; objects on the way are copied, other values replaced."""
    for key in path[:-1]:
        inner = dict(dict_of(tree.get(key)))
        tree[key] = inner
        tree = inner
    tree[path[-1]] = value


# The application's session keywords


def session_from_keywords(keywords: Wire) -> Wire:
    """The GA session of the application's keywords, flat or nested; unknown keys are passed on unchanged.

    None is kept: it is JSON's null, which switches a feature off. Nothing is added.

    Raises
    ------
    ValueError
        the name of a turn detection or of an audio format that does not exist
    """
    tree: Wire = {}
    for key, value in keywords.items():
        path = PLACES.get(key, (key,))
        if key == "turn_detection":
            value = _turn_detection(value)
        elif key.endswith("_audio_format") and isinstance(value, str) and format_of(value) is None:
            raise ValueError(f"{key} must be 'pcm16', 'g711_ulaw' or 'g711_alaw', not {value!r}")
        elif key == "input_audio_transcription" and isinstance(value, str):
            value = {"model": value}
        tree = merge_session(tree, _nest(path, _ga_value(key, value)))
    return tree


def _turn_detection(value: Any) -> Any:
    if not isinstance(value, str):
        return dict(value) if isinstance(value, dict) else value
    if value in ("server_vad", "semantic_vad"):
        return {"type": value}
    if value in ("none", "disabled"):
        return None
    raise ValueError(f"turn_detection must be 'server_vad', 'semantic_vad', None or an object, not {value!r}")


def _nest(path: tuple[str, ...], value: Any) -> Wire:
    for key in reversed(path):
        value = {key: value}
    return value  # type: ignore[no-any-return]


def merge_session(old: Wire, new: Wire) -> Wire:
    """*old* updated with *new* as the server does it: ``audio`` merges key by key, other values are replaced."""
    merged = dict(old)
    for key, value in new.items():
        before = merged.get(key)
        if key in _BRANCHES and isinstance(value, dict) and isinstance(before, dict):
            merged[key] = merge_session(before, value)
        else:
            merged[key] = value
    return merged


# Outbound


def outbound(event: Wire, dialect: Dialect, session_kind: SessionKind = "realtime") -> Wire:
    """Translate a client event from GA to *dialect*, for a session of *session_kind*."""
    kind = event["type"]
    if kind == "session.update":
        given = dict_of(event.get("session"))
        session = {"type": session_kind, **without(given, "temperature")}
        # GA requires the type; it has no temperature, and refuses the whole update for one.
        if dialect == "ga":
            return {**event, "session": session}
        name = "transcription_session.update" if session["type"] == "transcription" else kind
        return {**event, "type": name, "session": beta_session(given)}
    if dialect == "ga":
        if kind == "response.create" and "temperature" in dict_of(event.get("response")):
            return {**event, "response": without(event["response"], "temperature")}
        return event
    if kind == "conversation.item.create":
        return {**event, "item": beta_item(event.get("item"))}
    if kind == "response.create" and isinstance(event.get("response"), dict):
        return {**event, "response": beta_session(event["response"], response=True)}
    return event


def without(mapping: Wire, key: str) -> Wire:
    """A copy of *mapping* that lacks *key*."""
    return {name: value for name, value in mapping.items() if name != key}


def beta_session(session: Wire, *, response: bool = False) -> Wire:
    """A GA session or *response* object with its fields at their flat places in beta."""
    flat = {key: value for key, value in session.items() if key not in ("type", "audio")}
    if "output_modalities" in flat:
        modalities = flat.pop("output_modalities")
        flat["modalities"] = ["text", "audio"] if modalities == ["audio"] else modalities
    if "max_output_tokens" in flat and not response:
        flat["max_response_output_tokens"] = flat.pop("max_output_tokens")
    for key, path in PLACES.items():
        if path[0] != "audio":
            continue
        holder = branch(session, path[1])
        if path[2] in holder:
            value = holder[path[2]]
            if path[2] == "format" and isinstance(value, dict):
                value = BETA_FORMATS.get(str(value.get("type")), value)
            flat[key] = value
    return flat


def beta_item(item: Any) -> Any:
    """A GA item in beta: the contents of an answer are called "text" and "audio"."""
    fields = dict_of(item)
    if fields.get("role") != "assistant" or not isinstance(fields.get("content"), list):
        return item
    return {**fields, "content": [beta_part(part) for part in fields["content"]]}


def beta_part(part: Any) -> Any:
    """A GA content part in beta."""
    kind = dict_of(part).get("type")
    return {**part, "type": kind.removeprefix("output_")} if isinstance(kind, str) else part
