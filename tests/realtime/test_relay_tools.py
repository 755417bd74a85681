"""Tools whose handlers run in the relay."""

from __future__ import annotations

import asyncio
import json

import pytest

from realtime.errors import ConfigurationError
from realtime.relay.policy import ToolPolicy
from realtime.relay.server_tools import MAX_CALLS, ServerTools, import_handlers
from tests.relay_spy import join, receive, spied
from tests.waiting import until
from tests.wire_server import created, session_object

calls: list[str] = []


async def look_up(name: str) -> dict:
    """The tool's handler."""
    calls.append(name)
    return {"room": 12}


CALL = {"id": "item_c", "type": "function_call", "name": "look_up", "call_id": "call_1", "arguments": ""}
CALLED = {**CALL, "status": "completed", "arguments": '{"name":"Ada"}'}


async def calling(peer):
    """An upstream whose first response calls the tool, and whose second one answers."""
    await peer.say(created())
    listening = asyncio.ensure_future(peer.listen())
    update = await peer.expect("session.update")
    await peer.say({"type": "session.updated", "session": session_object(**update["session"])})
    await peer.expect("response.create")
    await peer.say(
        {"type": "response.created", "response": {"id": "r1"}},
        {"type": "response.output_item.added", "response_id": "r1", "item": CALL},
        {"type": "conversation.item.added", "item": CALL, "previous_item_id": "item_u"},
        {"type": "response.function_call_arguments.delta", "item_id": "item_c", "delta": "{"},
        {"type": "response.function_call_arguments.done", "item_id": "item_c", "arguments": "{}"},
        {"type": "conversation.item.done", "item": CALLED, "previous_item_id": "item_u"},
        {"type": "response.output_item.done", "response_id": "r1", "item": CALLED},
    )
    output = (await peer.expect("conversation.item.create"))["item"]
    assert output == {"type": "function_call_output", "call_id": "call_1", "output": '{"room":12}'}
    assert peer.types().count("response.create") == 1, "not before the response is over"
    echoed = {"id": "item_o", **output}
    await peer.say(
        {"type": "conversation.item.added", "item": echoed, "previous_item_id": "item_c"},
        {"type": "conversation.item.done", "item": echoed, "previous_item_id": "item_c"},
        {"type": "response.done", "response": {"id": "r1", "output": [CALLED]}},
    )
    await peer.expect("response.create")
    answer = {"id": "item_a", "type": "message", "role": "assistant", "content": []}
    await peer.say(
        {"type": "response.created", "response": {"id": "r2"}},
        {"type": "conversation.item.added", "item": answer, "previous_item_id": "item_o"},
        {"type": "response.done", "response": {"id": "r2", "output": [answer]}},
    )
    await listening


async def test_a_server_side_tool_runs_in_the_relay_and_stays_hidden():
    tool = ToolPolicy({"type": "function", "name": "look_up", "parameters": {}}, f"{__name__}:look_up")
    calls.clear()
    async with spied(calling, tools=[tool]) as (relay, _), join(relay) as socket:
        await receive(socket, "session.created")
        await socket.send('{"type":"response.create"}')
        texts = []
        while not texts or '"r2"' not in texts[-1] or "response.done" not in texts[-1]:
            texts.append(await asyncio.wait_for(socket.recv(), 5))
        said = "".join(texts)
        assert not any(word in said for word in ("look_up", "item_c", "item_o", "call_1"))
        events = [json.loads(text) for text in texts]
        assert [event["type"] for event in events] == [
            "response.created",
            "response.done",
            "response.created",
            "conversation.item.added",
            "response.done",
        ]
        assert events[1]["response"]["output"] == []
        assert events[3]["previous_item_id"] == "item_u"
        assert calls == ["Ada"]
        assert relay.totals.tool_calls == {"answered": 1}


def completed(call_id, name="wait", status="completed", **more):
    item = {
        "type": "function_call",
        "name": name,
        "call_id": call_id,
        "arguments": "{}",
        "status": status,
        **more,
    }
    return {"type": "response.output_item.done", "item": item}


