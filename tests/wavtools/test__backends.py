"""Which audio systems are tried: WAVTOOLS_BACKENDS, and names that begin with one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.audio_server import no_server_environment
from wavtools import DeviceError, DuplexDevice, WavRecorder, WavStreamPlayer
from wavtools._backends import chosen_backends, places
from wavtools._context import Context
from wavtools._miniaudio import ALSA, BACKEND_NAMES, BACKENDS, JACK, NULL_BACKEND, PULSEAUDIO


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch):
    monkeypatch.delenv("WAVTOOLS_BACKENDS", raising=False)


@pytest.mark.parametrize(
    ("text", "backends"),
    [
        ("jack,alsa", [JACK, ALSA]),
        (" JACK , PulseAudio,", [JACK, PULSEAUDIO]),
        ("pulse", [PULSEAUDIO]),
        ("", BACKENDS),
        (",", BACKENDS),
    ],
)
def test_the_variable_names_audio_systems_in_their_order(monkeypatch, text, backends):
    monkeypatch.setenv("WAVTOOLS_BACKENDS", text)
    assert chosen_backends() == backends


@pytest.mark.parametrize("backend", BACKEND_NAMES)
def test_every_name_that_is_printed_can_be_chosen(monkeypatch, backend):
    monkeypatch.setenv("WAVTOOLS_BACKENDS", BACKEND_NAMES[backend].upper())
    assert chosen_backends() == [backend]
    assert places({"capture": f"{BACKEND_NAMES[backend]}:hw:0"})[0] == ([backend], {"capture": "hw:0"})


@pytest.mark.parametrize("use", [WavStreamPlayer.list_devices, lambda: WavStreamPlayer().connect()])
def test_an_unknown_audio_system_is_refused_with_the_list_of_them(monkeypatch, use):
    monkeypatch.setenv("WAVTOOLS_BACKENDS", "alsa, jakc")
    with pytest.raises(DeviceError, match=r"names 'jakc', .* WASAPI, .* PulseAudio, ALSA, JACK, null$"):
        use()


def test_the_variable_chooses_the_silent_clock_too(monkeypatch):
    monkeypatch.setenv("WAVTOOLS_BACKENDS", "null")
    with WavStreamPlayer() as player, WavRecorder(device="null:") as recorder:
        assert player.list_devices()[0].backend == recorder.list_devices()[0].backend == "null"


def test_a_name_that_begins_with_an_audio_system_is_looked_for_there_and_then_as_a_whole():
    assert places({"playback": "Jack: system "}) == [
        ([JACK], {"playback": "system"}),
        (BACKENDS, {"playback": "Jack: system "}),
    ]
    assert places({"playback": "pulse:"})[0] == ([PULSEAUDIO], {"playback": None})


@pytest.mark.parametrize("name", [None, "hw:0,0", "jack", "{0.0.0.00000000}.{a:b}", ":jack"])
def test_other_names_are_looked_for_as_they_are(name):
    assert places({"playback": name}) == [(BACKENDS, {"playback": name})]


def test_null_is_the_silent_clock_whatever_the_variable_says(monkeypatch):
    monkeypatch.setenv("WAVTOOLS_BACKENDS", "nonsense")
    assert places({"capture": "null", "playback": "null"}) == [
        ([NULL_BACKEND], {"capture": None, "playback": None})
    ]


def test_one_device_is_on_one_audio_system():
    assert places({"capture": "jack:", "playback": "jack:a"})[0][1] == {"capture": None, "playback": "a"}
    with pytest.raises(DeviceError, match="are on ALSA and JACK"):
        WavStreamPlayer(device=DuplexDevice(input="alsa:a", output="jack:b")).connect()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the audio systems of Linux")
@pytest.mark.parametrize(
    ("system", "advice"),
    [("JACK", "start its server (jackd, or"), ("PulseAudio", "start PulseAudio or PipeWire")],
)
def test_the_advice_is_for_the_audio_system_that_did_not_answer(system, advice, tmp_path):
    code = "import wavtools; wavtools.WavStreamPlayer().connect()"
    environment = no_server_environment(tmp_path) | {"WAVTOOLS_BACKENDS": system}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert f"no audio system answers (tried {system}); {advice}" in last


@pytest.mark.parametrize("kind", ["playback", "capture"])
def test_the_advice_for_a_device_that_does_not_open_names_no_other_audio_system(kind):
    context = Context([NULL_BACKEND])
    for context.backend in BACKENDS:
        advice = context.advice(capture=kind == "capture")
        assert ("pactl" in advice) == (context.backend == PULSEAUDIO)
        assert ("microphone" in advice) == (kind == "capture" and sys.platform in ("win32", "darwin"))
    context.close()


@pytest.mark.audio
def test_a_device_whose_own_name_begins_with_an_audio_system_opens(audio_server):
    audio_server.pactl(
        "load-module",
        "module-null-sink",
        "sink_name=odd",
        "sink_properties=device.description=jack:odd",
        "norewinds=1",
    )
    result = audio_server.python("""
        import wavtools
        for device in ("jack:odd", "pulse:odd", "Pulse: speaker", "PulseAudio:"):
            with wavtools.WavStreamPlayer(device=device):
                print("opened")
        try:
            wavtools.WavStreamPlayer(device="pulse:nobody").connect()
        except wavtools.DeviceError as error:
            print(error)
    """)
    lines = result.stdout.splitlines()
    assert lines[:4] == ["opened"] * 4, result
    assert lines[4].startswith("no output device is called 'nobody'; PulseAudio has:")
