"""The session object: its defaults, and the rules of an update.

It always has the GA shape; beta.py translates for clients of the beta dialect.

Thread: the event loop; pure state.
"""

from __future__ import annotations

import copy
import time
from typing import Any

from ...protocol.audio_format import FORMATS, AudioFormat
from ...protocol.schema import RequestError, invalid_value, missing, record
from ...protocol.session_schema import READ_ONLY, REALTIME, TRANSCRIBING, check_modalities

SESSION_SECONDS = 3600
DEFAULT_MODEL = "gpt-realtime-2.1"
INSTRUCTIONS = (
    "You are the offline server of wavtools. You greet, tell the time, call the tools you are given, "
    "and say back what you heard."
)
# Transcription models that report words while audio arrives, until the commit. They have no turn detection.
STREAMING_MODELS = ("gpt-live-transcribe", "gpt-realtime-whisper")

PCM_24K = {"type": "audio/pcm", "rate": 24000}
SERVER_VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    # The vendor's specification says 500, its server answers 200.
    "silence_duration_ms": 200,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
SEMANTIC_VAD = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}


class SessionConfig:
    """The effective session object of one connection.

    Parameters
    ----------
    kind : "realtime" or "transcription"
        The session's type.
    session_id : str
        Its id.
    model : str
        The model that the client named; unused in a transcription session.
    seconds : float
        Time until the session expires, for ``expires_at``.
    """

    def __init__(self, kind: str, session_id: str, model: str, seconds: float = SESSION_SECONDS) -> None:
        self.kind = kind
        audio_input: dict[str, Any] = {
            "format": dict(PCM_24K),
            "transcription": None,
            "noise_reduction": None,
            "turn_detection": dict(SERVER_VAD),
        }
        head = {
            "type": kind,
            "object": "realtime.session" if kind == "realtime" else "realtime.transcription_session",
            "id": session_id,
        }
        tail = {"expires_at": int(time.time() + seconds), "include": None}
        if kind == "realtime":
            self._data: dict[str, Any] = {
                **head,
                "model": model,
                "output_modalities": ["audio"],
                "instructions": INSTRUCTIONS,
                "tools": [],
                "tool_choice": "auto",
                "max_output_tokens": "inf",
                "tracing": None,
                "truncation": "auto",
                "prompt": None,
                **tail,
                "audio": {
                    "input": audio_input,
                    "output": {"format": dict(PCM_24K), "voice": "alloy", "speed": 1.0},
                },
            }
        else:
            self._data = {**head, **tail, "audio": {"input": audio_input}}

    def update(self, patch: Any, voice_is_fixed: bool = False) -> None:
        """Merge the ``session`` of a session.update into the session object.

        The properties of ``audio.input`` and ``audio.output`` are merged one by one; all other properties, such as
        ``tools``, are replaced as a whole. So are ``turn_detection`` and ``transcription``, whose missing
        properties become defaults; those of ``noise_reduction`` keep their values.

        Parameters
        ----------
        patch : object
            The unchecked value.
        voice_is_fixed : bool
            True once audio has been spoken: another voice is refused.

        Raises
        ------
        RequestError
            *patch* is not valid; the session object is unchanged.
        """
        check_type(patch, (self.kind,))
        record((REALTIME if self.kind == "realtime" else TRANSCRIBING) | READ_ONLY)(patch, "session")
        if "output_modalities" in patch:
            check_modalities(patch["output_modalities"], "session.output_modalities")
        self._check_fixed(patch, voice_is_fixed)
        self._check_turn_detection(patch)

        patch = {key: value for key, value in copy.deepcopy(patch).items() if key not in READ_ONLY}
        audio = patch.pop("audio", {})
        self._data.update(patch)
        for side, fields in audio.items():
            held = self._data["audio"][side]
            held.update({key: _complete(key, value, held[key]) for key, value in fields.items()})
        if self._has_streaming_transcription(self.input["transcription"]):
            self.input["turn_detection"] = None

    def _check_fixed(self, patch: dict[str, Any], voice_is_fixed: bool) -> None:
        if "model" in patch and patch["model"] != self._data["model"]:
            raise RequestError(
                "invalid_value",
                f"Cannot change the model of a session: it is '{self._data['model']}', "
                f"not '{patch['model']}'.",
                "session.model",
            )
        output = patch.get("audio", {}).get("output", {})
        if voice_is_fixed and output.get("voice", self.voice) != self.voice:
            raise RequestError(
                "cannot_update_voice",
                "Cannot update a conversation's voice if assistant audio is present.",
                "session.audio.output.voice",
            )
        tracing = self._data.get("tracing")
        if tracing is not None and patch.get("tracing", tracing) != tracing:
            raise RequestError(
                "cannot_update_tracing", "Tracing cannot be changed once enabled.", "session.tracing"
            )

    def _check_turn_detection(self, patch: dict[str, Any]) -> None:
        given = patch.get("audio", {}).get("input", {})
        transcription = given.get("transcription", self.input["transcription"])
        if given.get("turn_detection") is not None and self._has_streaming_transcription(transcription):
            raise RequestError(
                "invalid_value",
                "Turn detection is not supported for this transcription model.",
                "session.audio.input.turn_detection",
            )

    def _has_streaming_transcription(self, transcription: dict[str, Any] | None) -> bool:
        """True in a transcription session whose model streams: it works without turn detection only."""
        return (
            self.kind == "transcription"
            and transcription is not None
            and transcription.get("model") in STREAMING_MODELS
        )

    def as_dict(self) -> dict[str, Any]:
        """A copy, for session.created and session.updated."""
        return copy.deepcopy(self._data)

    def __getitem__(self, key: str) -> Any:
        return self._data.get(key)

    @property
    def input(self) -> dict[str, Any]:
        """``audio.input``: format, transcription, noise_reduction, turn_detection."""
        fields: dict[str, Any] = self._data["audio"]["input"]
        return fields

    @property
    def output(self) -> dict[str, Any]:
        """``audio.output``: format, voice, speed; empty in a transcription session."""
        fields: dict[str, Any] = self._data["audio"].get("output", {})
        return fields

    @property
    def voice(self) -> Any:
        """The voice: a name, or an object with an id."""
        return self.output.get("voice")

    @property
    def input_format(self) -> AudioFormat:
        """Format of the input audio."""
        return FORMATS[self.input["format"]["type"]]

    @property
    def turn_detection(self) -> dict[str, Any] | None:
        """``audio.input.turn_detection``; None without turn detection."""
        detection: dict[str, Any] | None = self.input["turn_detection"]
        return detection


def check_type(session: Any, kinds: tuple[str, ...] = ("realtime", "transcription")) -> str:
    """The ``type`` of an unchecked session object. Raises RequestError unless it is one of *kinds*."""
    if not isinstance(session, dict):
        record({})(session, "session")
    if session.get("type") is None:
        raise missing("session.type")
    if session["type"] not in kinds:
        raise invalid_value(session["type"], "session.type", kinds)
    return str(session["type"])


def complete_format(value: dict[str, Any]) -> dict[str, Any]:
    """A format object, with its rate added for PCM."""
    return PCM_24K | value if value["type"] == "audio/pcm" else value


def _complete(key: str, value: Any, held: Any) -> Any:
    """The property *key* of ``audio.input`` or ``audio.output`` after an update by *value*; it was *held* before."""
    if value is None:
        return None
    if key == "turn_detection":
        return (SERVER_VAD if value["type"] == "server_vad" else SEMANTIC_VAD) | value
    if key == "transcription":
        return {"model": "whisper-1", "language": None, "prompt": None} | value
    if key == "noise_reduction":
        return {"strength": 1.0} | (held or {}) | value
    return complete_format(value) if key == "format" else value
