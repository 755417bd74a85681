"""Unconfirmed: items wait for their echo, calls for that of their output."""

from __future__ import annotations

from realtime.connection.unconfirmed import Unconfirmed


def create(item_id: str, **item: object) -> dict:
    return {"type": "conversation.item.create", "item": {"id": item_id, "type": "message", **item}}


def test_what_is_confirmed_is_not_sent_again():
    pending, renamed = Unconfirmed(), []
    part = {"type": "input_text", "text": "x"}
    for event in (create("a", role="user", content=[part]), create("b"), create("c")):
        pending.sent(event)
    pending.confirm({"id": "b"}, lambda i: False, lambda *names: renamed.append(names))
    theirs = {"id": "theirs", "type": "message", "role": "user", "content": [part]}
    pending.confirm(theirs, lambda i: False, lambda *names: renamed.append(names))
    pending.confirm({"id": "stranger", "type": "x"}, lambda i: False, lambda *names: renamed.append(names))
    pending.confirm({"id": "known"}, lambda i: True, lambda *names: renamed.append(names))
    pending.confirm("nonsense", lambda i: True, lambda *names: renamed.append(names))
    assert renamed == [("a", "theirs")]
    assert [event["item"]["id"] for event in pending.take_missing(["d"])] == ["c"] and not pending


def test_an_output_ends_its_call():
    pending = Unconfirmed()
    pending.call_started("k")
    pending.sent(create("o", type="function_call_output", call_id="k"))
    pending.confirm({"id": "o"}, lambda i: False, print)
    assert not pending.calls
    pending.call_started("k")
    event = create("o", type="function_call_output", call_id="k")
    pending.sent(event)
    pending.not_sent(event)
    pending.not_sent({"type": "response.create"})
    assert not pending and pending.calls
    pending.refused(event)
    assert not pending.calls
    pending.clear()
