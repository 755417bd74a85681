"""AudioStore gives back the newest frames that it was told to keep, whatever blocks they came in."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wavtools._audio_store import AudioStore


@given(
    sizes=st.lists(st.integers(0, 50), max_size=20),
    keep=st.none() | st.integers(0, 120),
    channels=st.integers(1, 3),
)
def test_the_newest_frames_are_kept_whatever_the_blocks(sizes, keep, channels):
    store = AudioStore(channels, keep)
    everything = np.arange(sum(sizes) * channels, dtype=np.int16).reshape(-1, channels)
    for block in np.split(everything, np.cumsum(sizes)[:-1]) if sizes else []:
        store.add(block)
    kept = everything if keep is None else everything[len(everything) - min(keep, len(everything)) :]
    assert store.frames == len(kept)
    assert np.array_equal(store.read(), kept)


def test_reading_copies_and_clearing_forgets():
    store = AudioStore(2)
    block = np.ones((4, 2), np.int16)
    store.add(block)
    store.read()[:] = 7
    assert store.read().tolist() == block.tolist()
    store.clear()
    assert store.frames == 0
    assert store.read().shape == (0, 2)
