"""Echo cancellation while devices go and come, answers are cut and the queue runs dry. WAVTOOLS_SOAK=1.

Nobody speaks in these rooms: every start of speech is a false one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from tests.echo import scoring, voices
from tests.echo.cancellers import available
from tests.echo.phone import PhoneOptions
from tests.echo.rooms import USUAL
from tests.echo.soak import soak
from tests.echo.tapes import PhoneProcess, Recording
from tests.room import Room, counted, require_real_time

pytestmark = [
    soak,
    pytest.mark.audio,
    pytest.mark.models,
    pytest.mark.timeout(300),
    pytest.mark.parametrize(
        "canceller",
        [
            "native",
            pytest.param(
                "webrtc", marks=pytest.mark.skipif(not available("webrtc"), reason="no wavtools[aec]")
            ),
        ],
    ),
]

RATE = voices.RATE_HZ
LEAST_DB = 20.0
Events = Callable[[Room, PhoneProcess], None]


def recorded(tmp_path_factory, canceller: str, events: Events) -> Recording:
    """What the program recorded while *events* took place, in a run that counts."""
    require_real_time()
    voices.require_models()

    def once() -> Recording:
        folder = tmp_path_factory.mktemp("room")
        with Room(folder, USUAL) as room:
            options = PhoneOptions(str(folder / "out.npz"), canceller=canceller)
            with PhoneProcess(room, options) as phone:
                time.sleep(0.5)
                events(room, phone)
                recording = phone.end()
            room.watch()
        return recording

    return counted(once)


def returns_db(recording: Recording) -> list[float]:
    """ERLE in the first half second of each stretch of echo that follows half a second of silence, or a lost device."""
    raw = recording.raw.astype(np.int32)
    loud = np.flatnonzero(np.abs(raw) > 300)
    begins = list(loud[np.flatnonzero(np.diff(loud, prepend=-RATE) > RATE // 2)])
    # A device that was lost leaves a gap in time and none in frames.
    clocked = recording.time - recording.frame / RATE
    for chunk in np.flatnonzero(np.diff(clocked) > 0.3) + 1:
        begins.append(loud[np.searchsorted(loud, recording.frame[chunk] - recording.frame[0])])
    half = RATE // 2
    spans = [slice(begin, begin + half) for begin in begins]
    # A click at the end of a stretch is no echo.
    return [
        scoring.erle_db(recording.raw[span], recording.mono[span])
        for span in spans
        if scoring.level_db(recording.raw[span]) > -45
    ]


def check(recording: Recording, returns: int) -> None:
    found = returns_db(recording)
    assert len(found) >= returns, found
    assert all(value >= LEAST_DB for value in found), found
    assert scoring.speech_starts(recording.mono, RATE) == []
    assert scoring.speech_starts(recording.raw, RATE) != [], "without cancellation there are some"


def test_a_device_that_is_lost_and_comes_back_in_an_answer(tmp_path_factory, canceller) -> None:
    def events(room: Room, phone: PhoneProcess) -> None:
        phone.play(voices.story()[: 14 * RATE])
        time.sleep(5)
        room.crash()
        time.sleep(8)

    recording = recorded(tmp_path_factory, canceller, events)
    kinds = [event["kind"] for event in recording.events]
    assert kinds.count("lost") == 2 and kinds.count("restored") == 2, kinds
    check(recording, 2)


def test_another_default_output_in_an_answer(tmp_path_factory, canceller) -> None:
    def events(room: Room, phone: PhoneProcess) -> None:
        phone.play(voices.story()[: 14 * RATE])
        time.sleep(5)
        room.switch_speaker()
        time.sleep(8)

    check(recorded(tmp_path_factory, canceller, events), 1)


def test_answers_that_are_cut_and_begun_again(tmp_path_factory, canceller) -> None:
    def events(room: Room, phone: PhoneProcess) -> None:
        for start in range(4):
            phone.play(voices.story()[start * 5 * RATE :][: 5 * RATE])
            time.sleep(2.5)
            phone.tell("interrupt")
            time.sleep(1.0)

    check(recorded(tmp_path_factory, canceller, events), 4)


def test_a_queue_that_runs_dry_again_and_again(tmp_path_factory, canceller) -> None:
    def events(room: Room, phone: PhoneProcess) -> None:
        for part in range(12):
            phone.play(voices.story()[part * RATE // 2 :][: RATE // 2])
            time.sleep(0.55 + 0.05 * (part % 4))
        time.sleep(0.5)

    check(recorded(tmp_path_factory, canceller, events), 1)


def test_a_path_that_jumps_unannounced_is_learnt_again(tmp_path_factory, canceller) -> None:
    def events(room: Room, phone: PhoneProcess) -> None:
        phone.play(voices.story()[: 12 * RATE])
        time.sleep(5)
        room.move(2)
        time.sleep(7.5)

    recording = recorded(tmp_path_factory, canceller, events)
    assert scoring.speech_starts(recording.mono, RATE) == []
    tail = slice(-5 * RATE, -2 * RATE)
    assert scoring.erle_db(recording.raw[tail], recording.mono[tail]) >= LEAST_DB
