"""Replies by fixed rules, without a model and without chance, so that a test knows every answer.

The rules are made to exercise the protocol: a greeting, the time, a long answer that can be interrupted, and calls of the
tools that the session offers. To everything else the answer repeats the words of the user.

Thread: the event loop; pure except for the clock.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ...protocol import codec
from ...protocol.audio_format import Int16Array
from .images import Image, describe
from .places import PLACES


@dataclass(frozen=True)
class Message:
    """A message of the user, the assistant or the system."""

    role: str
    text: str
    images: Sequence[Image] = ()


@dataclass(frozen=True)
class ToolCall:
    """An earlier tool call of the assistant."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class ToolOutput:
    """The output of a tool."""

    call_id: str
    name: str
    output: str


@dataclass(frozen=True)
class Context:
    """Everything that a reply may depend on.

    Attributes
    ----------
    instructions : str
        The session's, or those of this response.
    history : sequence
        Messages, tool calls and tool outputs, oldest first.
    tools : sequence of dict
        The tools that may be called, as the session defines them.
    tool_choice : str or dict
        "auto", "none", "required" or the tool that must be called.
    own_instructions : bool
        True if *instructions* belong to this response.
    metadata : dict
        The response's metadata.
    """

    instructions: str
    history: Sequence[Message | ToolCall | ToolOutput]
    tools: Sequence[dict[str, Any]] = ()
    tool_choice: Any = "auto"
    own_instructions: bool = False
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Say:
    """A piece of the answer's text; the pieces are joined as they are."""

    text: str


@dataclass(frozen=True)
class Call:
    """A tool call; *arguments* is the text of a JSON object."""

    name: str
    arguments: str


@dataclass(frozen=True, eq=False)
class Spoken:
    """A whole message that was recorded: its transcript, and its audio (int16, mono, 24 kHz), which may be empty."""

    text: str
    samples: Int16Array


class Replier(Protocol):
    """Makes the content of one response."""

    def reply(self, context: Context) -> AsyncGenerator[Say | Call | Spoken, None]:
        """The pieces of the answer, in order; the generator is closed early if the response is cancelled."""
        ...


LONG_ANSWER = (
    "Once upon a time a sample set out from a microphone. "
    "It was a small sample, sixteen bits wide, and it had a long way to go. "
    "First it came to a ring, where it waited for its turn. "
    "Then it was resampled, which tickled a little. "
    "A socket carried it over the loopback, together with many thousands of its kind. "
    "On the other side a network listened to all of them, and wrote down what they said. "
    "Someone thought about it for a moment, and made an answer. "
    "The answer was spoken, sample by sample, and sent back the way they had come. "
    "At last a loudspeaker moved, the air moved with it, and somebody heard. "
    "And if nobody has interrupted, they are listening to it still."
)
WHICH_PLACE = "Which place do you mean? I know the large cities."
NOTHING_HEARD = "Sorry, I did not catch that."
GREETING = "Hello! How can I help you?"

_GREETING = re.compile(r"\b(hello|hi|hey|good (morning|afternoon|evening))\b", re.I)
_TIME = re.compile(r"\bwhat('s| is)? (the )?time\b|\bwhat time\b|\btell me the time\b", re.I)
_LONG = re.compile(r"\b(story|long answer|poem|count to)\b", re.I)
_WEATHER = re.compile(r"\b(weather|temperature|how (warm|cold|hot))\b", re.I)
_REMEMBER = re.compile(r"\bremember(?: that)?\b[,:]?\s*(?P<fact>.+)", re.I)
_MY_FACT = re.compile(r"\bmy (?P<key>[a-z][a-z ]{0,40}?) (?:is|are|was) (?P<value>[^.,;!?]+)", re.I)
_THANKS = re.compile(r"\b(thanks|thank you)\b", re.I)
_BYE = re.compile(r"\b(goodbye|bye)\b", re.I)
_SAY = re.compile(
    r"\b(?:say|repeat|answer with|respond with)(?: exactly)?:?\s*[\"“'](?P<text>.+?)[\"”']", re.I | re.S
)

# In the instructions of a session: the answer shows that the instructions of a test or of a relay have arrived.
_ALWAYS_SAY = re.compile(
    r"\balways (?:say|answer|respond)(?: with)?(?: exactly)?:?\s*[\"“'](?P<text>.+?)[\"”']", re.I | re.S
)


