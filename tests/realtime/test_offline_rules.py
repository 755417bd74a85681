"""The reply rules, and the arguments that they give to tools."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.offline.replies.places import PLACES
from realtime.offline.replies.rules import (
    GREETING,
    LONG_ANSWER,
    NOTHING_HEARD,
    WHICH_PLACE,
    Call,
    Context,
    Message,
    RuleReplies,
    Say,
    ToolCall,
    ToolOutput,
    fill_arguments,
    tool_calls,
)

RULES = RuleReplies(lambda: datetime(2026, 11, 22, 19, 5))


def function(name: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "name": name, "parameters": {"type": "object", "properties": properties}}


WEATHER = function("get_weather", lat={"type": "number"}, lng={"type": "number"}, location={"type": "string"})
MEMORY = function("set_memory", key={"type": "string"}, value={"type": "string"})


def answer(asked: str, **context: Any) -> str:
    pieces = RULES.pieces(Context("", [Message("user", asked)], **context))
    assert all(isinstance(piece, Say) for piece in pieces)
    return "".join(piece.text for piece in pieces if isinstance(piece, Say))


def calls(asked: str, *tools: dict[str, Any], choice: Any = "auto") -> list[tuple[str, Any]]:
    return [(call.name, json.loads(call.arguments)) for call in tool_calls(asked, tools, choice)]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("Hello!", "Hello! How can I help you?"),
        ("Hi, how are you?", "Hello! I am fine, thank you. How can I help you?"),
        ("What time is it?", "It is 7:05 PM."),
        ("Tell me a story.", LONG_ANSWER),
        ("Thanks a lot.", "You are welcome."),
        ("Goodbye.", "Goodbye!"),
        ("The cat is on the mat", "You said: The cat is on the mat."),
        ("Is it late?", "You said: Is it late?"),
        ("What is the weather in Paris?", "You said: What is the weather in Paris?"),  # no such tool
        ("", NOTHING_HEARD),
    ],
)
def test_answers(asked: str, expected: str) -> None:
    assert answer(asked) == expected


def test_nothing_asked_is_greeted() -> None:
    assert RULES.pieces(Context("", [])) == [Say(GREETING)]


def test_weather_call_takes_the_names_of_the_schema() -> None:
    city = function("weather", city={"type": "string"}, units={"enum": ["celsius", "kelvin"]})
    far = function("weather_at", latitude={"type": "number"}, longitude={"type": "number"})
    assert calls("How warm is it in Tokyo?", WEATHER) == [
        ("get_weather", {"lat": 35.68, "lng": 139.69, "location": "Tokyo"})
    ]
    assert calls("Weather in Oslo please", city) == [("weather", {"city": "Oslo", "units": "celsius"})]
    assert calls("the weather in new york", far) == [("weather_at", {"latitude": 40.71, "longitude": -74.01})]


def test_two_places_make_two_calls_in_order_of_mention() -> None:
    found = calls("What is the weather in Rome and in Berlin?", WEATHER)
    assert [arguments["location"] for _, arguments in found] == ["Rome", "Berlin"]


def test_unknown_place_is_named_but_never_located() -> None:
    city = function("get_weather", city={"type": "string"})
    assert calls("What is the weather in Little Whinging?", city) == [
        ("get_weather", {"city": "Little Whinging"})
    ]
    assert calls("What is the weather in Little Whinging?", WEATHER) == []
    assert answer("What is the weather in Little Whinging?", tools=[WEATHER]) == WHICH_PLACE


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("Remember that my name is Ann.", [{"key": "name", "value": "Ann"}]),
        (
            "Please remember my favourite colour is dark blue",
            [{"key": "favourite_colour", "value": "dark blue"}],
        ),
        (
            "Remember that my dog is Rex, and my cat is Tom.",
            [{"key": "dog", "value": "Rex"}, {"key": "cat", "value": "Tom"}],
        ),
        ("Remember to buy milk.", [{"key": "note", "value": "to buy milk"}]),
        ("My name is Ann.", []),
    ],
)
def test_memory_calls(asked: str, expected: list[dict[str, str]]) -> None:
    assert [arguments for _, arguments in calls(asked, MEMORY)] == expected


def test_other_tools_are_called_by_their_name() -> None:
    dice = function("roll_dice", sides={"type": "integer"}, times={"type": "integer"})
    assert calls("Roll dice with 20 sides, 3 times.", dice) == [("roll_dice", {"sides": 20, "times": 3})]
    assert calls("Hello.", dice) == []
    assert calls("Hello.", dice, choice="required") == [("roll_dice", {"sides": 1, "times": 1})]


def test_tool_outputs_are_reported() -> None:
    history = [
        Message("user", "x"),
        ToolCall("c1", "get_weather", "{}"),
        ToolCall("c2", "set_memory", "{}"),
        ToolOutput("c1", "get_weather", '{"location": "Paris", "temperature": {"value": 9.5, "units": "C"}}'),
        ToolOutput("c2", "set_memory", '{"ok": true}'),
    ]
    assert RULES.pieces(Context("", history)) == [
        Say("In Paris the temperature is 9.5 degrees. I will remember that.")
    ]
    assert RULES.pieces(Context("", [*history, Message("user", "Thanks!")])) == [Say("You are welcome.")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(output=st.text(max_size=40) | json_values.map(json.dumps), name=st.sampled_from(["get_weather", "x"]))
def test_any_tool_output_gives_a_sentence(output: str, name: str) -> None:
    pieces = RULES.pieces(Context("", [ToolOutput("c", name, output)]))
    assert len(pieces) == 1
    assert isinstance(pieces[0], Say)
    assert pieces[0].text


@given(asked=st.text(max_size=80), schema=st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_any_schema_gives_arguments(asked: str, schema: dict[str, Any]) -> None:
    tool = {"type": "function", "name": "f", "parameters": {"properties": schema}}
    for call in tool_calls(asked, [tool], "required"):
        assert isinstance(call, Call)
        assert isinstance(json.loads(call.arguments), dict)
    assert isinstance(fill_arguments(schema, asked), dict)


def test_places_are_on_earth() -> None:
    assert all(-90 <= lat <= 90 and -180 <= lng <= 180 for lat, lng in PLACES.values())


def test_a_named_function_is_called_and_no_other() -> None:
    tools = (function("roll_dice"), function("draw_card"))
    assert calls("Call roll dice and draw card.", *tools, choice={"name": "draw_card"}) == [("draw_card", {})]


def test_arguments_follow_the_types_of_the_schema() -> None:
    schema = {
        "properties": {
            "unit": {"type": "string", "default": "m"},
            "colour": {"enum": ["red", "green"]},
            "shape": {"enum": ["round", "square"]},
            "loud": {"type": "boolean"},
            "tags": {"type": "array"},
            "inner": {"type": "object", "properties": {"count": {"type": "integer"}}},
            "city": {"type": "string"},
            "note": {"type": "string"},
        }
    }
    asked = "Paint 3 green houses in Paris"
    assert fill_arguments(schema, asked) == {
        "unit": "m",
        "colour": "green",
        "shape": "round",
        "loud": True,
        "tags": [],
        "inner": {"count": 3},
        "city": "Paris",
        "note": asked,
    }


def test_weather_arguments_leave_out_what_is_no_place() -> None:
    tool = function("weather", city={"type": "string"}, days={"type": "integer"})
    assert calls("What is the weather in Rome?", tool) == [("weather", {"city": "Rome"})]


def said_of(name: str, output: Any, *later: Message) -> str:
    """The answer after a tool returned *output*."""
    history = [
        Message("user", "Go."),
        ToolCall("c", name, "{}"),
        ToolOutput("c", name, json.dumps(output)),
        *later,
    ]
    return "".join(piece.text for piece in RULES.pieces(Context("", history)) if isinstance(piece, Say))


def test_a_system_note_does_not_hide_the_output_of_a_tool() -> None:
    assert said_of("roll_dice", 6, Message("system", "The line is poor.")) == "The roll dice tool says: 6."


def test_weather_is_told_from_plain_numbers_measurements_and_errors() -> None:
    plain = {"location": "Rome", "temperature": 21}
    assert said_of("get_weather", plain) == "In Rome the temperature is 21 degrees."
    measured = {"location": "Rome", "temperature": {"value": 21, "units": "°C"}}
    assert said_of("get_weather", measured) == "In Rome the temperature is 21 degrees."
    named = {"location": "Rome", "temperature_celsius": 21, "wind_speed_kmh": 8, "note": "a sample"}
    assert said_of("get_weather", named) == (
        "In Rome the temperature is 21 degrees and the wind speed is 8 kilometers per hour. This is a sample."
    )
    assert said_of("get_weather", {"error": "no network"}) == "I could not get the weather: no network."


def test_the_last_words_of_the_user_are_answered_though_the_assistant_spoke_since() -> None:
    history = [Message("user", "Thanks."), Message("assistant", "Well.")]
    assert RULES.pieces(Context("", history)) == [Say("You are welcome.")]
