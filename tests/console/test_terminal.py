"""The screen in a terminal (tmux): real keys, speech in a microphone, a real audio server."""

from __future__ import annotations

import contextlib
import functools
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from realtime.offline import question_path
from tests.audio_server import AudioServer, no_server_environment
from tests.terminal import Terminal, clean_environment, console_command

CONTROL = re.compile("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")
RECORD = ("parec", "--device=speaker.monitor", "--format=s16le", "--rate=24000", "--channels=1")
WIDE, NARROW = (132, 44), (80, 24)


@pytest.fixture
def open_screen(offline_url, audio_server, tmp_path):
    """Opens the screen in a terminal whose devices are those of the audio server."""
    return functools.partial(open_screen_in, tmp_path, offline_url, audio_server)


def open_screen_in(folder, url, audio_server, *arguments: str, size=WIDE) -> Terminal:
    command = console_command("--url", url, "--sessions", str(folder / "sessions"), *arguments)
    terminal = Terminal(command, clean_environment(audio_server.env), folder, size)
    terminal.wait_for("press c to connect")
    return terminal


@contextlib.contextmanager
def running(audio_server):
    try:
        yield audio_server
    finally:
        audio_server.stop()


def speak(audio_server) -> None:
    """Play a question into the microphone, which hears what the sink "room" plays."""
    subprocess.run(["paplay", "--device=room", question_path("hello")], env=audio_server.env, check=True)


def hold_a_spoken_turn(terminal, audio_server, recorded) -> None:
    """A turn by tapping the key; its answer is heard from the speaker, and interrupted."""
    terminal.keys("Space")
    terminal.wait_for("● REC")
    with recorded.open("wb") as out:
        recording = subprocess.Popen([*RECORD, "--latency-msec=20"], env=audio_server.env, stdout=out)
    speak(audio_server)
    terminal.keys("Space")
    terminal.wait_for("(speech, ")
    terminal.wait_for("I can tell that you spoke")
    terminal.wait_for(lambda screen: re.search(r"latency \d+ ms", screen) is not None)
    # The bars of the speaker
    terminal.wait_for(lambda screen: re.search(r"out  .*█", screen) is not None)
    terminal.keys("x")
    screen = terminal.wait_for("cut: heard ")
    heard = float(re.search(r"cut: heard ([\d.]+) of", screen)[1])
    recording.terminate()
    recording.wait()
    assert np.abs(np.fromfile(recorded, np.int16)).max() > 1_000
    assert 0 < heard < 3.1


def hold_typed_turns(terminal, wide) -> None:
    """Turns whose tools fill the panes of memory and weather."""
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
    terminal.wait_for("─ conversation")


def play_and_delete(terminal) -> None:
    """Play the first item again, with its position, and delete the last one."""
    # The bar of the answer that is still heard looks the same
    terminal.wait_for(lambda screen: "■ 0:0" not in screen)
    terminal.keys_restyle("(speech, ", "g")
    terminal.keys("p")
    terminal.wait_for("■ 0:0")
    terminal.keys("x")
    terminal.keys_restyle("I can", "G")
    terminal.keys("d")
    terminal.keys("1")
    terminal.wait_for("conversation.item.deleted")


def filter_and_unfold(terminal) -> None:
    terminal.keys("/")
    terminal.type("session.created", end="")
    terminal.wait_for(lambda screen: "session.created" in screen and "item.deleted" not in screen)
    # Enter gives the keys back to the pane
    terminal.keys_restyle("─ events", "Enter")
    terminal.keys_restyle("▸00:00.00", "G")
    terminal.keys("Enter")
    terminal.wait_for('"type": "session.created"')
    terminal.keys("2")


def change_modes_save_and_connect_again(terminal, sessions) -> None:
    terminal.keys("v")
    terminal.wait_for("just speak")
    terminal.keys("v")
    terminal.wait_for("tap space")
    terminal.keys("s")
    terminal.wait_for("saved: ")
    assert (next(sessions.iterdir()) / "session.json").exists()
    terminal.keys("c")
    terminal.wait_for("○ disconnected")
    terminal.keys("c")
    terminal.wait_for("● connected")
    assert not CONTROL.search(terminal.raw())


@pytest.mark.audio
def test_a_person_connects_speaks_types_interrupts_replays_deletes_and_quits(offline_url, tmp_path):
    """In a wide and in a narrow terminal at the same time: a journey waits for sound most of the time."""

    def journey(size) -> None:
        folder = tmp_path / f"{size[0]}"
        folder.mkdir()
        with (
            running(AudioServer(folder)) as audio_server,
            open_screen_in(folder, offline_url, audio_server, size=size) as terminal,
        ):
            terminal.keys("c")
            terminal.wait_for("● connected")
            hold_a_spoken_turn(terminal, audio_server, folder / "heard.raw")
            hold_typed_turns(terminal, wide=size == WIDE)
            play_and_delete(terminal)
            filter_and_unfold(terminal)
            change_modes_save_and_connect_again(terminal, folder / "sessions")
            terminal.quit()

    with ThreadPoolExecutor() as both:
        list(both.map(journey, (WIDE, NARROW)))


@pytest.mark.audio
def test_vad_devices_and_a_lost_audio_server(open_screen, audio_server):
    with open_screen("--mode", "vad") as terminal:
        terminal.keys("Space")
        terminal.wait_for("● listening: just speak")
        speak(audio_server)
        terminal.wait_for("I can tell that you spoke")

        # Another device, while everything goes on
        terminal.keys("5", "G", "Enter")
        terminal.wait_for(lambda screen: screen.count("● out") == 2 or "speaker: Null Output" in screen)
        audio_server.stop()
        terminal.wait_for("device lost")
        audio_server.start()
        terminal.wait_for("device restored")
        terminal.quit()


@pytest.mark.audio
def test_an_echo_is_told_with_its_numbers_and_e_cycles_what_is_done(open_screen):
    # The monitor of the speaker is the microphone: under vad the answer would cut itself
    devices = ("--input", "speaker.monitor", "--output", "speaker")
    with open_screen("--mode", "vad", *devices) as terminal:
        terminal.keys("c")
        terminal.wait_for("● listening")
        terminal.keys("t")
        terminal.type("hello")
        terminal.wait_for("echo: the microphone hears the loudspeaker", 20)
        terminal.wait_for(" dB ", 20)
        terminal.keys("e")
        terminal.wait_for("echo: half-duplex: the microphone is closed while the speaker is heard")
        terminal.keys("t")
        terminal.type("hello again")
        terminal.wait_for("microphone closed while the speaker is heard")
        screen = terminal.wait_for("● listening", 20)
        assert "cut: heard" not in screen.rpartition("hello again")[2], screen
        terminal.keys("e")
        terminal.wait_for("echo: off")
        terminal.keys("e")
        terminal.wait_for("echo: cancel")
        terminal.quit()


def test_without_an_audio_system_the_screen_opens_and_typing_works(offline_url, tmp_path):
    environment = clean_environment(no_server_environment(tmp_path))
    with Terminal(console_command("--url", offline_url), environment, tmp_path) as terminal:
        terminal.wait_for("press c to connect")
        terminal.keys("c")
        terminal.wait_for("● connected")
        terminal.keys("t")
        terminal.type("hello")
        terminal.wait_for("I can tell that you spoke")
        terminal.quit()