class RuleReplies:
    """Replier by fixed rules; *now* returns the time of day."""

    def __init__(self, now: Callable[[], datetime] = datetime.now) -> None:
        self._now = now

    async def reply(self, context: Context) -> AsyncGenerator[Say | Call, None]:
        """Implements Replier.reply: the same context gives the same answer, except for the time of day."""
        for piece in self.pieces(context):
            yield piece

    def pieces(self, context: Context) -> list[Say | Call]:
        """The whole answer at once."""
        outputs = _trailing_outputs(context.history)
        if outputs:
            return [Say(" ".join(_describe_output(output) for output in outputs))]
        quoted = (_SAY if context.own_instructions else _ALWAYS_SAY).search(context.instructions)
        if quoted:
            return [Say(quoted["text"])]
        asked = _last_user_text(context.history)
        images = _new_images(context.history)
        if images:
            return [Say(" ".join([describe(images), *([self._answer(asked)] if asked else [])]))]
        if asked is None:
            return [Say(GREETING)]
        calls = [] if context.tool_choice == "none" else tool_calls(asked, context.tools, context.tool_choice)
        if calls:
            return [*calls]
        if _WEATHER.search(asked) and any("weather" in str(tool.get("name")) for tool in context.tools):
            return [Say(WHICH_PLACE)]
        return [Say(self._answer(asked))]

    def _answer(self, asked: str) -> str:
        if not asked.strip():
            return NOTHING_HEARD
        if _LONG.search(asked):
            return LONG_ANSWER
        if _TIME.search(asked):
            now = self._now()
            return f"It is {now.hour % 12 or 12}:{now.minute:02} {'AM' if now.hour < 12 else 'PM'}."
        if _THANKS.search(asked):
            return "You are welcome."
        if _BYE.search(asked):
            return "Goodbye!"
        if _GREETING.search(asked):
            how = " I am fine, thank you." if re.search(r"\bhow are you\b", asked, re.I) else ""
            return f"Hello!{how} How can I help you?"
        said = asked.strip()
        return f"You said: {said}" + ("" if said[-1] in ".!?…)" else ".")


def tool_calls(asked: str, tools: Sequence[dict[str, Any]], choice: Any = "auto") -> list[Call]:
    """The tool calls that answer *asked*, with arguments named as in each tool's schema.

    Weather and memory tools are called by topic, other tools by name ("call roll dice", "use the roll_dice tool"). If
    *choice* is "required" or names a function, a tool is called in any case.
    """
    functions = {tool["name"]: tool for tool in tools if tool.get("type") == "function"}
    forced = choice.get("name") if isinstance(choice, dict) else None
    calls: list[Call] = []
    for name, tool in functions.items():
        if forced is not None and name != forced:
            continue
        schema = tool.get("parameters") or {}
        if "weather" in name and _WEATHER.search(asked):
            arguments = (_place_arguments(schema, place) for place in _places(asked))
            calls += [Call(name, json.dumps(found)) for found in arguments if found is not None]
        elif "memory" in name or "remember" in name:
            calls += [Call(name, json.dumps(fact)) for fact in _facts(schema, asked)]
        elif _names_tool(asked, name):
            calls.append(Call(name, json.dumps(fill_arguments(schema, asked))))
    if not calls and (forced in functions or (choice == "required" and functions)):
        name = forced if forced is not None else next(iter(functions))
        calls.append(Call(name, json.dumps(fill_arguments(functions[name].get("parameters") or {}, asked))))
    return calls


def fill_arguments(schema: dict[str, Any], asked: str) -> dict[str, Any]:
    """Arguments for a JSON *schema*: numbers and places found in *asked*, and *asked* itself as text."""
    # At most 15 digits: a float holds them exactly, and JSON has no infinity.
    numbers = [float(number) for number in re.findall(r"-?\d{1,15}(?:\.\d{1,15})?", asked)]
    place = _places(asked)[:1]
    filled: dict[str, Any] = {}
    for name, field_schema in _properties(schema).items():
        kind = field_schema.get("type")
        if "default" in field_schema:
            filled[name] = field_schema["default"]
        elif choices := _choices(field_schema):
            spoken = [value for value in choices if str(value).lower() in asked.lower()]
            filled[name] = (spoken or choices)[0]
        elif kind in ("number", "integer"):
            value = numbers.pop(0) if numbers else 1.0
            filled[name] = int(value) if kind == "integer" or value.is_integer() else value
        elif kind == "boolean":
            filled[name] = True
        elif kind == "array":
            filled[name] = []
        elif kind == "object":
            filled[name] = fill_arguments(field_schema, asked)
        elif name in ("city", "location", "place") and place:
            filled[name] = place[0]
        else:
            filled[name] = asked.strip()
    return filled


