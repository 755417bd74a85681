"""Checks the values of session fields before they are sent: what a GA session does not take is refused at the call.

The schema is that of the offline server, see `session_schema`. Two things are left to the server, because its vendor
adds to them: voices, of which only near misses are refused, and the largest number of an answer's tokens.

Thread: any; stateless.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable
from typing import Any

from .dialect import PLACES
from .numbers import whole_number
from .reading import Wire, branch
from .schema import RequestError, record
from .session_schema import REALTIME, TRANSCRIBING, VOICES, check_modalities
from .types import AudioInputConfig, AudioOutputConfig, TranscriptionConfig, TurnDetectionConfig

__all__ = ["check_values"]

_SPEECH = {**REALTIME, "type": TRANSCRIBING["type"]}
# Checked by `Configuration`, or not by their values
_LEFT_OUT = ("tools", "temperature", "model")
_WAY_OUT = "what only the server knows goes into extra_session={...}"
_NAMES = [
    name
    for kind in (AudioInputConfig, AudioOutputConfig, TranscriptionConfig, TurnDetectionConfig)
    for name in kind.__annotations__
]


def check_values(session: Wire, keywords: Iterable[str]) -> None:
    """Raise ValueError, or TypeError for a value of another type, for what no GA session takes.

    Parameters
    ----------
    session : dict
        Session fields in GA; not changed.
    keywords : iterable of str
        What the application wrote, for the message.
    """
    fields = {key: copy.deepcopy(value) for key, value in session.items() if key not in _LEFT_OUT}
    tokens = fields.pop("max_output_tokens", None)
    if tokens is not None and tokens != "inf":
        whole_number(tokens, "max_output_tokens", least=1)
    output = branch(fields, "output")
    if isinstance(output.get("voice"), str):
        _check_voice(output.pop("voice"))
    try:
        record(_SPEECH if fields.get("type") == "transcription" else REALTIME)(fields, "session")
        if fields.get("output_modalities") is not None:
            check_modalities(fields["output_modalities"], "session.output_modalities")
    except RequestError as error:
        kind = TypeError if error.code == "invalid_type" else ValueError
        raise kind(_told(error, keywords)) from None


def _check_voice(voice: str) -> None:
    near = difflib.get_close_matches(voice.lower(), VOICES, 1, 0.75)
    if voice not in VOICES and near:
        raise ValueError(f"voice={voice[:80]!r} is no voice: did you mean {near[0]!r}? {_WAY_OUT}")


def _told(error: RequestError, keywords: Iterable[str]) -> str:
    """The message of *error* with the names that the application wrote."""
    message = error.message
    for keyword in keywords:
        if keyword in PLACES:
            message = message.replace(f"session.{'.'.join(PLACES[keyword])}", keyword)
    message = message.replace("'session.", "'")
    if error.code == "unknown_parameter":
        unknown = (error.param or "").rpartition(".")[2]
        near: list[Any] = difflib.get_close_matches(unknown, _NAMES, 1, 0.75)
        message += f" Did you mean {near[0]!r}?" if near else ""
    return f"{message} ({_WAY_OUT})"
