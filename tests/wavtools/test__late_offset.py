"""LateOffset: late callbacks move nothing, lost sound moves everything behind it, and what was played is found by number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavtools._late_offset import HOLD_SECONDS, LateOffset

RATE = 1_000


def judged(offsets: list[float]) -> list[float | None]:
    """What is known of each moment HOLD_SECONDS later; one stamp each 10 ms."""
    late, found = LateOffset(RATE), []
    hold = round(HOLD_SECONDS * 100)
    for number, offset in enumerate(offsets):
        late.observe(number / 100, offset)
        if number >= hold:
            found.append(late.at((number - hold) / 100))
    return found


def test_callbacks_that_are_late_for_a_second_move_nothing() -> None:
    offsets = [0.1] * 1000
    offsets[400:500] = [0.127] * 100
    assert set(judged(offsets)) == {0.1}


def test_sound_that_was_lost_moves_what_comes_after_it_where_it_was_lost() -> None:
    found = judged([0.1] * 1000 + [0.12] * 1000)
    step = found.index(0.12)
    assert set(found[:step]) == {0.1} and set(found[step:]) == {0.12}
    assert abs(step - 1000) <= 6


def test_jitter_moves_nothing_and_drift_is_followed_within_a_third_of_a_millisecond() -> None:
    rng = np.random.default_rng(1)
    found = judged(list(0.1 + rng.normal(0, 0.002, 2000)))
    assert max(abs(offset - 0.1) for offset in found if offset is not None) < 0.0008
    drift = [0.1 + 1e-4 * number / 100 for number in range(3000)]
    for number, offset in enumerate(judged(drift)[400:], 400):
        assert offset == pytest.approx(drift[number], abs=0.00035)


def test_nothing_is_known_before_the_first_stamp_and_after_a_new_beginning() -> None:
    late = LateOffset(RATE)
    assert late.at(0.0) is None
    late.observe(0.0, 0.5)
    assert late.at(0.0) == 0.5
    late.begin()
    assert late.at(0.1) is None


@given(
    st.lists(st.integers(0, 12_000), min_size=1, max_size=12), st.integers(-100, 60_000), st.integers(0, 500)
)
def test_kept_frames_are_found_by_their_number(lengths: list[int], number: int, count: int) -> None:
    late, end = LateOffset(RATE), 0
    for length in lengths:
        late.keep(end, (np.arange(end, end + length) % 30_000 + 1).astype(np.int16))
        end += length
    wanted = np.arange(number, number + count)
    inside = (wanted >= max(end - 9 * RATE, 0)) & (wanted < end)
    np.testing.assert_array_equal(late.kept(number, count), np.where(inside, wanted % 30_000 + 1, 0))
    late.keep(0, np.full(5, 7, np.int16))
    assert late.kept(-1, 8).tolist() == [0, 7, 7, 7, 7, 7, 0, 0]
