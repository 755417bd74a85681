"""Mirror: a page that takes snapshot and changes knows what the model holds."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from console.session import SessionModel
from console.web.mirror import MAX_EVENTS, MAX_ITEMS, Mirror, describe_item
from tests.console.fakes import answer, cut, updated


def calling(model: SessionModel) -> Any:
    return SimpleNamespace(model=model, microphones=[], speakers=[])


class Page:
    """What the page's JavaScript does with messages (console/web/static)."""

    def __init__(self) -> None:
        self.head: dict[str, Any] = {}
        self.events: dict[int, list[Any]] = {}
        self.items: dict[str, dict[str, Any]] = {}

    def take(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        message = json.loads(json.dumps(message))
        if message.get("kind") == "snapshot":
            self.__init__()
        self.head.update(message.get("head", {}))
        self.head["total"] = message.get("total", self.head.get("total", 0))
        for event in message.get("events", []):
            if len(event) > 5:
                assert len(event) == 8
                self.events[event[0]] = event
            else:
                self.events[event[0]][1:5] = event[1:5]
        for name in message.get("gone", []):
            del self.items[name]
        for change in message.get("items", []):
            more = change.pop("more", "")
            item = self.items.setdefault(change.pop("id"), {})
            item.update(change)
            item["text"] += more
        if "order" in message:
            self.items = {name: self.items[name] for name in message["order"]}

    def knows(self, model: SessionModel) -> None:
        rows = [row for row in model.events.rows if row.number in self.events]
        assert [row.number for row in rows] == list(self.events)[-len(rows) :] or not rows
        assert [row.count for row in rows] == [self.events[row.number][1] for row in rows]
        wanted = {
            row.id: json.loads(json.dumps(describe_item(row))) for row in list(model.transcript)[-MAX_ITEMS:]
        }
        assert self.items == wanted
        assert list(self.items) == list(wanted)
        assert self.head["state"] == model.state
        assert self.head["total"] == model.events.total


STEPS = st.one_of(
    st.tuples(st.just("event"), st.sampled_from(["response.created", "input_audio_buffer.append", "error"])),
    st.tuples(st.just("grow"), st.integers(0, 5)),
    st.tuples(st.just("new"), st.integers(0, 5)),
    st.tuples(st.just("forget"), st.integers(0, 5)),
    st.tuples(st.just("cut"), st.integers(0, 5)),
    st.tuples(st.just("state"), st.sampled_from(["connected", "disconnected", "reconnecting"])),
    st.tuples(st.just("divide"), st.just(0)),
    st.tuples(st.just("tick"), st.floats(0, 1)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_snapshot_and_changes_give_a_page_what_the_model_holds(steps):
    model = SessionModel()
    mirror, page = Mirror(calling(model)), Page()
    now = 1_000.0
    page.take(mirror.snapshot(now))
    made: dict[int, Any] = {}
    for what, value in steps:
        if what == "event":
            model.events.add(now, "server", {"type": value, "audio": "AAAA"})
        elif what == "new":
            made[value] = answer(f"a{value}", "one", 0.1)
            model.on_updated(updated(made[value]))
        elif what == "grow" and value in made:
            made[value].content[0]["transcript"] += " more"
            made[value].refresh()
            model.on_updated(updated(made[value], " more"))
        elif what == "forget":
            model.forget(f"a{value}")
        elif what == "cut" and value in made:
            model.on_cut(cut(made[value], 1_000))
        elif what == "state":
            model.set_state(value)
        elif what == "divide":
            now += 1
            model.transcript.divide("below", now)
        else:
            now += value if what == "tick" else 0
            page.take(mirror.changes(now))
    page.take(mirror.changes(now + 1))
    page.knows(model)
    assert mirror.changes(now + 2) is None


def test_a_second_page_gets_all_of_it_and_a_reload_too():
    model = SessionModel()
    model.events.add(1.0, "server", {"type": "session.created"})
    model.on_updated(updated(answer("a1", "Hello", 1.0)))
    mirror = Mirror(calling(model))
    for _ in range(2):
        page = Page()
        page.take(mirror.snapshot(5.0))
        page.knows(model)


def test_nothing_is_sent_while_nothing_happens():
    mirror = Mirror(calling(SessionModel()))
    mirror.snapshot(1.0)
    assert all(mirror.changes(1.0 + tick / 20) is None for tick in range(100))


def test_an_hour_of_speech_costs_a_few_bytes_a_second():
    model = SessionModel()
    mirror = Mirror(calling(model))
    mirror.snapshot(0.0)
    sent = 0
    for tick in range(20 * 60):
        for _ in range(5):
            model.events.add(tick / 20, "client", {"type": "input_audio_buffer.append", "audio": "A" * 640})
        changes = mirror.changes(tick / 20)
        sent += len(json.dumps(changes, separators=(",", ":"))) if changes else 0
    assert sent < 20_000


def test_a_snapshot_is_bounded():
    model = SessionModel()
    for number in range(MAX_EVENTS * 2):
        model.events.add(1.0, "server", {"type": f"kind{number}"})
    for number in range(MAX_ITEMS * 2):
        model.on_updated(updated(answer(f"a{number}", "x" * 100_000)))
    snapshot = Mirror(calling(model)).snapshot(1.0)
    assert len(snapshot["events"]) == MAX_EVENTS
    assert len(snapshot["items"]) == MAX_ITEMS
    assert len(json.dumps(snapshot)) < 4_000_000


def test_the_end_of_a_growing_answer_is_sent_alone():
    model = SessionModel()
    mirror = Mirror(calling(model))
    item = answer("a1", "word " * 1_000)
    model.on_updated(updated(item))
    mirror.snapshot(1.0)
    item.content[0]["transcript"] += "end"
    item.refresh()
    model.on_updated(updated(item, "end"))
    [change] = mirror.changes(2.0)["items"]
    assert change == {"id": "a1", "more": "end"}


def test_a_key_is_in_no_message(monkeypatch):
    from console.call import Call
    from console.endpoint import Endpoint
    from console.keys import Key
    from console.settings import Settings

    key = "sk-" + "k" * 40

    async def run() -> str:
        call = Call(Settings(), Endpoint(key=Key(key, "environment")))
        return json.dumps(Mirror(call).snapshot(1.0))

    import asyncio

    assert key not in asyncio.run(run())
