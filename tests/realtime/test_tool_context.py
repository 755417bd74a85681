"""ToolContext and ToolResult: what a tool may ask for, and what it may return."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING

import pytest

from realtime import RealtimeClient, StateError, ToolContext, ToolResult
from realtime.client import asides
from realtime.tools import Call, definition_of
from tests import wire_turns as turns
from tests.client_bench import connected, delivered
from tests.waiting import Log, until

if TYPE_CHECKING:
    from realtime import ToolContext as OnlyForTypes

CALL = turns.function_call("look", '{"words": "x"}')


def aside(event_id: str, response_id: str = "resp_aside") -> dict:
    """``response.created`` of an aside, as the vendor states it."""
    (created, *_) = turns.response_created(response_id)
    response = {**created["response"], "conversation_id": None, "metadata": {"aside": event_id}}
    return {**created, "response": response}


def test_a_context_is_no_parameter_for_the_model():
    def look(context: ToolContext, words: str) -> str:
        """Look words up."""
        return words

    parameters = definition_of(look)["parameters"]
    assert list(parameters["properties"]) == ["words"] and parameters["required"] == ["words"]


async def test_a_tool_gets_its_item_and_its_client(client, server):
    seen: list = []

    @client.tool
    async def look(context: ToolContext, words: str) -> str:
        seen.append((context.client, context.item.arguments, context.name, context.call_id, words))
        return words

    peer = await connected(client, server)
    await peer.say(*CALL)
    await peer.expect("response.create")
    assert seen == [(client, '{"words": "x"}', "look", "call_1", "x")]


@pytest.mark.parametrize("kind", ["quoted", "types only", "partial", "method", "without annotations"])
async def test_every_way_to_write_the_annotation_counts(client, server, kind):
    seen: list = []

    def quoted(context: ToolContext, words: str) -> None:
        seen.append(context)

    def types_only(context: OnlyForTypes, words: str) -> None:
        seen.append(context)

    types_only.__annotations__["context"] = "elsewhere.ToolContext"

    class Holder:
        def look(self, context: ToolContext, words: str) -> None:
            seen.append(context)

    def keyed(context: ToolContext, words: str, more: int) -> None:
        seen.append(context)

    def without(words):
        seen.append("none")

    handlers = {
        "quoted": quoted,
        "types only": types_only,
        "partial": functools.partial(keyed, more=1),
        "method": Holder().look,
        "without annotations": without,
    }
    client.add_tool({"name": "look"}, handlers[kind])
    peer = await connected(client, server)
    await peer.say(*CALL)
    await peer.expect("response.create")
    assert len(seen) == 1 and isinstance(seen[0], ToolContext) == (kind != "without annotations")


async def test_a_tool_without_a_signature_gets_no_context(client):
    assert not client.add_tool({"name": "text"}, dict).takes_context
    assert not client.add_tool({"name": "nothing"}, lambda: None).takes_context

    def keyword(*, context: ToolContext) -> None: ...

    assert not client.add_tool({"name": "keyword"}, keyword).takes_context


async def test_an_aside_is_heard_at_once_and_the_answer_comes_after_it(client, server):
    @client.tool
    def look(context: ToolContext, words: str) -> str:
        context.say('  Just "one" moment, I\'m looking. ')
        return "found"

    log = Log(client, "conversation.updated", "error")
    peer = await connected(client, server)
    await peer.say(*CALL)
    request = await peer.expect("response.create")
    said = request["response"]
    assert said["conversation"] == "none" and said["input"] == [] and said["tool_choice"] == "none"
    assert said["instructions"] == 'Say exactly "Just ”one” moment, I’m looking." and nothing else.'
    assert (await peer.expect("conversation.item.create"))["item"]["output"] == "found"
    begun = turns.audio_begin("item_aside", "resp_aside")[1:]
    await peer.say(
        aside(request["event_id"]), *begun, turns.audio_delta(turns.tone(480), "item_aside", "resp_aside")
    )

    def spoken() -> list:
        return [
            one.delta for one in log.of("conversation.updated") if one.item.id == "item_aside" and one.delta
        ]

    await until(spoken)
    assert len(spoken()[0].audio) == 480
    await delivered(client, peer)
    assert len(peer.of_type("response.create")) == 1
    await peer.say(*turns.audio_end("one moment", "item_aside", "resp_aside"))
    assert "response" not in await peer.expect("response.create")
    assert client.conversation.get_item("item_aside") is None and not log.of("error")
    # Nobody listens any more.
    assert not client.wants("server.response.x")


async def test_an_aside_that_never_comes_holds_up_no_answer(client, server, monkeypatch):
    monkeypatch.setattr(asides, "PATIENCE", 0.05)

    @client.tool
    def look(context: ToolContext, words: str) -> str:
        context.say("one moment")
        return "found"

    peer = await connected(client, server)
    await peer.say(*CALL)
    await peer.expect("response.create")
    assert "response" not in await peer.expect("response.create")
    client.say("again")
    client.reset()
    await asyncio.sleep(0.1)
    assert not client.wants("server.response.x")


@pytest.mark.parametrize("how", ["refused", "lost"])
async def test_an_aside_that_is_refused_or_lost_holds_up_no_answer(client, server, how):
    client.add_tool({"name": "look"}, lambda words: "found")
    peer = await connected(client, server)
    client.say("one moment")
    request = await peer.expect("response.create")
    await peer.say(*CALL)
    await peer.expect("conversation.item.create")
    await delivered(client, peer)
    assert len(peer.of_type("response.create")) == 1
    if how == "refused":
        await peer.say(turns.error("no", "invalid_value", request["event_id"]))
        await peer.expect("response.create")
    else:
        peer.drop()
        await until(lambda: not client._session.turns.asides)


async def test_two_asides_follow_one_another(client, server):
    peer = await connected(client, server)
    for text, response_id in (("one", "resp_a"), ("two", "resp_b")):
        client.say(text)
        request = await peer.expect("response.create")
        await peer.say(aside(request["event_id"], response_id))
        await delivered(client, peer)
    # Another response is none of them.
    await peer.say(aside("elsewhere", "resp_c"), *turns.audio_end("c", "item_c", "resp_c"))
    for response_id in ("resp_a", "resp_b"):
        await peer.say(*turns.audio_end("said", f"item_{response_id}", response_id))
    await until(lambda: not client._session.turns.asides)
    assert [item.id for item in client.conversation.get_items()] == ["item_c"]
    assert not client.wants("server.response.x")


async def test_progress_is_an_event(client, server):
    @client.tool
    def look(context: ToolContext, words: str) -> str:
        context.progress("half")
        return "found"

    log = Log(client, "tool.progress")
    peer = await connected(client, server)
    await peer.say(*CALL)
    await peer.expect("response.create")
    (event,) = log.of("tool.progress")
    assert str(event) == "half" and (event.name, event.call_id) == ("look", "call_1")


async def test_asides_and_progress_say_what_is_wrong(client, server):
    with pytest.raises(StateError, match="not connected"):
        client.say("hello")
    await connected(client, server)
    with pytest.raises(TypeError, match=r"say\(\) takes a text, not int"):
        client.say(5)
    with pytest.raises(ValueError, match="not empty"):
        client.say("  ")
    with pytest.raises(TypeError, match=r"progress\(\) takes a text, not NoneType"):
        client.report_tool_progress("t", "c", None)


def test_a_tool_of_the_relay_has_no_client():
    context = ToolContext(Call("item_1", "call_1", "look", "{}"))
    assert context.item is None and "look" in repr(context)
    for use in (context.say, context.progress):
        with pytest.raises(StateError, match="'look' runs in the relay"):
            use("text")


@pytest.mark.parametrize("respond", [True, False])
async def test_a_result_may_ask_for_no_answer(client, server, respond):
    client.add_tool({"name": "look"}, lambda words: ToolResult({"volume": 3}, respond=respond))
    peer = await connected(client, server)
    await peer.say(*CALL)
    assert (await peer.expect("conversation.item.create"))["item"]["output"] == '{"volume":3}'
    await delivered(client, peer)
    assert len(peer.of_type("response.create")) == respond
    assert client._session.turns.idle != respond


async def test_an_answer_is_asked_for_if_another_call_wants_one(client, server):
    async def waits(words: str) -> str:
        await asyncio.sleep(0.02)
        return "loud"

    client.add_tool({"name": "look"}, lambda words: ToolResult(respond=False))
    client.add_tool({"name": "waits"}, waits)
    peer = await connected(client, server)
    second = turns.function_call("waits", '{"words": "y"}', "call_2", "item_2")
    await peer.say(*turns.response_created(), *CALL[1:-2], *second[1:])
    await peer.expect("response.create")
    assert len(peer.of_type("conversation.item.create")) == 2


async def test_the_offline_server_says_an_aside_while_a_tool_runs(offline_url):
    said: list[str] = []
    client = RealtimeClient(url=offline_url, api_key="", modalities=["text"])
    client.on("conversation.updated", lambda event: said.append((event.delta and event.delta.text) or ""))

    @client.tool
    async def search(context: ToolContext, words: str) -> str:
        """Search the archive."""
        context.say("One moment, I'm looking.")
        return "nothing found"

    async with client:
        answer = await asyncio.wait_for(client.ask("use the search tool"), 20)
    assert "nothing found" in answer.text
    assert "moment" in "".join(said).split("nothing")[0]


async def test_the_patience_with_an_aside_that_is_over_ends_unnoticed(client, server, monkeypatch):
    monkeypatch.setattr(asides, "PATIENCE", 0.05)
    unforeseen: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: unforeseen.append(context))
    peer = await connected(client, server)
    client.say("one moment")
    request = await peer.expect("response.create")
    await peer.say(aside(request["event_id"]), *turns.response_done("resp_aside"))
    await until(lambda: not client._session.turns.asides)
    await asyncio.sleep(0.1)
    assert not unforeseen and client.is_connected()