def _properties(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    fields = schema.get("properties")
    if not isinstance(fields, dict):
        return {}
    return {name: inner for name, inner in fields.items() if isinstance(inner, dict)}


def _choices(schema: dict[str, Any]) -> list[Any]:
    """The values that ``enum`` of a schema allows; none if it is not a list."""
    choices = schema.get("enum")
    return choices if isinstance(choices, list) else []


def _places(asked: str) -> list[str]:
    """Places named in *asked*: the known ones in that order, else the capitalised words after "in", "at", "for", "of"."""
    lowered = asked.lower()
    known = sorted(
        (match.start(), name)
        for name in PLACES
        for match in [re.search(rf"\b{name.lower()}\b", lowered)]
        if match
    )
    if known:
        return [name for _, name in known]
    other = re.search(r"\b(?:in|at|for|of) ((?:[A-Z][\w'-]*\s?)+)", asked)
    return [other[1].strip()] if other else []


def _place_arguments(schema: dict[str, Any], place: str) -> dict[str, Any] | None:
    """Arguments of a weather tool for *place*, named as in its schema; None if it needs unknown coordinates."""
    values: dict[str, Any] = {}
    for name, inner in _properties(schema).items():
        lowered = name.lower()
        if lowered.startswith(("lat", "lng", "lon")):
            if place not in PLACES:
                return None
            values[name] = PLACES[place][0 if lowered.startswith("lat") else 1]
        elif choices := _choices(inner):
            values[name] = choices[0]
        elif inner.get("type", "string") == "string":
            values[name] = place
    return values or {"location": place}


def _facts(schema: dict[str, Any], asked: str) -> list[dict[str, Any]]:
    """The arguments of a memory tool for each fact that *asked* asks to remember."""
    remember = _REMEMBER.search(asked)
    if remember is None:
        return []
    pairs = [(m["key"], m["value"]) for m in _MY_FACT.finditer(remember["fact"])]
    if not pairs:
        pairs = [("note", remember["fact"].rstrip(" .!?"))]
    names = list(_properties(schema)) or ["key", "value"]
    key_name = "key" if "key" in names else names[0]
    value_name = "value" if "value" in names else names[-1]
    facts = []
    for key, value in pairs:
        snake_key = re.sub(r"\W+", "_", key.strip().lower())
        fact = {key_name: snake_key, value_name: value.strip()}
        facts.append(fact if key_name != value_name else {value_name: f"{key}: {value}"})
    return facts


def _names_tool(asked: str, name: str) -> bool:
    plain = re.sub(r"[\W_]+", " ", asked.lower())
    return re.sub(r"[\W_]+", " ", name.lower()).strip() in plain


def _trailing_outputs(history: Sequence[Message | ToolCall | ToolOutput]) -> list[ToolOutput]:
    """Tool outputs after the last message of the user or the assistant, oldest first."""
    outputs: list[ToolOutput] = []
    for turn in reversed(history):
        if isinstance(turn, Message):
            if turn.role == "system":
                # Clients use system messages for notes about the connection.
                continue
            break
        if isinstance(turn, ToolOutput):
            outputs.insert(0, turn)
    return outputs


def _last_user_text(history: Sequence[Message | ToolCall | ToolOutput]) -> str | None:
    for turn in reversed(history):
        if isinstance(turn, Message) and turn.role == "user":
            return turn.text
    return None


def _new_images(history: Sequence[Message | ToolCall | ToolOutput]) -> list[Image]:
    """The images that the user showed since the assistant's last message, oldest first."""
    images: list[Image] = []
    for turn in reversed(history):
        if isinstance(turn, Message):
            if turn.role == "assistant":
                break
            images = [*turn.images, *images]
    return images


def _describe_output(output: ToolOutput) -> str:
    """A sentence that states the output of a tool."""
    try:
        value = codec.loads(output.output)
    except ValueError:
        value = output.output
    if "weather" in output.name and isinstance(value, dict):
        return _describe_weather(value)
    if "memory" in output.name:
        return "I will remember that."
    name = output.name.replace("_", " ")
    if isinstance(value, dict):
        listed = ", ".join(f"{key.replace('_', ' ')} {_plain(inner)}" for key, inner in value.items())
        return f"The {name} tool says: {listed}."
    return f"The {name} tool says: {_plain(value)}."


def _describe_weather(value: dict[str, Any]) -> str:
    if "error" in value:
        return f"I could not get the weather: {_plain(value['error'])}."
    place = value.get("location") or value.get("city") or "there"
    temperature = value.get("temperature", value.get("temperature_c", value.get("temperature_celsius")))
    wind = value.get("wind_speed", value.get("wind_speed_kmh"))
    described = []
    if temperature is not None:
        described.append(f"the temperature is {_quantity(temperature, 'degrees')}")
    if wind is not None:
        described.append(f"the wind speed is {_quantity(wind, 'kilometers per hour')}")
    if not described:
        described = [f"{key.replace('_', ' ')} is {_plain(inner)}" for key, inner in value.items()]
    where = f"In {place}" if place != "there" else "There"
    note = value.get("note")
    return f"{where} {' and '.join(described)}." + (f" This is {note}." if isinstance(note, str) else "")


def _quantity(value: Any, unit: str) -> str:
    """A number with its unit; a measurement may be a plain number or {"value": ..., "units": ...}."""
    if isinstance(value, dict):
        value = value.get("value")
    return f"{value} {unit}" if isinstance(value, (int, float)) else str(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
