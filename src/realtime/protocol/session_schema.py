"""What a GA session takes: the schema of its object, for the checks of the client and of the offline server.

Thread: any; pure data.
"""

from __future__ import annotations

from .schema import (
    Check,
    RequestError,
    anything,
    array,
    boolean,
    choice,
    decimal,
    either,
    integer,
    mapping,
    nullable,
    record,
    tagged,
    text,
)

__all__ = [
    "EFFORTS",
    "FORMAT",
    "MAX_OUTPUT_TOKENS",
    "MODALITIES",
    "PROMPT",
    "READ_ONLY",
    "REALTIME",
    "REASONING",
    "TOOL",
    "TOOL_CHOICE",
    "TRANSCRIBING",
    "TRANSCRIPTION",
    "TURN_DETECTION",
    "VOICE",
    "VOICES",
    "check_modalities",
]

VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
EFFORTS = ("minimal", "low", "medium", "high", "xhigh")

FORMAT = tagged(
    {
        "audio/pcm": record({"type": anything, "rate": integer(24000, 24000)}),
        "audio/pcmu": record({"type": anything, "rate": integer(8000, 8000)}),
        "audio/pcma": record({"type": anything, "rate": integer(8000, 8000)}),
    }
)
TRANSCRIPTION = record(
    {
        "model": text(),
        "language": nullable(text()),
        "languages": nullable(array(text())),
        "prompt": nullable(text()),
        "keywords": nullable(array(text())),
        "delay": choice(*EFFORTS),
    }
)
TURN_DETECTION = tagged(
    {
        "server_vad": record(
            {
                "type": anything,
                "threshold": decimal(0.0, 1.0),
                "prefix_padding_ms": integer(0, 60_000),
                "silence_duration_ms": integer(0, 60_000),
                "idle_timeout_ms": nullable(integer(5_000, 30_000)),
                "create_response": boolean,
                "interrupt_response": boolean,
                "model_version": text(),
            }
        ),
        "semantic_vad": record(
            {
                "type": anything,
                "eagerness": choice("low", "medium", "high", "auto"),
                "create_response": boolean,
                "interrupt_response": boolean,
                "model_version": text(),
            }
        ),
    }
)
_TOOL_FILTER = record({"tool_names": array(text()), "read_only": boolean})
_ALLOWED_TOOLS = nullable(either(array(text()), _TOOL_FILTER))
TOOL = tagged(
    {
        "function": record(
            {
                "type": anything,
                "name": text(128),
                "description": nullable(text()),
                "parameters": nullable(mapping(text(), anything, 10_000)),
                "strict": nullable(boolean),
            },
            required=("name",),
        ),
        "mcp": record(
            {
                "type": anything,
                "server_label": text(),
                "server_url": text(),
                "connector_id": text(),
                "tunnel_id": text(),
                "authorization": text(),
                "headers": nullable(mapping(text(), text(), 100)),
                "allowed_tools": _ALLOWED_TOOLS,
                "require_approval": either(
                    record({"always": _TOOL_FILTER, "never": _TOOL_FILTER}), choice("always", "never")
                ),
                "server_description": text(),
                "defer_loading": boolean,
                "allowed_callers": array(choice("direct", "programmatic")),
            },
            required=("server_label",),
        ),
    }
)
TOOL_CHOICE = either(
    tagged(
        {
            "function": record({"type": anything, "name": text()}, required=("name",)),
            "mcp": record(
                {"type": anything, "server_label": text(), "name": nullable(text())},
                required=("server_label",),
            ),
        }
    ),
    choice("auto", "none", "required"),
)
VOICE: Check = either(record({"id": text()}, required=("id",)), choice(*VOICES))
MAX_OUTPUT_TOKENS = either(choice("inf"), integer(1, 4096))
PROMPT = nullable(
    record(
        {"id": text(), "version": nullable(text()), "variables": nullable(mapping(text(), anything, 100))},
        required=("id",),
    )
)
MODALITIES = array(choice("text", "audio"))
REASONING = nullable(record({"effort": choice(*EFFORTS)}))

_AUDIO_INPUT: dict[str, Check] = {
    "format": FORMAT,
    "transcription": nullable(TRANSCRIPTION),
    "noise_reduction": nullable(
        record({"type": choice("near_field", "far_field"), "strength": decimal(0.0, 1.0)})
    ),
    "turn_detection": nullable(TURN_DETECTION),
}
_INCLUDE = nullable(array(choice("item.input_audio_transcription.logprobs")))
READ_ONLY: dict[str, Check] = {"id": anything, "object": anything, "expires_at": anything}

REALTIME: dict[str, Check] = {
    "type": choice("realtime"),
    "model": text(),
    "output_modalities": MODALITIES,
    "instructions": text(),
    "audio": record(
        {
            "input": record(_AUDIO_INPUT),
            "output": record({"format": FORMAT, "voice": VOICE, "speed": decimal(0.25, 1.5)}),
        }
    ),
    "include": _INCLUDE,
    "tools": array(TOOL, 128),
    "tool_choice": TOOL_CHOICE,
    "parallel_tool_calls": nullable(boolean),
    "reasoning": REASONING,
    "max_output_tokens": MAX_OUTPUT_TOKENS,
    "truncation": either(
        record(
            {
                "type": choice("retention_ratio"),
                "retention_ratio": decimal(0.0, 1.0),
                "token_limits": nullable(record({"post_instructions": integer(0, 1 << 30)})),
            },
            required=("type", "retention_ratio"),
        ),
        choice("auto", "disabled"),
    ),
    "prompt": PROMPT,
    "tracing": nullable(
        either(
            record(
                {
                    "workflow_name": nullable(text()),
                    "group_id": nullable(text()),
                    "metadata": nullable(mapping(text(), anything, 16)),
                }
            ),
            choice("auto"),
        )
    ),
}
TRANSCRIBING: dict[str, Check] = {
    "type": choice("transcription"),
    "audio": record({"input": record(_AUDIO_INPUT)}),
    "include": _INCLUDE,
}


def check_modalities(value: list[str], path: str) -> None:
    """Raise RequestError unless *value* is exactly one of text and audio (audio always has its transcript)."""
    if len(value) != 1:
        raise RequestError(
            "invalid_value",
            f"Invalid modalities: {value}. Supported combinations are: ['text'] and ['audio'].",
            path,
        )
