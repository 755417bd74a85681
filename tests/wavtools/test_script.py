"""script(): a small program ends as a program should, by Ctrl+C, by Ctrl+D, and by what its user can mend."""

from __future__ import annotations

import signal

import pytest

import wavtools


def test_ctrl_c_ends_the_block_and_the_program_goes_on_after_it(tmp_path):
    device = wavtools.OfflineDevice(24_000)
    with (
        wavtools.script(),
        wavtools.WavRecorder(device=device, record_to=tmp_path / "take.wav") as recorder,
    ):
        recorder.record()
        device.capture(bytes(48_000))
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the block goes on")
    assert recorder.get_status() == "ended"
    assert wavtools.info(tmp_path / "take.wav").frames == 24_000


def test_the_end_of_the_input_ends_the_block():
    with wavtools.script():
        raise EOFError


def raising(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("action", "line"),
    [
        (lambda: wavtools.load("none.wav"), "none.wav: No such file or directory"),
        (lambda: wavtools.load(b"no sound at all"), "not an audio file"),
        (lambda: raising(wavtools.DeviceError("no microphone", operation="open")), "no microphone"),
        (lambda: raising(OSError()), "OSError"),
        (lambda: raising(OSError("two\nlines")), "two lines"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_status_1(action, line):
    with pytest.raises(SystemExit) as caught, wavtools.script():
        action()
    # The interpreter prints a text on stderr, and ends with status 1.
    assert line in caught.value.code and len(caught.value.code.splitlines()) == 1


@pytest.mark.parametrize("error", [ValueError("a mistake"), KeyError("a"), SystemExit(3)])
def test_a_mistake_in_the_program_keeps_its_traceback(error):
    with pytest.raises(type(error)) as caught, wavtools.script():
        raise error
    assert caught.value is error
