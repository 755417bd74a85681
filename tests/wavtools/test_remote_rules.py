"""RemoteDevice: peers that break the protocol's rules end alone, and harm nothing; and its arguments."""

from __future__ import annotations

import gc
import json
import pickle
import random
import struct

import numpy as np
import pytest

import wavtools
from tests.remote_peer import HEADER, MIC, Peer, World
from wavtools import _remote_frames, _remote_link

RATE = 24_000


def noise(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-32_768, 32_767, frames).astype(np.int16)


def test_too_many_frames_against_the_rules_end_the_peer_and_nothing_else(world, device, player) -> None:
    peer = Peer(world, device)
    player.add_16bit_pcm(noise(RATE), "a")
    world.run(0.2)
    for _ in range(32):
        peer.link.receive(b"\0")
    world.run(0.1)
    assert device.stats.malformed == 32 and peer.byes[0][0] == 2 and device.peer is None
    good = Peer(world, device)
    world.run(2)
    assert np.array_equal(good.heard, noise(RATE)[RATE - len(good.heard) :])
    assert player.stats.frames_played == RATE


def test_another_version_is_refused_with_a_reason(world, device, player) -> None:
    peer = Peer(world, device)
    world.run(0.1)
    peer.opened(version=2)
    world.run(0.1)
    assert peer.byes == [(3, "this host speaks version 1, not 2")]


def test_a_peer_may_not_claim_what_was_not_sent(world, device, player) -> None:
    peer = Peer(world, device)
    world.run(0.1)
    before = device.stats.malformed
    stream = peer.speaker["stream"]
    for position in (1, 1e300, -1, 0.5, float("nan"), float("inf"), 2.0**60):
        peer.link.receive(HEADER.pack(6, 0, stream, 0, position))
        peer.link.receive(HEADER.pack(5, 0, stream, 1, position))
    assert device.stats.malformed - before == 14
    assert player.get_track_sample_offset() is None


def test_cuts_without_answers_end_the_peer(world, device, player) -> None:
    peer = Peer(world, device)
    world.run(0.1)
    peer.down.cut = peer.up.cut = True
    for number in range(70):
        player.add_16bit_pcm(noise(240), f"track {number}")
        player.interrupt()
    assert device.peer is None and ("cuts are not answered" in peer.closed[0][1])


def frames_of_all_kinds(chance: random.Random, streams: list[int]) -> bytes:
    """A frame that is random, or nearly right."""
    if chance.random() < 0.2:
        return chance.randbytes(chance.choice((0, 1, 15, 16, 17, 40, 300)))
    position = chance.choice((0.0, 1.0, 240.0, 1e6, 2.0**53, -1.0, 0.5, float("nan"), float("inf")))
    payload = chance.choice(
        (
            b"",
            chance.randbytes(chance.randrange(60)),
            struct.pack("<d", chance.random()),
            bytes(480),
            b"[" * 2000,
            json.dumps(opened_of_all_kinds(chance, streams)).encode(),
        )
    )
    kind = chance.randrange(14)
    return (
        HEADER.pack(kind, chance.randrange(4), chance.choice(streams), chance.randrange(4), position)
        + payload
    )


def opened_of_all_kinds(chance: random.Random, streams: list[int]) -> object:
    odd = (None, True, -1, 0, 1, 1e308, "x" * 50, [], {}, 48_000, 24_000, [[[[[[[[[1]]]]]]]]], "\x1b[2J")
    part = {
        "stream": chance.choice(streams),
        "rate": chance.choice((24_000, 48_000, 44_100)),
        "channels": chance.choice((1, 2)),
    }
    if chance.random() < 0.5:
        part[chance.choice(("stream", "rate", "channels", "latency", "error", "name"))] = chance.choice(odd)
    other = chance.choice((part, *odd))
    return chance.choice(
        ({"version": 1, "speaker": part, "microphone": other}, {"version": 1, "x": other}, other)
    )


