"""Toolbox: each call runs once, in its own task, within a time limit."""

from __future__ import annotations

import asyncio
import builtins
import json
import threading

import pytest

from realtime.background import describe
from realtime.tools import Call, Toolbox, definition_of
from realtime.tools.toolbox import MAX_THREADS
from tests.waiting import until


class Box(Toolbox):
    """A toolbox that keeps its answers."""

    def __init__(self, timeout: float | None = 5.0) -> None:
        self.answers: dict[str, str] = {}
        self.failures: dict[str, str] = {}
        self._news = asyncio.Event()
        super().__init__(timeout, self._answer)

    def _answer(self, call: Call, output: str, failure: BaseException | None, respond: bool) -> None:
        self.answers[call.key] = output
        if failure is not None:
            self.failures[call.key] = describe(failure)
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
                "count": {"type": "integer", "default": 3},
                "deep": {"type": "boolean", "default": False},
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


# Every way out of a tool answers its call


def stray_cancellation():
    future = asyncio.Future(loop=asyncio.new_event_loop())
    future.cancel()
    future.get_loop().close()
    return future.result()


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


WAYS_OUT = {
    "TimeoutError": TimeoutError("the socket's own"),
    "CancelledError": asyncio.CancelledError(),
    "KeyboardInterrupt": KeyboardInterrupt(),
    "SystemExit": SystemExit(3),
    "StopIteration": StopIteration(),
    "GeneratorExit": GeneratorExit(),
    # BaseExceptionGroup, from Python 3.11 on
    "a group": getattr(builtins, "BaseExceptionGroup", Unprintable)("many", [KeyboardInterrupt()]),
    "MemoryError": MemoryError(),
    "Unprintable": Unprintable(),
}


@pytest.mark.parametrize("timeout", [None, 5.0])
@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("error", WAYS_OUT.values(), ids=WAYS_OUT)
async def test_a_tool_that_raises_anything_answers_its_call(error, plain, timeout):
    def raises():
        raise error

    async def raises_later():
        await asyncio.sleep(0)
        raise error

    answer, box = await call(raises if plain else raises_later, timeout=timeout)
    assert json.loads(answer)["error"] and "did not answer within" not in answer
    assert "c" in box.failures and not box.running
    box.remove("t")
    box.add({"name": "t"}, lambda: "fine")
    box.call("next", "t", "")
    assert await box.answer("next") == "fine"


async def test_a_cancelled_error_out_of_a_tool_is_its_own_failure():
    answer, box = await call(stray_cancellation)
    assert answer == '{"error":"CancelledError"}' and not box.running


async def test_a_tool_that_refuses_to_be_cancelled_is_answered_when_its_time_is_over():
    release = asyncio.Event()

    async def stubborn():
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                pass

    answer, box = await call(stubborn, timeout=0.02)
    assert "did not answer within 0.02 s" in answer and not box.running
    release.set()
    await asyncio.sleep(0)


@pytest.mark.parametrize("result", [object(), {"a": {1: object}}, {(1, 2): 3}, (one for one in "x")])
async def test_a_result_that_json_cannot_hold_is_told_to_the_model(result):
    answer, box = await call(lambda: result)
    assert "JSON cannot hold" in answer or "as a key" in answer
    assert "c" in box.failures


async def test_an_exception_out_of_answering_is_told(caplog):
    def refuses(*arguments):
        raise RuntimeError("cannot be sent")

    box = Toolbox(None, refuses)
    box.add({"name": "t"}, lambda: "fine")
    box.call("c", "t", "")
    await until(lambda: "cannot be sent" in caplog.text)
    assert not box.running


async def test_the_task_of_a_call_that_is_cancelled_from_outside_ends_unanswered():
    box = Box()
    box.add({"name": "t"}, asyncio.Event().wait)
    box.call("c", "t", "")
    await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0.01)
    assert not box.answers


# Once per item


async def test_two_items_with_one_call_id_are_two_calls():
    box = Box()
    calls = []
    box.add({"name": "t"}, lambda: calls.append(1))
    assert box.call("call_1", "t", "", "item_1") and box.call("call_1", "t", "", "item_2")
    assert not box.call("call_1", "t", "", "item_2")
    await box.answer("item_1")
    await box.answer("item_2")
    box.forget()
    assert box.call("call_1", "t", "", "item_1")
    await until(lambda: len(calls) == 3)


# Threads


async def test_blocked_plain_tools_leave_the_loops_executor_free():
    release = threading.Event()
    box = Box()
    box.add({"name": "blocks"}, release.wait)
    for number in range(MAX_THREADS + 1):
        box.call(f"c{number}", "blocks", "")
    assert "have not returned" in await box.answer(f"c{MAX_THREADS}")
    assert box.threads.running == MAX_THREADS
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 5) == "free"
    release.set()
    await until(lambda: not box.running)
    assert box.threads.running == 0


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "5", True])
def test_a_time_limit_that_is_none_is_refused(timeout):
    with pytest.raises(ValueError, match="tool_timeout must be None or a number"):
        Toolbox(timeout, print)
    assert Toolbox(float("inf"), print).timeout is None


def test_a_tool_that_yields_and_a_name_that_no_server_takes_are_refused():
    def yields():
        yield 1

    box = Toolbox(None, print)
    with pytest.raises(TypeError, match="generator function"):
        box.add({"name": "t"}, yields)
    with pytest.raises(ValueError, match="cannot be a tool's name"):
        box.add({"name": "<lambda>"}, print)


@pytest.mark.parametrize("arguments", ["[" * 100_000, '{"a":' + "9" * 5_000 + "}"])
async def test_arguments_that_no_parser_takes_are_told_to_the_model(arguments):
    answer, _ = await call(lambda **more: "fine", arguments)
    assert "not JSON" in answer


async def test_a_line_break_within_an_argument_is_read():
    assert (await call(lambda text: text, '{"text": "a\nb	c"}'))[0] == "a\nb	c"


async def test_a_call_whose_own_machinery_fails_is_answered():
    class Broken(Box):
        async def _outcome(self, call: Call):
            raise RuntimeError("unforeseen")

    box = Broken()
    box.call("c", "t", "")
    assert await box.answer("c") == '{"error":"unforeseen"}'
