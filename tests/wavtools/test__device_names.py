"""Devices as people name them: odd names, entries of the wrong list, and texts that name nothing."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.audio, pytest.mark.timeout(120)]

TRY = """
    import numpy as np, wavtools

    def told(kind, device):
        stream = wavtools.WavStreamPlayer(device=device) if kind == "output" else wavtools.WavRecorder(device=device)
        try:
            with stream:
                return "opened"
        except (wavtools.DeviceError, TypeError) as error:
            return f"{type(error).__name__} {error}"
"""


def add_sink(server, name: str, description: str) -> str:
    properties = f'sink_properties=device.description="{description}"'
    return server.pactl(
        "load-module", "module-null-sink", f"sink_name={name}", properties, "norewinds=1"
    ).strip()


def ask(server, lines: str) -> list[str]:
    result = server.python(TRY + lines)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_a_name_that_is_cut_ends_with_a_whole_character_and_opens(audio_server):
    add_sink(audio_server, "long", "é" * 150)
    lines = ask(
        audio_server,
        """
    name = wavtools.WavStreamPlayer.list_devices()[2].name
    print(name == "é" * 127, told("output", name))
    """,
    )
    assert lines == ["True opened"]


def test_control_characters_of_a_name_do_not_reach_the_terminal(audio_server):
    add_sink(audio_server, "loud", "be\x1b[31mll\x07")
    add_sink(audio_server, "wide", "スピーカー")
    lines = ask(
        audio_server,
        """
    devices = wavtools.WavStreamPlayer.list_devices()
    print(devices)
    print(told("output", devices[2].name), told("output", "スピーカー"))
    """,
    )
    assert lines[3].startswith(r"2    be\x1b[31mll\x07  2")
    assert lines[4].startswith("3    スピーカー")
    assert lines[-1] == "opened opened"


def test_a_text_that_names_no_device_is_refused_and_says_what_to_pass(audio_server):
    lines = ask(
        audio_server,
        """
    for device in ("", " ", "7", np.array([0])):
        print(told("output", device))
    """,
    )
    assert lines[0] == "DeviceError device is '', which names no device; pass None for the default one"
    assert lines[1].startswith("DeviceError device is ' '")
    assert lines[2] == (
        "DeviceError no output device is called '7' (for an index, pass the number 7, not a text); "
        "PulseAudio has: 'Null Output' (id 'speaker'), 'Null Output' (id 'room')"
    )
    assert lines[3].startswith("TypeError device must be None, an id")


def test_an_entry_of_the_other_list_is_refused_by_its_kind(audio_server):
    lines = ask(
        audio_server,
        """
    print(told("input", wavtools.WavStreamPlayer.list_devices()[0]))
    print(told("output", wavtools.WavRecorder.list_devices()[0]))
    """,
    )
    assert lines[0].startswith("DeviceError no input device is called 'speaker' (that is an output device);")
    assert lines[1].startswith(
        "DeviceError no output device is called 'room.monitor' (that is an input device);"
    )


def test_a_name_that_looks_like_an_index_is_a_name(audio_server):
    add_sink(audio_server, "zero", "0")
    lines = ask(
        audio_server,
        """
    with wavtools.WavStreamPlayer(device="0") as player:
        import subprocess
        print(subprocess.run(["pactl", "list", "short", "sink-inputs"], capture_output=True, text=True).stdout.split()[1])
    """,
    )
    sinks = dict(line.split()[:2] for line in audio_server.pactl("list", "short", "sinks").splitlines())
    assert sinks[lines[0]] == "zero"


def test_an_entry_of_a_device_that_is_gone_is_refused_and_names_what_is_there(audio_server):
    module = add_sink(audio_server, "brief", "Brief")
    result = audio_server.python(
        TRY
        + """
    import subprocess, sys
    entry = wavtools.WavStreamPlayer.list_devices()[2]
    subprocess.run(["pactl", "unload-module", sys.argv[1]], check=True)
    print(told("output", entry))
    """,
        module,
    )
    assert result.stdout.startswith("DeviceError no output device is called 'brief'; PulseAudio has:"), result
