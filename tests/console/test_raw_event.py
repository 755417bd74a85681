"""The editor of raw events: checked, sent, and kept."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.widgets import TextArea

from console.errors import UserError
from console.raw_event import EXAMPLE, MAX_SENT, RawEvents, doubt, parse
from console.screen.app import RealtimeConsole
from console.screen.editors import RawEventScreen
from tests.console.screens import WIDE, make_call, until, until_shown
from tests.fuzz_values import JSON

CREATE = {
    "type": "conversation.item.create",
    "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "by hand"}]},
}


def test_the_example_is_an_event_that_can_be_sent():
    assert parse(EXAMPLE) == {"type": "response.create"} and doubt(parse(EXAMPLE)) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n  "type": }', "line 2, column 11"),
        ("", "line 1, column 1"),
        ("[]", "an event is a JSON object"),
        ('{"kind": 1}', "needs a type"),
        ('{"type": 3}', "needs a type"),
        ("[" * 100_000, "no JSON that can be sent"),
    ],
)
def test_what_is_no_event_is_told_with_its_place(text, said):
    with pytest.raises(UserError, match=said):
        parse(text)


@given(JSON | st.dictionaries(st.sampled_from(["type", "item", "session", "audio"]), JSON))
def test_whatever_is_written_is_an_event_or_a_user_error(value):
    try:
        event = parse(json.dumps(value))
    except UserError:
        return
    assert isinstance(doubt(event), str)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"type": "response.creat"}, "did you mean response.create"),
        ({"type": "conversation.item.delete"}, "item_id"),
        ({"type": "conversation.item.create", "item": {"type": "mesage"}}, "mesage"),
    ],
)
def test_what_a_server_would_refuse_is_told(event, said):
    assert said in doubt(event)


async def test_an_event_is_sent_and_kept_and_taken_again(offline_url):
    call = make_call(offline_url)
    app, model = RealtimeConsole(call), call.model
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("c")
        await until(pilot, lambda: model.state == "connected" and call.client is not None)
        await pilot.press("f3")
        await until_shown(pilot, "send an event", "sent before")
        field = app.screen.query_one("#event", TextArea)
        field.text = json.dumps(CREATE)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: any(row.text == "by hand" for row in model.transcript))
        # The editor stays open; what was sent can be taken again
        field.text = "{}"
        await pilot.press("tab", "down", "enter")
        await until(pilot, lambda: field.text == json.dumps(CREATE))
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(app.screen, RawEventScreen))
        assert app.screen.query_one("#event", TextArea).text == json.dumps(CREATE)


async def test_an_event_that_a_server_would_refuse_is_sent_the_second_time(offline_url):
    call = make_call(offline_url)
    app, model = RealtimeConsole(call), call.model
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("c")
        await until(pilot, lambda: model.state == "connected" and call.client is not None)
        await pilot.press("f3")
        await until_shown(pilot, "send an event")
        app.screen.query_one("#event", TextArea).text = '{"type": "response.creat"}'
        await pilot.press("ctrl+s")
        await until_shown(pilot, "did you mean response.create?", "Send it again")
        assert not any(row.type == "response.creat" for row in model.events.rows)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: any(row.type == "response.creat" for row in model.events.rows))
        # The server's own answer
        await until(pilot, lambda: any(row.error for row in model.events.rows))


def test_sent_events_are_bounded_and_not_repeated():
    class Client:
        def send(self, kind, event):
            return ""

    call = make_call()
    raw = RawEvents(call)
    assert raw.send(EXAMPLE) == "not connected: connect first"
    call.client = Client()
    for number in range(MAX_SENT + 5):
        assert raw.send(json.dumps({"type": "response.create", "event_id": f"e{number}"})) == ""
    assert raw.send(json.dumps({"type": "response.create", "event_id": "e20"})) == ""
    assert len(raw.sent) == MAX_SENT and "e20" in raw.sent[0]
