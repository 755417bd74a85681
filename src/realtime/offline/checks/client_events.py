"""The client events: one schema per event type, and the schema of items.

Thread: any; pure.
"""

from __future__ import annotations

from typing import Any

from ...protocol.schema import (
    Check,
    RequestError,
    anything,
    array,
    boolean,
    choice,
    integer,
    mapping,
    nullable,
    record,
    tagged,
    text,
)
from ...protocol.session_schema import (
    FORMAT,
    MAX_OUTPUT_TOKENS,
    MODALITIES,
    PROMPT,
    REASONING,
    TOOL,
    TOOL_CHOICE,
    VOICE,
    check_modalities,
)

# The client event that sets the faults of its session, and the server event that confirms it.
CONTROL_EVENT = "offline.faults"

IDENTIFIER = text(512)
_STATUS = {"id": IDENTIFIER, "object": anything, "status": anything}

# The content parts that each role may hold.
PARTS: dict[str, dict[str, Check]] = {
    "system": {"input_text": record({"type": anything, "text": text()}, required=("text",))},
    "user": {
        "input_text": record({"type": anything, "text": text()}, required=("text",)),
        "input_audio": record({"type": anything, "audio": text(), "transcript": nullable(text())}),
        "input_image": record(
            {"type": anything, "image_url": text(), "detail": choice("auto", "low", "high")},
            required=("image_url",),
        ),
    },
    "assistant": {
        "output_text": record({"type": anything, "text": text()}, required=("text",)),
        "output_audio": record({"type": anything, "audio": text(), "transcript": nullable(text())}),
    },
}


def _message(role: str) -> Check:
    return record(
        {
            "type": anything,
            "role": anything,
            "content": array(tagged(PARTS[role])),
            "phase": nullable(choice("commentary", "final_answer")),
            **_STATUS,
        },
        required=("content",),
    )


_LISTED_TOOL = record(
    {"name": text(), "description": nullable(text()), "input_schema": anything, "annotations": anything},
    required=("name", "input_schema"),
)
_MCP_ERROR = tagged(
    {
        kind: record({"type": anything, "code": anything, "message": text()}, required=("message",))
        for kind in ("protocol_error", "tool_execution_error", "http_error")
    }
)

ITEM = tagged(
    {
        "message": tagged({role: _message(role) for role in PARTS}, tag="role"),
        "function_call": record(
            {"type": anything, "call_id": text(), "name": text(), "arguments": text(), **_STATUS},
            required=("name", "arguments"),
        ),
        "function_call_output": record(
            {"type": anything, "call_id": text(), "output": text(), **_STATUS},
            required=("call_id", "output"),
        ),
        "mcp_approval_response": record(
            {
                "type": anything,
                "approval_request_id": text(),
                "approve": boolean,
                "reason": nullable(text()),
                **_STATUS,
            },
            required=("approval_request_id", "approve"),
        ),
        "mcp_approval_request": record(
            {"type": anything, "server_label": text(), "name": text(), "arguments": text(), **_STATUS},
            required=("server_label", "name", "arguments"),
        ),
        "mcp_list_tools": record(
            {"type": anything, "server_label": text(), "tools": array(_LISTED_TOOL, 1_000), **_STATUS},
            required=("server_label", "tools"),
        ),
        "mcp_call": record(
            {
                "type": anything,
                "server_label": text(),
                "name": text(),
                "arguments": text(),
                "approval_request_id": nullable(text()),
                "output": nullable(text()),
                "error": nullable(_MCP_ERROR),
                **_STATUS,
            },
            required=("server_label", "name", "arguments"),
        ),
    }
)


def _input_item(value: Any, path: str) -> None:
    if isinstance(value, dict) and value.get("type") == "item_reference":
        return record({"type": anything, "id": IDENTIFIER}, required=("id",))(value, path)
    return ITEM(value, path)


_RESPONSE = record(
    {
        "output_modalities": MODALITIES,
        "instructions": text(),
        "audio": record({"output": record({"format": FORMAT, "voice": VOICE})}),
        "tools": array(TOOL, 128),
        "tool_choice": TOOL_CHOICE,
        "parallel_tool_calls": nullable(boolean),
        "reasoning": REASONING,
        "max_output_tokens": MAX_OUTPUT_TOKENS,
        "conversation": choice("auto", "none"),
        "input": nullable(array(_input_item)),
        "metadata": nullable(mapping(text(64), text(512), 16)),
        "prompt": PROMPT,
    }
)


def _response(value: Any, path: str) -> None:
    _RESPONSE(value, path)
    if "output_modalities" in value:
        check_modalities(value["output_modalities"], f"{path}.output_modalities")


def _event(required: tuple[str, ...] = (), **fields: Check) -> Check:
    return record({"type": anything, "event_id": nullable(IDENTIFIER), **fields}, required)


CLIENT_EVENTS: dict[str, Check] = {
    # SessionConfig.update checks the session object, because its schema depends on the kind of the connection.
    "session.update": _event(session=anything, required=("session",)),
    "input_audio_buffer.append": _event(audio=text(), required=("audio",)),
    "input_audio_buffer.commit": _event(),
    "input_audio_buffer.clear": _event(),
    "conversation.item.create": _event(item=ITEM, previous_item_id=nullable(IDENTIFIER), required=("item",)),
    "conversation.item.retrieve": _event(item_id=IDENTIFIER, required=("item_id",)),
    "conversation.item.truncate": _event(
        item_id=IDENTIFIER,
        content_index=integer(0, 0),
        audio_end_ms=integer(0, 1 << 40),
        required=("item_id", "content_index", "audio_end_ms"),
    ),
    "conversation.item.delete": _event(item_id=IDENTIFIER, required=("item_id",)),
    "response.create": _event(response=nullable(_response)),
    "response.cancel": _event(response_id=nullable(IDENTIFIER)),
    "output_audio_buffer.clear": _event(),
    CONTROL_EVENT: _event(faults=anything, required=("faults",)),
}


def check_event(event: Any) -> str:
    """The type of a well-formed client *event*. Raises RequestError for any other value."""
    if not isinstance(event, dict):
        raise RequestError("invalid_event", "Invalid event: expected a JSON object.")
    tagged(CLIENT_EVENTS)(event, "")
    return str(event["type"])
