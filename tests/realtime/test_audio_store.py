"""AudioStore: it holds what was appended, and views stay as they were."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.conversation.audio_store import AudioStore


@settings(deadline=None)
@given(st.lists(st.integers(0, 9_000), max_size=12))
def test_a_store_holds_what_was_appended(sizes):
    store, whole = AudioStore(), np.zeros(0, np.int16)
    views = []
    for number, size in enumerate(sizes):
        samples = np.full(size, number, np.int16)
        store.append(samples)
        whole = np.concatenate([whole, samples])
        views.append((store.view(), len(whole)))
    np.testing.assert_array_equal(store.view(), whole)
    store.compact()
    store.truncate(100)
    np.testing.assert_array_equal(store.view(), whole[:100])
    for view, length in views:  # earlier views stay unchanged
        np.testing.assert_array_equal(view, whole[:length])
        assert not view.flags.writeable
    store.clear()
    assert len(store) == len(store.view()) == 0


def test_parts_of_a_store_are_views():
    store = AudioStore()
    store.append(np.arange(100, dtype=np.int16))
    assert store.view(10, 20).tolist() == list(range(10, 20))
    assert np.shares_memory(store.view(10, 20), store.view())
