"""Echo cancellation, recorded live in a room: the echo falls, the person stays, nothing starts by itself.

Every test scores the person as well as the echo. WAVTOOLS_SOAK=1 adds the other rooms, and music, stereo and other rates.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.echo import scoring, voices
from tests.echo.cancellers import available, make_canceller
from tests.echo.phone import PhoneOptions
from tests.echo.rooms import ROOMS, USUAL
from tests.echo.soak import soak
from tests.echo.tapes import LONG, SHORT, Script, Tape, record_tape
from tests.room import Room, RoomSettings, counted, require_real_time

pytestmark = [pytest.mark.audio, pytest.mark.models, pytest.mark.timeout(600)]

FIRST_DB, MEDIAN_DB, SATURATED_DB = 20.0, 35.0, 25.0


def tape(tmp_path_factory, settings: RoomSettings, options: PhoneOptions, script: Script, far=None) -> Tape:
    """A tape whose run counts."""
    require_real_time()
    voices.require_models()

    def once() -> Tape:
        with Room(tmp_path_factory.mktemp("room"), settings, truth=True) as room:
            return record_tape(room, options, script, far)

    return counted(once)


def check(found: Tape, least_median_db: float = MEDIAN_DB) -> None:
    score = found.score()
    assert score.false_starts == 0, f"at {found.false_starts()} s; {score}"
    assert score.erle_first_db >= FIRST_DB, score
    assert score.erle_median_db >= least_median_db, score
    assert abs(score.near_change_db) <= 0.5, score
    # One sentence into an answer tells little: how many of ten arrive whole is counted in conversations.
    assert score.word_errors[0] == 0, score
    assert None not in score.notice_ms[:2], score


@pytest.fixture(scope="module")
def usual(tmp_path_factory) -> Tape:
    """The usual room, with our own canceller in the recorder."""
    return tape(tmp_path_factory, USUAL, PhoneOptions("", canceller="native"), SHORT)


def test_without_cancellation_the_echo_counts_as_speech(usual: Tape) -> None:
    raw = usual.with_clean(usual.recording.raw)
    assert raw.false_starts()
    assert raw.notices()[1:] == [None, None], "the person drowns"


def test_half_duplex_hears_nobody_while_it_speaks(usual: Tape) -> None:
    quiet = usual.cleaned_by(make_canceller("half-duplex", usual.rate))
    assert not quiet.false_starts()
    assert quiet.notices()[2] is None


def test_our_canceller_removes_the_echo_and_leaves_the_person(usual: Tape) -> None:
    check(usual)


@pytest.mark.skipif(not available("webrtc"), reason="not installed: pip install 'wavtools[aec]'")
def test_webrtc_removes_the_echo_and_leaves_the_person(usual: Tape) -> None:
    check(usual.cleaned_by(make_canceller("webrtc", usual.rate)))


def test_the_reference_lies_steadily_on_the_clock_of_the_microphone(usual: Tape) -> None:
    recording = usual.recording
    found = scoring.delays(recording.played, recording.raw, usual.rate)
    assert len(found) >= 4
    # What the sound system itself shifts, by running dry, it shifts for the reference as well.
    assert np.ptp(found) < 1.0, found


def test_frames_and_times_stay_exact_with_a_canceller(usual: Tape) -> None:
    recording = usual.recording
    sizes = np.diff(recording.frame)
    assert np.all(sizes == usual.rate // 100), "every captured frame comes once"
    assert len(recording.mono) == len(recording.raw) == len(recording.played)
    clocked = recording.time - recording.frame / usual.rate
    assert np.ptp(clocked) < 0.02
    # Raw and clean are alike where the person speaks alone: the delay is taken out of both.
    begin, end = usual.near[0]
    assert abs(scoring.offset_of(recording.mono[begin:end], recording.raw[begin:end], usual.rate)) <= 1


@soak
@pytest.mark.parametrize("canceller", ["native", "webrtc"])
@pytest.mark.parametrize("name", list(ROOMS))
def test_every_room(tmp_path_factory, name: str, canceller: str) -> None:
    if not available(canceller):
        pytest.skip(f"not installed: {canceller}")
    found = tape(tmp_path_factory, ROOMS[name], PhoneOptions("", canceller=canceller), LONG)
    check(found, SATURATED_DB if ROOMS[name].drive else MEDIAN_DB)


@soak
@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_other_session_rates(tmp_path_factory, rate: int) -> None:
    check(tape(tmp_path_factory, USUAL, PhoneOptions("", rate=rate, canceller="native"), LONG), 25.0)


@soak
@pytest.mark.parametrize("far", ["story", "music"])
def test_a_pair_of_loudspeakers(tmp_path_factory, far: str) -> None:
    stereo = voices.to_stereo(voices.story()) if far == "story" else voices.music(31.0)
    found = tape(
        tmp_path_factory,
        replace(USUAL, speakers=2),
        PhoneOptions("", canceller="native", speakers=2),
        LONG,
        stereo,
    )
    score = found.score()
    # One filter cannot tell two paths apart where both loudspeakers play different things.
    assert score.erle_median_db >= 15.0, score
    assert score.false_starts == 0, score


@soak
def test_music_over_one_loudspeaker(tmp_path_factory) -> None:
    mono = voices.music(31.0).astype(np.int32).sum(axis=1) // 2
    check(
        tape(tmp_path_factory, USUAL, PhoneOptions("", canceller="native"), LONG, mono.astype(np.int16)), 25.0
    )


@soak
def test_a_duplex_device_needs_no_reference(tmp_path_factory) -> None:
    options = PhoneOptions("", canceller="native", devices="duplex")
    check(tape(tmp_path_factory, USUAL, options, LONG), 25.0)
