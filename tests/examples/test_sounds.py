"""The examples that need sounds alone: each runs as a user would run it."""

from __future__ import annotations

import importlib.util
import wave

import numpy as np
import pytest

from realtime.offline import question_path
from tests.examples.programs import EXAMPLES, Program, command, environment, run
from tests.waiting import until_blocking
from wavtools import info, load

pytestmark = pytest.mark.audio


def test_record(room, tmp_path):
    with Program("record.py", "take.wav", env=room.environment(), cwd=tmp_path) as program:
        program.wait_for("Enter ends it. ")
        room.say()
        program.type("")
        program.end()
    take = load(tmp_path / "take.wav")
    assert take.duration > 0.9 and abs(take.pcm).max() > 0.1


def test_record_keeps_what_it_has_when_ctrl_c_ends_it(room, tmp_path):
    with Program("record.py", "take.wav", env=room.environment(), cwd=tmp_path) as program:
        program.wait_for("Enter ends it. ")
        until_blocking(lambda: (tmp_path / "take.wav").stat().st_size > 10_000)
        program.interrupt()
    assert info(tmp_path / "take.wav").duration > 0.1


def test_play(room, tmp_path):
    assert run("play.py", room.voice, env=room.environment(), cwd=tmp_path) == f"{room.voice}\n"


def test_play_ends_with_ctrl_c(room, tmp_path):
    with Program("play.py", *[room.voice] * 60, env=room.environment(), cwd=tmp_path) as program:
        program.wait_for("voice.wav\n")
        program.interrupt()


def test_level_meter(room, tmp_path):
    with Program("level_meter.py", env=room.environment(), cwd=tmp_path) as program:
        program.wait_for("dBFS ")
        room.say()
        program.wait_for("####")
        program.interrupt()


def test_resample_file(tmp_path):
    run("resample_file.py", question_path(), "16k.wav", 16_000, env=environment(), cwd=tmp_path)
    with wave.open(str(tmp_path / "16k.wav")) as file:
        assert (file.getframerate(), file.getsampwidth()) == (16_000, 2)
        assert file.getnframes() / 16_000 == pytest.approx(info(question_path()).duration, abs=0.001)


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs matplotlib")
def test_spectrogram(tmp_path):
    env = environment(MPLBACKEND="agg", MPLCONFIGDIR=str(tmp_path))
    run("spectrogram.py", question_path(), "picture.png", env=env, cwd=tmp_path)
    assert (tmp_path / "picture.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    import matplotlib.image

    # It is no empty frame: the speech has many colours.
    picture = matplotlib.image.imread(tmp_path / "picture.png")
    assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 100


def test_record_offline(tmp_path):
    said = run("record_offline.py", "tone.wav", env=environment(), cwd=tmp_path)
    assert said.endswith(" samples at 16000 Hz\n")
    with wave.open(str(tmp_path / "tone.wav")) as file:
        assert (file.getframerate(), file.getnframes()) == (16_000, 16_000)


@pytest.mark.parametrize(
    ("name", "arguments", "line"),
    [
        ("play.py", ["none.wav"], "none.wav: No such file or directory"),
        ("resample_file.py", ["none.wav", "out.wav", "16000"], "none.wav: No such file or directory"),
        ("spectrogram.py", [str(EXAMPLES / "play.py"), "out.png"], "not an audio file"),
        ("resample_file.py", [], "python resample_file.py song.mp3"),
        ("spectrogram.py", [], "python spectrogram.py song.flac"),
        ("record.py", [], "python record.py take.wav"),
    ],
)
def test_a_wrong_command_is_told_without_a_traceback(name, arguments, line, tmp_path):
    if name == "spectrogram.py" and importlib.util.find_spec("matplotlib") is None:
        pytest.skip("needs matplotlib")
    with Program(name, *arguments, env=environment(), cwd=tmp_path) as program:
        assert line in program.end(expect=1)
    assert command(name)[-1].endswith(name)
    assert not list(tmp_path.glob("out.*"))
