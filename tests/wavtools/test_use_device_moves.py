"""Moves that come in quick succession, from an event, or to a device that refuses: nothing of the queue is lost."""

from __future__ import annotations

import numpy as np
import pytest

from tests.wavtools.odd_devices import RATE, ramp
from wavtools import DeviceError, DuplexDevice, OfflineDevice, StateError, WavStreamPlayer


def test_a_hundred_moves_between_running_devices_lose_nothing():
    duplex, offline = DuplexDevice("null", "null"), OfflineDevice(RATE)
    with WavStreamPlayer(RATE, device=offline) as player:
        player.add_16bit_pcm(ramp(200_000), "a")
        offline.render(100)
        for i in range(100):
            player.use_device(duplex if i % 2 else "null")
        player.use_device(offline)
        receipt = player.get_track_sample_offset()
        assert receipt.offset + receipt.queued == 200_000
        np.testing.assert_array_equal(offline.render(receipt.queued), ramp(200_000)[receipt.offset :])


def test_a_duplex_device_that_has_a_player_is_refused_and_the_old_device_plays_on():
    duplex, offline = DuplexDevice("null", "null"), OfflineDevice(RATE)
    with WavStreamPlayer(RATE, device=duplex), WavStreamPlayer(RATE, device=offline) as player:
        player.add_16bit_pcm(ramp(1_000))
        with pytest.raises(StateError, match="already has a player"):
            player.use_device(duplex)
        np.testing.assert_array_equal(offline.render(1_000), ramp(1_000))


@pytest.mark.parametrize("spec", ["", 10**9, 1.5, b"speaker", True, np.array([0])], ids=repr)
def test_what_names_no_device_leaves_the_old_one_playing(spec):
    offline = OfflineDevice(RATE)
    with WavStreamPlayer(RATE, device=offline) as player:
        player.add_16bit_pcm(ramp(1_000))
        # DeviceError where a list is asked for, TypeError before that.
        with pytest.raises((DeviceError, TypeError), match="device"):
            player.use_device(spec)
        np.testing.assert_array_equal(offline.render(1_000), ramp(1_000))


@pytest.mark.audio
def test_a_player_moves_from_inside_on_event_when_its_device_is_lost(audio_server):
    process = audio_server.popen("""
        import sys, threading, numpy as np, wavtools
        offline, moved = wavtools.OfflineDevice(24_000), threading.Event()

        def on_event(event):
            if event.kind == "lost":
                player.use_device(offline)
                moved.set()

        player = wavtools.WavStreamPlayer(24_000, on_event=on_event)
        player.connect()
        queued = 24_000 * 60
        player.add_16bit_pcm(np.full(queued, 7, np.int16))
        print("playing")
        assert moved.wait(20)
        receipt = player.get_track_sample_offset()
        print(receipt.offset + receipt.queued == queued, (offline.render(receipt.queued) == 7).all())
        player.disconnect()
        print("closed")
    """)
    assert process.stdout.readline() == "playing\n"
    audio_server.kill()
    out, _ = process.communicate(timeout=40)
    assert out.splitlines() == ["True True", "closed"]
    audio_server.start()
