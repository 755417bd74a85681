"""RemoteDevice: playback on a clock that is elsewhere, against a peer in virtual time."""

from __future__ import annotations

import random

import numpy as np
import pytest

import wavtools
from tests.remote_peer import Peer, World

pytestmark = pytest.mark.audio

RATE = 24_000


def answer(number: int, seconds: float = 2.0) -> np.ndarray:
    """Sound of one level, so that each sample says whose it is."""
    return np.full(int(seconds * RATE), number, np.int16)


def test_sound_arrives_bit_for_bit(
    world: World, device: wavtools.RemoteDevice, player: wavtools.WavStreamPlayer
) -> None:
    peer = Peer(world, device, delay=0.02, jitter=0.004)
    sound = np.random.default_rng(1).integers(-32768, 32767, 5 * RATE).astype(np.int16)
    for start in range(0, len(sound), 4800):
        player.add_16bit_pcm(sound[start : start + 4800], "a")
    world.run(7)
    assert np.array_equal(peer.heard, sound)
    assert player.stats.frames_played == len(sound)
    assert player.wait_until_idle(0)
    assert device.stats.malformed == 0


def test_a_peer_never_holds_more_than_the_window(
    world: World, device: wavtools.RemoteDevice, player: wavtools.WavStreamPlayer
) -> None:
    peer = Peer(world, device, delay=0.05)
    player.add_16bit_pcm(answer(1, 10), "a")
    world.run(3)
    assert 0 < peer.most_held <= 0.4 * RATE


@pytest.mark.parametrize(("delay", "jitter"), [(0.0, 0.0), (0.0125, 0.0), (0.025, 0.003), (0.05, 0.005)])
def test_interrupts_are_exact_at_any_distance(
    world: World, device: wavtools.RemoteDevice, player: wavtools.WavStreamPlayer, delay: float, jitter: float
) -> None:
    peer = Peer(world, device, delay=delay, jitter=jitter, burst=4)
    world.run(1.0)
    chance = random.Random(5)
    at_once = settled = 0
    for number in range(1, 51):
        player.add_16bit_pcm(answer(number), f"answer {number}")
        world.run(chance.uniform(0.05, 1.2) + 2 * delay)
        receipt = player.interrupt()
        assert receipt is not None
        world.run(0.5)
        assert receipt.settled
        exact = receipt.wait_until_settled(0)
        heard = int(np.count_nonzero(peer.heard == number))
        assert exact.track_id == f"answer {number}"
        assert exact.dropped == {f"answer {number}": 2 * RATE - exact.offset}
        settled += exact.offset == heard
        at_once += receipt.offset == heard
    assert settled == 50
    assert at_once >= 49
    # What was cut is neither played later nor counted.
    assert player.stats.frames_played == len(peer.heard)
    assert device.stats.malformed == 0


@pytest.mark.parametrize(("delay", "limit"), [(0.0, 0.060), (0.025, 0.130), (0.05, 0.180)])
def test_silence_comes_within_a_round_trip_and_the_margin(
    world: World, device: wavtools.RemoteDevice, player: wavtools.WavStreamPlayer, delay: float, limit: float
) -> None:
    peer = Peer(world, device, delay=delay, jitter=delay / 10)
    world.run(1.0)
    for number in range(1, 21):
        player.add_16bit_pcm(answer(number, 10), f"answer {number}")
        world.run(1.0)
        asked = world.now
        player.interrupt()
        world.run(1.0)
        stopped = next(time for time, count in peer.clock if count == len(peer.heard))
        # The peer's audio system adds what it holds.
        assert stopped - asked < limit


def test_a_hiccup_of_the_network_does_not_delay_the_next_interruption(
    world: World, device: wavtools.RemoteDevice, player: wavtools.WavStreamPlayer
) -> None:
    peer = Peer(world, device, delay=0.005)
    world.run(0.5)
    peer.down._delay = 0.3
    player.add_16bit_pcm(answer(1, 10), "a")
    world.run(0.2)
    peer.down._delay = 0.005
    world.run(2.0)
    asked = world.now
    player.interrupt()
    world.run(1.0)
    stopped = next(time for time, count in peer.clock if count == len(peer.heard))
    assert stopped - asked < 0.060


def test_a_fade_is_the_peers_and_the_offset_stays_where_it_began(
    world: World, device: wavtools.RemoteDevice, player: wavtools.WavStreamPlayer
) -> None:
    peer = Peer(world, device, delay=0.01)
    world.run(0.5)
    player.add_16bit_pcm(answer(10_000, 3), "a")
    world.run(1.0)
    receipt = player.interrupt(fade_ms=20)
    assert receipt is not None
    world.run(1.0)
    exact = receipt.wait_until_settled(0)
    whole = int(np.count_nonzero(peer.heard == 10_000))
    # The fade's first sample may still have the full level.
    assert exact.offset in (whole, whole - 1)
    assert len(peer.heard) - exact.offset == 480
    assert np.all(np.diff(peer.heard[exact.offset :].astype(int)) <= 0)


def test_what_is_queued_after_an_interrupt_follows_at_once(
    world: World, device: wavtools.RemoteDevice, player: wavtools.WavStreamPlayer
) -> None:
    """Ten answers in a row, each cut before the peer has heard of the cut before."""
    peer = Peer(world, device, delay=0.05)
    world.run(0.5)
    for number in range(1, 11):
        player.add_16bit_pcm(answer(number), f"answer {number}")
        receipt = player.interrupt()
        assert receipt is not None
        world.run(0.02)
    player.add_16bit_pcm(answer(99, 0.5), "last")
    world.run(2.0)
    assert int(np.count_nonzero(peer.heard == 99)) == RATE // 2
    assert np.all(np.diff(peer.heard) >= 0)
    assert player.stats.frames_played == len(peer.heard)
    assert device.stats.malformed == 0
