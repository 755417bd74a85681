"""Translates between the beta dialect (October 2024 to May 2026) of a client and the GA dialect of the server.

``to_ga`` is applied to a client's event before it is checked, ``from_ga`` to a server event before it is written. The
tables of names are those of the client (realtime.protocol.dialect), in the other direction:
``item.added`` becomes ``item.created``, and ``item.done`` has no counterpart.

Thread: the event loop; pure.
"""

from __future__ import annotations

from typing import Any

from ..protocol.dialect import BETA_FORMATS, GA_NAMES, PLACES
from .checks.schema import RequestError, choice, decimal, either, integer, invalid_value

AUDIO_FORMATS = {beta: ga for ga, beta in BETA_FORMATS.items()}
RESPONSE_PLACES = {
    name: path
    for name, path in PLACES.items()
    if name in ("voice", "output_audio_format", "modalities", "max_response_output_tokens")
}
_GA_ONLY = ("type", "audio", "output_modalities")

SERVER_EVENTS = {ga: beta for beta, ga in GA_NAMES.items() if ga.startswith("response.")}
SERVER_EVENTS["conversation.item.added"] = "conversation.item.created"
_UNKNOWN_TO_BETA = ("conversation.item.done", "input_audio_buffer.timeout_triggered")
_TEMPERATURE = decimal(0.6, 1.2)


