"""InputAudio: the server's clock, the user's turns, and the audio to send again to a new session."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.conversation.input_audio import InputAudio
from realtime.protocol.audio_format import PCM16, PCMU
from tests.wire_turns import tone


def filled(*chunks: int, keep: float = 300.0) -> InputAudio:
    store = InputAudio(PCM16, keep)
    position = 0
    for chunk in chunks:
        store.append(tone(chunk, position))
        position += chunk
    return store


@settings(deadline=None)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=20), st.integers(0, 8_000), st.integers(0, 8_000))
def test_any_range_reads_the_samples_of_that_range(chunks, start, end):
    store = filled(*chunks)
    np.testing.assert_array_equal(store.read(start, end), tone(sum(chunks))[start : max(end, start)])


def test_old_audio_is_dropped_and_counted_if_it_was_not_committed():
    store = filled(*[2_400] * 30, keep=1.0)
    assert len(store.read(0, 1 << 30)) == 24_000 and store.evicted == 30 * 2_400 - 24_000
    store.commit_sent()
    for _ in range(10):
        store.append(tone(2_400))
    assert store.evicted == 30 * 2_400 - 24_000


def test_a_turn_under_vad_has_the_samples_that_the_server_stated():
    store = filled(48_000)
    store.speech_started("a", 300)
    assert store.speaking and store.take("a") is None
    store.speech_stopped("a", 1_200)
    store.item_committed("a")
    assert not store.speaking and store.committed == 1_200 * 24
    np.testing.assert_array_equal(store.take("a"), tone(48_000)[300 * 24 : 1_200 * 24])
    assert store.take("a") is None


def test_a_turn_without_a_commit_event_is_known_by_its_end():
    store = filled(48_000)
    store.speech_started("a", 300)
    store.speech_stopped("a", 400)
    assert len(store.take("a")) == 2_400
    store.item_committed("a")  # the commit arrives after all
    store.speech_started("a", 300)
    store.speech_stopped("a", 300)
    assert not store.speaking and store.take("a") is None


def test_an_end_without_a_beginning_takes_the_uncommitted_audio():
    store = filled(24_000)
    store.speech_stopped("a", 500)
    store.item_committed("a")
    assert len(store.take("a")) == 12_000


def test_commits_are_answered_in_order():
    store = filled(2_400)
    store.commit_sent()
    store.append(tone(4_800, 2_400))
    store.commit_sent()
    store.item_committed("a")
    np.testing.assert_array_equal(store.take("b"), tone(4_800, 2_400))  # announced before its commit
    np.testing.assert_array_equal(store.take("a"), tone(2_400))
    store.append(tone(100))
    store.item_committed("c")  # a commit that the client did not send
    assert len(store.take("c")) == 100


def test_the_audio_of_a_refused_commit_belongs_to_the_next_commit():
    store = filled(1_000)
    store.commit_refused()
    store.commit_sent()
    store.commit_refused()
    assert store.committed == 0
    store.commit_sent()
    store.append(tone(1_000))
    store.commit_sent()
    store.commit_refused()
    store.item_committed("a")
    assert len(store.take("a")) == 2_000


def test_a_clear_drops_uncommitted_audio_and_the_clock_continues():
    store = filled(2_400)
    store.clear_sent()
    assert store.uncommitted_ms == 0 and store.ms_at(store.end) == 100


def test_a_change_of_format_keeps_the_clock():
    store = filled(24_000)
    store.set_format(PCMU)
    store.set_format(PCMU)
    store.append(tone(8_000))
    assert store.sample_at(500) == 12_000 and store.sample_at(1_500) == 28_000
    assert store.ms_at(28_000) == 1_500 and store.uncommitted_ms == 2_000 and store.sample_rate == 8_000
    assert store.sample_at(-1) == 0 and store.ms_at(-1) == 0


def test_the_unfinished_turn_is_sent_again_to_a_new_session():
    store = filled(24_000)
    assert [len(piece) for piece in store.unfinished(None)] == [24_000]
    assert [len(piece) for piece in store.unfinished(500)] == [12_000]
    store.speech_started("a", 250)
    store.speech_stopped("b", 900)
    assert [len(piece) for piece in store.unfinished(500)] == [18_000]
    store.commit_sent()
    store.append(tone(480))
    pieces = store.unfinished(None)
    assert [None if piece is None else len(piece) for piece in pieces] == [24_000, None, 480]
    store.reset(PCM16)
    assert store.unfinished(None) == [] and store.end == 0
    store.append(tone(0))
    assert store.unfinished(None) == []


def test_a_refused_clear_leaves_the_audio_to_the_next_commit():
    store = InputAudio(PCM16)
    store.clear_refused()
    store.append(tone(480))
    store.clear_sent()
    store.append(tone(240))
    store.clear_refused()
    store.commit_sent()
    store.clear_refused()
    store.item_committed("item_1")
    assert len(store.take("item_1")) == 720 and store.committed == 720
