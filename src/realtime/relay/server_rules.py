"""What of the server's events reaches the client: known types, without what the relay put in, without secrets.

`ServerRules.filter` is on the path of every audio delta. It looks at the type, and touches the bytes only
where a rule needs it: the session's objects, items of server-side tools, errors.

Thread: the event loop's only; no I/O.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from ..protocol import codec
from ..protocol.redact import Redactor
from .policy import Policy

__all__ = ["ServerRules"]


_SESSION_EVENTS = frozenset(("session.created", "session.updated"))
_RESPONSE_EVENTS = frozenset(("response.created", "response.done"))
# Speech and text of an answer: nearly all of the traffic, and nothing in it is the relay's. Not parsed. The server is
# trusted to mean what it says first; everything else is parsed.
_DELTAS = (
    b"response.output_audio.delta",
    b"response.output_audio_transcript.delta",
    b"response.output_text.delta",
    b"response.audio.delta",
    b"response.audio_transcript.delta",
    b"response.text.delta",
)
# Shorter pieces of the instructions are ordinary words, and would blank out ordinary errors.
_MIN_QUOTED_CHARS = 24


class ServerRules:
    """One session's filter.

    Parameters
    ----------
    policy : Policy
    redactor : Redactor
        Knows the key and whatever else goes upstream in secret.
    expires_at : float
        Unix time at which the relay itself will end the session.

    ``event`` and ``last_type`` are the message filtered last, parsed, for whoever follows the conversation; a
    "delta" is not parsed.
    """

    def __init__(self, policy: Policy, redactor: Redactor, expires_at: float) -> None:
        self._allowed = policy.clients.server_events
        self._delta_heads, self._delta = _deltas(tuple(n for n in _DELTAS if n.decode() in self._allowed))
        self._redactor = redactor
        self._expires_at = expires_at
        self._instructions = policy.session.instructions is not None
        injected = policy.injects_tools
        self._tool_names = {tool.get("name") for tool in injected if tool.get("name")}
        self._hides_tools = bool(injected)
        self._hides_mcp = any(tool.get("type") == "mcp" for tool in injected)
        self._server_tools = {tool.definition["name"] for tool in policy.tools}
        self._quotes = Redactor(_pieces(policy.session.instructions or ""))
        self._hidden_items: dict[str, str | None] = {}  # -> the item before it
        self._hidden_calls: set[str] = set()
        self.own_events: set[str] = set()  # ids of events that the relay sent itself
        self.event: dict[str, Any] = {}
        self.last_type = ""
        self.dropped = 0

    def filter(self, payload: bytes) -> bytes | None:
        """What the client gets; None for nothing."""
        if payload.startswith(self._delta_heads) or self._delta(payload) is not None:
            self.last_type = "delta"
            return self._redactor.frame(payload)
        self.last_type = ""
        try:
            event = codec.loads(payload)
        except ValueError:
            self.dropped += 1
            return None
        kind = event.get("type") if isinstance(event, dict) else None
        if kind not in self._allowed:
            self.dropped += 1
            return None
        self.event, self.last_type = event, kind
        if kind == "error":
            return self._error(event)
        if kind in _SESSION_EVENTS:
            return self.session_event(event)
        if self._server_tools or self._hides_mcp:
            if not self._show(event):
                return None
            if self._hidden_items and self._conceal(event, kind):
                return self._redactor.frame(codec.dumps(event).encode())
        if kind in _RESPONSE_EVENTS and self._strip(event.get("response")):
            return self._redactor.frame(codec.dumps(event).encode())
        return self._redactor.frame(payload)

    # --- sessions and errors

    def session_event(self, event: dict[str, Any]) -> bytes:
        """A ``session.created`` or ``session.updated`` as the client may see it."""
        session = event.get("session")
        if isinstance(session, dict):
            self._strip(session)
            expires = session.get("expires_at")
            # Clients renew before the expiry that they are told: let it be the earlier of the two.
            if isinstance(expires, (int, float)) and expires > self._expires_at:
                session["expires_at"] = int(self._expires_at)
        return codec.dumps(self._redactor.tree(event)).encode()

    def _strip(self, tree: Any) -> bool:
        """Take out of a session or response what the relay put in; whether there was anything."""
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
        return tool.get("name") in self._tool_names or (self._hides_mcp and tool.get("type") == "mcp")

    def _error(self, event: dict[str, Any]) -> bytes | None:
        error = event.get("error")
        if isinstance(error, dict) and error.get("event_id") in self.own_events:
            return None  # about something that the client did not say
        return codec.dumps(self._quotes.tree(self._redactor.tree(event))).encode()

    def scrub(self, text: str) -> str:
        """A close reason or any other text of the server's."""
        return self._quotes.text(self._redactor.text(text))

    # --- items the client never sees

    def _show(self, event: dict[str, Any]) -> bool:
        """Whether the client sees this event; learns from it which items are hidden."""
        item = event.get("item")
        if isinstance(item, dict):
            identifier, kind = item.get("id"), item.get("type")
            hidden = (
                (kind == "function_call" and item.get("name") in self._server_tools)
                or (kind == "function_call_output" and item.get("call_id") in self._hidden_calls)
                or (self._hides_mcp and isinstance(kind, str) and kind.startswith("mcp_"))
            )
            if hidden and isinstance(identifier, str):
                if kind == "function_call" and isinstance(item.get("call_id"), str):
                    self._hidden_calls.add(item["call_id"])
                if "previous_item_id" in event or identifier not in self._hidden_items:
                    self._hidden_items[identifier] = event.get("previous_item_id")
            if hidden:
                return False
        return event.get("item_id") not in self._hidden_items

    def _conceal(self, event: dict[str, Any], kind: str) -> bool:
        """Take references to hidden items out of an event that is shown; whether there were any."""
        changed = False
        previous = event.get("previous_item_id")
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
            shown = [
                one for one in output if not (isinstance(one, dict) and one.get("id") in self._hidden_items)
            ]
            if len(shown) != len(output):
                response["output"] = shown
                changed = True
            changed = self._strip(response) or changed
        return changed


@functools.cache
def _deltas(allowed: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], Callable[[bytes], Any]]:
    """How messages that hold one of these deltas begin, as the vendor writes them; and a pattern for the rest."""
    names = b"|".join(map(re.escape, allowed)) or b"(?!)"
    pattern = rb'\{(?:"event_id": ?"[^"\\]{0,128}", ?)?"type": ?"(?:' + names + rb')"'
    return tuple(b'{"type":"' + name + b'"' for name in allowed), re.compile(pattern).match


def _pieces(text: str) -> list[str]:
    """The whole and its longer lines: an error may quote any of them."""
    pieces = [text, *(line.strip() for line in text.splitlines())]
    return [piece for piece in pieces if len(piece) >= min(_MIN_QUOTED_CHARS, max(len(text), 6))]
