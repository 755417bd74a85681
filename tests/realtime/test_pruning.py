"""``prune_tool_items=True``: old tool calls and their outputs leave the conversation once they are answered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realtime import RealtimeClient
from realtime.client.pruning import MAX_AT_ONCE, answered_calls
from realtime.conversation.items import Item
from tests import wire_turns as turns
from tests.client_bench import Bench, ask
from tests.waiting import until


def call(number: int) -> Item:
    return Item(f"call_{number}", "function_call", status="completed", call_id=f"c{number}")


def output(number: int) -> Item:
    return Item(f"out_{number}", "function_call_output", status="completed", call_id=f"c{number}")


def said(role: str = "assistant", status: str = "completed") -> Item:
    return Item("said", role=role, status=status)


def ids(*items: Item) -> list[str]:
    return [item.id for item in answered_calls(items)]


def test_a_pair_is_answered_when_the_assistant_has_spoken_after_it():
    assert ids(call(1), output(1), said()) == ["call_1", "out_1"]
    assert ids(call(1), call(2), output(2), output(1), said(), call(3), output(3)) == [
        "call_1",
        "call_2",
        "out_2",
        "out_1",
    ]


def test_what_is_not_answered_stays():
    assert ids() == ids(call(1), output(1)) == ids(said(), call(1), output(1)) == []
    assert ids(call(1), said(), output(1)) == []
    assert ids(call(1), output(1), said("user")) == ids(call(1), output(1), said(status="incomplete")) == []
    assert ids(call(1), said()) == ids(output(1), said()) == []
    nameless = [Item("a", "function_call"), Item("b", "function_call_output")]
    assert ids(*nameless, said()) == []


@given(st.lists(st.sampled_from("cosui"), max_size=30))
def test_calls_and_outputs_always_leave_in_pairs(letters):
    made = {"c": call, "o": output}
    items = [
        made[letter](sum(other == letter for other in letters[:place]))
        if letter in made
        else said("user" if letter == "u" else "assistant", "incomplete" if letter == "i" else "completed")
        for place, letter in enumerate(letters)
    ]
    found = answered_calls(items)
    called = {item.call_id for item in found if item.type == "function_call"}
    assert called == {item.call_id for item in found if item.type == "function_call_output"}
    assert all(item.type != "message" for item in found)


async def tool_turn(bench: Bench, number: int) -> list[dict]:
    """A call, its output and the answer; returns what the client sends after it."""
    names = {"call_id": f"c{number}", "item_id": f"call_{number}", "response_id": f"r{number}"}
    bench.say(*turns.function_call("look", "{}", **names))
    await bench.tools_end()
    for event in await bench.sent():
        if event["type"] == "conversation.item.create":
            bench.say(*turns.echo(event, f"call_{number}"))
    last = bench.client.conversation.get_items()[-1].id
    bench.say(*turns.text_answer("a cat", f"item_{number}", f"a{number}", previous=last))
    return [event for event in await bench.sent() if event["type"] == "conversation.item.delete"]


async def test_answered_calls_are_deleted_once():
    bench = Bench(prune_tool_items=True)
    bench.client.add_tool({"name": "look"}, lambda: "a cat")
    await bench.sent()
    deleted = await tool_turn(bench, 1)
    kinds = [bench.client.conversation.get_item(event["item_id"]).type for event in deleted]
    assert kinds == ["function_call", "function_call_output"]
    # The server has not confirmed them: they are not asked for again.
    bench.say(*turns.text_answer("well", "item_2", "resp_2", previous="item_1"))
    assert not [event for event in await bench.sent() if event["type"] == "conversation.item.delete"]


async def test_one_answer_deletes_a_bounded_number():
    bench = Bench()
    items = [made(number) for number in range(MAX_AT_ONCE) for made in (call, output)]
    bench.session.conversation.get_items = lambda: [*items, said()]
    from realtime.client.pruning import Pruner

    pruner = Pruner(bench.session)
    counts = []
    for _ in range(3):
        pruner.prune()
        counts.append(len(await bench.sent()))
    assert counts == [MAX_AT_ONCE, MAX_AT_ONCE, 0]


async def test_tool_items_stay_unless_asked():
    bench = Bench()
    bench.client.add_tool({"name": "look"}, lambda: "a cat")
    await bench.sent()
    assert not await tool_turn(bench, 1)


async def test_the_server_deletes_them_and_goes_on(offline_url: str):
    async with RealtimeClient(
        api_key="", url=offline_url, turn_detection=None, output_modalities=["text"], prune_tool_items=True
    ) as client:

        @client.tool
        def get_weather(location: str) -> dict:
            """The weather at a place."""
            return {"location": location, "temperature": 21}

        errors: list[object] = []
        client.on("error", errors.append)
        assert "21" in await ask(client, "What is the weather in Paris?")
        await until(lambda: [item.type for item in client.conversation.get_items()] == ["message", "message"])
        assert "welcome" in await ask(client, "Thanks.") and not errors
