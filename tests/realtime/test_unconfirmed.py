"""Unconfirmed: items wait for their echo, calls for that of their output."""

from __future__ import annotations

from realtime.connection.unconfirmed import Unconfirmed


def create(item_id: str, **item: object) -> dict:
    return {"type": "conversation.item.create", "item": {"id": item_id, "type": "message", **item}}


def test_what_is_confirmed_is_not_sent_again():
    unconfirmed, renamed = Unconfirmed(), []
    part = {"type": "input_text", "text": "x"}
    for event in (create("a", role="user", content=[part]), create("b"), create("c")):
        unconfirmed.sent(event)
    unconfirmed.confirm({"id": "b"}, lambda i: False, lambda *names: renamed.append(names))
    theirs = {"id": "theirs", "type": "message", "role": "user", "content": [part]}
    unconfirmed.confirm(theirs, lambda i: False, lambda *names: renamed.append(names))
    unconfirmed.confirm(
        {"id": "stranger", "type": "x"}, lambda i: False, lambda *names: renamed.append(names)
    )
    unconfirmed.confirm({"id": "known"}, lambda i: True, lambda *names: renamed.append(names))
    unconfirmed.confirm("nonsense", lambda i: True, lambda *names: renamed.append(names))
    assert renamed == [("a", "theirs")]
    assert [event["item"]["id"] for event in unconfirmed.take_missing(["d"])] == ["c"] and not unconfirmed


def test_an_output_ends_its_call():
    unconfirmed = Unconfirmed()
    unconfirmed.call_started("k")
    unconfirmed.sent(create("o", type="function_call_output", call_id="k"))
    unconfirmed.confirm({"id": "o"}, lambda i: False, print)
    assert not unconfirmed.calls
    unconfirmed.call_started("k")
    event = create("o", type="function_call_output", call_id="k")
    unconfirmed.sent(event)
    unconfirmed.not_sent(event)
    unconfirmed.not_sent({"type": "response.create"})
    assert not unconfirmed and unconfirmed.calls
    unconfirmed.refused(event)
    assert not unconfirmed.calls
    unconfirmed.clear()


def test_items_without_content_are_alike_if_the_rest_is():
    unconfirmed, renamed = Unconfirmed(), []
    unconfirmed.sent(create("a", role="user"))
    theirs = {"id": "theirs", "type": "message", "role": "user", "content": None}
    unconfirmed.confirm(theirs, lambda i: False, lambda *names: renamed.append(names))
    assert renamed == [("a", "theirs")] and not unconfirmed
