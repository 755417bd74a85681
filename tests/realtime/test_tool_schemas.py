"""Definitions made from functions, and the check of a call's arguments: with pydantic and without it."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import pathlib
import sys
import uuid
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType, Optional, TypedDict, TypeVar, Union

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import NotRequired, Required

from realtime.errors import ToolError
from realtime.tools import definition_of, describe_function, plain_types

if TYPE_CHECKING:
    from decimal import Context


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Number(enum.Enum):
    ONE = 1
    TWO = "two"


@dataclasses.dataclass
class Place:
    name: str
    lat: float = 0.0
    tags: list[str] = dataclasses.field(default_factory=list)


class Options(TypedDict, total=False):
    deep: bool


@dataclasses.dataclass
class Tree:
    children: list[Tree]


class Opaque:
    """Nothing that a schema could describe."""


OPAQUE = Opaque()


@dataclasses.dataclass
class Vague:
    first: Any = OPAQUE


@pytest.fixture(params=["pydantic", "own"])
def engine(request, monkeypatch):
    """Each of the two ways to describe types."""
    if request.param == "own":
        monkeypatch.setitem(sys.modules, "pydantic", None)
        monkeypatch.delitem(sys.modules, "realtime.tools.pydantic_types", raising=False)
    return request.param


def shape(annotation: Any) -> tuple[dict, Any]:
    def tool(x):
        return x

    tool.__annotations__["x"] = annotation
    definition, check = describe_function(tool)
    return definition["parameters"]["properties"]["x"], lambda value: check({"x": value})["x"]


TYPES = [
    (str, {"type": "string"}, "a", "a", 5),
    (int, {"type": "integer"}, "7", 7, "x"),
    (int, {"type": "integer"}, 7.0, 7, 7.5),
    (float, {"type": "number"}, "1.5", 1.5, "x"),
    (float, {"type": "number"}, 1, 1.0, [1]),
    (decimal.Decimal, None, 1, decimal.Decimal(1), [1]),
    (dict, {"type": "object", "additionalProperties": True}, {"a": 1}, {"a": 1}, [1]),
    (bool, {"type": "boolean"}, "true", True, "perhaps"),
    (list, {"type": "array", "items": {}}, [1, "a"], [1, "a"], "a"),
    (list[str], {"type": "array", "items": {"type": "string"}}, ["a"], ["a"], [1]),
    (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}, {"a": 1}, {"a": 1}, 5),
    (set[int], {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, [1, 1], {1}, "x"),
    (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}, "a", "a", "c"),
    (Optional[str], {"anyOf": [{"type": "string"}, {"type": "null"}]}, None, None, 5),  # noqa: UP045
    (str | None, {"anyOf": [{"type": "string"}, {"type": "null"}]}, "a", "a", 5),
    (Union[int, list[int]], None, [1], [1], {}),  # noqa: UP007
    (Colour, {"type": "string", "enum": ["red", "blue"]}, "red", Colour.RED, "green"),
    (Number, {"enum": [1, "two"]}, "two", Number.TWO, 3),
    (tuple[int, str], None, [1, "a"], (1, "a"), [1]),
    (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}, [1, 2], (1, 2), 5),
    (datetime.date, {"type": "string", "format": "date"}, "2026-01-02", datetime.date(2026, 1, 2), "soon"),
    (
        datetime.datetime,
        {"type": "string", "format": "date-time"},
        "2026-01-02T03:04:05Z",
        datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
        "soon",
    ),
    (pathlib.Path, {"type": "string", "format": "path"}, "a/b", pathlib.Path("a/b"), 5),
    (uuid.UUID, {"type": "string", "format": "uuid"}, str(uuid.UUID(int=5)), uuid.UUID(int=5), "x"),
    (decimal.Decimal, None, "1.5", decimal.Decimal("1.5"), "x"),
    (Place, None, {"name": "Rome", "lat": 1}, Place("Rome", 1.0), {"lat": 1}),
    (Place, None, {"name": "Rome"}, Place("Rome"), 5),
    (Options, None, {"deep": True}, {"deep": True}, {"deep": "perhaps"}),
    (type(None), {"type": "null"}, None, None, 1),
    (Annotated[int, "how many"], {"type": "integer", "description": "how many"}, 5, 5, "x"),
    (Annotated[int, 5], {"type": "integer"}, 5, 5, "x"),
]


@pytest.mark.parametrize(("annotation", "schema", "value", "converted", "wrong"), TYPES)
def test_a_type_is_described_and_its_arguments_are_converted(
    engine, annotation, schema, value, converted, wrong
):
    found, convert = shape(annotation)
    if schema is not None:
        assert found == schema
    assert convert(value) == converted and type(convert(value)) is type(converted)
    with pytest.raises(ToolError, match="argument 'x'"):
        convert(wrong)


def test_objects_are_described_with_their_fields(engine):
    found, _ = shape(Place)
    assert found["type"] == "object" and found["required"] == ["name"]
    assert found["properties"]["tags"]["items"] == {"type": "string"}
    assert "title" not in str(found) and "$ref" not in str(found)


@pytest.mark.parametrize("annotation", [Any, object, list[Any]])
def test_any_takes_any_value(engine, annotation):
    assert shape(annotation)[1](["a"]) == ["a"]


def test_a_default_that_json_cannot_hold_is_left_out(engine):
    found, convert = shape(Vague)
    assert "default" not in found["properties"]["first"] and convert({"first": 5}) == Vague(5)


def test_a_type_that_holds_itself_is_described(engine):
    _, convert = shape(Tree)
    assert convert({"children": [{"children": []}]}).children


def test_pydantic_models_are_described_and_checked():
    pydantic = pytest.importorskip("pydantic")

    class Order(pydantic.BaseModel):
        dish: str = pydantic.Field(description="what to eat")
        count: int = pydantic.Field(1, ge=1)

    found, convert = shape(Order)
    assert found["properties"]["dish"] == {"type": "string", "description": "what to eat"}
    assert convert({"dish": "soup", "count": 2}) == Order(dish="soup", count=2)
    with pytest.raises(ToolError, match=r"argument 'x': count: .*greater than or equal to 1"):
        convert({"dish": "soup", "count": 0})
    limited, convert = shape(Annotated[int, pydantic.Field(ge=1, description="how many")])
    assert limited == {"type": "integer", "minimum": 1, "description": "how many"}


def test_none_is_allowed_where_it_is_the_default(engine):
    def look(place: str = None, count=4, how=OPAQUE, by: Any = None):  # noqa: RUF013 - as many write it
        return place

    definition, check = describe_function(look)
    properties = definition["parameters"]["properties"]
    assert properties["count"] == {"default": 4} and properties["how"] == {}
    assert definition["parameters"]["required"] == []
    assert check({"place": None, "count": "any"}) == {"place": None, "count": "any"}


def test_what_is_wrong_with_arguments_is_said_at_once(engine):
    def look(place: str, count: int = 1):
        return place

    _, check = describe_function(look)
    with pytest.raises(ToolError) as caught:
        check({"cuont": 1, "count": "many"})
    for words in ("'place' is missing", "no argument 'cuont', only place, count", "argument 'count'"):
        assert words in str(caught.value)


def test_a_docstring_may_end_within_its_parameters():
    def look(place):
        """Parameters
        ----------
        place
        """

    assert definition_of(look)["description"] == ""


NUMPYDOC = """Look.

    Longer.

    Parameters
    ----------
    place : str
        Where to look,
        exactly.

    count, more : int
        How many.

    Returns
    -------
    str
        What is there.
    """
GOOGLE = """Look.

    Args:
        place (str): Where to look,
            exactly.
        count: How many.
        more: How many.
        - a line that names nothing

    Returns:
        What is there.
    """
SPHINX = """Look.

    :param str place: Where to look,
        exactly.
    :param count: How many.
    :param more: How many.
    :returns: What is there.
    """


@pytest.mark.parametrize("text", [NUMPYDOC, GOOGLE, SPHINX])
def test_texts_of_parameters_come_from_the_docstring(engine, text):
    def look(place: str, count: int, more: int):
        return place

    look.__doc__ = text
    definition = definition_of(look)
    properties = definition["parameters"]["properties"]
    assert properties["place"]["description"] == "Where to look, exactly."
    assert properties["count"]["description"] == properties["more"]["description"] == "How many."
    assert definition["description"].startswith("Look.") and "What is there." in definition["description"]
    assert "Where" not in definition["description"]


def test_functions_of_every_form_are_described():
    class Kitchen:
        def cook(self, dish: str) -> Context:
            """Cook."""

        def __call__(self, dish: str):
            """Serve."""

    def outer():
        class Inner(enum.Enum):
            A = "a"

        def inner(x: Inner):
            return Inner

        return inner

    dish = {"dish": {"type": "string"}}
    for function, name in (
        (Kitchen().cook, "cook"),
        (Kitchen(), "Kitchen"),
        (functools.partial(Kitchen().cook), "cook"),
    ):
        found = definition_of(function)
        assert (found["name"], found["parameters"]["properties"]) == (name, dish)
    assert definition_of(outer())["parameters"]["properties"]["x"]["enum"] == ["a"]


def test_an_annotation_that_is_not_known_is_named():
    def look(when: Context):
        return when

    with pytest.raises(TypeError, match=r"tool look: the annotation 'Context' of 'when' is not known here"):
        definition_of(look)
    with pytest.raises(TypeError, match="wrap it in a function"):
        definition_of(dict)
    with pytest.raises(TypeError, match="name every parameter"):
        definition_of(lambda **more: None)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("own", [False, True])
@settings(deadline=None, max_examples=60)
@given(value=ANY_JSON, number=st.integers(0, len(TYPES) - 1))
def test_any_argument_is_converted_or_refused_with_a_text(own, value, number):
    with pytest.MonkeyPatch.context() as patch:
        if own:
            patch.setitem(sys.modules, "pydantic", None)
            patch.delitem(sys.modules, "realtime.tools.pydantic_types", raising=False)
        _, convert = shape(TYPES[number][0])
        try:
            convert(value)
        except ToolError as error:
            assert "argument 'x'" in str(error)


def test_a_type_that_cannot_be_described_is_refused_where_the_tool_is_made(engine):
    def tool(thing: list[Opaque]) -> None: ...

    with pytest.raises(
        TypeError, match=r"tool tool: parameter 'thing': Opaque cannot be described.*pydantic"
    ):
        definition_of(tool)


_Text = TypeVar("_Text")
_UserId = NewType("_UserId", int)


class _Place(TypedDict):
    city: Required[str]
    country: NotRequired[Annotated[str, "Two letters."]]


def test_names_of_types_and_marks_of_fields_are_looked_through(engine):
    def tool(user: _UserId, place: _Place) -> None: ...

    definition, check = describe_function(tool)
    properties = definition["parameters"]["properties"]
    assert properties["user"]["type"] == "integer"
    assert properties["place"]["required"] == ["city"]
    assert properties["place"]["properties"]["country"]["description"] == "Two letters."
    assert check({"user": 5, "place": {"city": "Oslo"}}) == {"user": 5, "place": {"city": "Oslo"}}


def test_a_type_variable_takes_any_value():
    assert plain_types.shape_of(_Text)[0] == {}


def test_the_name_of_a_type_is_that_type_without_pydantic():
    from typing_extensions import TypeAliasType

    named = TypeAliasType("Named", int)
    assert plain_types.shape_of(named) == plain_types.shape_of(int)
