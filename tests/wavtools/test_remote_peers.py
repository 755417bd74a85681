"""RemoteDevice: peers that come, go, suspend and fail; and its microphone."""

from __future__ import annotations

import json
import pickle
import threading

import numpy as np
import pytest

import wavtools
from tests.remote_peer import HEADER, OPENED, Peer
from tests.waiting import until_blocking

RATE = 24_000
REPORT_INTERVAL = 2 * 128


def noise(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-32_768, 32_767, frames).astype(np.int16)


# Coming and going


def test_sound_waits_for_the_first_peer(world, device, player) -> None:
    sound = noise(RATE)
    player.add_16bit_pcm(sound, "a")
    world.run(1)
    assert player.get_track_sample_offset().offset == 0
    assert not player.wait_until_idle(0)
    peer = Peer(world, device)
    world.run(2)
    assert np.array_equal(peer.heard, sound)


@pytest.mark.parametrize("delay", [0.0, 0.025])
def test_after_a_reload_the_rest_arrives_and_nothing_twice_but_a_report_interval(
    world, device, player, events, delay
) -> None:
    first = Peer(world, device, delay=delay)
    sound = noise(4 * RATE)
    player.add_16bit_pcm(sound, "a")
    world.run(1.5)
    first.leave()
    assert [event.kind for event in events] == ["suspended"]
    # What was reported counts: nothing is held any more, and nothing moves.
    offset = player.get_track_sample_offset().offset
    world.run(1)
    assert player.get_track_sample_offset().offset == offset <= len(first.heard)
    second = Peer(world, device, delay=delay)
    world.run(5)
    assert [event.kind for event in events] == ["suspended", "resumed"]
    assert np.array_equal(second.heard, sound[offset:])
    twice = len(first.heard) + len(second.heard) - len(sound)
    assert 0 <= twice <= REPORT_INTERVAL + delay * RATE
    assert player.stats.frames_played == len(sound)


def test_the_newest_peer_wins_and_the_older_one_is_told(world, device, player) -> None:
    first = Peer(world, device)
    world.run(0.1)
    second = Peer(world, device)
    sound = noise(RATE)
    player.add_16bit_pcm(sound, "a")
    world.run(2)
    assert first.byes == [(1, "a newer peer has taken over")] == first.closed
    assert not first.link.attached and second.link.attached and device.peer is second.link
    assert np.array_equal(second.heard, sound) and not len(first.heard)
    first.link.receive(b"late")
    first.link.detach()
    assert second.link.attached and device.stats.malformed == 0


def test_an_interrupt_while_no_peer_is_there_is_exact_at_once(world, device, player) -> None:
    peer = Peer(world, device)
    player.add_16bit_pcm(noise(2 * RATE), "a")
    world.run(1)
    peer.leave()
    receipt = player.interrupt()
    assert receipt.settled and 0 < receipt.offset <= len(peer.heard)
    later = Peer(world, device)
    player.add_16bit_pcm(noise(RATE, 2), "b")
    world.run(2)
    assert np.array_equal(later.heard, noise(RATE, 2))


def test_a_peer_that_goes_before_it_has_answered_leaves_a_settled_receipt(world, device, player) -> None:
    peer = Peer(world, device, delay=0.025)
    player.add_16bit_pcm(noise(2 * RATE), "a")
    world.run(1)
    receipt = player.interrupt()
    assert not receipt.settled
    peer.leave()
    assert receipt.settled
    assert receipt.wait_until_settled().offset == receipt.offset


def test_a_move_to_another_device_goes_on_where_the_peer_was(world, device, player) -> None:
    peer = Peer(world, device)
    sound = noise(2 * RATE)
    player.add_16bit_pcm(sound, "a")
    world.run(1)
    local = wavtools.OfflineDevice(RATE)
    player.use_device(local)
    assert peer.speaker is not None
    world.run(0.1)
    assert peer.speaker is None
    rest = local.render(2 * RATE)
    start = len(sound) - int(np.flatnonzero(rest)[-1]) - 1
    assert np.array_equal(rest[: len(sound) - start], sound[start:])
    # Nothing is left out, and what is heard twice is what the peer's own device holds and the age of its report.
    assert 0 <= len(peer.heard) - start <= 0.1 * RATE
    player.use_device(device)
    player.add_16bit_pcm(noise(RATE, 3), "b")
    world.run(2)
    assert np.array_equal(peer.heard[-RATE:], noise(RATE, 3))


