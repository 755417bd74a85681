"""Judges every message of a client before a byte of it goes upstream.

A message that passes is forwarded as it came, not encoded anew. This is safe only if every parser reads the same in
it, so a message is refused when two parsers could differ (`strict_json`), and when it has an unknown key (a
case-insensitive parser would take ``Type`` for ``type``).

Thread: the event loop only; no I/O, the caller passes the time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..protocol import codec
from ..protocol.beta import BetaTranslator
from .buckets import Bucket
from .close_codes import INVALID_DATA, POLICY_VIOLATION
from .plain_append import is_plain_append
from .policy import Policy, is_one_of
from .strict_json import StrictJSONError, parse

__all__ = ["APPEND", "ClientRules", "Judged", "Refusal", "Verdict", "Violation"]

APPEND = "input_audio_buffer.append"
MAX_EVENT_ID_CHARS = 512
# Rates are averages over this long, because a client that reconnects replays its history and kept speech at once.
WINDOW_SECONDS = 10.0
_EVENT_FIELDS: Mapping[str, frozenset[str]] = {
    "session.update": frozenset(("session",)),
    APPEND: frozenset(("audio",)),
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
# Values that ask for nothing: taken out, not refused. Some clients, such as the vendor's reference client, always
# send the whole session.
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
    """A message that is dropped; the client receives an ``error`` event."""

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
    """A message for which the connection is closed with ``code``; ``kind`` is the reason it is counted under."""

    code: int
    reason: str
    kind: str


# Bytes go upstream, in most cases the very ones that came.
Verdict = bytes | Refusal | Violation
# A verdict and the type of the event ("" if the event is refused). A plain tuple, because every message makes one and
# a named tuple takes four times as long to make.
Judged = tuple[Verdict, str]


class _Refused(Exception):
    """Raised inside `ClientRules.judge` for a message that becomes a Refusal."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class ClientRules:
    """The rules for one session's client, with the session's rates.

    Parameters
    ----------
    policy : Policy
    model : str
        The session's model: a client may name it, and no other.
    translator : BetaTranslator, optional
        For a client that speaks beta: what passes is translated to GA. The rules read the client's own form.
    kind : str
        One of `policy.SESSION_KINDS`: the type of the session.
    """

    def __init__(
        self, policy: Policy, model: str, translator: BetaTranslator | None = None, kind: str = "realtime"
    ) -> None:
        limits = policy.limits
        self._clients = policy.clients
        self._limits = limits
        self._model = model
        self._kind = kind
        self._translator = translator
        self._injected_tools = [dict(tool) for tool in policy.injects_tools]
        # Start of the window in which messages and bytes are counted
        self._window = -WINDOW_SECONDS
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
        # Largest audio event that needs no parsing; -1 if all need it.
        plain = APPEND in self._clients.events and APPEND not in self._rates
        self._append_size = limits.size_of(APPEND) if plain else -1

    def judge(self, payload: bytes, now: float) -> Judged:
        """Decide what happens to a message.

        Parameters
        ----------
        payload : bytes
            The message as it came.
        now : float
            Seconds of a monotonic clock.
        """
        size = len(payload)
        # Windows, not buckets: every message is counted, and a window takes less time.
        if now - self._window >= WINDOW_SECONDS:
            self._window = now
            self._window_messages = self._window_bytes = 0
        self._window_messages += 1
        self._window_bytes += size
        if self._window_messages > self._most_messages:
            return self._too_fast(f"{self._limits.messages_per_second:g} messages", "message_rate")
        if self._window_bytes > self._most_bytes:
            return self._too_fast(f"{self._limits.bytes_per_second:g} bytes", "byte_rate")
        if size <= self._append_size and is_plain_append(payload):
            return payload, APPEND
        event: Any = None
        try:
            event = parse(payload)
            return self._judge_event(event, payload, now)
        except UnicodeDecodeError:
            return Violation(INVALID_DATA, "a text message must be UTF-8", "encoding"), ""
        except StrictJSONError as error:
            return self._refuse(_Refused("invalid_json", str(error)), None, now), ""
        except _Refused as refused:
            return self._refuse(refused, event, now), ""

    def refuse_unread(self, now: float) -> Refusal | Violation:
        """The verdict on a message that failed here in a way that nobody foresaw: it is refused like any other."""
        return self._refuse(
            _Refused("internal_error", "this relay could not read the message, and has not sent it on"),
            None,
            now,
        )

    def _too_fast(self, limit: str, kind: str) -> Judged:
        return Violation(POLICY_VIOLATION, f"more than {limit} a second", kind), ""

    def _refuse(self, refused: _Refused, event: Any, now: float) -> Refusal | Violation:
        if not self._refusals.take(now):
            return Violation(POLICY_VIOLATION, "too many refused messages", "refusals")
        event_id = event.get("event_id") if isinstance(event, dict) else None
        if not isinstance(event_id, str) or len(event_id) > MAX_EVENT_ID_CHARS:
            event_id = None
        return Refusal(refused.code, str(refused), refused.param, event_id)

    def _judge_event(self, event: Any, payload: bytes, now: float) -> Judged:
        """Judge a parsed event. Raises _Refused."""
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
                "invalid_value", f"event_id must be a string of up to {MAX_EVENT_ID_CHARS} characters"
            )
        _only(event, _COMMON_FIELDS, _EVENT_FIELDS.get(kind, frozenset()), "")
        rate = self._rates.get(kind)
        if rate is not None and not rate.take(now):
            raise _Refused("rate_limit_exceeded", f"more than {rate.rate * 60:g} {kind} a minute")
        changed = False
        if kind == APPEND:
            if not isinstance(event.get("audio"), str):
                raise _Refused("invalid_value", "audio must be base64 text", "audio")
        elif kind == "session.update":
            changed = self._check_session(event.get("session"))
        elif kind == "response.create":
            if event.get("response") is not None:
                changed = self._check_fields(event["response"], "response", self._clients.response_fields)
        elif kind == "conversation.item.create":
            self._check_item(event.get("item"))
        if self._translator is not None:
            translated = self._translator.to_ga(event)
            changed = changed or translated is not event
            event = translated
        return (codec.dumps(event).encode() if changed else payload), kind

    # --- sessions and responses

    def check_session(self, session: Any) -> Refusal | None:
        """Judge a session object by itself, and take out of it what asks for nothing; None if it is allowed."""
        try:
            self._check_session(session)
        except _Refused as refused:
            return Refusal(refused.code, str(refused), refused.param)
        return None

    def _check_session(self, session: Any) -> bool:
        """Refuse what is not allowed; returns True if *session* was changed."""
        changed = self._check_fields(session, "session", self._clients.session_fields)
        if session.get("type", self._kind) != self._kind:
            raise _Refused(
                "invalid_value", f"only sessions of type {self._kind!r} are allowed here", "session.type"
            )
        if self._injected_tools and isinstance(session.get("tools"), list):
            names = {tool.get("name") for tool in self._injected_tools}
            for tool in session["tools"]:
                if isinstance(tool, dict) and is_one_of(tool.get("name"), names):
                    raise _Refused("invalid_value", "a tool of this name cannot be set here", "session.tools")
            session["tools"] = [*session["tools"], *self._injected_tools]
            changed = True
        return changed

    def _check_fields(self, tree: Any, place: str, allowed: Collection[str]) -> bool:
        """Refuse what is not allowed and take out what asks for nothing; returns True if *tree* was changed."""
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
        """Refuse a voice that is not allowed, and unknown parts of ``audio``."""
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
                raise _Refused("not_allowed", f"the allowed voices are {', '.join(voices)}", f"{place}.voice")

    # --- items

    def _check_item(self, item: Any) -> None:
        if not isinstance(item, dict):
            raise _Refused("invalid_value", "item must be an object", "item")
        _only(item, _ITEM_FIELDS, (), "item.")
        kind = item.get("type", "message")
        if not is_one_of(kind, self._clients.item_types):
            raise _Refused(
                "not_allowed", f"clients may not create items of type {str(kind)[:64]!r}", "item.type"
            )
        role = item.get("role")
        if (kind == "message" or role is not None) and not is_one_of(role, self._clients.item_roles):
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
            # The server would fetch a URL, possibly from inside a private network.
            if image is not None and not (isinstance(image, str) and image.startswith("data:image/")):
                raise _Refused("not_allowed", "an image must be a data: URI", "item.content.image_url")


def _only(tree: Mapping[str, Any], known: Collection[str], more: Collection[str], place: str) -> None:
    """Refuse a key of *tree* that is neither in *known* nor in *more*."""
    for key in tree:
        if key not in known and key not in more:
            raise _Refused("unknown_parameter", f"unknown parameter {key[:64]!r}", f"{place}{key[:64]}")
