"""Server events of whole turns, one function per kind of turn, in the order that recordings show."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import numpy as np

Wire = dict[str, Any]
_ids = itertools.count(1)


def tone(samples: int, start: int = 0) -> np.ndarray:
    """int16 samples that count upward, so that every sample shows its position."""
    return ((np.arange(start, start + samples) % 30_000) + 1).astype(np.int16)


def b64(samples: np.ndarray) -> str:
    return base64.b64encode(samples.astype("<i2").tobytes()).decode()


def with_ids(events: list[Wire]) -> list[Wire]:
    return [{"event_id": f"event_{next(_ids)}", **event} for event in events]


def user_text(text: str, item_id: str = "item_user", previous: str | None = None) -> list[Wire]:
    item = {
        "id": item_id,
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_text", "text": text}],
    }
    return with_ids(
        [
            {"type": "conversation.item.added", "previous_item_id": previous, "item": item},
            {"type": "conversation.item.done", "previous_item_id": previous, "item": item},
        ]
    )


def response_created(response_id: str = "resp_1") -> list[Wire]:
    response = {
        "id": response_id,
        "object": "realtime.response",
        "status": "in_progress",
        "status_details": None,
        "output": [],
        "conversation_id": "conv_1",
        "output_modalities": ["audio"],
        "usage": None,
    }
    return with_ids([{"type": "response.created", "response": response}])


def response_done(
    response_id: str = "resp_1",
    output: list[Wire] | None = None,
    status: str = "completed",
    details: Any = None,
) -> list[Wire]:
    response = {
        "id": response_id,
        "object": "realtime.response",
        "status": status,
        "status_details": details,
        "output": output or [],
        "conversation_id": "conv_1",
        "usage": {
            "total_tokens": 30,
            "input_tokens": 20,
            "output_tokens": 10,
            "input_token_details": {"text_tokens": 20, "audio_tokens": 0, "cached_tokens": 0},
            "output_token_details": {"text_tokens": 4, "audio_tokens": 6},
        },
    }
    limits = [{"name": "tokens", "limit": 1000, "remaining": 970, "reset_seconds": 1.5}]
    return with_ids(
        [
            {"type": "response.done", "response": response},
            {"type": "rate_limits.updated", "rate_limits": limits},
        ]
    )


def _message(item_id: str, status: str, content: list[Wire]) -> Wire:
    return {"id": item_id, "type": "message", "role": "assistant", "status": status, "content": content}


def text_answer(
    text: str, item_id: str = "item_answer", response_id: str = "resp_1", previous: str | None = "item_user"
) -> list[Wire]:
    address = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
    begun = _message(item_id, "in_progress", [])
    whole = _message(item_id, "completed", [{"type": "output_text", "text": text}])
    pieces = [text[i : i + 4] for i in range(0, len(text), 4)]
    return [
        *response_created(response_id),
        *with_ids(
            [
                {
                    "type": "response.output_item.added",
                    "response_id": response_id,
                    "output_index": 0,
                    "item": begun,
                },
                {"type": "conversation.item.added", "previous_item_id": previous, "item": begun},
                {"type": "response.content_part.added", **address, "part": {"type": "text", "text": ""}},
                *(
                    {"type": "response.output_text.delta", **address, "delta": piece, "obfuscation": "x7"}
                    for piece in pieces
                ),
                {"type": "response.output_text.done", **address, "text": text},
                {"type": "response.content_part.done", **address, "part": {"type": "text", "text": text}},
                {"type": "conversation.item.done", "previous_item_id": previous, "item": whole},
                {
                    "type": "response.output_item.done",
                    "response_id": response_id,
                    "output_index": 0,
                    "item": whole,
                },
            ]
        ),
        *response_done(response_id, [whole]),
    ]


def audio_begin(
    item_id: str = "item_answer", response_id: str = "resp_1", previous: str | None = "item_user"
) -> list[Wire]:
    address = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
    begun = _message(item_id, "in_progress", [])
    return [
        *response_created(response_id),
        *with_ids(
            [
                {
                    "type": "response.output_item.added",
                    "response_id": response_id,
                    "output_index": 0,
                    "item": begun,
                },
                {"type": "conversation.item.added", "previous_item_id": previous, "item": begun},
                {
                    "type": "response.content_part.added",
                    **address,
                    "part": {"type": "audio", "transcript": ""},
                },
            ]
        ),
    ]


def audio_delta(
    samples: np.ndarray, item_id: str = "item_answer", response_id: str = "resp_1", encoded: str | None = None
) -> Wire:
    return with_ids(
        [
            {
                "type": "response.output_audio.delta",
                "response_id": response_id,
                "item_id": item_id,
                "output_index": 0,
                "content_index": 0,
                "delta": b64(samples) if encoded is None else encoded,
            }
        ]
    )[0]


def transcript_delta(text: str, item_id: str = "item_answer", response_id: str = "resp_1") -> Wire:
    return with_ids(
        [
            {
                "type": "response.output_audio_transcript.delta",
                "response_id": response_id,
                "item_id": item_id,
                "output_index": 0,
                "content_index": 0,
                "delta": text,
            }
        ]
    )[0]


def audio_end(
    transcript: str,
    item_id: str = "item_answer",
    response_id: str = "resp_1",
    status: str = "completed",
    details: Any = None,
) -> list[Wire]:
    address = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
    item_status = "completed" if status == "completed" else "incomplete"
    whole = _message(item_id, item_status, [{"type": "output_audio", "transcript": transcript}])
    return [
        *with_ids(
            [
                {"type": "response.output_audio.done", **address},
                {"type": "response.output_audio_transcript.done", **address, "transcript": transcript},
                {
                    "type": "response.content_part.done",
                    **address,
                    "part": {"type": "audio", "transcript": transcript},
                },
                {"type": "conversation.item.done", "item": whole},
                {
                    "type": "response.output_item.done",
                    "response_id": response_id,
                    "output_index": 0,
                    "item": whole,
                },
            ]
        ),
        *response_done(response_id, [whole], status, details),
    ]


def audio_answer(
    transcript: str, samples: np.ndarray, item_id: str = "item_answer", response_id: str = "resp_1"
) -> list[Wire]:
    half = len(samples) // 2
    middle = len(transcript) // 2
    return [
        *audio_begin(item_id, response_id),
        transcript_delta(transcript[:middle], item_id, response_id),
        audio_delta(samples[:half], item_id, response_id),
        transcript_delta(transcript[middle:], item_id, response_id),
        audio_delta(samples[half:], item_id, response_id),
        *audio_end(transcript, item_id, response_id),
    ]


def speech(
    item_id: str = "item_user", start_ms: int = 200, end_ms: int = 1200, previous: str | None = None
) -> list[Wire]:
    """The user's turn as server VAD reports it."""
    return [
        *with_ids(
            [
                {
                    "type": "input_audio_buffer.speech_started",
                    "item_id": item_id,
                    "audio_start_ms": start_ms,
                },
                {"type": "input_audio_buffer.speech_stopped", "item_id": item_id, "audio_end_ms": end_ms},
            ]
        ),
        *committed(item_id, previous),
    ]