def test_a_device_serves_one_player_and_one_recorder(device, player) -> None:
    with pytest.raises(wavtools.StateError, match="already has a player"):
        wavtools.WavStreamPlayer(RATE, device=device).connect()
    with (
        wavtools.WavRecorder(RATE, device=device),
        pytest.raises(wavtools.StateError, match="has a recorder"),
    ):
        wavtools.WavRecorder(RATE, device=device).begin()
    player.disconnect()
    player.connect()


def test_a_closed_device_says_goodbye_and_takes_another_peer(world, device, player) -> None:
    peer = Peer(world, device)
    world.run(0.1)
    device.close()
    world.run(0.1)
    assert peer.byes == [(4, "the device was closed")] and device.peer is None
    assert Peer(world, device).link.attached


def test_a_send_that_raises_ends_that_peer_alone(world, device, player) -> None:
    closed = []

    def send(frame: bytes) -> None:
        raise OSError("no route")

    peer = device.accept(send, lambda code, reason: closed.append(reason))
    assert not peer.attached and closed == ["sending failed: no route"]
    sound = noise(RATE)
    player.add_16bit_pcm(sound, "a")
    good = Peer(world, device)
    world.run(2)
    assert np.array_equal(good.heard, sound)


# Playback


def test_two_channels_arrive_interleaved(world, device) -> None:
    with wavtools.WavStreamPlayer(RATE, channels=2, device=device) as player:
        sent: list[bytes] = []
        peer = device.accept(sent.append)
        hello = json.loads(sent[0][16:])
        assert hello["speaker"]["channels"] == 2
        content = {"version": 1, "speaker": {"stream": hello["speaker"]["stream"]}}
        peer.receive(HEADER.pack(OPENED, 0, 0, 1, 0) + json.dumps(content).encode())
        sound = noise(960).reshape(-1, 2)
        player.add_16bit_pcm(sound, "a")
        played = b"".join(frame[16:] for frame in sent if frame[0] == 3)
        assert np.array_equal(np.frombuffer(played, "<i2").reshape(-1, 2), sound)


def test_the_volume_is_the_peers_and_samples_stay_as_queued(world, device, player) -> None:
    peer = Peer(world, device)
    world.run(0.1)
    player.volume = 0.25
    sound = noise(RATE)
    player.add_16bit_pcm(sound, "a")
    world.run(2)
    assert peer.gains == [0.25]
    assert np.array_equal(peer.heard, sound)
    late = Peer(world, device)
    world.run(0.1)
    assert late.hellos[-1]["speaker"]["gain"] == 0.25


def test_a_suspended_peer_counts_nothing_and_stops_at_once(world, device, player, events) -> None:
    peer = Peer(world, device)
    player.add_16bit_pcm(noise(2 * RATE), "a")
    world.run(0.5)
    peer.suspended = True
    peer.opened()
    world.run(3)
    assert [event.kind for event in events] == ["suspended"]
    offset = player.get_track_sample_offset().offset
    assert offset <= len(peer.heard)
    receipt = player.interrupt()
    world.run(0.5)
    assert receipt.wait_until_settled(0).offset == len(peer.heard)
    peer.suspended = False
    peer.opened()
    player.add_16bit_pcm(noise(RATE, 2), "b")
    world.run(2)
    assert [event.kind for event in events] == ["suspended", "resumed"]
    assert np.array_equal(peer.heard[-RATE:], noise(RATE, 2))


