"""A replay has sound, a clock, pause, step and seek; the sound, the events and the lit word stay together."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.replay import Replay
from console.replay_time import EventTimeline, ReplayClock
from console.screen.app import RealtimeConsole
from console.session_files import load_session
from tests.console.screens import until as until_screen
from tests.console.screens import until_shown
from tests.console.test_report import RATE, make_session
from tests.waiting import until
from wavtools import OfflineDevice, read_wav

pytestmark = pytest.mark.audio


class Room:
    """A speaker that renders in real time and keeps what it was given."""

    def __init__(self) -> None:
        self.speaker = OfflineDevice(RATE)
        self.rendered: list[np.ndarray] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._end.is_set():
            due += 0.01
            self.rendered.append(self.speaker.render(RATE // 100))
            self._end.wait(max(due - time.monotonic(), 0))

    def stop(self) -> None:
        self._end.set()
        self._thread.join()


@pytest.fixture
def room():
    room = Room()
    yield room
    room.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_session(tmp_path / "call")


def mixed(folder: Path) -> np.ndarray:
    return read_wav(folder / "heard.wav").pcm.astype(np.int32).sum(axis=1).astype(np.int16)


def place_of(part: np.ndarray, whole: np.ndarray) -> int:
    place = bytes(whole.astype("<i2")).find(bytes(part.astype("<i2")))
    assert place >= 0 and place % 2 == 0, "the speaker got another sound than that of the session"
    return place // 2


async def test_the_sound_plays_pauses_and_seeks_and_the_clock_follows_it(folder, room):
    replay = Replay(load_session(folder), output=room.speaker, sound=True)
    replay.tick()
    try:
        playback = replay.model.playback
        await until(lambda: playback.second > 0.5, 20)
        assert playback.seconds == pytest.approx(12.0)
        await replay.pause()
        at = playback.second
        await asyncio.sleep(0.3)
        assert playback.paused and playback.second == at
        room.rendered.clear()
        await asyncio.sleep(0.2)
        assert not np.concatenate(room.rendered).any()
        await replay.seek(7.9 - at)
        await asyncio.sleep(0.1)
        assert playback.second == pytest.approx(7.9, abs=0.1)
        assert [row.id for row in replay.model.transcript] == ["u1", "a1", "f1", "o1", "a2"]
        room.rendered.clear()
        await replay.pause()
        await until(lambda: playback.second > 8.6)
        heard = np.concatenate(room.rendered)
        first = int(np.flatnonzero(heard)[0])
        assert place_of(heard[first : first + 9_000], mixed(folder)) == pytest.approx(
            7.9 * RATE, abs=0.15 * RATE
        )
        # The word that is heard is lit
        assert replay.model.heard.item_id == "a2"
        await replay.seek(-6.0)
        await until(lambda: 2.5 < playback.second < 4)
        assert [row.id for row in replay.model.transcript][:1] in ([], ["u1"])
        assert replay.model.heard.item_id is None
    finally:
        await replay.close()


async def test_a_replay_ends_and_can_go_back(folder, room):
    replay = Replay(load_session(folder), output=room.speaker, sound=True)
    replay.tick()
    try:
        await until(lambda: replay.model.playback.second > 0.1, 20)
        await replay.seek(11.7)
        await asyncio.wait_for(replay.start(), 10)
        assert "the replay has ended" in replay.model.notices[-1].text
        assert replay.model.dollars == 0.25
        await replay.seek(-3.0)
        await until(lambda: 9 < replay.model.playback.second < 11)
        await replay.seek(10.0)
        await asyncio.wait_for(replay.start(), 10)
        await replay.pause()
        await until(lambda: 0 < replay.model.playback.second < 3)
        assert not [row for row in replay.model.transcript if row.id == "a2"]
    finally:
        await replay.close()


async def test_steps_show_one_event_or_item_more_or_less(folder):
    replay = Replay(load_session(folder))
    replay.tick()
    try:
        await until(lambda: len(replay.model.events.rows), 20)
        await replay.step(-5)
        assert (len(replay.model.events.rows), len(replay.model.transcript)) == (0, 0)
        for shown in range(1, 8):
            await replay.step(1)
            assert len(replay.model.events.rows) + len(replay.model.transcript) == shown
        await replay.step(1)
        await replay.step(-2)
        assert len(replay.model.events.rows) + len(replay.model.transcript) == 5
        assert replay.model.playback.paused
        # Nothing moves while it is paused
        await asyncio.sleep(0.2)
        assert len(replay.model.transcript) == 3
    finally:
        await replay.close()


async def test_a_session_without_sound_has_a_clock_too(tmp_path):
    folder = make_session(tmp_path / "call", sound=False)
    for wav in folder.glob("*.wav"):
        wav.unlink()
    replay = Replay(load_session(folder), sound=True, speed=1)
    replay.tick()
    try:
        await until(lambda: replay.model.playback.seconds > 0, 20)
        assert replay.model.playback.seconds == pytest.approx(7.0)
        await replay.seek(3.5)
        assert [row.id for row in replay.model.transcript] == ["u1"]
    finally:
        await replay.close()


async def test_the_screen_shows_clock_and_keys_of_a_replay(folder):
    app = RealtimeConsole(Replay(load_session(folder), output="null", sound=True))
    async with app.run_test(size=(132, 44)) as pilot:
        await until_shown(pilot, "pause/go on", "/ 0:12.0", "▶ replay")
        await pilot.press("space")
        await until_shown(pilot, "‖ paused")
        await pilot.press("right")
        await until_shown(pilot, "What <b>is</b> it?")
        events = len(app.model.events.rows)
        await pilot.press("left", "left")
        await until_screen(pilot, lambda: app.model.playback.second == 0)
        await pilot.press("full_stop", "full_stop", "full_stop")
        await until_screen(pilot, lambda: len(app.model.transcript) == 2)
        assert len(app.model.events.rows) <= events
        await pilot.press("comma")
        await until_screen(pilot, lambda: len(app.model.transcript) == 1)
        await pilot.press("space")
        await until_shown(pilot, "▶ 0:0")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_the_time_of_a_session_never_runs_back_and_no_pause_is_long(times):
    times.sort()
    timeline = EventTimeline(times)
    seconds = [timeline.second_of(moment) for moment in times]
    assert seconds == sorted(seconds) and seconds[0] == 0
    assert seconds[-1] == pytest.approx(timeline.seconds)
    assert all(later - earlier <= 5.0 + 1e-6 for earlier, later in itertools.pairwise(seconds))
    assert timeline.second_of(times[0] - 1) == 0 and timeline.second_of(times[-1] + 99) == timeline.seconds


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["wait", "pause", "go", "seek"]), st.floats(-20, 20))))
def test_the_clock_stays_within_the_replay_and_moves_only_while_it_goes(steps):
    now = [0.0]
    clock = ReplayClock(10.0, 2.0, lambda: now[0])
    expected, paused = 0.0, False
    for kind, value in steps:
        if kind == "wait":
            now[0] += abs(value)
            expected = min(expected + (0 if paused else abs(value) * 2), 10.0)
        elif kind == "seek":
            clock.seek(value)
            expected = min(max(value, 0.0), 10.0)
        else:
            paused = kind == "pause"
            clock.pause(paused)
        assert clock.second == pytest.approx(expected) and clock.paused == paused


async def test_a_replay_of_twenty_thousand_events_stays_responsive(tmp_path):
    folder = make_session(tmp_path / "call")
    line = json.dumps({"time": 1_000_001.0, "source": "server", "event": {"type": "x.delta", "delta": "a"}})
    with (folder / "events.jsonl").open("a") as file:
        file.writelines(f"{line}\n" for _ in range(20_000))
    replay = Replay(load_session(folder))
    replay.tick()
    looks = 0
    try:
        await until(lambda: replay.model.playback.seconds > 0, 20)
        seeking = asyncio.create_task(replay.seek(11.0))
        while not seeking.done():
            await asyncio.sleep(0)
            looks += 1
        assert looks > 20
        assert sum(row.count for row in replay.model.events.rows) >= 20_000
    finally:
        await replay.close()
