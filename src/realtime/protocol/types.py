"""Types of the protocol's GA objects, for type checkers. A server may omit any key and add others.

Thread: any; pure data.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

__all__ = [
    "AudioConfig",
    "AudioFormatConfig",
    "AudioInputConfig",
    "AudioOutputConfig",
    "ContentPart",
    "FunctionTool",
    "SessionConfig",
    "SessionFields",
    "TranscriptionConfig",
    "TurnDetectionConfig",
]


class AudioFormatConfig(TypedDict, total=False):
    """An audio format: PCM16 at 24000 Hz, or G.711 mu-law or A-law at 8000 Hz."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
    rate: int


class TurnDetectionConfig(TypedDict, total=False):
    """How the server detects the end of a turn; ``None`` in its place means manual mode."""

    type: Literal["server_vad", "semantic_vad"]
    threshold: float
    prefix_padding_ms: int
    silence_duration_ms: int
    idle_timeout_ms: int | None
    eagerness: Literal["low", "medium", "high", "auto"]
    create_response: bool
    interrupt_response: bool


class TranscriptionConfig(TypedDict, total=False):
    """How the server transcribes the user's speech."""

    model: str
    language: str
    languages: list[str]
    prompt: str
    keywords: list[str]
    delay: str


class AudioInputConfig(TypedDict, total=False):
    """How the server processes the user's audio."""

    format: AudioFormatConfig
    transcription: TranscriptionConfig | None
    noise_reduction: dict[str, Any] | None
    turn_detection: TurnDetectionConfig | None


class AudioOutputConfig(TypedDict, total=False):
    """Format, voice and speed of spoken answers."""

    format: AudioFormatConfig
    voice: str | dict[str, Any]
    speed: float


class AudioConfig(TypedDict, total=False):
    """Audio settings of both directions."""

    input: AudioInputConfig
    output: AudioOutputConfig


class FunctionTool(TypedDict, total=False):
    """A function that the model may call; ``parameters`` is a JSON schema."""

    type: Literal["function"]
    name: str
    description: str
    parameters: dict[str, Any]


class SessionFields(TypedDict, total=False):
    """What GA's session object and the keywords of the client have in common."""

    type: Literal["realtime", "transcription"]
    output_modalities: list[Literal["audio", "text"]]
    instructions: str
    audio: AudioConfig
    tools: list[dict[str, Any]]
    tool_choice: str | dict[str, Any]
    parallel_tool_calls: bool
    reasoning: dict[str, Any]
    max_output_tokens: int | Literal["inf"]
    truncation: str | dict[str, Any]
    include: list[str] | None
    prompt: dict[str, Any] | None
    tracing: str | dict[str, Any] | None
    temperature: float


class SessionConfig(SessionFields, total=False):
    """The session object; `RealtimeClient.session_config` holds the fields that the application set."""

    model: str


class ContentPart(TypedDict, total=False):
    """One part of a message's content; its ``type`` determines its other fields."""

    type: Literal["input_text", "input_audio", "input_image", "output_text", "output_audio"]
    text: str
    audio: str
    transcript: str | None
    image_url: str
    detail: str


class SessionKeywords(SessionFields, total=False):
    """Keywords of `RealtimeClient` and `RealtimeClient.update_session`: GA's fields, and the flat ones of beta."""

    voice: str | dict[str, Any]
    speed: float
    modalities: list[str] | tuple[str, ...]
    turn_detection: str | TurnDetectionConfig | dict[str, Any] | None
    input_audio_format: str
    output_audio_format: str
    input_audio_transcription: str | TranscriptionConfig | dict[str, Any] | None
    input_audio_noise_reduction: dict[str, Any] | None
    max_response_output_tokens: int | Literal["inf"]
