"""Filters the server's events for the client: passes known types, hides what the relay added, removes secrets.

Every audio delta goes through `ServerRules.filter`. It looks at the type and changes the bytes only where a rule
requires it: in session objects, items of server-side tools, and errors.

Thread: the event loop only; no I/O.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from ..protocol import codec
from ..protocol.beta import BETA_NAMES, BetaTranslator
from ..protocol.bounded_dict import remember
from ..protocol.reading import dict_of, text_of
from ..protocol.redact import Redactor
from .policy import APPROVAL, Policy, is_one_of

__all__ = ["DELTA", "UNREADABLE", "Filtered", "ServerRules"]

# What the client receives (None: nothing), the event's type ("" if it is not allowed, `DELTA` if it was not parsed),
# and the parsed event. A plain tuple, because every message makes one.
Filtered = tuple[bytes | None, str, dict[str, Any]]
DELTA = "delta"
_NOT_PARSED: dict[str, Any] = {}
# A message that is dropped
UNREADABLE: Filtered = (None, "", _NOT_PARSED)
_SESSION_EVENTS = frozenset(("session.created", "session.updated"))
_RESPONSE_EVENTS = frozenset(("response.created", "response.done"))
# Speech and text of an answer: nearly all of the traffic. They contain nothing of the relay's, so they are not parsed;
# the first type in such a message is taken as its type. All other messages are parsed.
_DELTAS = (
    b"response.output_audio.delta",
    b"response.output_audio_transcript.delta",
    b"response.output_text.delta",
    b"response.audio.delta",
    b"response.audio_transcript.delta",
    b"response.text.delta",
)
# Name of a delta -> its name in beta
_BETA_DELTAS = {name: BETA_NAMES.get(name.decode(), name.decode()).encode() for name in _DELTAS}
# Shorter pieces of the instructions are ordinary words; redacting them would blank ordinary error texts.
_MIN_QUOTED_CHARS = 24


class ServerRules:
    """The filter for one session's server events.

    Parameters
    ----------
    policy : Policy
    redactor : Redactor
        Removes the key and the other secrets of the upstream request.
    expires_at : float
        Unix time at which the relay itself will end the session.
    translator : BetaTranslator, optional
        For a client that speaks beta: what it may see is translated to beta.
    """

    def __init__(
        self,
        policy: Policy,
        redactor: Redactor,
        expires_at: float,
        translator: BetaTranslator | None = None,
    ) -> None:
        self._allowed = policy.clients.server_events
        self._show_delta: Callable[[bytes], bytes] = redactor.frame
        if translator is not None:
            # A policy may name the events as either dialect does.
            self._allowed |= {ga for ga, beta in BETA_NAMES.items() if beta in self._allowed}
            self._show_delta = self._beta_delta
        # Told to clients, so that they need not find out by refusals
        self._session_fields = sorted(policy.clients.session_fields)
        self._delta_heads, self._delta = _deltas(tuple(n for n in _DELTAS if n.decode() in self._allowed))
        self._translator = translator
        self._redactor = redactor
        self._expires_at = expires_at
        self._instructions = policy.session.instructions is not None
        injected = policy.injects_tools
        self._tool_names = {tool.get("name") for tool in injected if tool.get("name")}
        self._hides_tools = bool(injected)
        self._hides_mcp = any(tool.get("type") == "mcp" for tool in injected)
        # Clients that may approve calls of the relay's MCP servers see the requests, and nothing else of them.
        self._shown_mcp = "mcp_approval_request" if APPROVAL in policy.clients.item_types else None
        self._server_tools = {tool.definition["name"] for tool in policy.tools}
        self._quotes = Redactor(_pieces(policy.session.instructions or ""))
        # Hidden item -> the item before it
        self._hidden_items: dict[str, str | None] = {}
        self._hidden_calls: set[str] = set()
        # Ids of events that the relay sent itself
        self._own_events: dict[str, None] = {}

    def sent_own(self, event_id: str) -> None:
        """Note an event that the relay sent itself: errors about it stay hidden from the client."""
        remember(self._own_events, event_id, None)

    def filter(self, payload: bytes) -> Filtered:
        """Decide what the client receives of a message."""
        if payload.startswith(self._delta_heads) or self._delta(payload) is not None:
            return self._show_delta(payload), DELTA, _NOT_PARSED
        try:
            event = codec.loads(payload)
        except ValueError:
            return UNREADABLE
        kind = event.get("type") if isinstance(event, dict) else None
        if not isinstance(kind, str) or kind not in self._allowed:
            return UNREADABLE
        return self._filter_event(event, kind, payload), kind, event

    def _filter_event(self, event: dict[str, Any], kind: str, payload: bytes) -> bytes | None:
        if kind == "error":
            return self._error(event)
        if kind in _SESSION_EVENTS:
            return self.session_event(event)
        changed = False
        if self._server_tools or self._hides_mcp:
            if not self._show(event):
                return None
            changed = bool(self._hidden_items) and self._conceal(event, kind)
        if kind in _RESPONSE_EVENTS and self._strip(event.get("response")):
            changed = True
        if self._translator is not None:
            translated = self._translator.to_beta(event)
            if translated is None:
                return None
            event, changed = translated, changed or translated is not event
        return self._redactor.frame(codec.dumps(event).encode() if changed else payload)

    def _beta_delta(self, payload: bytes) -> bytes:
        """A delta under its name in beta; its other bytes stay as they are."""
        found = self._delta(payload)
        start, end = found.span("name")
        return self._redactor.frame(payload[:start] + _BETA_DELTAS[found["name"]] + payload[end:])

    def _written(self, event: dict[str, Any]) -> bytes:
        """The bytes of an event that both dialects have."""
        if self._translator is not None:
            event = self._translator.to_beta(event) or event
        return codec.dumps(event).encode()

    # --- sessions and errors

    def session_event(self, event: dict[str, Any]) -> bytes:
        """A ``session.created`` or ``session.updated`` event as the client may see it."""
        session = event.get("session")
        if isinstance(session, dict):
            self._strip(session)
            expires = session.get("expires_at")
            # Clients reconnect before the session expires, so they are told the earlier of the two times.
            if isinstance(expires, (int, float)) and expires > self._expires_at:
                session["expires_at"] = int(self._expires_at)
        if event.get("type") == "session.created":
            event = {**event, "allowed_session_fields": self._session_fields}
        return self._written(self._redactor.tree(event))

    def _strip(self, tree: Any) -> bool:
        """Take out of a session or response what the relay added; returns True if there was anything."""
        if not isinstance(tree, dict):
            return False
        changed = False
        if self._instructions:
            for key in ("instructions", "prompt"):
                if tree.get(key):
                    tree[key] = "" if key == "instructions" else None
                    changed = True
        if self._hides_tools:
            tools = tree.get("tools")
            if isinstance(tools, list):
                shown = [tool for tool in tools if not self._is_injected(tool)]
                changed = changed or len(shown) != len(tools)
                tree["tools"] = shown
            choice = tree.get("tool_choice")
            if isinstance(choice, dict) and self._is_injected(choice):
                tree["tool_choice"] = "auto"
                changed = True
        return changed

    def _is_injected(self, tool: Any) -> bool:
        if not isinstance(tool, dict):
            return False
        return is_one_of(tool.get("name"), self._tool_names) or (
            self._hides_mcp and tool.get("type") == "mcp"
        )

    def _error(self, event: dict[str, Any]) -> bytes | None:
        error = event.get("error")
        if isinstance(error, dict) and is_one_of(error.get("event_id"), self._own_events):
            return None
        return self._written(self._quotes.tree(self._redactor.tree(event)))

    def scrub(self, text: str) -> str:
        """*text* of the server, such as a close reason, without secrets and instructions."""
        return self._quotes.text(self._redactor.text(text))

    # --- items that stay hidden from the client

    def _show(self, event: dict[str, Any]) -> bool:
        """True if the client may see this event. Notes the items that must be hidden."""
        item = event.get("item")
        if isinstance(item, dict):
            identifier, kind = item.get("id"), item.get("type")
            hidden = (
                (kind == "function_call" and is_one_of(item.get("name"), self._server_tools))
                or (kind == "function_call_output" and is_one_of(item.get("call_id"), self._hidden_calls))
                or (
                    self._hides_mcp
                    and isinstance(kind, str)
                    and kind.startswith("mcp_")
                    and kind != self._shown_mcp
                )
            )
            if hidden and isinstance(identifier, str):
                if kind == "function_call" and isinstance(item.get("call_id"), str):
                    self._hidden_calls.add(item["call_id"])
                if "previous_item_id" in event or identifier not in self._hidden_items:
                    self._hidden_items[identifier] = text_of(event.get("previous_item_id"))
            if hidden:
                return False
        return not is_one_of(event.get("item_id"), self._hidden_items)

    def _conceal(self, event: dict[str, Any], kind: str) -> bool:
        """Take references to hidden items out of a shown event; returns True if there were any."""
        changed = False
        previous = text_of(event.get("previous_item_id"))
        if previous in self._hidden_items:
            seen = set()
            while previous in self._hidden_items and previous not in seen:
                seen.add(previous)
                previous = self._hidden_items[previous]
            event["previous_item_id"] = previous
            changed = True
        response = event.get("response") if kind in _RESPONSE_EVENTS else None
        if isinstance(response, dict) and isinstance(response.get("output"), list):
            output = response["output"]
            shown = [one for one in output if not is_one_of(dict_of(one).get("id"), self._hidden_items)]
            if len(shown) != len(output):
                response["output"] = shown
                changed = True
            changed = self._strip(response) or changed
        return changed


@functools.cache
def _deltas(allowed: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], Callable[[bytes], Any]]:
    """Beginnings of messages with these deltas, as the vendor writes them, and a pattern for other writers."""
    names = b"|".join(map(re.escape, allowed)) or b"(?!)"
    pattern = rb'\{(?:"event_id": ?"[^"\\]{0,128}", ?)?"type": ?"(?P<name>' + names + rb')"'
    return tuple(b'{"type":"' + name + b'"' for name in allowed), re.compile(pattern).match


def _pieces(text: str) -> list[str]:
    """*text* and its longer lines, each of which an error may quote."""
    pieces = [text, *(line.strip() for line in text.splitlines())]
    return [piece for piece in pieces if len(piece) >= min(_MIN_QUOTED_CHARS, max(len(text), 6))]
