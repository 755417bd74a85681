"""Players that move to another device while they play: no sample lost or doubled, positions and tracks kept."""

from __future__ import annotations

import random
import threading

import numpy as np
import pytest

from tests.audio_server import AudioServer
from tests.wavtools.odd_devices import HELD, RATE, BrokenDevice, HoldingDevice, ramp
from wavtools import DeviceError, DuplexDevice, OfflineDevice, StateError, WavRecorder, WavStreamPlayer


def test_the_rest_of_the_queue_is_played_on_the_new_device_and_receipts_count_on():
    first, second, third = OfflineDevice(RATE), OfflineDevice(RATE), OfflineDevice(RATE)
    with WavStreamPlayer(RATE, device=first) as player:
        player.add_16bit_pcm(ramp(10_000), "a")
        player.add_16bit_pcm(ramp(5_000, 10_001), "b")
        heard = [first.render(4_321)]
        player.use_device(second)
        assert not first.render(100).any()
        assert player.get_track_sample_offset().offset == 4_321
        heard.append(second.render(6_000))
        player.use_device(third)
        player.add_16bit_pcm(ramp(100, 15_001), "b")
        heard.append(third.render(4_000))
        receipt = player.interrupt()
        assert (receipt.track_id, receipt.offset, receipt.dropped) == ("b", 4_321, {"b": 779})
        np.testing.assert_array_equal(np.concatenate(heard), ramp(14_321))
        assert player.add_16bit_pcm(ramp(10), "b") is None
        assert player.stats.frames_played == 14_321
        assert player.stats.frames_replayed == 0


@pytest.mark.parametrize("seed", range(20))
def test_random_moves_between_devices_lose_and_double_nothing(seed):
    random_ = random.Random(seed)
    devices = [OfflineDevice(RATE) for _ in range(3)]
    device = devices[0]
    heard, queued = [], 0
    with WavStreamPlayer(RATE, device=device) as player:
        for _ in range(40):
            action = random_.random()
            if action < 0.4:
                count = random_.choice([1, 7, 240, 1000])
                player.add_16bit_pcm(ramp(count, queued + 1), "t")
                queued += count
            elif action < 0.8:
                heard.append(device.render(random_.choice([1, 100, 240, 700])))
            else:
                device = random_.choice(devices)
                player.use_device(device)
        played = player.get_track_sample_offset()
        heard.append(device.render(queued))
    out = np.concatenate(heard)
    np.testing.assert_array_equal(out[out != 0], ramp(queued)[ramp(queued) != 0])
    assert played is None or played.offset + played.queued == queued


