"""MCP servers: calls that wait for approval, and lists of tools that failed."""

from __future__ import annotations

import pytest

from realtime import StateError
from tests import wire_turns as turns
from tests.client_bench import connected, delivered
from tests.waiting import Log

REQUEST = {
    "id": "mcpr_1",
    "type": "mcp_approval_request",
    "server_label": "files",
    "name": "delete",
    "arguments": '{"path": "/"}',
}


def asks(request: dict = REQUEST) -> list[dict]:
    """The events of a request of approval, as the vendor sends them."""
    done = {"type": "response.output_item.done", "response_id": "resp_1", "output_index": 0, "item": request}
    added = {"type": "conversation.item.added", "previous_item_id": None, "item": request}
    return turns.with_ids([added, {**added, "type": "conversation.item.done"}, done])


@pytest.mark.parametrize("approve", [True, False])
async def test_a_call_that_waits_is_told_once_and_answered(client, server, approve):
    log = Log(client, "mcp.approval", "error")
    peer = await connected(client, server)
    await peer.say(*asks())
    event = await log.until("mcp.approval")
    assert (event.request_id, event.server_label, event.name) == ("mcpr_1", "files", "delete")
    assert str(event) == 'files: delete({"path": "/"})' and event.item.type == "mcp_approval_request"
    item_id = client.approve(event, approve, reason=None if approve else "too much")
    item = (await peer.expect("conversation.item.create"))["item"]
    assert item["id"] == item_id and item["type"] == "mcp_approval_response"
    assert item["approval_request_id"] == "mcpr_1" and item["approve"] is approve
    assert item.get("reason") == (None if approve else "too much")
    with pytest.raises(StateError, match="answered already"):
        client.approve(event.request_id)
    await delivered(client, peer)
    assert log.names() == ["mcp.approval"] and not peer.of_type("response.create")


async def test_a_call_that_nobody_can_approve_is_an_error(client, server):
    log = Log(client, "error")
    peer = await connected(client, server)
    await peer.say(*asks())
    error = await log.until("error")
    assert error.code == "mcp_approval_needed" and "client.approve(event, True)" in error.message


async def test_a_list_that_failed_is_an_error(client, server):
    log = Log(client, "error")
    peer = await connected(client, server)
    item = {"id": "mcpl_1", "type": "mcp_list_tools", "server_label": "files", "tools": []}
    (added,) = turns.with_ids([{"type": "conversation.item.added", "item": item}])
    await peer.say(added, *turns.with_ids([{"type": "mcp_list_tools.failed", "item_id": "mcpl_1"}]))
    error = await log.until("error")
    assert (
        error.code == "mcp_list_tools_failed" and "'files'" in error.message and "server_url" in error.message
    )
    failed = {"type": "mcp_list_tools.failed", "item_id": "gone", "error": {"message": "no route"}}
    await peer.say(*turns.with_ids([failed]))
    assert (await log.until("error", 2)).message.endswith("no route")


async def test_a_wrong_answer_to_a_request_is_refused_at_the_call(client, server):
    with pytest.raises(StateError, match="not connected"):
        client.approve("mcpr_1")
    peer = await connected(client, server)
    for arguments, error, message in (
        ((5,), TypeError, "takes the event of mcp.approval"),
        (("",), ValueError, "is empty"),
        (("mcpr_1", "yes"), TypeError, "True or False"),
    ):
        with pytest.raises(error, match=message):
            client.approve(*arguments)
    with pytest.raises(TypeError, match="reason is a text"):
        client.approve("mcpr_1", reason=5)
    client.approve("mcpr_1")
    assert (await peer.expect("conversation.item.create"))["item"]["approve"] is True


async def test_the_offline_server_tells_that_a_list_failed(offline_url):
    from realtime import RealtimeClient

    tool = {"type": "mcp", "server_label": "files", "server_url": "https://mcp.invalid"}
    client = RealtimeClient(url=offline_url, api_key="", tools=[tool])
    log = Log(client, "error")
    async with client:
        assert "'files'" in (await log.until("error")).message
