"""Toolbox: each call runs once, in its own task, within a time limit."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from realtime.tools import Toolbox, definition_of


class Box(Toolbox):
    """A toolbox that keeps its answers."""

    def __init__(self, timeout: float | None = 5.0) -> None:
        self.answers: dict[str, str] = {}
        self.failures: dict[str, str] = {}
        self._news = asyncio.Event()
        super().__init__(timeout, self._answer)

    def _answer(self, call_id: str, output: str, failure: BaseException | None) -> None:
        self.answers[call_id] = output
        if failure is not None:
            self.failures[call_id] = str(failure)
        self._news.set()

    async def answer(self, call_id: str) -> str:
        while call_id not in self.answers:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 5)
        return self.answers[call_id]


async def call(handler, arguments: str = "{}", timeout: float | None = 5.0) -> tuple[str, Box]:
    box = Box(timeout)
    box.add({"name": "t"}, handler)
    assert box.call("c", "t", arguments)
    return await box.answer("c"), box


async def test_arguments_come_as_keywords_and_a_string_goes_back_as_it_is():
    answer, box = await call(lambda a, b=2: f"{a}{b}", '{"a": "x"}')
    assert answer == "x2" and not box.failures and not box.running


async def test_anything_json_can_hold_goes_back_as_json():
    import numpy as np

    assert (await call(lambda: {"a": [1, None, True]}))[0] == '{"a":[1,null,true]}'
    assert (await call(lambda: None))[0] == "null"
    assert (await call(lambda: np.float64(1.5)))[0] == "1.5"
    assert json.loads((await call(lambda: {"x": "\ud800"}))[0]) == {"x": "\ud800"}


async def test_a_plain_function_runs_in_a_thread_and_a_coroutine_on_the_loop():
    here = threading.get_ident()
    assert (await call(lambda: str(threading.get_ident() == here)))[0] == "False"

    async def on_loop():
        return str(threading.get_ident() == here)

    assert (await call(on_loop))[0] == "True"
    assert (await call(lambda: on_loop()))[0] == "True"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("{", "not JSON"),
        ("[1]", "not an object"),
        ('{"nope": 1}', "unexpected keyword"),
        ("", None),
        ("  ", None),
    ],
)
async def test_unusable_arguments_are_reported_to_the_model(arguments, words):
    answer, box = await call(lambda: "fine", arguments)
    assert (answer == "fine") if words is None else (words in answer and "c" in box.failures)


async def test_an_exception_of_a_tool_is_reported_to_the_model():
    def broken():
        raise KeyError

    answer, box = await call(broken)
    assert json.loads(answer) == {"error": "KeyError"} and "c" in box.failures


async def test_a_slow_tool_is_reported_to_the_model():
    async def slow():
        await asyncio.sleep(10)

    answer, _ = await call(slow, timeout=0.02)
    assert "did not answer within 0.02 s" in answer


async def test_an_output_that_is_too_long_is_reported_to_the_model():
    answer, _ = await call(lambda: "x" * (2 << 20))
    assert "2097152 characters, 1048576 are allowed" in answer


async def test_an_output_that_json_cannot_hold_is_reported_to_the_model():
    answer, _ = await call(lambda: object())
    assert "error" in answer


async def test_an_unknown_tool_is_reported_to_the_model():
    box = Box()
    box.call("c", "nope", "{}")
    assert "has not been added" in await box.answer("c")


async def test_a_call_is_made_once():
    box = Box()
    calls = []
    box.add({"name": "t"}, lambda: calls.append(1))
    assert box.call("c", "t", "") and not box.call("c", "t", "")
    await box.answer("c")
    assert not box.call("c", "t", "") and calls == [1]


async def test_cancelled_calls_answer_nothing():
    box = Box()

    async def slow():
        await asyncio.sleep(10)

    box.add({"name": "t"}, slow)
    box.call("c", "t", "")
    await asyncio.sleep(0)
    assert box.running == {"c"}
    box.cancel()
    await asyncio.sleep(0.01)
    assert not box.running and not box.answers


def test_definitions_are_checked():
    box = Toolbox(None, lambda *args: None)
    tool = box.add({"name": "t", "description": "d"}, print)
    assert tool.definition == {"type": "function", "name": "t", "description": "d"} and tool.name == "t"
    with pytest.raises(ValueError, match="already added"):
        box.add({"name": "t"}, print)
    with pytest.raises(ValueError, match="needs a name"):
        box.add({"description": "x"}, print)
    with pytest.raises(TypeError, match="callable"):
        box.add({"name": "u"}, 5)
    box.remove("t")
    with pytest.raises(ValueError, match="has not been added"):
        box.remove("t")


def test_a_definition_is_made_from_a_function():
    def look(place: str, count: int = 3, deep: bool = False, more=None) -> str:
        """Look at a place."""
        return place

    assert definition_of(look) == {
        "type": "function",
        "name": "look",
        "description": "Look at a place.",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string"},
                "count": {"type": "integer"},
                "deep": {"type": "boolean"},
                "more": {},
            },
            "required": ["place"],
        },
    }
    with pytest.raises(TypeError, match="name every parameter"):
        definition_of(lambda *args: None)


async def test_a_call_that_is_cancelled_as_it_ends_answers_nothing():
    box = Box()

    async def ends() -> str:
        box.cancel()
        return "too late"

    box.add({"name": "t"}, ends)
    box.call("c", "t", "")
    await asyncio.sleep(0.02)
    assert not box.answers