def committed(item_id: str = "item_user", previous: str | None = None) -> list[Wire]:
    item = {
        "id": item_id,
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_audio", "transcript": None}],
    }
    return with_ids(
        [
            {"type": "input_audio_buffer.committed", "item_id": item_id, "previous_item_id": previous},
            {"type": "conversation.item.added", "previous_item_id": previous, "item": item},
            {"type": "conversation.item.done", "previous_item_id": previous, "item": item},
        ]
    )


def transcription(transcript: str, item_id: str = "item_user") -> list[Wire]:
    return with_ids(
        [
            {
                "type": "conversation.item.input_audio_transcription.delta",
                "item_id": item_id,
                "content_index": 0,
                "delta": transcript[:3],
            },
            {
                "type": "conversation.item.input_audio_transcription.completed",
                "item_id": item_id,
                "content_index": 0,
                "transcript": transcript,
                "usage": {"type": "duration", "seconds": 1},
            },
        ]
    )


def call_begin(
    name: str, call_id: str, item_id: str, response_id: str = "resp_1", output_index: int = 0
) -> list[Wire]:
    item = {
        "id": item_id,
        "type": "function_call",
        "status": "in_progress",
        "name": name,
        "call_id": call_id,
        "arguments": "",
    }
    return with_ids(
        [
            {
                "type": "response.output_item.added",
                "response_id": response_id,
                "output_index": output_index,
                "item": item,
            },
            {"type": "conversation.item.added", "previous_item_id": "item_user", "item": item},
        ]
    )


def call_end(
    name: str,
    arguments: str,
    call_id: str,
    item_id: str,
    response_id: str = "resp_1",
    output_index: int = 0,
    status: str = "completed",
) -> list[Wire]:
    address = {
        "response_id": response_id,
        "item_id": item_id,
        "output_index": output_index,
        "call_id": call_id,
    }
    item = {
        "id": item_id,
        "type": "function_call",
        "status": status,
        "name": name,
        "call_id": call_id,
        "arguments": arguments,
    }
    middle = len(arguments) // 2
    return with_ids(
        [
            {"type": "response.function_call_arguments.delta", **address, "delta": arguments[:middle]},
            {"type": "response.function_call_arguments.delta", **address, "delta": arguments[middle:]},
            {
                "type": "response.function_call_arguments.done",
                **address,
                "name": name,
                "arguments": arguments,
            },
            {"type": "conversation.item.done", "previous_item_id": "item_user", "item": item},
            {
                "type": "response.output_item.done",
                "response_id": response_id,
                "output_index": output_index,
                "item": item,
            },
        ]
    )


def function_call(
    name: str,
    arguments: str,
    call_id: str = "call_1",
    item_id: str = "item_call",
    response_id: str = "resp_1",
) -> list[Wire]:
    return [
        *response_created(response_id),
        *call_begin(name, call_id, item_id, response_id),
        *call_end(name, arguments, call_id, item_id, response_id),
        *response_done(response_id),
    ]


def echo(create: Wire, previous: str | None = None) -> list[Wire]:
    """The server's answer to conversation.item.create."""
    item = {"status": "completed", **create["item"]}
    return with_ids(
        [
            {"type": "conversation.item.added", "previous_item_id": previous, "item": item},
            {"type": "conversation.item.done", "previous_item_id": previous, "item": item},
        ]
    )


def error(message: str, code: str | None = None, event_id: str | None = None, **fields: Any) -> Wire:
    body = {"type": "invalid_request_error", "code": code, "message": message, "event_id": event_id, **fields}
    return with_ids([{"type": "error", "error": body}])[0]
