"""What a client may say: every message is judged before a byte of it goes upstream.

A message that passes is forwarded as it came, not written anew. That is safe only if every parser reads
the same in it, so a message is refused when two could differ: a key twice in one object, a key that is
not known (a case-insensitive parser would take ``Type`` for ``type``), NaN, invalid UTF-8, bytes around the object.

Thread: the event loop's only; no I/O, the clock is the caller's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..protocol import codec
from .buckets import Bucket
from .policy import Policy

__all__ = ["ClientRules", "Refusal", "Violation"]

MAX_EVENT_ID_CHARS = 512
# A client that comes back replays its history and the speech it has kept at once: rates hold over this long.
WINDOW_SECONDS = 10.0
_EVENT_FIELDS: Mapping[str, frozenset[str]] = {
    "session.update": frozenset(("session",)),
    "input_audio_buffer.append": frozenset(("audio",)),
    "conversation.item.create": frozenset(("item", "previous_item_id")),
    "conversation.item.retrieve": frozenset(("item_id",)),
    "conversation.item.truncate": frozenset(("item_id", "content_index", "audio_end_ms")),
    "conversation.item.delete": frozenset(("item_id",)),
    "response.create": frozenset(("response",)),
    "response.cancel": frozenset(("response_id",)),
}
_COMMON_FIELDS = frozenset(("type", "event_id"))
_ITEM_FIELDS = frozenset(
    ("id", "type", "object", "status", "role", "content", "call_id", "name", "arguments", "output", "phase")
)
_CONTENT_FIELDS = frozenset(("type", "text", "audio", "transcript", "image_url", "detail"))
# Audio as clients send it: nearly all of the traffic. Its frame is matched, not parsed; see `_is_plain_append`.
_ID = rb'"event_id": ?"[\w.:-]{0,64}"'
_APPEND_HEAD = re.compile(
    rb'\{(?:%(id)s, ?%(type)s|%(type)s(?:, ?%(id)s)?), ?"audio": ?"'
    % {b"id": _ID, b"type": rb'"type": ?"input_audio_buffer\.append"'}
).match
_USUAL_HEAD = b'{"type":"input_audio_buffer.append","audio":"'
_HEADS_WITH_ID = (
    (b'{"event_id":"', b'","type":"input_audio_buffer.append","audio":"'),
    (b'{"type":"input_audio_buffer.append","event_id":"', b'","audio":"'),
)
_BACKSLASH, _BRACE = ord("\\"), ord("}")  # as numbers: `in` is several times faster with them
_APPEND_TAIL = re.compile(rb'", ?%s\}' % _ID).fullmatch
# What asks for nothing: clients of the original's kind always send the whole session. Taken out, not refused.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "instructions": ("", None),
    "tools": ([], None),
    "tool_choice": ("auto", None),
    "prompt": (None,),
    "tracing": (None,),
    "truncation": ("auto", None),
    "input": (None,),
    "conversation": ("auto", None),
}


@dataclass(frozen=True)
class Refusal:
    """The message is dropped and the client told so by an ``error`` event."""

    code: str
    message: str
    param: str | None = None
    event_id: str | None = None

    def event(self) -> bytes:
        """The ``error`` event, as the vendor writes it."""
        error = {
            "type": "invalid_request_error",
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "event_id": self.event_id,
        }
        return codec.dumps({"type": "error", "event_id": "event_relay", "error": error}).encode()


@dataclass(frozen=True)
class Violation:
    """The connection is closed with ``code``; ``kind`` is what it is counted as."""

    code: int
    reason: str
    kind: str


Verdict = bytes | Refusal | Violation


class _Refused(Exception):
    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class ClientRules:
    """One session's judge; it remembers rates.

    ``last_type`` is the type of the message judged last, for whoever follows the conversation.
    """

    def __init__(self, policy: Policy, model: str) -> None:
        limits = policy.limits
        self._clients = policy.clients
        self._limits = limits
        self._model = model
        self._injected_tools = [dict(tool) for tool in policy.injects_tools]
        self._window = -WINDOW_SECONDS  # when the running count began
        self._window_messages = 0
        self._window_bytes = 0
        self._most_messages = limits.messages_per_second * WINDOW_SECONDS
        self._most_bytes = limits.bytes_per_second * WINDOW_SECONDS
        self._refusals = Bucket(limits.refusals_per_minute / 60, limits.refusals_per_minute)
        self._rates = {}
        for kind in policy.clients.events:
            rate = limits.rate_of(kind)
            if rate is not None:
                self._rates[kind] = Bucket(rate / 60, max(rate, 1))
        plain = (
            "input_audio_buffer.append" in self._clients.events
            and "input_audio_buffer.append" not in self._rates
        )
        self._append_size = limits.size_of("input_audio_buffer.append") if plain else -1
        self.last_type = ""

    def judge(self, payload: bytes, now: float) -> Verdict:
        """What is to become of a message: bytes go upstream, in most cases the very same ones."""
        size = len(payload)
        # Counted in windows and not in buckets: this is on the path of every message.
        if now - self._window >= WINDOW_SECONDS:
            self._window = now
            self._window_messages = self._window_bytes = 0
        self._window_messages += 1
        self._window_bytes += size
        if self._window_messages > self._most_messages:
            return Violation(
                1008, f"more than {self._limits.messages_per_second:g} messages a second", "message_rate"
            )
        if self._window_bytes > self._most_bytes:
            return Violation(1008, f"more than {self._limits.bytes_per_second:g} bytes a second", "byte_rate")
        if size <= self._append_size and _is_plain_append(payload):
            self.last_type = "input_audio_buffer.append"
            return payload
        event: Any = None
        self.last_type = ""
        try:
            event = _parse(payload)
            return self._judge_event(event, payload, now)
        except UnicodeDecodeError:
            return Violation(1007, "a text message must be UTF-8", "encoding")
        except _Refused as refused:
            if not self._refusals.take(now):
                return Violation(1008, "too many refused messages", "refusals")
            event_id = event.get("event_id") if isinstance(event, dict) else None
            if not isinstance(event_id, str) or len(event_id) > MAX_EVENT_ID_CHARS:
                event_id = None
            return Refusal(refused.code, str(refused), refused.param, event_id)

    def _judge_event(self, event: Any, payload: bytes, now: float) -> bytes:
        if not isinstance(event, dict):
            raise _Refused("invalid_event", "a message must be a JSON object")
        kind = event.get("type")
        if not isinstance(kind, str):
            raise _Refused("missing_required_parameter", "an event needs a type", "type")
        if kind not in self._clients.events:
            raise _Refused("invalid_value", f"events of type {kind[:64]!r} are not allowed here", "type")
        limit = self._limits.size_of(kind)
        if len(payload) > limit:
            raise _Refused("event_too_large", f"{kind} has {len(payload)} bytes, {limit} are allowed")
        event_id = event.get("event_id")
        if event_id is not None and (not isinstance(event_id, str) or len(event_id) > MAX_EVENT_ID_CHARS):
            raise _Refused(
                "invalid_value", f"event_id must be a text of up to {MAX_EVENT_ID_CHARS} characters"
            )
        _only(event, _COMMON_FIELDS, _EVENT_FIELDS.get(kind, frozenset()), "")
        rate = self._rates.get(kind)
        if rate is not None and not rate.take(now):
            raise _Refused("rate_limit_exceeded", f"more than {rate.rate * 60:g} {kind} a minute")
        self.last_type = kind
        if kind == "input_audio_buffer.append":
            if not isinstance(event.get("audio"), str):
                raise _Refused("invalid_value", "audio must be base64 text", "audio")
            return payload
        changed = False
        if kind == "session.update":
            changed = self._check_session(event.get("session"))
        elif kind == "response.create":
            if event.get("response") is not None:
                changed = self._check_fields(event["response"], "response", self._clients.response_fields)
        elif kind == "conversation.item.create":
            self._check_item(event.get("item"))
        return codec.dumps(event).encode() if changed else payload

    # --- sessions and responses

    def _check_session(self, session: Any) -> bool:
        changed = self._check_fields(session, "session", self._clients.session_fields)
        if session.get("type", "realtime") != "realtime":
            raise _Refused(
                "invalid_value", "only sessions of type 'realtime' are allowed here", "session.type"
            )
        if self._injected_tools and isinstance(session.get("tools"), list):
            names = {tool.get("name") for tool in self._injected_tools}
            for tool in session["tools"]:
                if isinstance(tool, dict) and tool.get("name") in names:
                    raise _Refused("invalid_value", "a tool of this name cannot be set here", "session.tools")
            session["tools"] = [*session["tools"], *self._injected_tools]
            changed = True
        return changed

    def _check_fields(self, tree: Any, place: str, allowed: Collection[str]) -> bool:
        """Refuse what is not allowed, take out what asks for nothing; whether anything was taken out."""
        if not isinstance(tree, dict):
            raise _Refused("invalid_value", f"{place} must be an object", place)
        changed = False
        for key in list(tree):
            if key in allowed:
                continue
            value = tree[key]
            neutral = _NEUTRAL.get(key)
            if (neutral is not None and value in neutral) or (key == "model" and value == self._model):
                del tree[key]
                changed = True
            else:
                raise _Refused("not_allowed", f"clients may not set {key[:64]} here", f"{place}.{key[:64]}")
        self._check_voice(tree, place)
        return changed

    def _check_voice(self, tree: Mapping[str, Any], place: str) -> None:
        audio = tree.get("audio")
        if audio is not None:
            if not isinstance(audio, dict):
                raise _Refused("invalid_value", "audio must be an object", f"{place}.audio")
            _only(audio, ("input", "output"), (), f"{place}.audio.")
            for part in audio.values():
                if not isinstance(part, dict):
                    raise _Refused(
                        "invalid_value", "audio.input and audio.output must be objects", f"{place}.audio"
                    )
        voices = self._clients.voices
        if not voices:
            return
        output = (audio or {}).get("output") or {}
        for voice in (tree.get("voice"), output.get("voice")):
            if voice is not None and voice not in voices:
                raise _Refused("not_allowed", f"the voices here are {', '.join(voices)}", f"{place}.voice")

    # --- items

    def _check_item(self, item: Any) -> None:
        if not isinstance(item, dict):
            raise _Refused("invalid_value", "item must be an object", "item")
        _only(item, _ITEM_FIELDS, (), "item.")
        kind = item.get("type", "message")
        if kind not in self._clients.item_types:
            raise _Refused(
                "not_allowed", f"clients may not create items of type {str(kind)[:64]!r}", "item.type"
            )
        role = item.get("role")
        if (kind == "message" or role is not None) and role not in self._clients.item_roles:
            raise _Refused(
                "not_allowed", f"clients may not write messages as {str(role)[:64]!r}", "item.role"
            )
        content = item.get("content")
        if content is None:
            return
        if not isinstance(content, list):
            raise _Refused("invalid_value", "content must be a list", "item.content")
        for part in content:
            if not isinstance(part, dict):
                raise _Refused("invalid_value", "a content part must be an object", "item.content")
            _only(part, _CONTENT_FIELDS, (), "item.content.")
            image = part.get("image_url")
            # A URL would be fetched by the server: from the inside of somebody's network.
            if image is not None and not (isinstance(image, str) and image.startswith("data:image/")):
                raise _Refused("not_allowed", "an image must be a data: URI", "item.content.image_url")


def _only(tree: Mapping[str, Any], known: Collection[str], more: Collection[str], place: str) -> None:
    for key in tree:
        if key not in known and key not in more:
            raise _Refused("unknown_parameter", f"unknown parameter {key[:64]!r}", f"{place}{key[:64]}")


def _is_plain_append(payload: bytes) -> bool:
    """Whether this is an append event and nothing else, to any parser.

    Between the head and the tail, which are matched, stands one string: it holds no quote and no backslash, so
    every parser sees its end where we do. (A control character in it is left to the server to refuse.) Several times
    faster than parsing, and than a pattern over the base64.
    """
    start, named = _audio_of(payload)
    if not start or _BACKSLASH in payload or not payload.isascii():
        return False
    end = payload.find(b'"', start)
    if end == len(payload) - 2 and payload[-1] == _BRACE:
        return True
    return not named and _APPEND_TAIL(payload[end:]) is not None


def _audio_of(payload: bytes) -> tuple[int, bool]:
    """Where the audio of an append begins, 0 if this is none; and whether an event id came before it.

    What compact writers send is found without the pattern, which says the same in three times the time.
    """
    if payload.startswith(_USUAL_HEAD):
        return len(_USUAL_HEAD), False
    for head, follows in _HEADS_WITH_ID:
        if payload.startswith(head):
            first = len(head)
            end = payload.find(b'"', first)
            if (
                0 <= end - first <= 64
                and payload.startswith(follows, end)
                and payload[first:end].replace(b"_", b"").isalnum()
            ):
                return end + len(follows), True
    found = _APPEND_HEAD(payload)
    return (found.end(), b"event_id" in found[0]) if found is not None else (0, False)


# --- strict JSON


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise _Refused("invalid_json", "a key occurs twice in one object")
    return tree


def _no_constant(name: str) -> Any:
    raise _Refused("invalid_json", f"{name} is not JSON")


_decode = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant).decode


def _parse(payload: bytes) -> Any:
    """Raises _Refused for what is not unambiguous JSON, UnicodeDecodeError for what is not UTF-8."""
    text = payload.decode()
    try:
        return _decode(text)
    except RecursionError:
        raise _Refused("invalid_json", "nested too deeply") from None
    except ValueError as error:
        raise _Refused("invalid_json", "the message is not JSON") from error
