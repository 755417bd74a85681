"""Ids have the original's shape."""

from __future__ import annotations

from realtime.protocol.ids import ALPHABET, generate_id


def test_ids_have_the_originals_shape():
    made = {generate_id("item_") for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(len(one) == 21 and set(one[5:]) <= set(ALPHABET) for one in made)
