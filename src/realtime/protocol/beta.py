"""Speaks beta to a client on behalf of a server that speaks GA: the counterpart of `dialect`, for relay and offline server.

`BetaTranslator.to_ga` translates the client's events, `BetaTranslator.to_beta` the server's. Both use the tables of
`dialect` in the other direction. Neither raises for any JSON object: what cannot be translated stays as it is.

Thread: any; each translator belongs to one connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .dialect import (
    GA_NAMES,
    PLACES,
    SessionKind,
    beta_item,
    beta_part,
    beta_session,
    detect,
    ga_item,
    ga_session,
)
from .reading import Wire, dict_of, list_of

__all__ = [
    "BETA_NAMES",
    "BETA_SUBPROTOCOL",
    "RESPONSE_PLACES",
    "BetaTranslator",
    "asks_for_beta",
    "beta_param",
]

BETA_SUBPROTOCOL = "openai-beta.realtime-v1"
# GA name of a server event -> its name in beta
BETA_NAMES = {ga: beta for beta, ga in GA_NAMES.items() if ga.startswith("response.")} | {
    "conversation.item.added": "conversation.item.created"
}
# Server events of GA that beta does not have: its clients receive nothing
GA_ONLY_EVENTS = frozenset(
    (
        "conversation.item.done",
        "conversation.item.input_audio_transcription.segment",
        "input_audio_buffer.timeout_triggered",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
    )
)
# Flat fields of a beta response -> their paths in GA
RESPONSE_PLACES = {
    name: PLACES[name]
    for name in ("voice", "output_audio_format", "modalities", "max_response_output_tokens")
}
# What the server used if a client never set it
DEFAULT_TEMPERATURE = 0.8


def asks_for_beta(beta_headers: list[str], subprotocols: list[str]) -> bool:
    """True if a request asks for beta, by its ``OpenAI-Beta`` headers or by a subprotocol."""
    return BETA_SUBPROTOCOL in subprotocols or any("realtime=v1" in value for value in beta_headers)


class BetaTranslator:
    """Translates the events of one connection between a beta client and a GA server.

    A server that speaks beta itself shows it in its ``session.created``. From then on, events pass as they are.

    Parameters
    ----------
    kind : "realtime" or "transcription"
        The kind of session.

    Attributes
    ----------
    temperature : float
        The temperature that the client set last. GA has none, so it has no effect; the client sees it in its session.
    """

    def __init__(self, kind: SessionKind = "realtime") -> None:
        self.temperature: float = DEFAULT_TEMPERATURE
        self._kind = kind
        self._server_speaks_beta = False

    # --- client to server

    def to_ga(self, event: Wire) -> Wire:
        """A client event in GA. *event* is not changed; it is returned as it is where GA has the same."""
        if self._server_speaks_beta:
            return event
        kind = event.get("type")
        if kind == "transcription_session.update" and self._kind == "transcription":
            kind = "session.update"
        if kind == "session.update" and isinstance(event.get("session"), dict):
            return {**event, "type": kind, "session": self._session_to_ga(event["session"])}
        if kind == "response.create" and isinstance(event.get("response"), dict):
            return {**event, "response": _response_to_ga(event["response"])}
        if kind == "conversation.item.create":
            return {**event, "item": ga_item(event.get("item"))}
        return event

    def _session_to_ga(self, session: Wire) -> Wire:
        temperature = session.get("temperature")
        if isinstance(temperature, (int, float)) and not isinstance(temperature, bool):
            self.temperature = temperature
        kept = {key: value for key, value in session.items() if key not in ("temperature", "client_secret")}
        return {"type": self._kind, **ga_session(kept)}

    # --- server to client

    def to_beta(self, event: Wire) -> Wire | None:
        """A server event in beta, or None where beta has no such event. *event* is not changed."""
        kind = event.get("type")
        if kind == "session.created" and detect(event.get("session")) == "beta":
            self._server_speaks_beta = True
        if self._server_speaks_beta:
            return event
        if not isinstance(kind, str) or kind in GA_ONLY_EVENTS:
            return None
        event = {**event, "type": BETA_NAMES.get(kind, kind)}
        if "session" in event:
            event["session"] = self._session_to_beta(event["session"])
            if self._kind == "transcription":
                event["type"] = f"transcription_{kind}"
        if "response" in event:
            event["response"] = self._response_to_beta(event["response"])
        if "item" in event:
            event["item"] = _item_to_beta(event["item"])
        if "part" in event:
            event["part"] = beta_part(event["part"])
        param = dict_of(event.get("error")).get("param")
        if isinstance(param, str):
            event["error"] = {**event["error"], "param": beta_param(param)}
        return event

    def _session_to_beta(self, session: object) -> object:
        if not isinstance(session, dict):
            return session
        flat = beta_session(session)
        if "modalities" in flat:
            flat["temperature"] = self.temperature
        detection = flat.get("turn_detection")
        if isinstance(detection, dict):
            flat["turn_detection"] = {
                key: value for key, value in detection.items() if key != "idle_timeout_ms"
            }
        flat["client_secret"] = None
        return flat

    def _response_to_beta(self, response: object) -> object:
        if not isinstance(response, dict):
            return response
        flat = beta_session(response, response=True)
        if isinstance(flat.get("output"), list):
            flat["output"] = [_item_to_beta(item) for item in flat["output"]]
        flat["temperature"] = self.temperature
        return flat


def _response_to_ga(response: Wire) -> Wire:
    # The temperature has no effect in GA, and the server refuses it.
    kept = {key: value for key, value in response.items() if key != "temperature"}
    moved: Wire = ga_session(kept, RESPONSE_PLACES)
    if isinstance(moved.get("input"), list):
        moved = {**moved, "input": [ga_item(item) for item in moved["input"]]}
    return moved


def _item_to_beta(item: object) -> object:
    if not isinstance(item, dict):
        return item
    translated: Wire = {"object": "realtime.item", **beta_item(item)}
    if translated.get("type") == "message":
        # Clients of beta add to this list.
        translated["content"] = list_of(translated.get("content"))
    return translated


def beta_param(param: str) -> str:
    """The name in beta of a parameter that an error names: ``session.audio.output.voice`` is ``session.voice``."""
    where, _, rest = param.partition(".")
    places: Mapping[str, tuple[str, ...]] = PLACES if where == "session" else RESPONSE_PLACES
    for name, path in places.items():
        found = re.match(re.escape(".".join(path)) + r"(?P<tail>[.\[].*)?$", rest, re.DOTALL)
        if found:
            # A format is a text in beta and an object in GA.
            tail = "" if name.endswith("_format") else found["tail"] or ""
            return f"{where}.{name}{tail}"
    return param
