"""The screen as a person has it: real keys in a terminal (tmux), speech in a microphone, a real audio server."""

from __future__ import annotations

import re
import subprocess
import time

import numpy as np
import pytest

from realtime.offline import question_path
from tests.terminal import Terminal, clean_environment, console_command

CONTROL = re.compile("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")


def open_screen(offline_url, audio_server, tmp_path, size, *arguments):
    command = console_command("--url", offline_url, "--sessions", str(tmp_path / "sessions"), *arguments)
    return Terminal(command, clean_environment(audio_server.env), tmp_path, size)


@pytest.mark.audio
@pytest.mark.parametrize("size", [(132, 44), (80, 24)])
def test_a_person_connects_speaks_types_interrupts_replays_deletes_and_quits(
    offline_url, audio_server, tmp_path, size
):
    wide = size[0] > 110
    terminal = open_screen(offline_url, audio_server, tmp_path, size)
    try:
        terminal.wait_for("press c to connect")
        terminal.keys("c")
        terminal.wait_for("● connected")

        # A spoken turn by tapping the key; the microphone is what "room" plays.
        terminal.keys("Space")
        terminal.wait_for("● REC")
        record = ["parec", "--device=speaker.monitor", "--format=s16le", "--rate=24000", "--channels=1"]
        with (tmp_path / "heard.raw").open("wb") as out:
            recording = subprocess.Popen([*record, "--latency-msec=20"], env=audio_server.env, stdout=out)
        subprocess.run(["paplay", "--device=room", question_path("hello")], env=audio_server.env, check=True)
        terminal.keys("Space")
        terminal.wait_for("(speech, ")
        terminal.wait_for("I can tell that you spoke")
        terminal.wait_for(lambda screen: re.search(r"latency \d+ ms", screen) is not None)
        terminal.wait_for(lambda screen: re.search(r"out  .*█", screen) is not None)  # the speaker's bars
        terminal.keys("x")
        screen = terminal.wait_for("cut: heard ")
        heard = int(re.search(r"cut: heard ([\d ]+) of", screen)[1].replace(" ", ""))
        recording.terminate()
        recording.wait()
        assert np.abs(np.fromfile(tmp_path / "heard.raw", np.int16)).max() > 1_000
        assert 0 < heard < 74_400

        # A typed turn with a tool call: memory and conversation.
        terminal.keys("t")
        terminal.wait_for("╭")
        terminal.type("Please remember that my name is Ada")
        terminal.wait_for("set_memory({")
        if not wide:
            terminal.keys("4")
        terminal.wait_for('"name": "Ada"')
        terminal.keys("2")
        terminal.keys("t")
        terminal.type("What is the weather in Paris?")
        terminal.wait_for("get_weather({")
        if not wide:
            terminal.keys("3")
        terminal.wait_for("◆ Paris")
        terminal.wait_for("48.860° N")
        terminal.keys("m")
        terminal.wait_for("region")
        terminal.keys("2")

        # Replay with its position, then delete; fold and filter.
        terminal.keys("g")
        time.sleep(0.5)  # as a hand takes: the pane moves its cursor, then the app plays
        terminal.keys("p")
        terminal.wait_for("■ 0:0")
        terminal.keys("x")
        terminal.keys("G")
        time.sleep(0.5)
        terminal.keys("d")
        terminal.keys("1")
        terminal.wait_for("conversation.item.deleted")
        terminal.keys("/")
        terminal.type("session.created")
        terminal.wait_for(lambda screen: "session.created" in screen and "item.deleted" not in screen)
        time.sleep(0.5)  # until the field has given the keys back
        terminal.keys("G")
        time.sleep(0.5)
        terminal.keys("Enter")
        terminal.wait_for('"type": "session.created"')
        terminal.keys("2")

        # Modes, saving, a second connection, the end.
        terminal.keys("v")
        terminal.wait_for("just speak")
        terminal.keys("v")
        terminal.wait_for("tap space")
        terminal.keys("s")
        terminal.wait_for("saved: ")
        assert (next((tmp_path / "sessions").iterdir()) / "session.json").exists()
        terminal.keys("c")
        terminal.wait_for("○ disconnected")
        terminal.keys("c")
        terminal.wait_for("● connected")
        assert not CONTROL.search(terminal.raw())
        terminal.keys("q")
        terminal.wait_for("exit-status 0")
    finally:
        terminal.close()


@pytest.mark.audio
def test_vad_devices_and_a_lost_audio_server(offline_url, audio_server, tmp_path):
    terminal = open_screen(offline_url, audio_server, tmp_path, (132, 44), "--mode", "vad")
    try:
        terminal.wait_for("press c to connect")
        terminal.keys("Space")
        terminal.wait_for("● listening: just speak")
        subprocess.run(["paplay", "--device=room", question_path("hello")], env=audio_server.env, check=True)
        terminal.wait_for("I can tell that you spoke")

        # Another device, while everything goes on.
        terminal.keys("5", "G", "Enter")
        terminal.wait_for(lambda screen: screen.count("● out") == 2 or "speaker: Null Output" in screen)
        audio_server.stop()
        terminal.wait_for("device lost")
        audio_server.start()
        terminal.wait_for("device restored")
        terminal.keys("q")
        terminal.wait_for("exit-status 0")
    finally:
        terminal.close()


@pytest.mark.audio
def test_speakers_that_are_heard_are_told_and_half_duplex_is_one_key(offline_url, audio_server, tmp_path):
    # The monitor of the speaker is the microphone: vad hears the answer, and the answer cuts itself.
    heard = ("--input", "speaker.monitor", "--output", "speaker")
    terminal = open_screen(offline_url, audio_server, tmp_path, (132, 44), "--mode", "vad", *heard)
    try:
        terminal.wait_for("press c to connect")
        terminal.keys("c")
        terminal.wait_for("● listening")
        terminal.keys("t")
        terminal.type("hello")
        terminal.wait_for("your speakers are being heard: use headphones, or press e for half-duplex")
        assert "cut: heard" in terminal.wait_for("ECHO: speakers are heard")
        terminal.keys("e")
        terminal.wait_for("microphone closed while the speaker is heard")
        terminal.wait_for("● listening", 20)  # the room is quiet again
        time.sleep(1)  # until the turn that the echo had begun has ended
        terminal.keys("t")
        terminal.type("hello again")
        terminal.wait_for("microphone closed while the speaker is heard")
        screen = terminal.wait_for("● listening", 20)
        answer = screen.rpartition("hello again")[2]
        assert "cut: heard" not in answer and "0:03.1" in answer, screen
        assert "(speech, " not in answer, screen
        terminal.keys("q")
        terminal.wait_for("exit-status 0")
    finally:
        terminal.close()


def test_without_an_audio_system_the_screen_opens_and_typing_works(offline_url, tmp_path):
    from tests.audio_server import no_server_environment

    environment = clean_environment(no_server_environment(tmp_path))
    terminal = Terminal(console_command("--url", offline_url), environment, tmp_path, (132, 44))
    try:
        terminal.wait_for("press c to connect")
        terminal.keys("c")
        terminal.wait_for("● connected")
        terminal.keys("t")
        terminal.type("hello")
        terminal.wait_for("I can tell that you spoke")
        terminal.keys("q")
        terminal.wait_for("exit-status 0")
    finally:
        terminal.close()
