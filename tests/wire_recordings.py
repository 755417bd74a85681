"""Recordings of every kind of turn, as lists of events in the order in which a server sends them."""

from __future__ import annotations

import copy
import random
from typing import Any

from realtime.protocol.reading import Wire
from tests import wire_turns as turns


def _mcp_call() -> list[Wire]:
    item = {"id": "item_mcp", "type": "mcp_call", "server_label": "docs", "name": "find", "arguments": "{}"}
    tools = {"id": "item_list", "type": "mcp_list_tools", "server_label": "docs", "tools": [{"name": "find"}]}
    address = {"item_id": "item_mcp", "output_index": 0}
    return [
        *turns.with_ids(
            [
                {"type": "mcp_list_tools.in_progress", "item_id": "item_list"},
                {"type": "conversation.item.added", "item": tools},
                {"type": "mcp_list_tools.completed", "item_id": "item_list"},
                {"type": "conversation.item.done", "item": tools},
            ]
        ),
        *turns.response_created(),
        *turns.with_ids(
            [
                {
                    "type": "response.output_item.added",
                    "response_id": "resp_1",
                    "output_index": 0,
                    "item": item,
                },
                {
                    "type": "response.mcp_call_arguments.delta",
                    "response_id": "resp_1",
                    **address,
                    "delta": "{}",
                },
                {
                    "type": "response.mcp_call_arguments.done",
                    "response_id": "resp_1",
                    **address,
                    "arguments": "{}",
                },
                {"type": "response.mcp_call.in_progress", **address},
                {"type": "response.mcp_call.completed", **address},
                {
                    "type": "response.output_item.done",
                    "response_id": "resp_1",
                    "output_index": 0,
                    "item": {**item, "output": "found"},
                },
            ]
        ),
        *turns.response_done(),
    ]


def recordings() -> dict[str, list[Wire]]:
    """The recordings by name."""
    audio = turns.tone(4_800)
    cancelled = [
        *turns.user_text("tell me a story"),
        *turns.audio_begin(),
        turns.transcript_delta("once upon"),
        turns.audio_delta(audio),
        *turns.speech("item_user_2", 400, 900, "item_answer")[:1],
        *turns.audio_end(
            "once upon a", status="cancelled", details={"type": "cancelled", "reason": "turn_detected"}
        ),
        *turns.with_ids(
            [
                {
                    "type": "conversation.item.truncated",
                    "item_id": "item_answer",
                    "content_index": 0,
                    "audio_end_ms": 100,
                }
            ]
        ),
        *turns.speech("item_user_2", 400, 900, "item_answer")[1:],
    ]
    failure = {"type": "failed", "error": {"type": "server_error", "code": "overloaded", "message": "busy"}}
    return {
        "text": [*turns.user_text("hi"), *turns.text_answer("hello there")],
        "audio, VAD": [
            *turns.speech(),
            *turns.response_created(),
            *turns.transcription("what is it"),
            *turns.audio_answer("it is noon", audio)[1:],
        ],
        "audio, manual": [
            *turns.committed(),
            *turns.audio_answer("yes", audio),
            *turns.transcription("is it"),
        ],
        "function call": [*turns.user_text("look"), *turns.function_call("look", '{"x": 1}')],
        "two calls": [*turns.user_text("look"), *_two_calls()],
        "barge-in": cancelled,
        "failed": [*turns.response_created(), *turns.response_done(status="failed", details=failure)],
        "MCP": _mcp_call(),
        "deleted": [
            *turns.user_text("forget it"),
            *turns.with_ids([{"type": "conversation.item.deleted", "item_id": "item_user"}]),
        ],
        "idle": _idle(),
    }


def _two_calls() -> list[Wire]:
    return [
        *turns.response_created(),
        *turns.call_begin("look", "call_1", "item_1"),
        *turns.call_end("look", '{"x":1}', "call_1", "item_1"),
        *turns.call_begin("look", "call_2", "item_2", output_index=1),
        *turns.call_end("look", '{"x":2}', "call_2", "item_2", output_index=1),
        *turns.response_done(),
    ]


def _idle() -> list[Wire]:
    return [
        *turns.with_ids(
            [
                {
                    "type": "input_audio_buffer.timeout_triggered",
                    "item_id": "item_user",
                    "audio_start_ms": 0,
                    "audio_end_ms": 500,
                }
            ]
        ),
        *turns.committed(),
        *turns.text_answer("still there?"),
    ]


JUNK: list[Any] = [
    None,
    "",
    "x",
    -1,
    0,
    3.5,
    1e300,
    True,
    [],
    {},
    [None],
    {"a": 1},
    "item_answer",
    10**20,
    "\ud800",
]


def corrupt(event: Wire, rng: random.Random) -> Any:
    """A copy of the event in which one value, at any depth, is missing or replaced by junk."""
    event = copy.deepcopy(event)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], (dict, list)):
                walk(node[key])

    walk(event)
    node, key = rng.choice(places)
    if isinstance(node, dict) and rng.random() < 0.3:
        del node[key]
    else:
        node[key] = rng.choice(JUNK)
    return event


def disturb(events: list[Wire], rng: random.Random) -> list[Any]:
    """The events with one to five of them dropped, repeated, swapped, corrupted or moved to the end."""
    events = list(events)
    for _ in range(rng.randint(1, 5)):
        if not events:
            break
        place = rng.randrange(len(events))
        match rng.choice(("drop", "double", "swap", "corrupt", "late")):
            case "drop":
                del events[place]
            case "double":
                events.insert(rng.randrange(len(events) + 1), events[place])
            case "swap":
                other = rng.randrange(len(events))
                events[place], events[other] = events[other], events[place]
            case "corrupt":
                events[place] = corrupt(events[place], rng) if isinstance(events[place], dict) else None
            case "late":
                events.append(events.pop(place))
    return events