def test_no_frame_raises_or_harms_the_queue(device, monkeypatch) -> None:
    """100 000 frames, random and nearly right, from thousands of peers: no exception, and everything still works."""
    monkeypatch.setattr(_remote_link, "OPENED_TEMPO", (10**9, 1.0))
    chance = random.Random(7)
    sound = noise(RATE)
    sent: list[bytes] = []
    with wavtools.WavStreamPlayer(RATE, device=device) as player, wavtools.WavRecorder(RATE, device=device):
        player.add_16bit_pcm(sound, "a")
        for number in range(100_000):
            if device.peer is None:
                del sent[:]
                peer = device.accept(sent.append)
                hello = json.loads(sent[0][16:])
                streams = [0, 1, hello["speaker"]["stream"], hello["microphone"]["stream"]]
            peer.receive(frames_of_all_kinds(chance, streams))
            if number % 5000 == 0:
                player.interrupt()
                player.add_16bit_pcm(sound, f"track {number}")
            assert sum(map(len, sent)) < 2_000_000
        assert device.stats.malformed > 10_000 and device.stats.peers > 100
        player.interrupt()
        player.add_16bit_pcm(sound, "last")
        world = World()
        monkeypatch.setattr(_remote_link, "monotonic", lambda: world.now)
        good = Peer(world, device)
        world.run(3)
        assert np.array_equal(good.heard[-RATE:], sound)


def test_opened_that_comes_too_often_is_malformed(world, device, player) -> None:
    peer = Peer(world, device)
    for _ in range(50):
        peer.opened()
    world.run(0.1)
    assert device.stats.malformed > 0


def test_text_is_no_frame_and_a_bytearray_is_one(world, device, player) -> None:
    peer = Peer(world, device)
    world.run(0.1)
    peer.link.receive("text")  # type: ignore[arg-type]
    assert device.stats.malformed == 1
    peer.link.receive(bytearray(HEADER.pack(7, 0, 0, 5, 1.25)))
    peer.link.receive(memoryview(HEADER.pack(99, 0, 0, 5, 1.25)))
    assert device.stats.malformed == 1


def test_a_goodbye_of_the_peer_closes_its_connection(world, device, player) -> None:
    peer = Peer(world, device)
    world.run(0.1)
    peer.link.receive(_remote_frames.bye(0, "the page was closed"))
    assert peer.closed == [(0, "the page was closed")] and device.peer is None


def test_a_microphone_frame_before_opened_is_ignored(device) -> None:
    sent: list[bytes] = []
    with wavtools.WavRecorder(RATE, device=device) as recorder:
        peer = device.accept(sent.append)
        stream = json.loads(sent[0][16:])["microphone"]["stream"]
        peer.receive(HEADER.pack(MIC, 0, stream, 0, 0) + bytes(480))
        assert recorder.stats.frames_captured == 0 and device.stats.malformed == 0


# Arguments


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"window_ms": 10}, ValueError, "50 to 1000"),
        ({"window_ms": "a"}, TypeError, "must be a number"),
        ({"margin_ms": -1}, ValueError, "0 to 200"),
    ],
)
def test_arguments_are_checked(options, error, text) -> None:
    with pytest.raises(error, match=text):
        wavtools.RemoteDevice(**options)


def test_send_must_be_a_plain_function(device) -> None:
    async def send(frame: bytes) -> None: ...

    with pytest.raises(TypeError, match="a queue that a task drains"):
        device.accept(send)
    with pytest.raises(TypeError, match="send must be callable"):
        device.accept(None)
    with pytest.raises(TypeError, match="cannot be copied"):
        pickle.dumps(device)


def test_a_duplex_device_joins_no_device_objects(device) -> None:
    with pytest.raises(TypeError, match="itself as device= to the recorder and the player"):
        wavtools.DuplexDevice(device, device)


def test_a_player_that_is_dropped_leaves_the_device_to_another_one(world, device) -> None:
    player = wavtools.WavStreamPlayer(RATE, device=device)
    player.connect()
    player.add_16bit_pcm(noise(RATE), "a")
    peer = Peer(world, device)
    world.run(0.3)
    del player
    gc.collect()
    world.run(0.1)
    assert peer.speaker is None
    with wavtools.WavStreamPlayer(RATE, device=device) as another:
        another.add_16bit_pcm(noise(2400, 9), "b")
        world.run(1)
        assert np.array_equal(peer.heard[-2400:], noise(2400, 9))
