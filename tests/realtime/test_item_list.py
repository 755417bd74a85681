"""ItemList: order, limits, audio."""

from __future__ import annotations

import pytest

from realtime.conversation.item_list import ItemList
from tests import wire_turns as turns


def test_a_list_must_hold_something():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        ItemList(0, 1.0)


def test_a_list_of_one_keeps_the_newest():
    items = ItemList(1, 1.0)
    for name in "abc":
        items.append(name)
    assert [item.id for item in items.in_order()] == ["c"] and items.evicted_items == 2


def test_an_item_that_went_before_its_predecessor_came_stays_away():
    items = ItemList(10, 1.0)
    items.place(items.append("b"), "a")
    items.place(items.append("c"), "a")
    items.remove(items.get("b"))
    items.append("d")
    items.append("a")
    assert [item.id for item in items.in_order()] == ["d", "a", "c"]


def test_contradictions_of_the_server_move_nothing():
    items = ItemList(10, 1.0)
    a, b = items.append("a"), items.append("b")
    items.place(b, "a")
    items.place(a, "b")
    items.place(a, "a")
    assert [item.id for item in items.in_order()] == ["a", "b"]


def test_renaming_keeps_place_and_audio():
    items = ItemList(10, 1.0)
    a = items.append("a")
    items.append("b")
    items.add_audio(a, turns.tone(2_400))
    items.rename("a", "x")
    items.rename("nobody", "y")
    items.rename("x", "b")
    assert [item.id for item in items.in_order()] == ["x", "b"] and list(items._heavy) == ["x"]
    items.cut_audio(a, 0)
    assert items.audio_seconds == 0 and not items._heavy


def test_an_item_at_the_root_comes_first_with_all_that_follow_it():
    items = ItemList(10, 1.0)
    items.append("a")
    b = items.append("b")
    items.place(items.append("c"), "b")
    items.place(b, "root")
    assert [item.id for item in items.in_order()] == ["b", "c", "a"]
    items.place(items.append("d"), "root")
    assert [item.id for item in items.in_order()] == ["d", "b", "c", "a"]
    items.rename("b", "x")
    assert items.get("c").previous_item_id == "x"
