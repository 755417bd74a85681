"""WavStreamPlayer plays every sample once, and its receipts are exact."""

from __future__ import annotations

import array
import sys
import threading
import time

import numpy as np
import pytest

from wavtools import OfflineDevice, QueueFullError, StateError, TrackOffset, WavStreamPlayer
from wavtools.resample import resample

if sys.platform.startswith("linux"):
    import resource

RATE = 24_000


@pytest.fixture
def rig():
    device = OfflineDevice(RATE)
    player = WavStreamPlayer(RATE, device=device)
    player.connect()
    yield player, device
    player.disconnect()


def ramp(count: int, start: int = 1) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.int16)


def test_int16_reaches_a_device_of_the_same_rate_bit_for_bit(rig, rng):
    player, device = rig
    pcm = rng.integers(-32768, 32768, 5000).astype(np.int16)
    player.add_16bit_pcm(pcm)
    np.testing.assert_array_equal(device.render(5000), pcm)


def test_every_sample_is_played_no_tail_is_held_back(rig):
    player, device = rig
    player.add_16bit_pcm(ramp(131))
    np.testing.assert_array_equal(device.render(200), np.concatenate([ramp(131), np.zeros(69)]))
    assert player.get_track_sample_offset().offset == 131


def test_an_underrun_loses_nothing_and_resets_nothing(rig):
    player, device = rig
    player.add_16bit_pcm(ramp(100), "a")
    device.render(150)
    player.add_16bit_pcm(ramp(100, 101), "a")
    np.testing.assert_array_equal(device.render(100), ramp(100, 101))
    assert player.get_track_sample_offset().offset == 200
    assert player.stats.underruns == 1
    assert player.stats.frames_played == 200


def test_the_end_of_one_track_and_the_start_of_another_is_no_underrun(rig):
    player, device = rig
    player.add_16bit_pcm(ramp(100), "a")
    device.render(150)
    player.add_16bit_pcm(ramp(100), "b")
    assert player.stats.underruns == 0


def test_track_changes_are_gapless(rig):
    player, device = rig
    player.add_16bit_pcm(ramp(100), "a")
    player.add_16bit_pcm(ramp(57, 500), "b")
    np.testing.assert_array_equal(device.render(157), np.concatenate([ramp(100), ramp(57, 500)]))


def test_interrupt_stops_now_and_drops_all_that_is_queued(rig):
    player, device = rig
    player.add_16bit_pcm(ramp(1000), "a")
    player.add_16bit_pcm(ramp(300), "b")
    device.render(333)
    receipt = player.interrupt()
    assert receipt == TrackOffset("a", 333, 333 / RATE, 667, 0.0, {"a": 667, "b": 300})
    assert not device.render(500).any()


def test_later_audio_of_every_stopped_track_is_ignored_and_others_play(rig):
    player, device = rig
    player.add_16bit_pcm(ramp(100), "a")
    player.add_16bit_pcm(ramp(100), "b")
    device.render(50)
    player.interrupt()
    assert player.add_16bit_pcm(ramp(10), "a") is None
    assert player.add_16bit_pcm(ramp(10), "b") is None
    np.testing.assert_array_equal(player.add_16bit_pcm(ramp(10), "c"), ramp(10))
    np.testing.assert_array_equal(device.render(10), ramp(10))
    assert player.get_track_sample_offset().track_id == "c"


