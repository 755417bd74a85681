"""TurnTaking: one response at a time, tools and their outputs, responses whose end was lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Literal

import numpy as np

from realtime import RealtimeClient
from realtime.client.turn_taking import RESPONSE_STALL
from tests import wire_turns as turns
from tests.canary import KEY
from tests.client_bench import MANUAL, Bench, connected, delivered
from tests.waiting import Log
from tests.wire_server import created

# Requests


async def test_requests_during_a_response_wait_and_become_one(client, server):
    peer = await connected(client, server, **MANUAL)
    client.create_response()
    await peer.expect("response.create")
    await peer.say(*turns.response_created())
    client.create_response()
    client.create_response()
    client.append_input_audio(np.zeros(240, np.int16))
    await peer.expect("input_audio_buffer.append")
    assert peer.types().count("response.create") == 1
    await peer.say(*turns.response_done())
    await peer.expect("response.create")
    await peer.say(*turns.response_created("resp_2"), *turns.response_done("resp_2"))
    client.append_input_audio(np.zeros(240, np.int16))
    await peer.expect("input_audio_buffer.append")
    assert peer.types().count("response.create") == 2


async def test_a_refused_request_is_repeated_after_the_response_and_is_no_error(client, server):
    peer = await connected(client, server, **MANUAL)
    log = Log(client, "error", "error.benign")
    client.create_response()
    create = await peer.expect("response.create")
    await peer.say(
        turns.error("active: resp_9", "conversation_already_has_active_response", create["event_id"]),
        *turns.response_created("resp_9"),
        *turns.response_done("resp_9"),
    )
    await peer.expect("response.create")
    assert log.names() == ["error.benign"] and log.of("error.benign")[0].caused_by == "response.create"


async def test_a_refused_request_is_dropped_and_the_next_one_goes():
    bench = Bench()
    bench.client.create_response(instructions="x" * 10)
    (create,) = await bench.sent()
    bench.client.create_response()
    assert await bench.sent() == []
    bench.say(turns.error("bad", "invalid_value", create["event_id"]))
    assert [event["type"] for event in await bench.sent()] == ["response.create"]


async def test_a_response_outside_the_conversation_leaves_no_items():
    bench = Bench()
    bench.client.create_response(conversation="none", metadata={"topic": "x"})
    (create,) = await bench.sent()
    assert create["response"] == {"conversation": "none", "metadata": {"topic": "x"}}
    answer = turns.text_answer("aside", "item_aside", "resp_aside")
    answer[0]["response"]["conversation_id"] = None
    bench.say(*answer)
    assert bench.client.conversation.get_items() == []
    bench.client.create_response()
    assert [event["type"] for event in await bench.sent()] == ["response.create"]


async def test_a_response_whose_end_was_lost_is_given_up():
    bench = Bench()
    taking, now = bench.turns, [1_000.0]
    taking._clock = lambda: now[0]

    def look_again() -> None:
        taking._stall_timer.cancel()
        taking._check_stall()

    bench.say(*turns.response_created())
    taking.response_event(now[0])
    bench.client.create_response()
    assert await bench.sent() == []
    now[0] += RESPONSE_STALL / 2
    taking.response_event(now[0])  # it lives
    now[0] += RESPONSE_STALL / 2
    look_again()
    assert await bench.sent() == []
    now[0] += RESPONSE_STALL / 2
    look_again()
    assert [event["type"] for event in await bench.sent()] == ["response.create"]
    assert taking._stall_timer is None


# Tools


async def test_a_tool_is_called_with_keywords_and_its_answer_goes_back(client, server):
    @client.tool
    async def get_weather(location: str, lat: float = 0.0):
        """Weather of a place."""
        return {"location": location, "celsius": 21}

    peer = await connected(client, server)
    update = await peer.expect("session.update")
    assert update["session"]["tools"] == [
        {
            "type": "function",
            "name": "get_weather",
            "description": "Weather of a place.",
            "parameters": {
                "type": "object",
                "properties": {"location": {"type": "string"}, "lat": {"type": "number", "default": 0.0}},
                "required": ["location"],
            },
        }
    ]
    await peer.say(*turns.function_call("get_weather", '{"location":"Rome"}'))
    create = await peer.expect("conversation.item.create")
    assert create["item"]["type"] == "function_call_output" and create["item"]["call_id"] == "call_1"
    assert create["item"]["output"] == '{"location":"Rome","celsius":21}'
    await peer.expect("response.create")
    assert "input_audio_buffer.commit" not in peer.types()


async def test_parallel_tools_lead_to_one_response_after_all_outputs(client, server):
    slow, quick = asyncio.Event(), asyncio.Event()

    async def one():
        await slow.wait()
        return "slow"

    async def two():
        await quick.wait()
        return "quick"

    client.add_tool({"name": "one"}, one)
    client.add_tool({"name": "two"}, two)
    peer = await connected(client, server)
    await peer.say(
        *turns.response_created(),
        *turns.call_begin("one", "call_1", "item_1"),
        *turns.call_end("one", "{}", "call_1", "item_1"),
        *turns.call_begin("two", "call_2", "item_2", output_index=1),
        *turns.call_end("two", "{}", "call_2", "item_2", output_index=1),
    )
    quick.set()
    first = await peer.expect("conversation.item.create")
    assert first["item"]["output"] == "quick"
    slow.set()
    second = await peer.expect("conversation.item.create")
    assert second["item"]["output"] == "slow"
    await delivered(client, peer)
    assert "response.create" not in peer.types()  # the response that called them is not done
    await peer.say(*turns.response_done())
    await peer.expect("response.create")
    await delivered(client, peer)
    assert peer.types().count("response.create") == 1


async def test_a_tool_that_raises_tells_the_model_and_the_error_event(client, server):
    def broken():
        raise RuntimeError("no such city")

    client.add_tool({"name": "broken"}, broken)
    log = Log(client)
    peer = await connected(client, server)
    await peer.say(*turns.function_call("broken", "{}"))
    create = await peer.expect("conversation.item.create")
    assert create["item"]["output"] == '{"error":"no such city"}'
    await peer.expect("response.create")
    assert [event.source for event in log.of("error")] == ["tool"]


async def test_a_tool_nobody_added_is_told_to_the_model():
    bench = Bench()
    bench.say(*turns.function_call("invented", "{}"))
    await bench.tools_end()
    create, _ = await bench.sent()
    assert "has not been added" in create["item"]["output"] and bench.of("error")[0].source == "tool"


async def test_a_call_of_a_cancelled_answer_is_answered_and_nothing_is_asked():
    bench = Bench()
    release = asyncio.Event()

    async def slow():
        await release.wait()
        return "late"

    bench.client.add_tool({"name": "slow"}, slow)
    await bench.sent()
    bench.say(
        *turns.response_created(),
        *turns.call_begin("slow", "call_1", "item_1"),
        *turns.call_end("slow", "{}", "call_1", "item_1"),
        *turns.response_done(status="cancelled"),
    )
    release.set()
    await bench.tools_end()
    assert [event["type"] for event in await bench.sent()] == ["conversation.item.create"]


async def test_while_the_user_speaks_the_servers_own_answer_will_do():
    bench = Bench()
    bench.client.add_tool({"name": "look"}, lambda: "seen")
    await bench.sent()
    bench.say(*turns.function_call("look", "{}"), *turns.speech("item_2")[:1])
    await bench.tools_end()
    assert [event["type"] for event in await bench.sent()] == ["conversation.item.create"]
    bench.say(*turns.speech("item_2")[1:], *turns.text_answer("both", "i", "resp_2"))
    assert await bench.sent() == []


async def test_an_incomplete_call_is_not_made():
    bench = Bench()
    bench.client.add_tool({"name": "look"}, lambda: "seen")
    await bench.sent()
    bench.say(
        *turns.call_begin("look", "call_1", "item_1"),
        *turns.call_end("look", '{"x":', "call_1", "item_1", status="incomplete"),
    )
    assert not bench.turns.toolbox.running and await bench.sent() == []


async def test_a_call_without_a_name_is_not_made():
    bench = Bench()
    bench.say(*turns.call_end("", "{}", "call_1", "item_1"))
    assert not bench.turns.toolbox.running


async def test_the_same_call_id_is_called_again_for_another_item_and_another_connection(client, server):
    calls: list[int] = []
    client.add_tool({"name": "look"}, lambda: calls.append(1))
    peer = await connected(client, server)
    call = turns.function_call("look", "{}", "call_1", "item_1")
    await peer.say(*call, *call)
    await peer.expect("conversation.item.create")
    await peer.say(*turns.function_call("look", "{}", "call_1", "item_2", "resp_2"))
    await peer.expect("conversation.item.create")
    await client.disconnect()
    await client.connect()
    peer = await server.wait_for_peers(2)
    await peer.say(*call)
    await peer.expect("conversation.item.create")
    assert len(calls) == 3


async def test_a_call_that_the_next_session_announces_again_is_not_made_twice():
    bench = Bench()
    calls: list[int] = []
    bench.client.add_tool({"name": "look"}, lambda: calls.append(1))
    bench.say(*turns.function_call("look", "{}", "call_1", "item_1"))
    await bench.tools_end()
    await bench.sent()
    bench.session.lost(1006, "", by_server=False)
    bench.session.begin(created(), resumed=True)
    bench.say(*turns.function_call("look", "{}", "call_1", "item_1", "resp_2"))
    await bench.tools_end()
    assert calls == [1]
    assert not [event for event in await bench.sent() if event["type"] == "conversation.item.create"]


async def test_a_cancelled_call_mutes_no_other_call_of_its_id():
    bench = Bench()
    bench.client.add_tool({"name": "look"}, lambda: "seen")
    await bench.sent()
    bench.say(
        *turns.response_created(),
        *turns.call_begin("look", "call_1", "item_1"),
        *turns.call_end("look", "{}", "call_1", "item_1"),
        *turns.response_done(status="cancelled"),
    )
    await bench.tools_end()
    assert [event["type"] for event in await bench.sent()] == ["conversation.item.create"]
    bench.say(*turns.function_call("look", "{}", "call_1", "item_2", "resp_2"))
    await bench.tools_end()
    assert [event["type"] for event in await bench.sent()] == ["conversation.item.create", "response.create"]


async def test_a_tool_without_a_time_limit_that_raises_its_own_timeout_error_is_answered(server):
    client = RealtimeClient(api_key=KEY, url=server.url, tool_timeout=None)

    async def asks():
        raise TimeoutError("the socket's own")

    client.add_tool({"name": "asks"}, asks)
    log = Log(client)
    peer = await connected(client, server)
    await peer.say(*turns.function_call("asks", "{}"))
    assert (await peer.expect("conversation.item.create"))["item"][
        "output"
    ] == '{"error":"the socket\'s own"}'
    await peer.expect("response.create")
    assert "the call of tool 'asks' failed: TimeoutError" in log.of("error")[0].message
    await client.disconnect()


async def test_wrong_arguments_are_told_to_the_model_and_the_tool_is_not_called(client, server):
    calls: list[str] = []

    @client.tool
    def look(place: str, count: Literal[1, 2] = 1):
        calls.append(place)

    @client.tool(parameters={"type": "object"})
    def anything(place: str = ""):
        return place

    peer = await connected(client, server)
    await peer.say(*turns.function_call("look", '{"place":"Rome","count":3}'))
    output = (await peer.expect("conversation.item.create"))["item"]["output"]
    assert "tool 'look' cannot be called: argument 'count'" in output and not calls
    await peer.say(*turns.function_call("anything", '{"place":5}', "call_2", "item_2", "resp_2"))
    assert (await peer.expect("conversation.item.create"))["item"]["output"] == "5"


def test_the_end_of_the_process_does_not_wait_for_a_blocked_tool():
    program = """
import asyncio, threading
from realtime.tools import Toolbox

async def main():
    box = Toolbox(None, print)
    box.add({"name": "blocks"}, threading.Event().wait)
    for number in range(6):
        box.call(str(number), "blocks", "")
    await asyncio.sleep(0.1)
    print(box.threads.running, await asyncio.to_thread(lambda: "free"))

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "6 free\n", "")
