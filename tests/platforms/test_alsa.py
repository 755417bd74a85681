"""ALSA, through its plugin that plays into a PulseAudio server: samples, default channels, and a card that goes away.

WAVTOOLS_SOAK=1 runs more of it.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.platforms.servers import (
    AlsaServer,
    play_and_record_on_one_device,
    record_through_kills,
    survive_kills,
    wait_for_a_frozen_server,
)
from tests.wavtools.test__device import record_monitor

pytestmark = [pytest.mark.audio, pytest.mark.timeout(300)]

SOAK = bool(os.environ.get("WAVTOOLS_SOAK"))
KILLS = 10 if SOAK else 2


@pytest.fixture
def server(tmp_path):
    server = AlsaServer(tmp_path)
    yield server
    server.stop()


def test_every_int16_sample_reaches_the_speaker_once_and_bit_for_bit(server, tmp_path):
    heard = tmp_path / "heard.raw"
    recording = record_monitor(server, "speaker", heard, 48_000)
    result = server.python("""
        import time, numpy as np, wavtools
        with wavtools.WavStreamPlayer(48_000) as player:
            player.add_16bit_pcm(np.arange(-32768, 32768).astype(np.int16), "ramp")
            player.wait_until_idle()
            time.sleep(0.5)
            print(player.get_track_sample_offset().offset, player.list_devices()[0].backend)
    """)
    recording.terminate()
    recording.wait()
    assert result.stdout.split() == ["65536", "ALSA"], result
    got = np.fromfile(heard, np.int16)
    ramp = np.arange(-32768, 32768).astype(np.int16)
    np.testing.assert_array_equal(got[got != 0], ramp[ramp != 0])


def test_a_recording_of_the_default_device_has_at_most_two_channels(server):
    """The plugin offers one to as many as it can make."""
    result = server.python("""
        import wavtools
        wav = wavtools.record(0.5, sample_rate=48_000)
        print(wav.channel_count <= 2, len(wav.pcm), len(wavtools.WavRecorder.list_devices()[0].channels) > 2)
    """)
    assert result.stdout.split() == ["True", "24000", "True"], result


def test_latency_is_what_the_device_holds(server):
    result = server.python("""
        import wavtools
        with wavtools.WavStreamPlayer() as player, wavtools.WavRecorder() as recorder:
            print(player.stats.latency_seconds, recorder.stats.latency_seconds)
    """)
    assert all(0.005 <= float(latency) < 1 for latency in result.stdout.split()), result
    assert len(result.stdout.split()) == 2


def test_a_killed_server_is_survived_again_and_again(server):
    """Its devices end by themselves, as those of a card that is unplugged."""
    survive_kills(server, KILLS)


def test_a_recorder_survives_a_killed_server_again_and_again(server):
    record_through_kills(server, KILLS)


def test_a_duplex_device_plays_every_sample_beside_what_it_captures(server):
    play_and_record_on_one_device(server, "alsa:", "alsa:")


def test_a_frozen_server_is_waited_for(server):
    wait_for_a_frozen_server(server)
