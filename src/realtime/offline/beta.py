"""Translates between the beta dialect (October 2024 to May 2026) of a client and the GA dialect of the server.

The translation itself is `realtime.protocol.beta`, which the relay uses too. This module adds the checks of the
fields that only beta has: a wrong value is refused under the name that the client wrote.

Thread: the event loop; pure.
"""

from __future__ import annotations

from typing import Any, cast

from ..protocol.beta import BetaTranslator
from ..protocol.dialect import BETA_FORMATS, SessionKind
from ..protocol.schema import RequestError, choice, decimal, either, integer, invalid_value

_AUDIO_FORMATS = tuple(BETA_FORMATS.values())
_GA_ONLY = ("type", "audio", "output_modalities")
_TEMPERATURE = decimal(0.6, 1.2)


class BetaDialect:
    """Checks and translates the events of one connection."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._translator = BetaTranslator(cast(SessionKind, kind))

    def to_ga(self, event: Any) -> Any:
        """The GA form of a client event; unknown parts stay as they are, and the schema refuses them.

        Raises RequestError for a wrong value of a field that only the beta dialect has.
        """
        if not isinstance(event, dict):
            return event
        kind = event.get("type")
        if kind in ("session.update", "transcription_session.update"):
            _check(event.get("session"), "session")
        elif kind == "response.create":
            _check(event.get("response"), "response")
        return self._translator.to_ga(event)

    def from_ga(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """The beta form of a GA server event: one event, or none."""
        translated = self._translator.to_beta(event)
        return [] if translated is None else [translated]


def _check(fields: Any, where: str) -> None:
    """Refuse what beta does not have, and values that the schema of GA would not see in the client's form."""
    if not isinstance(fields, dict):
        return
    for name in _GA_ONLY:
        if name in fields:
            path = f"{where}.{name}"
            raise RequestError("unknown_parameter", f"Unknown parameter: '{path}'.", path)
    if fields.get("temperature") is not None:
        _TEMPERATURE(fields["temperature"], f"{where}.temperature")
    for name, value in fields.items():
        _check_value(name, value, f"{where}.{name}")


def _check_value(name: str, value: Any, path: str) -> None:
    if value is None:
        return
    if name in ("input_audio_format", "output_audio_format"):
        if not isinstance(value, str) or value not in _AUDIO_FORMATS:
            raise invalid_value(value, path, _AUDIO_FORMATS)
    elif name == "modalities":
        if not isinstance(value, list) or not value or not set(map(str, value)) <= {"text", "audio"}:
            raise invalid_value(value, path, ("text", "audio"))
    elif name == "max_response_output_tokens":
        either(choice("inf"), integer(1, 4096))(value, path)
