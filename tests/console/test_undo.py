"""Deleted items come back at their places, on the server too."""

from __future__ import annotations

import numpy as np

from console.screen.app import RealtimeConsole
from tests.console.fakes import answer, updated
from tests.console.screens import WIDE, make_call, say, until, until_shown


def texts(model) -> list[str]:
    return [row.text for row in model.transcript if row.role == "user"]


async def hold_three_turns(pilot) -> None:
    await pilot.press("c")
    await until(pilot, lambda: pilot.app.model.state == "connected")
    for number, text in enumerate(("first", "second", "third"), 1):
        await say(pilot, text)
        await until(pilot, lambda number=number: len(pilot.app.model.turns) == number)
        await until(pilot, lambda: not pilot.app.model.answering)
        # Half a second of the answer is heard before the next question cuts it
        await until(pilot, lambda: pilot.app.call._speaker.get_track_sample_offset().offset > 12_000)


async def delete(pilot, text: str) -> None:
    model = pilot.app.model
    row = next(row for row in model.transcript if row.text == text)
    model.selected = row.id
    await pilot.press("d")
    await until(pilot, lambda: model.transcript.get(row.id) is None)


async def test_ctrl_z_brings_a_deleted_item_back_at_its_place_on_the_server_too(offline_url):
    call = make_call(offline_url)
    app, model = RealtimeConsole(call), call.model
    async with app.run_test(size=WIDE) as pilot:
        await hold_three_turns(pilot)
        order = [row.text for row in model.transcript]
        # The first item has no predecessor; the neighbours of the second one are deleted as well
        for text in ("second", "first", "third"):
            await delete(pilot, text)
        assert texts(model) == []
        await until_shown(pilot, "deleted; ctrl+z brings it back")
        for number in (1, 2, 3):
            await pilot.press("ctrl+z")
            await until(pilot, lambda number=number: len(texts(model)) == number)
        assert [row.text for row in model.transcript] == order
        on_server = [
            item.formatted.text for item in call.client.conversation.get_items() if item.role == "user"
        ]
        assert sorted(on_server) == ["first", "second", "third"]
        created = [row for row in model.events.rows if row.type == "conversation.item.create"]
        assert '"previous_item_id": "root"' in "".join(row.payload for row in created)
        await pilot.press("ctrl+z")
        await until_shown(pilot, "no deleted item to bring back")


async def test_an_answer_that_came_back_can_still_be_played(offline_url):
    call = make_call(offline_url)
    app, model = RealtimeConsole(call), call.model
    async with app.run_test(size=WIDE) as pilot:
        await hold_three_turns(pilot)
        row = next(row for row in model.transcript if row.role == "assistant")
        # The next question has cut it: the server gets back what was heard
        assert row.heard_samples is not None and row.heard_chars
        audio, heard, latency = row.audio.copy(), row.text[: row.heard_chars], row.latency
        model.selected = row.id
        await pilot.press("d")
        await until(pilot, lambda: model.transcript.get(row.id) is None)
        count = len(model.transcript)
        await pilot.press("ctrl+z")
        await until(pilot, lambda: len(model.transcript) == count + 1)
        back = model.selection
        assert back.id != row.id and back.role == "assistant"
        assert (back.text, back.latency, back.heard_samples) == (heard, latency, row.heard_samples)
        assert len(audio) and np.array_equal(back.audio, audio)
        await pilot.press("p")
        await until(pilot, lambda: model.playback.item_id == back.id)


async def test_without_a_connection_the_row_is_shown_again_at_its_place():
    call = make_call()
    app, model = RealtimeConsole(call), call.model
    async with app.run_test(size=WIDE) as pilot:
        for name in ("one", "two", "three"):
            model.on_updated(updated(answer(name, name, 0.1, "user")))
        for row in model.transcript:
            row.live = False
        model.selected = "two"
        await pilot.press("d")
        await until(pilot, lambda: model.transcript.get("two") is None)
        await pilot.press("ctrl+z")
        await until(pilot, lambda: model.transcript.get("two") is not None)
        assert [row.id for row in model.transcript] == ["one", "two", "three"]
        assert model.selected == "two" and len(model.selection.audio) == 2_400


async def test_an_item_that_the_server_kept_is_not_doubled():
    call = make_call()
    app, model = RealtimeConsole(call), call.model
    async with app.run_test(size=WIDE) as pilot:
        model.on_updated(updated(answer("one", "one", 0.0, "user")))
        row = model.transcript.get("one")
        row.live = False
        await pilot.press("d")
        await until(pilot, lambda: model.transcript.get("one") is None)
        model.transcript.add(row)
        await pilot.press("ctrl+z")
        await until_shown(pilot, "the item is still there")
        assert len(model.transcript) == 1


async def test_a_new_item_is_shown_where_the_server_puts_it():
    call = make_call()
    model = call.model
    for name in ("one", "three"):
        model.on_updated(updated(answer(name, name, 0.0, "user")))
    item = answer("two", "two", 0.0, "user")
    item.previous_item_id = "one"
    model.on_updated(updated(item))
    assert [row.id for row in model.transcript] == ["one", "two", "three"]
