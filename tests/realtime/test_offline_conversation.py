"""The items of a conversation: how much audio they keep, and their ids."""

from __future__ import annotations

import re

import numpy as np

from realtime.offline.session.conversation import AUDIO_SAMPLES_KEPT, Conversation
from realtime.offline.session.items import Item
from realtime.protocol.ids import generate_server_id


def spoken(name: str, samples: int) -> Item:
    return Item({"id": name, "type": "message", "content": []}, np.zeros(samples, np.int16))


def test_ten_minutes_of_audio_are_kept_and_the_oldest_goes_first() -> None:
    conversation = Conversation()
    conversation.insert(Item({"id": "typed", "type": "message", "content": []}))
    for name in ("first", "second", "third"):
        conversation.insert(spoken(name, AUDIO_SAMPLES_KEPT // 3))
    conversation.insert(spoken("newest", 24_000))
    kept = [item.id for item in conversation.items if item.audio is not None]
    assert kept == ["second", "third", "newest"]
    conversation.delete("third")
    conversation.delete("typed")
    conversation.insert(spoken("again", AUDIO_SAMPLES_KEPT // 3))
    assert all(item.audio is not None for item in conversation.items[1:]), "what is deleted does not count"
    conversation.insert(spoken("longer than all", AUDIO_SAMPLES_KEPT + 1))
    assert [item.id for item in conversation.items if item.audio is not None] == ["longer than all"]


def test_ids_of_the_server_have_a_prefix_and_twenty_digits() -> None:
    made = {generate_server_id("item") for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(re.fullmatch(r"item_[0-9a-f]{20}", one) for one in made)
    assert Conversation().id.startswith("conv_")
