"""Push to talk: each way to hold the key, and that the microphone never stays open."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from console.push_to_talk import MAX_SECONDS, PushToTalk


def run(events, until=None):
    """[(seconds, method)] with a tick every 20 ms -> [(seconds, action)]."""
    ladder, actions, now = PushToTalk(), [], 0.0
    until = until if until is not None else (events[-1][0] + 1.5 if events else 1.0)
    waiting = sorted(events, key=lambda e: e[0])
    while now <= until:
        while waiting and waiting[0][0] <= now + 1e-9:
            at, method = waiting.pop(0)
            act = getattr(ladder, method)
            action = act() if method == "escape" else act(at)
            if action:
                actions.append((round(at, 3), action))
        action = ladder.tick(now)
        if action:
            actions.append((round(now, 3), action))
        now += 0.02
    return actions, ladder


def held(start, end, delay=0.5, interval=0.033):
    """A key held on a keyboard that repeats, in a terminal that reports no release."""
    presses, at = [(start, "key")], start + delay
    while at < end:
        presses.append((at, "key"))
        at += interval
    return presses


def names(actions):
    return [action for _, action in actions]


def test_a_tap_opens_and_the_next_tap_closes():
    actions, ladder = run([(1.0, "key"), (4.0, "key")])
    assert actions == [(1.0, "start"), (4.0, "stop")]
    assert not ladder.active


def test_two_quick_taps_open_and_close():
    actions, _ = run([(1.0, "key"), (1.4, "key")])
    assert names(actions) == ["start", "stop"]
    assert actions[1][0] < 1.7


def test_a_held_key_that_repeats_closes_when_it_stops_repeating():
    for delay in (0.25, 0.5, 0.66):
        for interval in (0.017, 0.033, 0.06):
            actions, _ = run(held(1.0, 4.0, delay, interval))
            assert names(actions) == ["start", "stop"], (delay, interval)
            assert 4.0 - interval < actions[1][0] < 4.5


def test_a_tap_that_is_held_too_long_closes_and_does_not_open_again():
    actions, ladder = run([(1.0, "key"), *held(4.0, 6.0)])
    assert names(actions) == ["start", "stop"]
    assert not ladder.active


def test_a_key_whose_release_is_reported_closes_on_release_and_ignores_repeats():
    actions, ladder = run(
        [
            (1.0, "key"),
            (1.1, "key_release"),
            (2.0, "key"),
            (3.0, "key"),
            *held(3.5, 5.0),
            (5.02, "key_release"),
        ]
    )
    # The first one was a tap: it proved the release, and stayed open until the next press.
    assert actions[0] == (1.0, "start") and names(actions)[:2] == ["start", "stop"]
    assert ladder.reports_release
    assert not ladder.active


def test_hold_and_release_after_the_terminal_has_proven_itself():
    ladder = PushToTalk()
    ladder.key_release(0.0)
    assert ladder.key(1.0) == "start"
    assert ladder.hint == "release to send"
    assert ladder.key(1.5) is None
    assert ladder.key_release(2.0) == "stop"


def test_the_mouse_holds():
    actions, _ = run([(1.0, "mouse_down"), (3.0, "mouse_up")])
    assert actions == [(1.0, "start"), (3.0, "stop")]


def test_escape_throws_away_and_losing_the_focus_sends():
    assert names(run([(1.0, "key"), (2.0, "escape")])[0]) == ["start", "cancel"]
    assert names(run([(1.0, "mouse_down"), (2.0, "blur")])[0]) == ["start", "stop"]


def test_it_closes_by_itself_after_the_longest_turn():
    actions, ladder = run([(1.0, "key")], until=MAX_SECONDS + 3)
    assert names(actions) == ["start", "stop"]
    assert not ladder.active


METHODS = st.sampled_from(["key", "key_release", "mouse_down", "mouse_up", "blur", "escape"])


@given(st.lists(st.tuples(st.floats(0, 30), METHODS), max_size=60))
def test_whatever_happens_starts_and_ends_alternate_and_it_is_never_stuck(events):
    actions, ladder = run(sorted(events), until=MAX_SECONDS + 35)
    kinds = ["start" if action == "start" else "end" for action in names(actions)]
    assert kinds == ["start", "end"] * (len(kinds) // 2)
    assert not ladder.active