def test_a_late_cut_corrects_the_receipt_the_counters_and_the_offset(world, device, player) -> None:
    """A network that becomes slow all at once: the estimate is too early, the answer of the peer is the truth."""
    peer = Peer(world, device, delay=0.001)
    player.add_16bit_pcm(np.full(RATE // 2, 1, np.int16), "a")
    player.add_16bit_pcm(np.full(RATE, 2, np.int16), "b")
    world.run(0.44)
    peer.down._delay = 0.15
    receipt = player.interrupt()
    assert receipt.track_id == "a"
    world.run(1)
    exact = receipt.wait_until_settled(0)
    ones, twos = (int(np.count_nonzero(peer.heard == level)) for level in (1, 2))
    assert (exact.track_id, exact.offset) == ("b", twos) and ones == RATE // 2 and twos > 0
    assert exact.dropped == {"b": RATE - twos}
    assert player.get_track_sample_offset().offset == twos
    assert player.stats.frames_played == ones + twos
    assert device.stats.late_cuts == 1
    # Both are interrupted.
    assert player.add_16bit_pcm(b"\0\0", "a") is None and player.add_16bit_pcm(b"\0\0", "b") is None


def test_offsets_never_run_ahead_of_what_is_heard_nor_back(world, device, player) -> None:
    peer = Peer(world, device, delay=0.02, jitter=0.004, burst=4)
    player.add_16bit_pcm(noise(3 * RATE), "a")
    before = 0
    for _ in range(300):
        world.run(0.01)
        offset = player.get_track_sample_offset().offset
        assert before <= offset
        # The audio system takes 4 quanta at a time, and the delay of a way is only known to its jitter.
        assert abs(offset - len(peer.heard)) <= 4 * 128 + 0.05 * RATE
        before = offset
    world.run(1)
    assert player.get_track_sample_offset().offset == 3 * RATE


def test_the_spectrum_and_the_waveform_show_what_is_heard_now(world, device, player) -> None:
    Peer(world, device)
    player.add_16bit_pcm(np.full(RATE, 16_384, np.int16), "a")
    player.add_16bit_pcm(np.zeros(RATE, np.int16), "b")
    world.run(0.9)
    # The silence has been sent already, and is not heard yet.
    assert np.all(player.get_waveform()[-2000:] == 0.5)
    world.run(2)
    assert not player.get_waveform().any()


def test_a_queue_that_ran_dry_counts_as_an_underrun(world, device, player) -> None:
    Peer(world, device)
    world.run(0.1)
    player.add_16bit_pcm(noise(2400), "a")
    world.run(1)
    player.add_16bit_pcm(noise(2400), "a")
    world.run(1)
    assert player.stats.underruns == 1 and device.stats.starved == 2


def test_a_receipt_can_be_waited_for_in_a_thread_and_copied(world, device, player) -> None:
    Peer(world, device, delay=0.01)
    player.add_16bit_pcm(noise(RATE), "a")
    world.run(0.5)
    receipt = player.interrupt()
    got: list[wavtools.TrackOffset] = []
    waiting = threading.Thread(target=lambda: got.append(receipt.wait_until_settled(5)))
    waiting.start()
    assert receipt.wait_until_settled(0.001) is receipt
    world.run(0.5)
    waiting.join(5)
    assert got and got[0].settled
    assert pickle.loads(pickle.dumps(receipt)) == got[0]


async def test_a_receipt_can_be_awaited(world, device, player) -> None:
    Peer(world, device, delay=0.01)
    player.add_16bit_pcm(noise(RATE), "a")
    world.run(0.5)
    receipt = player.interrupt()
    assert await receipt.wait_until_settled_async(0.001) is receipt
    world.run(0.5)
    assert (await receipt.wait_until_settled_async()).settled


# The microphone


def test_the_microphone_arrives_bit_for_bit_at_its_own_rate(world, device) -> None:
    with wavtools.WavRecorder(RATE, device=device) as recorder:
        peer = Peer(world, device, mic_rate=RATE)
        world.run(0.1)
        recorder.record()
        spoken = noise(RATE)
        for start in range(0, RATE, 240):
            peer.speak(spoken[start : start + 240])
        world.run(0.1)
        recorder.pause()
        assert np.array_equal(recorder.read().channels[0], spoken.astype(np.float32) / 32_768)
        assert peer.link.captured == RATE
        assert recorder.stats.latency_seconds == 0.02


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (44_100, 2), (16_000, 1)])
def test_the_rate_and_the_channels_are_the_peers_to_say(world, device, rate, channels) -> None:
    with wavtools.WavRecorder(RATE, device=device) as recorder:
        peer = Peer(world, device, mic_rate=rate, mic={"channels": channels})
        world.run(0.1)
        recorder.record()
        time = np.arange(rate) / rate
        wave = (10_000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)
        spoken = np.repeat(wave[:, np.newaxis], channels, axis=1)
        for start in range(0, rate, rate // 100):
            peer.speak(spoken[start : start + rate // 100])
        world.run(0.1)
        recorder.pause()
        heard = recorder.read().channels[0]
        assert abs(len(heard) - RATE) <= 1
        assert np.argmax(np.abs(np.fft.rfft(heard))) == 440


def test_a_hole_is_counted_and_filled_with_silence_and_repetitions_are_dropped(world, device) -> None:
    with wavtools.WavRecorder(RATE, device=device) as recorder:
        peer = Peer(world, device, mic_rate=RATE)
        world.run(0.1)
        recorder.record()
        peer.speak(np.full(240, 1))
        peer.speak(np.full(240, 2), skip=480)
        peer.speak(np.full(240, 3), skip=-120)
        peer.speak(np.full(100, 4), skip=-240)
        world.run(0.1)
        recorder.pause()
        heard = np.rint(recorder.read().channels[0] * 32_768)
        expected = [1] * 240 + [0] * 480 + [2] * 240 + [3] * 120
        assert heard.tolist() == expected
        assert device.stats.frames_missing == 480


def test_another_microphone_of_the_peer_begins_with_position_0(world, device) -> None:
    with wavtools.WavRecorder(RATE, device=device) as recorder:
        peer = Peer(world, device, mic_rate=RATE)
        world.run(0.1)
        recorder.record()
        peer.speak(np.full(480, 1))
        wanted, peer.microphone = peer.microphone, None
        peer.opened()
        peer.microphone, peer._mic_position = wanted, 0
        peer.opened()
        peer.speak(np.full(240, 2))
        world.run(0.1)
        recorder.pause()
        assert np.rint(recorder.read().channels[0] * 32_768).tolist() == [1] * 480 + [2] * 240
        assert device.stats.frames_missing == 0 and peer.link.captured == 240


def test_a_microphone_that_is_refused_is_told(world, device, events) -> None:
    with wavtools.WavRecorder(RATE, device=device, on_event=events.append) as recorder:
        peer = Peer(world, device, mic={"error": "NotAllowedError: permission \x1b[31mdenied"})
        world.run(0.1)
        until_blocking(lambda: events)
        assert events[0].kind == "suspended" and "permission" in events[0].reason
        assert events[0].reason.isprintable()
        peer.mic.pop("error")
        peer.opened()
        world.run(0.1)
        assert [event.kind for event in events] == ["suspended", "resumed"]
        assert recorder.get_status() == "paused"


@pytest.mark.parametrize("cancels", [True, False])
def test_the_peer_says_if_it_cancels_the_echo(world, device, cancels) -> None:
    with wavtools.WavRecorder(RATE, device=device) as recorder:
        assert recorder.get_device_info().cancels_echo
        Peer(world, device, mic={"echo_cancellation": cancels})
        world.run(0.1)
        assert recorder.get_device_info().cancels_echo is cancels


def test_a_recorder_that_ends_closes_the_microphone_of_the_peer(world, device) -> None:
    peer = Peer(world, device)
    recorder = wavtools.WavRecorder(RATE, device=device)
    recorder.begin()
    world.run(0.1)
    assert peer.microphone is not None
    recorder.end()
    world.run(0.1)
    assert peer.microphone is None and peer.speaker is None


# The calls that wait


def test_start_and_record_work_far_away(world, device) -> None:
    peer = Peer(world, device, mic_rate=RATE)
    sound = noise(RATE)
    with wavtools.start(sound, sample_rate=RATE, device=device) as playback:
        until_blocking(lambda: world.run(0.02) or len(peer.heard) > 4800)
        playback.pause()
        world.run(0.2)
        held = len(peer.heard)
        world.run(0.5)
        assert len(peer.heard) == held == playback.position_frames
        playback.resume()
        until_blocking(lambda: world.run(0.02) or playback.ended)
    assert np.array_equal(peer.heard, sound)
    recorded: list[wavtools.WavFile] = []
    recording = threading.Thread(target=lambda: recorded.append(wavtools.record(0.1, device=device)))
    recording.start()
    until_blocking(lambda: world.run(0.01) or peer.microphone)
    spoken = noise(RATE, 5)

    def speak() -> bool:
        peer.speak(spoken[:2400])
        world.run(0.02)
        return not recording.is_alive()

    until_blocking(speak)
    assert len(recorded[0].pcm) == 2400