@pytest.mark.parametrize("rates", [(24_000, 48_000), (48_000, 16_000), (44_100, 24_000)])
def test_a_move_between_rates_consumes_each_sample_once(rates):
    first, second = map(OfflineDevice, rates)
    with WavStreamPlayer(RATE, device=first) as player:
        player.add_16bit_pcm(np.full(RATE, 10_000, np.int16))
        first.render(rates[0] // 3)
        assert player.get_track_sample_offset().offset == RATE // 3
        player.use_device(second)
        out = second.render(rates[1])
        assert player.wait_until_idle(0)
        assert player.stats.frames_played == RATE
        length = (RATE - RATE // 3) * rates[1] // RATE
        assert (np.abs(out[200 : length - 200].astype(int) - 10_000) < 200).all()
        assert not out[length + 2 :].any()


def test_what_the_old_device_held_is_played_again_and_counted():
    first, second = HoldingDevice(), OfflineDevice(RATE)
    with WavStreamPlayer(RATE, device=first) as player:
        player.add_16bit_pcm(ramp(10_000), "a")
        first.render(5_000)
        player.use_device(second)
        receipt = player.get_track_sample_offset()
        assert (receipt.offset, receipt.queued) == (5_000 - HELD, 5_000 + HELD)
        np.testing.assert_array_equal(second.render(6_000)[: 5_000 + HELD], ramp(5_000 + HELD, 5_001 - HELD))
        assert player.stats.frames_replayed == HELD
        assert player.stats.frames_played == 10_000


def test_silence_that_the_old_device_held_is_not_played_again():
    first, second = HoldingDevice(), OfflineDevice(RATE)
    with WavStreamPlayer(RATE, device=first) as player:
        player.add_16bit_pcm(ramp(1_000), "a")
        first.render(1_500)
        player.use_device(second)
        np.testing.assert_array_equal(
            second.render(400)[: HELD - 500], ramp(HELD - 500, 1_001 - (HELD - 500))
        )
        assert player.stats.frames_replayed == HELD - 500


def test_a_second_move_steps_back_no_further_than_the_device_began():
    first, second, third = HoldingDevice(), HoldingDevice(), OfflineDevice(RATE)
    with WavStreamPlayer(RATE, device=first) as player:
        player.add_16bit_pcm(ramp(10_000), "a")
        first.render(5_000)
        player.use_device(second)
        second.render(100)
        player.use_device(third)
        assert player.get_track_sample_offset().offset == 5_000 - HELD
        assert player.stats.frames_replayed == HELD + 100


def test_what_an_interrupt_cut_is_not_played_again():
    first, second = HoldingDevice(), OfflineDevice(RATE)
    with WavStreamPlayer(RATE, device=first) as player:
        player.add_16bit_pcm(ramp(10_000), "a")
        first.render(5_000)
        player.interrupt()
        player.add_16bit_pcm(ramp(1_000), "b")
        first.render(100)
        player.use_device(second)
        np.testing.assert_array_equal(second.render(1_000), ramp(1_000))


@pytest.mark.parametrize("make", [BrokenDevice, lambda: "no such device"], ids=["start", "open"])
def test_a_device_that_does_not_open_leaves_the_old_one_playing(make):
    device, broken = HoldingDevice(), make()
    with WavStreamPlayer(RATE, device=device) as player:
        player.add_16bit_pcm(ramp(1_000))
        device.render(300)
        with pytest.raises(DeviceError):
            player.use_device(broken)
        np.testing.assert_array_equal(device.render(700), ramp(700, 301))
        assert player.stats.frames_replayed == 0
        assert getattr(broken, "closed", True)
        player.disconnect()
        player.connect()
        player.add_16bit_pcm(ramp(10))
        assert device.render(10).all()


def test_a_device_that_is_in_use_by_another_player_is_refused():
    device, other = OfflineDevice(RATE), OfflineDevice(RATE)
    with WavStreamPlayer(RATE, device=device) as player, WavStreamPlayer(RATE, device=other):
        player.add_16bit_pcm(ramp(1_000))
        with pytest.raises(StateError, match=r"\.disconnect\(\)"):
            player.use_device(other)
        assert device.render(1_000).all()


def test_the_device_in_use_stays_as_it_is():
    device = HoldingDevice()
    with WavStreamPlayer(RATE, device=device) as player:
        player.add_16bit_pcm(ramp(1_000))
        device.render(800)
        player.use_device(device)
        np.testing.assert_array_equal(device.render(200), ramp(200, 801))
        assert player.stats.frames_replayed == 0


def test_before_connect_and_after_disconnect_the_device_is_noted():
    first, second = OfflineDevice(RATE), OfflineDevice(RATE)
    player = WavStreamPlayer(RATE, device="no such device")
    for device in (first, second):
        player.use_device(device)
        player.connect()
        player.add_16bit_pcm(ramp(10))
        np.testing.assert_array_equal(device.render(10), ramp(10))
        player.disconnect()


def test_moves_while_audio_arrives_lose_nothing_of_the_queue():
    """Between running devices, with another thread that queues and takes receipts meanwhile."""
    with WavStreamPlayer(RATE, device="null") as player:
        done = threading.Event()
        receipts = []

        def talk() -> None:
            for i in range(200):
                player.add_16bit_pcm(ramp(240), "a")
                receipt = player.get_track_sample_offset()
                receipts.append(receipt.offset + receipt.queued - 240 * (i + 1))
            done.set()

        talker = threading.Thread(target=talk)
        talker.start()
        for spec in (DuplexDevice("null", "null"), "null", None):
            if spec is not None:
                player.use_device(spec)
        talker.join()
        last = OfflineDevice(RATE)
        player.use_device(last)
        receipt = player.get_track_sample_offset()
        assert receipt.offset + receipt.queued == 200 * 240
        assert not any(receipts)
        rest = last.render(200 * 240)[: receipt.queued]
        np.testing.assert_array_equal(rest, np.tile(ramp(240), 200)[receipt.offset :])
        assert player.stats.frames_played == 200 * 240
        assert player.stats.frames_replayed <= 3 * HELD


def supervisors() -> int:
    return sum(thread.name == "wavtools-supervisor" for thread in threading.enumerate())


def test_the_old_device_is_closed_and_says_nothing_more():
    events = []
    before = supervisors()
    with WavStreamPlayer(RATE, device="null", on_event=events.append) as player:
        for _ in range(3):
            player.use_device("null")
        player.add_16bit_pcm(ramp(2_400))
        assert player.wait_until_idle(30)
    assert events == []
    for _ in range(500):
        if supervisors() == before:
            return
        threading.Event().wait(0.02)
    raise AssertionError("a device is still supervised")


def test_a_player_joins_and_leaves_the_device_of_a_recorder():
    duplex, offline = DuplexDevice("null", "null"), OfflineDevice(RATE)
    with WavRecorder(RATE, device=duplex) as recorder, WavStreamPlayer(RATE, device=offline) as player:
        chunks = []
        recorder.record(chunks.append, chunk_size=240)
        player.add_16bit_pcm(np.full(2_400, 5_000, np.int16))
        offline.render(1_200)
        player.use_device(duplex)
        assert player.wait_until_idle(30)
        player.add_16bit_pcm(np.full(24_000, 5_000, np.int16))
        player.use_device(offline)
        receipt = player.get_track_sample_offset()
        assert receipt.offset + receipt.queued == 26_400
        assert (offline.render(24_000)[: receipt.queued] == 5_000).all()
        recorder.end()
    played = np.concatenate([chunk.played for chunk in chunks])
    assert (played > 4_000).sum() >= 1_100


@pytest.mark.audio
@pytest.mark.timeout(300)
def test_moving_between_sinks_of_a_real_server_loses_nothing(audio_server: AudioServer, tmp_path):
    """Each sink's monitor is recorded: together they heard every sample, in order, and doubled at most what was counted."""
    result = audio_server.python(
        """
        import subprocess, sys, time, numpy as np, wavtools
        recorders = [wavtools.WavRecorder(48_000, device=f"{sink}.monitor") for sink in ("speaker", "room")]
        for recorder in recorders:
            recorder.begin()
            recorder.record()
        time.sleep(0.3)
        with wavtools.WavStreamPlayer(48_000, device="speaker") as player:
            player.add_16bit_pcm(np.arange(1, 30_001, dtype=np.int16))
            while player.get_track_sample_offset().offset < 9_600:
                time.sleep(0.01)
            player.use_device("room")
            player.wait_until_idle()
            time.sleep(0.5)
            assert player.stats.frames_played == 30_000
            print(player.stats.frames_replayed)
        first, second = (recorder.end().pcm for recorder in recorders)
        first, second = first[first != 0], second[second != 0]
        print(first[0], first[-1], len(first))
        print(second[0], second[-1], len(second))
        try:
            player.use_device("studio")
            print("noted")
        except wavtools.DeviceError as error:
            print(error)
        """
    )
    replayed, first, second, noted = result.stdout.splitlines()
    begin, end, heard = map(int, first.split())
    assert (begin, heard) == (1, end), result
    go_on, last, heard = map(int, second.split())
    assert (last, heard) == (30_000, 30_001 - go_on), result
    assert go_on <= end + 1
    assert end + 1 - go_on <= int(replayed) <= 1_440
    assert noted == "noted"
