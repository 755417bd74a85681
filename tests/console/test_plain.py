"""--plain in a terminal (tmux): a spoken question through a real audio server, typed lines, commands."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from realtime.offline import question_path
from tests.terminal import Terminal, clean_environment, console_command
from tests.waiting import until_blocking
from wavtools import WavPacker


def ended(path: Path) -> bool:
    """True if a second of silence follows what was heard."""
    heard = np.fromfile(path, np.int16)
    loud = np.flatnonzero(np.abs(heard) > 1_000)
    return len(loud) > 0 and len(heard) - loud[-1] > 24_000


def line_of(terminal, begin: str) -> str:
    """The first line that begins so, when it has come."""
    screen = terminal.wait_for(lambda screen: f"\n{begin}" in screen)
    return next(line for line in screen.splitlines() if line.startswith(begin))


@pytest.fixture
def terminal(offline_voice_url, audio_server, tmp_path):
    command = console_command("--plain", "--url", offline_voice_url)
    with Terminal(command, clean_environment(audio_server.env), tmp_path) as terminal:
        yield terminal


@pytest.mark.audio
@pytest.mark.models
def test_a_question_spoken_into_the_microphone_is_answered_from_the_speaker(
    run_here, terminal, offline_voice_url, audio_server, tmp_path
):
    terminal.wait_for("speak, or type and press Enter")
    record = ["parec", "--device=speaker.monitor", "--format=s16le", "--rate=24000", "--channels=1"]
    with (tmp_path / "heard.raw").open("wb") as out:
        recording = subprocess.Popen([*record, "--latency-msec=20"], env=audio_server.env, stdout=out)
    subprocess.run(["paplay", "--device=room", question_path("hello")], env=audio_server.env, check=True)
    answer = line_of(terminal, "assistant: ")
    assert line_of(terminal, "you: ") == "you:       Hello, how are you today?"
    # The answer is spoken in real time
    until_blocking(lambda: ended(tmp_path / "heard.raw"), 30)
    terminal.type("q")
    terminal.wait_for("exit-status 0")
    recording.terminate()
    recording.wait()
    heard = np.fromfile(tmp_path / "heard.raw", np.int16)
    loud = np.flatnonzero(np.abs(heard) > 1_000)
    speech = heard[max(0, loud[0] - 4_800) : loud[-1] + 4_800]
    assert 1 < len(speech) / 24_000 < 8

    # What came out of the speaker is speech: the same models understand it
    WavPacker.pack(speech, 24_000).save(tmp_path / "speech.wav")
    understood = run_here(
        "talk", tmp_path / "speech.wav", "--out", tmp_path / "a.wav", "--url", offline_voice_url
    )
    said = {word.strip(",.!?").lower() for word in answer.split()[1:]}
    got = {word.strip(",.!?").lower() for word in understood.stdout.splitlines()[0].split()[1:]}
    assert len(said & got) >= 0.7 * len(said), understood.stdout


@pytest.mark.audio
@pytest.mark.models
def test_a_typed_line_is_answered_and_commands_work(terminal):
    terminal.wait_for("speak, or type")
    terminal.type("My favourite colour is blue")
    terminal.wait_for("assistant: ")
    terminal.type("x")
    terminal.type("m")
    terminal.wait_for("microphone muted")
    terminal.type("q")
    terminal.wait_for("exit-status 0")