class BetaDialect:
    """Translates the events of one connection; keeps the temperature, which GA does not have."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._temperature = 0.8

    # --- client to server ---------------------------------------------------------------------------------

    def to_ga(self, event: Any) -> Any:
        """The GA form of a client event; unknown parts stay as they are, and the schema refuses them.

        Raises RequestError for a wrong value of a field that only the beta dialect has.
        """
        if not isinstance(event, dict):
            return event
        event = dict(event)
        kind = event.get("type")
        if kind == "transcription_session.update" and self._kind == "transcription":
            event["type"] = "session.update"
            kind = "session.update"
        if kind == "session.update" and isinstance(event.get("session"), dict):
            event["session"] = {"type": self._kind, **self._session_to_ga(event["session"])}
        elif kind == "response.create" and isinstance(event.get("response"), dict):
            event["response"] = self._response_to_ga(event["response"])
        elif kind == "conversation.item.create" and isinstance(event.get("item"), dict):
            event["item"] = _item_to_ga(event["item"])
        return event

    def _session_to_ga(self, session: dict[str, Any]) -> dict[str, Any]:
        session = dict(session)
        temperature = session.pop("temperature", None)
        if temperature is not None:
            _TEMPERATURE(temperature, "session.temperature")
            self._temperature = temperature
        session.pop("client_secret", None)
        return _move(session, PLACES, "session")

    def _response_to_ga(self, response: dict[str, Any]) -> dict[str, Any]:
        response = dict(response)
        if response.get("temperature") is not None:
            _TEMPERATURE(response["temperature"], "response.temperature")
        # It has no effect.
        response.pop("temperature", None)
        moved = _move(response, RESPONSE_PLACES, "response")
        if isinstance(moved.get("input"), list):
            moved["input"] = [
                _item_to_ga(item) if isinstance(item, dict) else item for item in moved["input"]
            ]
        return moved

    # --- server to client ---------------------------------------------------------------------------------

    def from_ga(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """The beta form of a GA server event: one event, or none."""
        name = event["type"]
        if name in _UNKNOWN_TO_BETA:
            return []
        event = {**event, "type": SERVER_EVENTS.get(name, name)}
        if "session" in event:
            event["session"] = self._session_from_ga(event["session"])
            if self._kind == "transcription":
                event["type"] = f"transcription_{name}"
        if "response" in event:
            event["response"] = self._response_from_ga(event["response"])
        if "item" in event:
            event["item"] = _item_from_ga(event["item"])
        if "error" in event and event["error"].get("param"):
            event["error"] = {**event["error"], "param": _param_from_ga(event["error"]["param"])}
        return [event]

    def _session_from_ga(self, session: dict[str, Any]) -> dict[str, Any]:
        flat = {key: value for key, value in session.items() if key not in ("type", "audio")}
        flat = {key: flat[key] for key in flat if key not in ("output_modalities", "max_output_tokens")}
        if "output_modalities" in session:
            flat["modalities"] = _modalities_from_ga(session["output_modalities"])
            flat["max_response_output_tokens"] = session["max_output_tokens"]
            flat["temperature"] = self._temperature
            flat["voice"] = session["audio"]["output"]["voice"]
            flat["speed"] = session["audio"]["output"]["speed"]
            flat["output_audio_format"] = BETA_FORMATS[session["audio"]["output"]["format"]["type"]]
        audio_input = session["audio"]["input"]
        flat["input_audio_format"] = BETA_FORMATS[audio_input["format"]["type"]]
        flat["input_audio_transcription"] = audio_input["transcription"]
        flat["input_audio_noise_reduction"] = audio_input["noise_reduction"]
        detection = audio_input["turn_detection"]
        if detection is not None:
            detection = {key: value for key, value in detection.items() if key != "idle_timeout_ms"}
        flat["turn_detection"] = detection
        flat["client_secret"] = None
        return flat

    def _response_from_ga(self, response: dict[str, Any]) -> dict[str, Any]:
        flat = {key: value for key, value in response.items() if key not in ("audio", "output_modalities")}
        flat["output"] = [_item_from_ga(item) for item in response["output"]]
        flat["modalities"] = _modalities_from_ga(response["output_modalities"])
        flat["voice"] = response["audio"]["output"]["voice"]
        flat["output_audio_format"] = BETA_FORMATS[response["audio"]["output"]["format"]["type"]]
        flat["temperature"] = self._temperature
        return flat


def _move(fields: dict[str, Any], paths: dict[str, tuple[str, ...]], where: str) -> dict[str, Any]:
    """*fields* with the keys of *paths* moved to their places in the GA object."""
    for name in _GA_ONLY:
        if name in fields:
            path = f"{where}.{name}"
            raise RequestError("unknown_parameter", f"Unknown parameter: '{path}'.", path)
    moved: dict[str, Any] = {}
    for name, value in fields.items():
        target = moved
        *parents, last = paths.get(name, (name,))
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = _value_to_ga(name, value, f"{where}.{name}")
    return moved


def _value_to_ga(name: str, value: Any, path: str) -> Any:
    if value is None:
        return None
    if name in ("input_audio_format", "output_audio_format"):
        if not isinstance(value, str) or value not in AUDIO_FORMATS:
            raise invalid_value(value, path, tuple(AUDIO_FORMATS))
        return {"type": AUDIO_FORMATS[value]}
    if name == "modalities":
        if not isinstance(value, list) or not value or not set(map(str, value)) <= {"text", "audio"}:
            raise invalid_value(value, path, ("text", "audio"))
        return ["audio"] if "audio" in value else ["text"]
    if name == "max_response_output_tokens":
        either(choice("inf"), integer(1, 4096))(value, path)
    return value


def _item_to_ga(item: dict[str, Any]) -> dict[str, Any]:
    if item.get("role") != "assistant" or not isinstance(item.get("content"), list):
        return item
    names = {"text": "output_text", "audio": "output_audio"}
    return {**item, "content": [_renamed(part, names) for part in item["content"]]}


def _item_from_ga(item: dict[str, Any]) -> dict[str, Any]:
    item = {"object": "realtime.item", **item}
    if "content" in item:
        names = {"output_text": "text", "output_audio": "audio"}
        item["content"] = [_renamed(part, names) for part in item["content"]]
    return item


def _renamed(part: Any, names: dict[str, str]) -> Any:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        return part
    return {**part, "type": names.get(part["type"], part["type"])}


def _modalities_from_ga(modalities: list[str]) -> list[str]:
    return ["text", "audio"] if "audio" in modalities else ["text"]


def _param_from_ga(param: str) -> str:
    """The beta name of a parameter: ``session.audio.output.voice`` becomes ``session.voice``."""
    where, _, rest = param.partition(".")
    for name, path in (PLACES if where == "session" else RESPONSE_PLACES).items():
        joined = ".".join(path)
        if rest == joined or rest.startswith((joined + ".", joined + "[")):
            tail = rest[len(joined) :]
            # A format is a string in beta and an object in GA.
            return f"{where}.{name}" + ("" if name.endswith("_format") else tail)
    return param
