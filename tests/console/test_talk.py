"""``talk``: a spoken turn through file, capture callback, ring, resampler, client, websocket, models, and back."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from realtime.offline import question_path
from tests.audio_server import no_server_environment
from tests.console.programs import run_console
from tests.terminal import ROOT
from wavtools import WavPacker, read_wav
from wavtools.resample import resample


def assert_user_error(result: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit status 2, and one line on stderr that says what is wrong (after the notice of a starting server)."""
    lines = [
        line for line in result.stderr.splitlines() if not line.startswith("starting the offline server")
    ]
    assert result.returncode == 2, result.stderr
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0]


@pytest.mark.models
def test_a_spoken_question_is_heard_and_answered_aloud(offline_voice_url, tmp_path):
    out, events = tmp_path / "answer.wav", tmp_path / "log.jsonl"
    result = run_console(
        "talk",
        question_path("hello"),
        "--out",
        out,
        "--events",
        events,
        "--url",
        offline_voice_url,
        env=os.environ,
    )
    assert result.returncode == 0, result.stderr
    heard, answered, wrote = result.stdout.splitlines()
    assert heard.lower().startswith("heard:    hello, how are you")
    assert len(answered) > len("answered: ") + 10
    wav = read_wav(out)
    assert wav.sample_rate == 24_000
    assert wav.duration > 1
    assert np.abs(wav.pcm).max() > 3_000
    assert wrote == f"{out}: {wav.duration:.1f} s of speech"
    log = [json.loads(line) for line in events.read_text().splitlines()]
    kinds = [entry["event"]["type"] for entry in log]
    assert kinds[0] == "session.created"
    assert "input_audio_buffer.append" in kinds
    assert kinds.index("response.created") < kinds.index("response.done")
    sizes = [e["event"]["delta"] for e in log if e["event"]["type"] == "response.output_audio.delta"]
    assert sizes and all(size.endswith("bytes of audio>") for size in sizes)


@pytest.mark.models
@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (8_000, 1)])
def test_a_question_at_any_rate_and_channel_count_is_heard(
    run_here, offline_voice_url, tmp_path, rate, channels
):
    question = read_wav(question_path("hello"))
    pcm = resample(question.pcm.reshape(-1), question.sample_rate, rate)
    pcm = np.repeat(pcm[:, np.newaxis], channels, axis=1)
    WavPacker.pack(pcm.reshape(-1), rate, channels).save(tmp_path / "q.wav")
    result = run_here("talk", tmp_path / "q.wav", "--out", tmp_path / "a.wav", "--url", offline_voice_url)
    assert result.returncode == 0, result.stderr
    assert "how are you" in result.stdout.lower()


@pytest.mark.models
def test_a_question_about_the_weather_is_a_real_tool_call(run_here, offline_voice_url, tmp_path):
    result = run_here(
        "talk", question_path("weather"), "--out", tmp_path / "a.wav", "--url", offline_voice_url
    )
    assert result.returncode == 0, result.stderr
    assert "tool:     get_weather(" in result.stdout
    assert "Paris" in result.stdout


@pytest.mark.models
def test_without_a_terminal_and_without_a_key_it_holds_a_demo_turn(tmp_path):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    result = run_console(env=env, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "heard:    " in result.stdout
    assert read_wav(tmp_path / "answer.wav").duration > 1


def test_a_missing_file_is_named(run_here, tmp_path):
    result = run_here("talk", tmp_path / "none.wav", "--out", tmp_path / "a.wav", "--offline")
    assert_user_error(result, "none.wav: no such file")


def test_a_text_file_named_wav_is_told_from_audio(run_here, tmp_path):
    (tmp_path / "q.wav").write_text("This is not audio.\n" * 20)
    assert_user_error(
        run_here("talk", tmp_path / "q.wav", "--out", tmp_path / "a.wav", "--offline"), "q.wav: "
    )
    assert not (tmp_path / "a.wav").exists()


@pytest.mark.parametrize("content", [b"", "an empty WAV"])
def test_an_empty_file_is_refused(run_here, tmp_path, content):
    path = tmp_path / "q.wav"
    if content:
        WavPacker.pack(np.empty(0, np.int16), 24_000).save(path)
    else:
        path.write_bytes(b"")
    assert_user_error(run_here("talk", path, "--out", tmp_path / "a.wav", "--offline"), "q.wav")
    assert list(tmp_path.iterdir()) == [path]


def test_an_unsupported_rate_is_refused_with_the_range(run_here, tmp_path):
    WavPacker.pack(np.ones(4_000, np.int16), 4_000).save(tmp_path / "q.wav")
    result = run_here("talk", tmp_path / "q.wav", "--out", tmp_path / "a.wav", "--offline")
    assert_user_error(result, "4000 Hz", "8000 to 192000 Hz")


def test_a_refused_port_is_one_line_and_leaves_nothing_behind(run_here, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{free.getsockname()[1]}"
    out, events = tmp_path / "a.wav", tmp_path / "log.jsonl"
    result = run_here("talk", question_path("hello"), "--out", out, "--events", events, "--url", url)
    assert_user_error(result, url)
    assert list(tmp_path.iterdir()) == []


def test_an_answer_never_takes_the_place_of_a_device_or_a_pipe(run_here, tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    out = tmp_path / "pipe"
    os.mkfifo(out)
    result = run_here("talk", question_path("hello"), "--out", out, "--offline")
    assert_user_error(result, "it is no plain file; name another one")
    assert out.is_fifo() and "starting" not in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no files of devices")
def test_a_device_that_never_ends_is_no_question(run_here, tmp_path):
    result = run_here("talk", "/dev/zero", "--out", tmp_path / "a.wav", "--offline")
    assert_user_error(result, "/dev/zero is a device; give the WAV file of a spoken question")


def test_an_answer_that_cannot_be_written_is_said_before_anything_starts(run_here, tmp_path):
    result = run_here("talk", question_path("hello"), "--out", tmp_path / "nowhere" / "a.wav", "--offline")
    assert_user_error(result, "there is no folder")
    assert "starting" not in result.stderr


def test_an_error_of_the_user_ends_the_process_with_its_status_and_one_line(tmp_path):
    assert_user_error(
        run_console("talk", tmp_path / "none.wav", "--out", tmp_path / "a.wav", env=os.environ),
        "no such file",
    )


@pytest.mark.parametrize("arguments", [["talk"], ["sing"], ["talk", "q.wav"]])
def test_wrong_arguments_are_one_line(run_here, arguments):
    assert_user_error(run_here(*arguments), "--help")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the audio system always answers")
def test_devices_without_an_audio_server_says_what_to_do(tmp_path):
    result = run_console("devices", env=no_server_environment(tmp_path))
    if Path("/dev/snd").exists():
        pytest.skip("this machine has a sound card: ALSA answers without a server")
    assert_user_error(result, "no audio system answers", "start PulseAudio or PipeWire")
