"""JACK: mono and stereo on ports of its own, bit for bit; its server's death; which system a name and a variable choose.

The server is jackd with its dummy driver. WAVTOOLS_SOAK=1 runs more of it.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.platforms.servers import (
    JackServer,
    play_and_record_on_one_device,
    record_through_kills,
    wait_for_a_frozen_server,
)

pytestmark = [pytest.mark.audio, pytest.mark.timeout(300)]

SOAK = bool(os.environ.get("WAVTOOLS_SOAK"))
KILLS = 20 if SOAK else 3
INTERRUPTS = 20 if SOAK else 8

# A player whose ports are connected to a recorder's instead of the speaker's; `heard()` has what the recorder got.
LOOP = """
    import subprocess, sys, time, numpy as np, wavtools
    channels = int(sys.argv[1])
    player = wavtools.WavStreamPlayer(48_000, channels=channels)
    player.connect()
    recorder = wavtools.WavRecorder(48_000)
    recorder.begin()
    ports = subprocess.run(["jack_lsp"], capture_output=True, text=True).stdout.split()
    ours = [port for port in ports if not port.startswith("system:")]
    played = sorted(port for port in ours if "playback" in port)
    captured = sorted(port for port in ours if "capture" in port)
    assert len(played) == len(captured) == 2, ports
    for i in range(2):
        subprocess.run(["jack_disconnect", f"system:capture_{i + 1}", captured[i]], check=True)
        subprocess.run(["jack_connect", played[i], captured[i]], check=True)
    recorder.record()
    time.sleep(0.2)

    def frames(mono):
        return mono if channels == 1 else np.column_stack([mono, -mono])

    def heard():
        time.sleep(0.4)
        return recorder.end().pcm
