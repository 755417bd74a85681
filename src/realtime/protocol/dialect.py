"""The two dialects of the protocol. Inside this package everything is GA; this is the edge.

GA is what the vendor speaks today. Beta (October 2024 to May 2026) lives on in other servers, recordings
and relays: flat session fields, other event names, other content types. `inbound` accepts both names from
any server; `outbound` writes what the server at hand understands; `detect` tells which one that is.

Source: the vendor's migration tables, restated in the protocol notes, section 11.

Thread: any; stateless.
"""

from __future__ import annotations

from typing import Any, Literal

from .audio_format import FORMATS, format_of
from .reading import Wire

__all__ = [
    "BETA_FORMATS",
    "GA_NAMES",
    "PLACES",
    "Dialect",
    "SessionKind",
    "detect",
    "inbound",
    "merge_session",
    "outbound",
    "session_from_keywords",
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
BETA_FORMATS = {known.type: known.beta_name for known in FORMATS.values()}
# The many events of an answer, which need no look.
_SAME = (
    "response.output_audio.delta",
    "response.output_audio_transcript.delta",
    "response.output_text.delta",
    "response.function_call_arguments.delta",
)
# Beta's flat session field -> where GA keeps it.
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
# Merged key by key; every other value of a session is replaced whole.
_BRANCHES = frozenset(("audio", "input", "output"))


def detect(session: Any) -> Dialect | None:
    """The dialect of the server that sent this session object; None if it does not show."""
    if isinstance(session, dict):
        if "audio" in session or "type" in session or "output_modalities" in session:
            return "ga"
        if "modalities" in session or "input_audio_format" in session or "turn_detection" in session:
            return "beta"
    return None


# Inbound


def inbound(event: Wire) -> tuple[Wire, ...]:
    """The same in GA: one event, or two where GA says in two what beta said in one.

    The event given is not changed; what needs no change is returned as it is.
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
            item = _ga_item(event.get("item"))
            added = {**event, "type": "conversation.item.added", "item": item}
            if isinstance(item, dict) and item.get("status") in ("completed", "incomplete"):
                return added, {**added, "type": "conversation.item.done"}
            return (added,)
        if kind in ("session.created", "session.updated"):
            session = _ga_session(event.get("session"))
            if given != kind and isinstance(session, dict):
                session = {**session, "type": "transcription"}
            return ({**event, "session": session},)
        item = event.get("item")
        if isinstance(item, dict) and item.get("role") == "assistant":
            return ({**event, "item": _ga_item(item)},)
        if kind in ("response.created", "response.done"):
            return ({**event, "response": _ga_response(event.get("response"))},)
    return (event,)


def _ga_item(item: Any) -> Any:
    """Content types of an answer: "text" and "audio" became "output_text" and "output_audio"."""
    if (
        not isinstance(item, dict)
        or item.get("role") != "assistant"
        or not isinstance(item.get("content"), list)
    ):
        return item
    content = [
        {**part, "type": f"output_{part['type']}"}
        if isinstance(part, dict) and part.get("type") in ("text", "audio")
        else part
        for part in item["content"]
    ]
    return {**item, "content": content}


def _ga_response(response: Any) -> Any:
    if not isinstance(response, dict):
        return response
    if isinstance(response.get("output"), list):
        response = {**response, "output": [_ga_item(item) for item in response["output"]]}
    if "output_audio_format" in response and "audio" not in response:
        response = {**response, "audio": {"output": {"format": _ga_format(response["output_audio_format"])}}}
    return response


def _ga_session(session: Any) -> Any:
    """A server's session object: every flat field also at the place GA gives it."""
    if not isinstance(session, dict) or not PLACES.keys() & session.keys():
        return session
    tree: Wire = {key: value for key, value in session.items() if key not in PLACES}
    for key, path in PLACES.items():
        if key in session:
            _put(tree, path, _ga_value(key, session[key]))
    return tree


def _ga_value(key: str, value: Any) -> Any:
    if key.endswith("_audio_format"):
        return _ga_format(value)
    if key == "modalities" and isinstance(value, (list, tuple)):
        # GA: audio always comes with its transcript, and both at once is refused.
        return ["audio"] if "audio" in value else list(value)
    return value


def _ga_format(value: Any) -> Any:
    known = format_of(value) if isinstance(value, str) else None
    return known.as_ga() if known is not None else value


def _put(tree: Wire, path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        branch = tree.get(key)
        tree[key] = branch = dict(branch) if isinstance(branch, dict) else {}
        tree = branch
    tree[path[-1]] = value


# The application's session keywords


def session_from_keywords(keywords: Wire) -> Wire:
    """The GA session of what the application passed, flat or nested; unknown keys go through as they are.

    None is kept: it is JSON's null and switches things off. Nothing is added.

    Raises
    ------
    ValueError  a turn detection, or an audio format, given by a name that does not exist
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
    """*old* with *new* over it, as the server does it: branches merge, values are replaced whole."""
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
    """A client event of this package as a server of *dialect* wants it, in a session of *session_kind*."""
    kind = event["type"]
    if kind == "session.update":
        session = {"type": session_kind, **_without(event["session"], "temperature")}
        if dialect == "ga":
            return {
                **event,
                "session": session,
            }  # it wants the type, has no temperature, and refuses the whole
        name = "transcription_session.update" if session["type"] == "transcription" else kind
        return {**event, "type": name, "session": _beta_session(event["session"])}
    if dialect == "ga":
        if kind == "response.create" and "temperature" in (event.get("response") or ()):
            return {**event, "response": _without(event["response"], "temperature")}
        return event
    if kind == "conversation.item.create":
        return {**event, "item": _beta_item(event["item"])}
    if kind == "response.create" and isinstance(event.get("response"), dict):
        return {**event, "response": _beta_session(event["response"], response=True)}
    return event


def _without(mapping: Wire, key: str) -> Wire:
    return {name: value for name, value in mapping.items() if name != key}


def _beta_session(session: Wire, *, response: bool = False) -> Wire:
    flat = {key: value for key, value in session.items() if key not in ("type", "audio")}
    if "output_modalities" in flat:
        modalities = flat.pop("output_modalities")
        flat["modalities"] = ["text", "audio"] if modalities == ["audio"] else modalities
    if "max_output_tokens" in flat and not response:
        flat["max_response_output_tokens"] = flat.pop("max_output_tokens")
    for key, path in PLACES.items():
        if path[0] != "audio":
            continue
        branch = session.get("audio")
        branch = branch.get(path[1]) if isinstance(branch, dict) else None
        if isinstance(branch, dict) and path[2] in branch:
            value = branch[path[2]]
            if path[2] == "format" and isinstance(value, dict):
                value = BETA_FORMATS.get(str(value.get("type")), value)
            flat[key] = value
    return flat


def _beta_item(item: Wire) -> Wire:
    if item.get("role") != "assistant":
        return item
    content = [
        {**part, "type": part["type"].removeprefix("output_")} if "type" in part else part
        for part in item.get("content", ())
    ]
    return {**item, "content": content}
