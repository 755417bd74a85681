"""The rig of tests/room.py itself: its sums are right, its path is steady and unbroken, and it knows when it was late."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator

import numpy as np
import pytest

from tests.echo import scoring
from tests.echo.phone import PhoneOptions
from tests.echo.tapes import PhoneProcess, Recording
from tests.room import LateError, Room, RoomSettings, Watch, counted, require_real_time
from tests.room_acoustics import MAX_DELAY_SECONDS, Acoustics, response
from tests.room_process import PIPE_PRIORITY
from wavtools.resample import resample

RATE = 24_000
SINE_HZ = 440.0


def through(settings: RoomSettings, played: np.ndarray) -> np.ndarray:
    """*played* float32 (frames, speakers) through the acoustics, block by block."""
    acoustics, block = Acoustics(settings), settings.block
    return np.concatenate([acoustics.echo(played[i : i + block]) for i in range(0, len(played), block)])


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_the_room_convolves_with_its_response_after_its_delay(rate, rng) -> None:
    settings = RoomSettings(rate=rate, delay_ms=30.0)
    played = rng.standard_normal((rate // 2, 1)).astype(np.float32) * 0.1
    played = played[: len(played) // settings.block * settings.block]
    delay = round(0.030 * rate)
    expected = np.convolve(played[:, 0], response(settings))[: len(played) - delay]
    heard = through(settings, played)
    assert np.abs(heard[:delay]).max() < 1e-6
    np.testing.assert_allclose(heard[delay:], expected, atol=2e-5)


@pytest.mark.parametrize("speakers", [1, 2])
def test_the_gain_is_the_level_of_the_echo(speakers, rng) -> None:
    settings = RoomSettings(speakers=speakers, gain_db=-6.0, delay_ms=0.0)
    played = rng.standard_normal((96_000, speakers)).astype(np.float32) * 0.1
    heard = through(settings, played)[24_000:]
    found = 10 * np.log10(np.mean(heard**2) / np.mean(played**2))
    assert abs(found - -6.0) < 0.5


def test_a_drifting_clock_moves_the_path_by_its_ppm(rng) -> None:
    settings = RoomSettings(drift_ppm=200.0, delay_ms=20.0, rt60=0.002)
    # What the interpolation passes: little above a fourth of the rate
    played = resample(rng.standard_normal(4 * 16_000).astype(np.float32) * 0.1, 16_000, 48_000)
    heard = through(settings, played[: 4 * 48_000, np.newaxis])
    found = scoring.delays(to_int16(played), to_int16(heard), 48_000, every=0.5)
    assert np.diff(found) == pytest.approx(0.1, abs=0.01)


def to_int16(samples: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(samples * 32767), -32768, 32767).astype(np.int16)


def test_a_saturated_loudspeaker_gives_no_more_than_its_limit() -> None:
    settings = RoomSettings(drive=4.0, delay_ms=0.0, gain_db=0.0)
    acoustics = Acoustics(settings)
    quiet, loud = (np.full((settings.block, 1), level, np.float32) for level in (0.01, 1.0))
    ratio = acoustics.echo(loud).max() / Acoustics(settings).echo(quiet).max()
    # tanh(4) / tanh(0.04)
    assert ratio == pytest.approx(25.0, rel=0.01)


def test_a_delay_may_jump_and_stays_within_the_line() -> None:
    settings = RoomSettings(delay_ms=10.0)
    acoustics = Acoustics(settings)
    acoustics.delay_ms = MAX_DELAY_SECONDS * 1000 - 30
    click = np.zeros((settings.block, 1), np.float32)
    click[0] = 1.0
    heard = np.concatenate([acoustics.echo(click if i == 0 else 0 * click) for i in range(150)])
    assert np.argmax(np.abs(heard)) == round((MAX_DELAY_SECONDS - 0.03) * settings.rate)


def test_a_run_with_a_late_block_is_repeated_and_skipped_at_last() -> None:
    runs = []

    def late() -> None:
        runs.append(1)
        raise LateError("a block of the room was 61 ms late")

    assert not Watch(100, 1, 61.0).counts and Watch(100, 9, 59.0).counts
    with pytest.raises(pytest.skip.Exception, match="61 ms late, 3 times"):
        counted(late)
    assert len(runs) == 3
    assert counted(lambda: "in time") == "in time"


def sine() -> np.ndarray:
    return to_int16(0.25 * np.sin(2 * np.pi * SINE_HZ / RATE * np.arange(5 * RATE)))


@contextlib.contextmanager
def steady_player(room: Room) -> Iterator[subprocess.Popen]:
    """A program of the audio server that plays its input, with more buffer and priority than any program has."""
    command = ["pacat", "-d", "speaker", "--raw", "--format=s16le", f"--rate={RATE}", "--channels=1"]
    with subprocess.Popen([*command, "--latency-msec=200"], env=room.env, stdin=subprocess.PIPE) as player:
        os.sched_setscheduler(player.pid, os.SCHED_RR, os.sched_param(PIPE_PRIORITY))
        yield player
        player.kill()


@pytest.fixture(scope="module")
def run(tmp_path_factory, request) -> dict:
    """One run: a sine of 5 s, noise of 8 s, and a person who speaks twice into it."""
    require_real_time()

    def once() -> dict:
        folder = tmp_path_factory.mktemp("room")
        rng = np.random.default_rng(7)
        noise = to_int16(0.1 * rng.standard_normal(8 * RATE))
        word = to_int16(0.1 * rng.standard_normal(RATE // 2))
        with Room(folder, truth=True) as room:
            options = PhoneOptions(str(folder / "out.npz"), reference=False)
            with PhoneProcess(room, options) as phone, steady_player(room) as player:
                player.stdin.write(np.concatenate((sine(), noise)).tobytes())
                player.stdin.close()
                time.sleep(7)
                first = room.say(word)
                time.sleep(3)
                second = room.say(word)
                time.sleep(3.5)
                recording = phone.end()
            room.watch()
            microphone, person = room.truth()
        return {
            "recording": recording,
            "noise": noise,
            "word": word,
            "said": (first, second),
            "microphone": microphone,
            "person": person,
        }

    return counted(once)


@pytest.mark.audio
def test_a_sine_passes_the_room_without_a_break(run) -> None:
    recording: Recording = run["recording"]
    loud = np.flatnonzero(np.abs(recording.raw) > 1000)[0]
    heard = recording.raw[loud + RATE : loud + 4 * RATE]
    assert scoring.level_db(heard) > -30
    assert scoring.sine_breaks(heard, SINE_HZ, RATE) == 0
    broken = heard.copy()
    broken[RATE:-100] = heard[RATE + 100 :]
    assert scoring.sine_breaks(broken, SINE_HZ, RATE) > 0, "the measure finds a break"


@pytest.mark.audio
def test_the_path_through_the_room_is_steady(run) -> None:
    recording: Recording = run["recording"]
    raw, noise = recording.raw, run["noise"]
    begin = scoring.offset_of(noise[:RATE], raw, RATE)
    # From 10 ms before its echo on
    early = RATE // 100
    span = raw[begin - early : begin - early + len(noise)]
    played = noise[: len(span)]
    found = scoring.delays(played, span, RATE, every=1.0)
    assert len(found) >= 4 and np.ptp(found) < 0.1


@pytest.mark.audio
def test_the_room_tells_on_which_frame_a_person_began(run) -> None:
    rate = RoomSettings().rate
    word = resample(run["word"], RATE, rate)
    for _, frame in run["said"]:
        np.testing.assert_allclose(run["person"][frame : frame + len(word)], word, atol=1)
    spoken = (run["said"][1][1] - run["said"][0][1]) / rate
    assert np.count_nonzero(run["person"]) <= 2 * len(word)
    # On the clock of time.monotonic() they lie as far apart as in frames, but for the lateness of a block.
    assert abs(run["said"][1][0] - run["said"][0][0] - spoken) < 0.06


@pytest.mark.audio
def test_a_recorder_in_the_room_hears_what_the_room_plays(run) -> None:
    recording: Recording = run["recording"]
    microphone = resample(run["microphone"], RoomSettings().rate, RATE)
    offset = scoring.offset_of(recording.raw, microphone, RATE)
    count = min(len(recording.raw), len(microphone) - offset)
    expected = microphone[offset : offset + count].astype(float)
    error = recording.raw[:count] - expected
    assert 10 * np.log10(np.mean(error**2) / np.mean(expected**2)) < -40


@pytest.mark.audio
def test_a_room_that_was_stopped_says_that_it_was_late(tmp_path) -> None:
    require_real_time()
    with Room(tmp_path) as room:
        time.sleep(1)
        os.kill(room.pid, signal.SIGSTOP)
        time.sleep(0.3)
        os.kill(room.pid, signal.SIGCONT)
        time.sleep(0.5)
        with pytest.raises(LateError, match="ms late"):
            room.watch()


@pytest.mark.audio
def test_a_pair_of_loudspeakers_is_heard_as_their_sum(tmp_path) -> None:
    require_real_time()

    def once() -> Recording:
        settings = RoomSettings(speakers=2)
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        with Room(folder, settings) as room:
            options = PhoneOptions(str(folder / "out.npz"), speakers=2, reference=False)
            with PhoneProcess(room, options) as phone:
                tone = to_int16(0.1 * np.random.default_rng(3).standard_normal(RATE))
                silent = np.zeros_like(tone)
                phone.play(
                    np.concatenate([np.stack(pair, axis=1) for pair in ((tone, silent), (silent, tone))])
                )
                time.sleep(3)
                recording = phone.end()
            room.watch()
        return recording

    raw = counted(once).raw
    begin = np.flatnonzero(np.abs(raw) > 300)[0]
    left, right = (raw[begin + int(t * RATE) :][: RATE // 2] for t in (0.25, 1.25))
    assert abs(scoring.level_db(left) - scoring.level_db(right)) < 1.5
    # Each has a response of its own.
    assert scoring.level_db(left.astype(np.int32) - right) > scoring.level_db(left) - 3