async def test_calls_beyond_the_limit_are_answered_at_once_and_others_left_alone():
    may_end = asyncio.Event()

    async def wait():
        await may_end.wait()
        return "done"

    def policy(name, seconds):
        return ToolPolicy({"type": "function", "name": name, "parameters": {}}, "m:f", seconds)

    sent, finished = [], []
    handlers = {name: (policy(name, seconds), wait) for name, seconds in (("wait", 9.0), ("also", 9.0))}
    tools = ServerTools(handlers, sent.append, lambda name, error: finished.append((name, bool(error))))
    tools.server_said("response.output_item.done", completed("x", status="incomplete"))
    tools.server_said("response.output_item.done", completed("x", name="nobody's"))
    for number in range(MAX_CALLS):
        tools.server_said("response.output_item.done", completed(f"c{number}"))
        tools.server_said("response.output_item.done", completed(f"c{number}"))
    assert not sent
    tools.server_said("response.output_item.done", completed("one more", name="also"))
    assert finished == [("also", True)]
    assert [event["item"]["output"] for event in sent] == ['{"error": "too many calls at once"}']
    may_end.set()
    await until(lambda: len(finished) > MAX_CALLS)
    assert finished[1:] == [("wait", False)] * MAX_CALLS
    assert [event["type"] for event in sent].count("response.create") == 1, "once all are answered"
    tools.close()


def tools_of(handler, timeout=9.0):
    """A session's tools with one called "wait", what they sent, and how its calls ended."""
    sent: list = []
    finished: list = []
    policy = ToolPolicy({"type": "function", "name": "wait", "parameters": {}}, "m:f", timeout)
    tools = ServerTools({"wait": (policy, handler)}, sent.append, lambda name, error: finished.append(error))
    return tools, sent, finished


async def test_a_call_id_that_comes_again_is_another_call_and_leaves_nothing_running():
    tools, sent, finished = tools_of(lambda: "done")
    for item_id in ("item_1", "item_2", "item_2"):
        tools.server_said("response.output_item.done", completed("call_1", id=item_id))
        await until(lambda: len(finished) >= 1)
    await until(lambda: len(finished) == 2)
    tools.server_said("response.output_item.done", completed("call_1", id="item_2"))
    outputs = [event for event in sent if event["type"] == "conversation.item.create"]
    assert [event["item"]["call_id"] for event in outputs] == ["call_1", "call_1"]
    assert sent[-1]["type"] == "response.create", "nothing counts as running"


async def test_every_way_out_of_a_tool_answers_its_call():
    for error in (TimeoutError("its own"), asyncio.CancelledError(), SystemExit(1), StopIteration()):

        def raises(error=error):
            raise error

        tools, sent, finished = tools_of(raises)
        tools.server_said("response.output_item.done", completed("call_1"))
        await until(lambda finished=finished: finished)
        assert [event["type"] for event in sent] == ["conversation.item.create", "response.create"]
        assert "error" in sent[0]["item"]["output"]


async def test_calls_that_cannot_be_read_are_left_alone():
    tools, sent, finished = tools_of(lambda **arguments: "done")
    for more in ({"name": []}, {"call_id": None}, {"call_id": {}}):
        tools.server_said("response.output_item.done", {"item": {**completed("call_1")["item"], **more}})
    tools.server_said("response.output_item.done", completed("call_1", id=[], arguments=5))
    await until(lambda: finished == [None])
    assert len(sent) == 2


def generates():
    yield 1


def test_a_handler_that_cannot_be_a_tool_is_refused_at_the_start():
    for name, function, words in (
        ("a b", "look_up", "cannot be a tool's name"),
        ("a", "generates", "generator"),
    ):
        tool = ToolPolicy({"type": "function", "name": name, "parameters": {}}, f"{__name__}:{function}")
        with pytest.raises(ConfigurationError, match=rf"tools\.{name}: .*{words}"):
            import_handlers([tool])