"""


@pytest.fixture
def server(tmp_path):
    server = JackServer(tmp_path)
    yield server
    server.stop()


def both_ears(mono: np.ndarray, channels: int) -> np.ndarray:
    """What is heard of a mono ramp, or of a stereo one with the other sign on the right."""
    return np.column_stack([mono, mono if channels == 1 else -mono])


@pytest.mark.parametrize("channels", [1, 2])
def test_every_int16_sample_arrives_at_both_ports_bit_for_bit(server, tmp_path, channels):
    result = server.python(
        LOOP
        + """
    player.add_16bit_pcm(frames(np.arange(-32767, 32768).astype(np.int16)), "ramp")
    assert player.wait_until_idle(20)
    np.save(sys.argv[2], heard())
    print(player.stats.underruns, recorder.stats.frames_dropped)
    """,
        channels,
        tmp_path / "heard.npy",
    )
    assert result.stdout.split() == ["0", "0"], result
    got = np.load(tmp_path / "heard.npy")
    ramp = np.arange(-32767, 32768).astype(np.int16)
    ramp = ramp[ramp != 0]
    np.testing.assert_array_equal(got[got.any(axis=1)], both_ears(ramp, channels))


@pytest.mark.parametrize("channels", [1, 2])
def test_an_interrupts_offset_is_what_was_heard(server, tmp_path, channels):
    result = server.python(
        LOOP
        + """
    import random
    for i in range(int(sys.argv[3])):
        player.add_16bit_pcm(frames(np.arange(1, 24_001, dtype=np.int16)), f"t{i}")
        time.sleep(random.uniform(0.05, 0.25))
        print(player.interrupt().offset)
        time.sleep(0.12)
    np.save(sys.argv[2], heard())
    """,
        channels,
        tmp_path / "heard.npy",
        INTERRUPTS,
    )
    offsets = [int(line) for line in result.stdout.split()]
    assert len(offsets) == INTERRUPTS, result
    got = np.load(tmp_path / "heard.npy")
    ramp = np.concatenate([np.arange(1, offset + 1, dtype=np.int16) for offset in offsets])
    np.testing.assert_array_equal(got[got.any(axis=1)], both_ears(ramp, channels))


def test_one_channel_is_recorded_of_two_ports(server):
    result = server.python("""
        import wavtools
        for channels in (None, 1, 2):
            wav = wavtools.record(0.3, sample_rate=48_000, channels=channels)
            print(wav.channel_count, len(wav.pcm))
    """)
    assert result.stdout.splitlines() == ["2 14400", "1 14400", "2 14400"], result


def test_a_killed_server_crashes_nobody_and_both_streams_go_on(server):
    program = server.popen("""
        import sys, threading, numpy as np, wavtools
        said = threading.Lock()

        def tell(event):
            with said:
                print(event.kind)

        player = wavtools.WavStreamPlayer(24_000, on_event=tell)
        player.connect()
        player.add_16bit_pcm(np.ones(24_000 * 120, np.int16))
        recorder = wavtools.WavRecorder(24_000, on_event=tell)
        recorder.begin()
        recorder.record(lambda chunk: None)
        tell(wavtools.DeviceEvent("playing", "", ""))
        sys.stdin.readline()
        receipt = player.get_track_sample_offset()
        print(receipt.offset + receipt.queued)
        player.disconnect()
        recorder.quit()
    """)
    assert program.stdout.readline().strip() == "playing"
    for _ in range(KILLS):
        server.kill()
        assert [program.stdout.readline().strip() for _ in range(2)] == ["lost", "lost"]
        server.start()
        assert [program.stdout.readline().strip() for _ in range(2)] == ["restored", "restored"]
    rest, _ = program.communicate("\n", timeout=30)
    assert rest.split() == [str(24_000 * 120)]
    assert program.returncode == 0


def test_a_program_that_lists_devices_all_the_time_survives_the_death_of_the_server(server):
    """The lists come from memory while a device is open, and from a library that stays loaded while none is."""
    program = server.popen("""
        import sys, threading, time, numpy as np, wavtools
        lists, ended = [], threading.Event()

        def list_devices():
            while not ended.wait(0.01):
                try:
                    lists.append(bool(wavtools.WavStreamPlayer.list_devices() and wavtools.WavRecorder.list_devices()))
                except wavtools.DeviceError:
                    pass

        player = wavtools.WavStreamPlayer(24_000, on_event=lambda event: print(event.kind))
        player.connect()
        player.add_16bit_pcm(np.ones(24_000 * 120, np.int16))
        listing = threading.Thread(target=list_devices)
        listing.start()
        while len(lists) < 10:
            time.sleep(0.01)
        print("playing")
        sys.stdin.readline()
        ended.set()
        listing.join()
        print(all(lists))
        player.disconnect()
    """)
    assert program.stdout.readline().strip() == "playing"
    for _ in range(KILLS):
        server.kill()
        assert program.stdout.readline().strip() == "lost"
        server.start()
        assert program.stdout.readline().strip() == "restored"
    rest, _ = program.communicate("\n", timeout=30)
    assert rest.split() == ["True"]
    assert program.returncode == 0


def test_a_recorder_alone_survives_a_killed_server_again_and_again(server):
    record_through_kills(server, KILLS)


def test_a_frozen_server_is_waited_for(server):
    wait_for_a_frozen_server(server)


def test_a_duplex_device_plays_every_sample_beside_what_it_captures(server):
    play_and_record_on_one_device(server, "jack:", "jack:")


def test_latency_is_what_the_server_holds(server):
    result = server.python("""
        import wavtools
        with wavtools.WavStreamPlayer(48_000) as player:
            print(round(player.stats.latency_seconds * 48_000))
    """)
    assert result.stdout.split() == ["512"], result


def test_real_time_priority_is_seen_though_the_thread_begins_with_the_stream(tmp_path):
    server = JackServer(tmp_path, realtime=True)
    try:
        result = server.python("""
            import os, time, wavtools
            with wavtools.WavStreamPlayer(48_000) as player:
                time.sleep(0.3)
                threads = map(int, os.listdir("/proc/self/task"))
                print(any(os.sched_getscheduler(thread) == os.SCHED_FIFO for thread in threads))
                print(player.stats.realtime_priority)
        """)
    finally:
        server.stop()
    granted, seen = result.stdout.split()
    if granted == "False":
        pytest.skip("this system gives no program real-time priority")
    assert seen == "True"


def test_a_name_chooses_the_audio_system_and_lists_say_which_it_is(server):
    # The variable would choose it too.
    server.env["WAVTOOLS_BACKENDS"] = "pulseaudio"
    result = server.python("""
        import os, wavtools
        with wavtools.WavStreamPlayer(device="jack:") as player, wavtools.WavRecorder(device="JACK: default c"):
            pass
        for device in (None, "jack:nobody"):
            try:
                wavtools.WavStreamPlayer(device=device).connect()
            except wavtools.DeviceError as error:
                print(error)
        os.environ["WAVTOOLS_BACKENDS"] = "Pulse, jack"
        print({device.backend for device in wavtools.WavRecorder.list_devices()})
    """)
    lines = result.stdout.splitlines()
    assert lines[0].startswith("no audio system answers (tried PulseAudio)"), result
    assert lines[1].startswith("no output device is called 'nobody'; JACK has: 'Default Playback Device'")
    assert lines[2] == "{'JACK'}"


def test_doctor_opens_a_device_of_the_audio_system_that_its_name_begins_with(server):
    """The lists would be PulseAudio's, which is not there."""
    server.env["WAVTOOLS_BACKENDS"] = "pulseaudio"
    result = server.python("""
        import sys
        from console.__main__ import main
        sys.exit(main(["doctor", "--input", "jack:", "--output", "JACK:default", "--url", "ws://127.0.0.1:9"]))
    """)
    assert "ok       microphone: jack: opens" in result.stdout, result
    assert "ok       speaker: JACK:default opens" in result.stdout
    assert "MEND     microphone" not in result.stdout
