"""Tracks names the audible track and counts its samples, whatever was queued or dropped."""

from __future__ import annotations

from wavtools._tracks import REMEMBERED_TRACKS, Tracks


def queued(*stretches: tuple[str, int]) -> Tracks:
    tracks, position = Tracks(), 0
    for track_id, count in stretches:
        tracks.queue(track_id, position, count)
        position += count
    return tracks


def test_nothing_queued_names_nothing():
    assert Tracks().heard(0) is None
    assert queued(("a", 0)).heard(0) is None


def test_before_the_first_sample_it_is_the_first_queued_with_offset_0():
    assert queued(("a", 5), ("b", 7)).heard(0) == ("a", 0, 5)


def test_the_audible_track_is_named_not_the_last_written():
    assert queued(("a", 5), ("b", 7)).heard(3) == ("a", 3, 2)


def test_between_two_tracks_it_is_the_one_last_heard():
    tracks = queued(("a", 5), ("b", 7))
    assert tracks.heard(5) == ("a", 5, 0)
    assert tracks.heard(6) == ("b", 1, 6)


def test_after_the_queue_ran_dry_it_is_the_last_one():
    tracks = queued(("a", 5), ("b", 7))
    assert tracks.heard(12) == ("b", 7, 0)


def test_a_track_that_comes_back_counts_on():
    tracks = queued(("a", 5), ("b", 7), ("a", 3))
    assert tracks.heard(13) == ("a", 6, 2)


def test_samples_of_a_track_waiting_behind_another_count_as_its_queued():
    assert queued(("a", 5), ("b", 7), ("a", 3)).heard(2) == ("a", 2, 6)


def test_an_interrupt_drops_by_track_and_marks_all_of_them():
    tracks = queued(("a", 5), ("b", 7), ("c", 2), ("b", 1))
    assert tracks.interrupt(6) == {"b": 7, "c": 2}
    assert [tracks.is_interrupted(t) for t in "abc"] == [False, True, True]
    assert tracks.heard(15) == ("b", 1, 0)


def test_an_interrupt_after_the_queue_ran_dry_stops_the_last_track():
    tracks = queued(("a", 5))
    assert tracks.interrupt(5) == {}
    assert tracks.is_interrupted("a")


def test_an_interrupt_before_the_first_sample_names_the_first_queued():
    tracks = queued(("a", 5), ("b", 2))
    assert tracks.heard(0) == ("a", 0, 5)
    assert tracks.interrupt(0) == {"a": 5, "b": 2}
    assert tracks.heard(7) == ("a", 0, 0)
    tracks.queue("c", 7, 3)
    assert tracks.heard(7) == ("c", 0, 3)


def test_what_is_remembered_is_bounded():
    tracks = Tracks()
    for i in range(REMEMBERED_TRACKS + 10):
        tracks.queue(f"t{i}", i, 1)
        tracks.interrupt(i)
    assert not tracks.is_interrupted("t0")
    assert tracks.is_interrupted(f"t{REMEMBERED_TRACKS}")
    assert len(tracks._interrupted) == REMEMBERED_TRACKS
    assert len(tracks._totals) == REMEMBERED_TRACKS