@pytest.mark.parametrize("device_rate", [24_000, 48_000, 44_100])
def test_a_fade_plays_after_the_offset_and_goes_down_to_nothing(device_rate):
    device = OfflineDevice(device_rate)
    with WavStreamPlayer(RATE, device=device) as player:
        player.add_16bit_pcm(np.full(RATE, 10_000, np.int16))
        device.render(device_rate // 2)
        receipt = player.interrupt(fade_ms=20)
        assert receipt.offset == RATE // 2
        fade = device.render(device_rate // 10).astype(int)
        length = device_rate // 50
        assert fade[0] > 9_900
        assert (np.diff(fade[: length - 1]) <= 1).all()
        assert abs(fade[length // 2] - 5_000) < 200
        assert not fade[length + 1 :].any()
        assert player.get_track_sample_offset().offset == RATE // 2


def test_a_hard_interrupt_ends_a_running_fade(rig):
    player, device = rig
    player.add_16bit_pcm(np.full(5000, 10_000, np.int16))
    device.render(100)
    player.interrupt(fade_ms=100)
    assert device.render(100).any()
    player.interrupt()
    assert not device.render(100).any()


def test_audio_after_a_fade_follows_it(rig):
    player, device = rig
    player.add_16bit_pcm(np.full(5000, 10_000, np.int16), "a")
    device.render(100)
    player.interrupt(fade_ms=10)
    player.add_16bit_pcm(ramp(100), "b")
    out = device.render(340)
    np.testing.assert_array_equal(out[240:], ramp(100))


@pytest.mark.parametrize("device_rate", [48_000, 44_100, 16_000, 8_000])
@pytest.mark.parametrize("block", [1, 37, 441, 5000])
def test_other_device_rates_play_what_resample_gives_in_any_period_size(device_rate, block, rng):
    pcm = (rng.standard_normal(1200) * 6000).astype(np.int16)
    device = OfflineDevice(device_rate)
    with WavStreamPlayer(RATE, device=device) as player:
        player.add_16bit_pcm(pcm)
        expected = resample(pcm, RATE, device_rate)
        parts = [device.render(block) for _ in range(len(expected) // block + 1)]
        got = np.concatenate(parts)
    np.testing.assert_allclose(got[: len(expected)].astype(int), expected, atol=1)
    assert not got[len(expected) :].any()


def test_audio_that_arrives_in_pieces_is_seamless_at_another_device_rate(rng):
    pcm = (rng.standard_normal(2400) * 6000).astype(np.int16)
    device = OfflineDevice(48_000)
    with WavStreamPlayer(RATE, device=device) as player:
        player.add_16bit_pcm(pcm[:600])
        parts = [device.render(480)]
        player.add_16bit_pcm(pcm[600:])
        parts.append(device.render(4320))
    np.testing.assert_allclose(np.concatenate(parts).astype(int), resample(pcm, RATE, 48_000), atol=1)


def test_channels_of_the_device_all_get_the_mono_audio():
    device = OfflineDevice(RATE, channels=2)
    with WavStreamPlayer(RATE, device=device) as player:
        player.add_16bit_pcm(ramp(10))
        np.testing.assert_array_equal(device.render(10), np.stack([ramp(10)] * 2, axis=1))


@pytest.mark.parametrize(
    "pcm",
    [ramp(4).tobytes(), bytearray(ramp(4).tobytes()), memoryview(ramp(4)), array.array("h", [1, 2, 3, 4])],
)
def test_any_int16_buffer_is_taken(rig, pcm):
    player, device = rig
    np.testing.assert_array_equal(player.add_16bit_pcm(pcm), ramp(4))
    np.testing.assert_array_equal(device.render(4), ramp(4))


@pytest.mark.parametrize(
    ("pcm", "track", "error", "words"),
    [
        (np.zeros(4, np.float32), "a", TypeError, "float32_to_pcm16"),
        ([1, 2], "a", TypeError, "list"),
        (b"abc", "a", ValueError, "3 bytes, an odd number"),
        (ramp(8)[::2], "a", TypeError, "contiguous"),
        (np.zeros((4, 2), np.int16), "a", ValueError, "shape"),
        (ramp(4), None, TypeError, "track_id must be a string"),
    ],
)
def test_bad_audio_is_refused_with_what_to_do_and_queues_nothing(rig, pcm, track, error, words):
    player, device = rig
    with pytest.raises(error, match=words):
        player.add_16bit_pcm(pcm, track)
    assert not device.render(10).any()
    assert player.get_track_sample_offset() is None


def test_a_full_queue_refuses_the_whole_chunk_and_loses_nothing(rig):
    player, device = rig
    minute = np.ones(60 * RATE, np.int16)
    for _ in range(10):
        player.add_16bit_pcm(minute, "a")
    with pytest.raises(QueueFullError, match="1 frames do not fit"):
        player.add_16bit_pcm(ramp(1), "b")
    device.render(10)
    player.add_16bit_pcm(ramp(10), "b")
    assert player.interrupt().dropped == {"a": 600 * RATE - 10, "b": 10}


def test_calls_in_the_wrong_order_name_the_call_to_make_first():
    player = WavStreamPlayer(device=OfflineDevice())
    with pytest.raises(StateError, match=r"call \.connect\(\) first"):
        player.add_16bit_pcm(ramp(1))
    with pytest.raises(StateError, match=r"call \.connect\(\) first"):
        player.get_frequencies()
    assert player.interrupt() is None
    player.disconnect()
    player.connect()
    with pytest.raises(StateError, match=r"call \.disconnect\(\) first"):
        player.connect()
    player.disconnect()
    player.disconnect()


def test_connecting_again_begins_anew():
    player = WavStreamPlayer(device=OfflineDevice(RATE))
    player.connect()
    player.add_16bit_pcm(ramp(5), "a")
    player.interrupt()
    player.disconnect()
    player.connect()
    assert player.get_track_sample_offset() is None
    assert player.add_16bit_pcm(ramp(5), "a") is not None
    player.disconnect()


def test_two_players_cannot_share_one_offline_device():
    device = OfflineDevice()
    with WavStreamPlayer(device=device), pytest.raises(StateError, match=r"\.disconnect\(\)"):
        WavStreamPlayer(device=device).connect()


@pytest.mark.parametrize("arguments", [{"sample_rate": 7_999}, {"sample_rate": 192_001}])
def test_a_rate_out_of_range_is_refused(arguments):
    with pytest.raises(ValueError, match="8000 to 192000"):
        WavStreamPlayer(**arguments)


@pytest.mark.parametrize("fade_ms", [-1, 1001, float("nan")])
def test_a_fade_out_of_range_is_refused_and_stops_nothing(rig, fade_ms):
    player, device = rig
    player.add_16bit_pcm(ramp(10))
    with pytest.raises(ValueError, match="0 to 1000 ms"):
        player.interrupt(fade_ms)
    np.testing.assert_array_equal(device.render(10), ramp(10))


def test_wait_until_idle_waits_for_the_device(rig):
    player, device = rig
    player.add_16bit_pcm(ramp(1000))
    assert player.wait_until_idle(timeout=0.05) is False
    rendering = threading.Thread(target=device.render, args=(1000,))
    rendering.start()
    assert player.wait_until_idle(timeout=10) is True
    rendering.join()


def test_the_spectrum_is_of_what_is_played_and_silence_after_it(rig):
    player, device = rig
    tone = (np.sin(2 * np.pi * 440 * np.arange(24_000) / RATE) * 16_000).astype(np.int16)
    player.add_16bit_pcm(tone)
    device.render(12_000)
    player.get_frequencies("music")
    loudest = player.get_frequencies("music")
    assert loudest.labels[int(np.argmax(loudest.values))].startswith(("G#4", "A4", "A 4"))
    player.interrupt()
    device.render(10_000)
    for _ in range(8):
        device.render(480)
        silent = player.get_frequencies("music")
    assert not silent.values.any()


def test_the_null_device_is_a_silent_clock():
    with WavStreamPlayer(RATE, device="null") as player:
        player.add_16bit_pcm(np.zeros(2400, np.int16))
        assert player.wait_until_idle(timeout=10)
        assert player.get_track_sample_offset().offset == 2400
        stats = player.stats
    assert stats.callbacks > 0
    assert stats.frames_played == 2400


def test_interrupts_race_with_a_running_device_and_account_for_every_sample():
    """Played + dropped == queued for each track, whichever thread swaps first, with a real device thread."""
    with WavStreamPlayer(RATE, device="null") as player:
        for i in range(200):
            track = f"t{i}"
            player.add_16bit_pcm(np.ones(500, np.int16), track)
            threading.Event().wait(0.0005 * (i % 7))
            receipt = player.interrupt()
            assert receipt.dropped.get(track, 0) == 500 - (receipt.offset if receipt.track_id == track else 0)
        played = player.stats.frames_played
    assert 0 <= played <= 200 * 500


def test_the_prebuffer_holds_playback_until_it_is_filled():
    device = OfflineDevice(RATE)
    with WavStreamPlayer(RATE, device=device, prebuffer_ms=10_000) as player:
        player.add_16bit_pcm(np.ones(5 * RATE, np.int16))
        assert not device.render(1000).any()
        player.add_16bit_pcm(np.ones(5 * RATE, np.int16))
        assert device.render(1000).all()
        assert player.get_track_sample_offset().offset == 1000


def test_the_prebuffer_fills_again_after_the_queue_ran_dry():
    device = OfflineDevice(RATE)
    with WavStreamPlayer(RATE, device=device, prebuffer_ms=500) as player:
        player.add_16bit_pcm(np.ones(RATE, np.int16), "a")
        assert device.render(RATE + 100)[:RATE].all()
        player.add_16bit_pcm(np.ones(240, np.int16), "a")
        assert not device.render(100).any()
        player.add_16bit_pcm(np.ones(RATE, np.int16), "a")
        assert device.render(100).all()


def test_audio_shorter_than_the_prebuffer_is_played_after_as_long_a_wait():
    with WavStreamPlayer(RATE, device="null", prebuffer_ms=200) as player:
        player.add_16bit_pcm(ramp(100))
        assert player.wait_until_idle(timeout=10)
        assert player.get_track_sample_offset().offset == 100


@pytest.mark.parametrize("prebuffer_ms", [-1, 10_001])
def test_a_prebuffer_out_of_range_is_refused(prebuffer_ms):
    with pytest.raises(ValueError, match="0 to 10000"):
        WavStreamPlayer(prebuffer_ms=prebuffer_ms)


def test_the_volume_glides_and_full_volume_is_bit_for_bit(rig):
    player, device = rig
    assert player.volume == 1.0
    player.add_16bit_pcm(np.full(10_000, 10_000, np.int16))
    player.volume = 0.5
    glide = device.render(240).astype(int)
    assert (np.diff(glide) <= 0).all()
    assert glide[0] > 9_900
    assert (device.render(500) == 5_000).all()
    player.volume = 1.0
    device.render(240)
    assert (device.render(500) == 10_000).all()
    assert player.get_track_sample_offset().offset == 1_480


@pytest.mark.parametrize("volume", [-0.1, 1.5, float("nan")])
def test_a_volume_out_of_range_changes_nothing(rig, volume):
    player, _ = rig
    with pytest.raises(ValueError, match=r"0\.0 to 1\.0"):
        player.volume = volume
    assert player.volume == 1.0


def test_a_dropped_player_closes_its_device():
    import gc

    player = WavStreamPlayer(device="null")
    player.connect()
    player.add_16bit_pcm(np.ones(24_000, np.int16))
    before = {thread.name for thread in threading.enumerate()}
    assert "wavtools-supervisor" in before
    del player
    gc.collect()
    for _ in range(100):
        if "wavtools-supervisor" not in {thread.name for thread in threading.enumerate()}:
            return
        threading.Event().wait(0.02)
    raise AssertionError("the device is still supervised")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts page faults")
def test_queueing_audio_asks_the_system_for_no_memory():
    device = OfflineDevice(RATE)
    with WavStreamPlayer(RATE, device=device) as player:
        second = np.ones(RATE, np.int16)
        player.add_16bit_pcm(second, "a")
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        for _ in range(100):
            player.add_16bit_pcm(second, "a")
        faults = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before
        assert faults < 100, f"{faults} pages; the samples fill {100 * second.nbytes // 4096}"


def test_the_time_a_device_takes_to_start_is_no_lateness():
    device = OfflineDevice(RATE)
    with WavStreamPlayer(RATE, device=device) as player:
        # A device's buffer is filled before it starts.
        device.render(240)
        time.sleep(0.05)
        device.render(240)
        assert player.stats.worst_lateness_seconds == 0
        time.sleep(0.05)
        device.render(240)
        assert player.stats.worst_lateness_seconds >= 0.03
