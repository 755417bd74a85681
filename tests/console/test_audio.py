"""Microphone and Speaker: devices change while they run, nothing is lost, receipts are exact."""

from __future__ import annotations

import numpy as np
import pytest

from console.audio import Microphone, Speaker, bars
from console.session import BANDS
from wavtools import DeviceError, OfflineDevice


def ramp(n, start=1):
    return (np.arange(start, start + n) % 30_000 + 1).astype(np.int16)


def test_the_rest_of_an_answer_is_played_on_the_new_speaker_and_offsets_count_on():
    first, second = OfflineDevice(24_000), OfflineDevice(24_000)
    speaker = Speaker(24_000, first)
    speaker.connect()
    speaker.add_16bit_pcm(ramp(10_000), "a")
    speaker.add_16bit_pcm(ramp(5_000, 10_001), "b")
    heard = [first.render(4_321)]
    speaker.switch(second)
    assert speaker.get_track_sample_offset().offset == 4_321
    heard.append(second.render(6_000))
    receipt = speaker.get_track_sample_offset()
    assert (receipt.track_id, receipt.offset) == ("b", 321)
    speaker.add_16bit_pcm(ramp(100, 15_001), "b")
    heard.append(second.render(4_000))
    receipt = speaker.interrupt()
    assert (receipt.track_id, receipt.offset, receipt.dropped) == ("b", 4_321, {"b": 779})
    np.testing.assert_array_equal(np.concatenate(heard), ramp(14_321))
    speaker.disconnect()


def test_switching_in_the_middle_of_one_track_counts_what_both_devices_played():
    first, second, third = OfflineDevice(24_000), OfflineDevice(24_000), OfflineDevice(24_000)
    speaker = Speaker(24_000, first)
    speaker.connect()
    speaker.add_16bit_pcm(ramp(10_000), "a")
    first.render(1_000)
    speaker.switch(second)
    second.render(2_000)
    speaker.switch(third)
    third.render(500)
    assert speaker.interrupt().offset == 3_500
    speaker.disconnect()


def test_a_device_that_is_switched_while_closed_is_used_later():
    device = OfflineDevice(24_000)
    microphone, speaker = Microphone(24_000, "no such device"), Speaker(24_000, "no such device")
    for stream in (microphone, speaker):
        stream.switch(device)
    microphone.begin()
    speaker.connect()
    assert microphone.problem == speaker.problem == ""
    microphone.end()
    speaker.disconnect()


def test_a_device_that_does_not_open_changes_nothing():
    device = OfflineDevice(24_000)
    speaker = Speaker(24_000, device)
    speaker.connect()
    speaker.add_16bit_pcm(ramp(1_000), "a")
    with pytest.raises(DeviceError):
        speaker.switch("no such device")
    np.testing.assert_array_equal(device.render(1_000), ramp(1_000))
    speaker.disconnect()


def test_a_microphone_goes_on_recording_on_another_device():
    first, second, got = OfflineDevice(24_000), OfflineDevice(24_000), []
    microphone = Microphone(24_000, first)
    microphone.begin()
    microphone.record(lambda chunk: got.append(chunk.mono), 480)
    first.capture(ramp(1_000))
    microphone.switch(second)
    second.capture(ramp(700, 1_001))
    microphone.pause()
    np.testing.assert_array_equal(np.concatenate(got), ramp(1_700))
    microphone.record(lambda chunk: got.append(chunk.mono), 480)
    second.capture(ramp(10, 1_701))
    microphone.end()
    assert len(np.concatenate(got)) == 1_710
    assert microphone.get_status() == "ended"


def test_without_a_device_the_silent_clock_runs_and_says_why():
    microphone, speaker = Microphone(24_000, "no such device"), Speaker(24_000, "no such device")
    microphone.begin()
    speaker.connect()
    for problem in (microphone.problem, speaker.problem):
        assert "no such device" in problem or "no audio system" in problem  # as this machine has one or not
    assert microphone.get_status() == "paused"
    assert len(microphone.get_bars()) == len(speaker.get_bars()) == BANDS
    microphone.end()
    speaker.disconnect()


def test_audible_while_something_is_queued_and_not_after():
    device = OfflineDevice(24_000)
    speaker = Speaker(24_000, device)
    speaker.connect()
    assert not speaker.is_audible()
    speaker.add_16bit_pcm(ramp(100), "a")
    assert speaker.is_audible()
    speaker.disconnect()


def test_bars_are_the_peak_of_each_tenth():
    values = np.zeros(72)
    values[[0, 71]] = 0.5, 2.0
    assert bars(values) == (0.5, 0, 0, 0, 0, 0, 0, 0, 0, 1.0)


def test_the_microphone_cancels_what_the_speaker_plays():
    device = OfflineDevice(24_000, duplex=True)
    speaker = Speaker(24_000, device)
    microphone = Microphone(24_000, device, speaker=speaker)
    assert microphone.echo is None and microphone.get_device_info() is None
    speaker.connect()
    microphone.begin()
    assert microphone.cancelling and microphone.echo.cancelling and microphone.echo.canceller
    microphone.cancelling = False
    assert not microphone.cancelling and not microphone.echo.cancelling
    microphone.end()
    microphone.begin()
    assert not microphone.echo.cancelling
    microphone.end()
    speaker.disconnect()
