"""Recorders that move to another device while they record: no frame lost or doubled, positions and audio kept."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tests.wavtools.odd_devices import RATE, BrokenDevice, ramp
from wavtools import DeviceError, OfflineDevice, StateError, WavRecorder, WavStreamPlayer


def test_recording_goes_on_with_the_frames_of_the_new_device():
    first, second = OfflineDevice(RATE), OfflineDevice(RATE)
    chunks = []
    with WavRecorder(RATE, device=first) as recorder:
        recorder.record(chunks.append, chunk_size=480)
        first.capture(ramp(1_000))
        recorder.use_device(second)
        assert recorder.get_status() == "recording"
        first.capture(ramp(500))
        second.capture(ramp(700, 1_001))
        recorder.pause()
        assert [len(chunk.mono) for chunk in chunks] == [480, 480, 480, 260]
        assert [chunk.frame for chunk in chunks] == [0, 480, 960, 1_440]
        assert recorder.stats.frames_captured == 1_700
        wav = recorder.end()
    np.testing.assert_array_equal(np.concatenate([chunk.mono for chunk in chunks]), ramp(1_700))
    np.testing.assert_array_equal(wav.pcm, ramp(1_700))


@pytest.mark.parametrize("rates", [(48_000, 24_000), (24_000, 48_000), (16_000, 44_100)])
def test_chunks_are_numbered_on_through_a_change_of_the_rate(rates):
    first, second = map(OfflineDevice, rates)
    chunks = []
    with WavRecorder(RATE, device=first) as recorder:
        first.capture(np.zeros(rates[0] // 10, np.int16))
        recorder.record(chunks.append, chunk_size=1_000)
        first.capture(np.full(rates[0] // 10, 1_000, np.int16))
        recorder.use_device(second)
        second.capture(np.full(rates[1] // 10, 1_000, np.int16))
        recorder.pause()
        second.capture(np.zeros(rates[1] // 10, np.int16))
        recorder.use_device(first)
        first.capture(np.zeros(rates[0] // 10, np.int16))
        recorder.record(chunks.append, chunk_size=1_000)
        first.capture(np.full(rates[0] // 10, 1_000, np.int16))
        recorder.end()
    assert [chunk.frame for chunk in chunks] == [2_400, 3_400, 4_400, 5_400, 6_400, 12_000, 13_000, 14_000]
    assert sum(len(chunk.mono) for chunk in chunks) == 7_200


def test_a_recorder_that_is_paused_or_iterated_moves_too():
    first, second = OfflineDevice(RATE), OfflineDevice(RATE)
    with WavRecorder(RATE, device=first) as recorder:
        recorder.use_device(second)
        assert recorder.get_status() == "paused"
        recorder.record(chunk_size=100)
        second.capture(ramp(150))
        recorder.use_device(first)
        first.capture(ramp(150, 151))
        recorder.end()
        np.testing.assert_array_equal(np.concatenate([chunk.mono for chunk in recorder]), ramp(300))


def test_a_recorder_moves_from_inside_its_callback():
    first, second = OfflineDevice(RATE), OfflineDevice(RATE)
    got, moved = [], threading.Event()

    def callback(chunk):
        got.append(chunk.mono)
        if not moved.is_set():
            recorder.use_device(second)
            moved.set()

    with WavRecorder(RATE, device=first) as recorder:
        recorder.record(callback, chunk_size=100)
        first.capture(ramp(100))
        assert moved.wait(30)
        second.capture(ramp(150, 101))
        recorder.end()
    np.testing.assert_array_equal(np.concatenate(got), ramp(250))


def test_a_session_may_end_inside_its_callback_while_a_move_waits_to_be_delivered(monkeypatch):
    first, second = OfflineDevice(RATE), OfflineDevice(RATE)
    got, wavs, failures = [], [], []
    called, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    monkeypatch.setattr(threading, "excepthook", failures.append)

    def callback(chunk):
        got.append(chunk.mono)
        if len(got) == 1:
            called.set()
            assert go_on.wait(30)
        elif len(got) == 2:
            wavs.append(recorder.end())
            ended.set()

    recorder = WavRecorder(RATE, device=first)
    recorder.begin()
    recorder.record(callback, chunk_size=100)
    first.capture(ramp(100))
    assert called.wait(30)
    first.capture(ramp(100, 101))
    recorder.use_device(second)
    second.capture(ramp(50, 201))
    go_on.set()
    assert ended.wait(30)
    for thread in threading.enumerate():
        if thread.name == "wavtools-delivery":
            thread.join(30)
    assert failures == []
    np.testing.assert_array_equal(np.concatenate(got), ramp(250))
    np.testing.assert_array_equal(wavs[0].pcm, ramp(250))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (BrokenDevice, DeviceError, "cannot start"),
        (lambda: "no such device", DeviceError, "no such device|no audio system"),
    ],
)
def test_a_device_that_does_not_open_leaves_the_old_one_recording(make, error, words):
    device, other = OfflineDevice(RATE), make()
    with WavRecorder(RATE, device=device) as recorder:
        recorder.record()
        device.capture(ramp(100))
        with pytest.raises(error, match=words):
            recorder.use_device(other)
        device.capture(ramp(100, 101))
        np.testing.assert_array_equal(recorder.end().pcm, ramp(200))


def test_a_device_that_another_recorder_uses_is_refused():
    device, other = OfflineDevice(RATE), OfflineDevice(RATE)
    with WavRecorder(RATE, device=device) as recorder, WavRecorder(RATE, device=other):
        with pytest.raises(StateError, match=r"\.end\(\)"):
            recorder.use_device(other)
        recorder.record()
        device.capture(ramp(100))
        np.testing.assert_array_equal(recorder.end().pcm, ramp(100))


def test_a_session_keeps_its_number_of_channels():
    mono, stereo = OfflineDevice(RATE), OfflineDevice(RATE, channels=2)
    two = np.stack([ramp(100), ramp(100) * 3], axis=1)
    with WavRecorder(RATE, device=mono) as recorder:
        recorder.record()
        mono.capture(ramp(50))
        recorder.use_device(stereo)
        stereo.capture(two)
        np.testing.assert_array_equal(recorder.end().pcm, np.concatenate([ramp(50), ramp(100) * 2]))
    with WavRecorder(RATE, device=stereo) as recorder:
        chunks = []
        recorder.record(chunks.append, chunk_size=150)
        stereo.capture(two)
        recorder.use_device(mono)
        mono.capture(ramp(50))
        expected = np.concatenate([two, np.stack([ramp(50)] * 2, axis=1)])
        np.testing.assert_array_equal(recorder.end().pcm, expected)
        np.testing.assert_array_equal(chunks[0].raw, expected)
        assert recorder.stats.frames_captured == 150


def test_a_recorder_moves_to_a_duplex_device_and_away():
    plain, duplex = OfflineDevice(RATE), OfflineDevice(RATE, channels=2, duplex=True)
    chunks = []
    with WavStreamPlayer(RATE, device=duplex) as player, WavRecorder(RATE, device=plain) as recorder:
        player.add_16bit_pcm(np.full(250, 7, np.int16))
        recorder.record(chunks.append, chunk_size=100)
        plain.capture(ramp(150))
        recorder.use_device(duplex)
        duplex.exchange(ramp(150, 151))
        recorder.use_device(plain)
        plain.capture(ramp(100, 301))
        np.testing.assert_array_equal(recorder.end().pcm, ramp(400))
    assert [chunk.frame for chunk in chunks] == [0, 100, 200, 300]
    np.testing.assert_array_equal(np.concatenate([chunk.mono for chunk in chunks]), ramp(400))
    assert chunks[0].played is None
    np.testing.assert_array_equal(chunks[1].played, [0] * 50 + [7] * 50)
    np.testing.assert_array_equal(chunks[2].played, [7] * 100)
    assert chunks[3].played is None


def test_counters_go_on_over_all_devices():
    first, second = OfflineDevice(RATE), OfflineDevice(48_000)
    with WavRecorder(RATE, device=first) as recorder:
        first.capture(ramp(480))
        callbacks = recorder.stats.callbacks
        recorder.use_device(second)
        second.capture(ramp(960))
        assert recorder.stats.frames_captured == 1_440
        assert recorder.stats.callbacks > callbacks
        recorder.end()
    assert recorder.stats.frames_captured == 1_440
    assert recorder.stats.frames_dropped == 0


def test_before_begin_the_device_is_noted():
    device = OfflineDevice(RATE)
    recorder = WavRecorder(RATE, device="no such device")
    recorder.use_device(device)
    recorder.begin()
    recorder.record()
    device.capture(ramp(10))
    recorder.use_device(device)
    device.capture(ramp(10, 11))
    np.testing.assert_array_equal(recorder.end().pcm, ramp(20))


def test_a_recorder_moves_between_running_devices():
    device = OfflineDevice(RATE)
    with WavRecorder(RATE, device="null") as recorder:
        recorder.record()
        recorder.use_device("null")
        recorder.use_device(device)
        device.capture(ramp(100))
        pcm = recorder.end().pcm
    np.testing.assert_array_equal(pcm[-100:], ramp(100))
    assert not pcm[:-100].any()
    assert recorder.stats.frames_dropped == 0
