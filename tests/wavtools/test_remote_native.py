"""wavtools.remote: a native player and recorder as the peer, over real streams, and its command line."""

from __future__ import annotations

import json
import os
import random
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

import wavtools
from tests.audio_server import AudioServer
from tests.remote_peer import HEADER
from tests.waiting import until_blocking
from wavtools import _remote_frames as wire
from wavtools import remote
from wavtools.remote.__main__ import main
from wavtools.remote.peer import NativePeer

pytestmark = pytest.mark.audio

RATE = 24_000


class Box:
    """A RemoteDevice and a NativePeer in one process: the peer's devices are OfflineDevices that the test runs."""

    def __init__(self) -> None:
        self.device = wavtools.RemoteDevice()
        self.hardware = wavtools.OfflineDevice(RATE)
        self.heard = np.zeros(0, np.int16)
        self.native = NativePeer(lambda frame: self.link.receive(frame), self.hardware, self.hardware)
        # Frames that come in answer to frames are handled in their order.
        self._frames: list[bytes] = []
        self.link = self.device.accept(self._frames.append)
        self.pump()

    def pump(self) -> None:
        while self._frames:
            self.native.handle(self._frames.pop(0))

    def run(self, frames: int) -> None:
        """Let *frames* pass at the peer's hardware, 10 ms at a time."""
        for _ in range(0, frames, 240):
            self.pump()
            self.heard = np.concatenate([self.heard, self.hardware.render(240)])
            self.native.report()
        self.pump()


@pytest.fixture
def box() -> Iterator[Box]:
    box = Box()
    yield box
    box.native.close()


def test_sound_arrives_bit_for_bit_through_a_native_player(box) -> None:
    sound = np.random.default_rng(1).integers(1, 30_000, 2 * RATE).astype(np.int16)
    with wavtools.WavStreamPlayer(RATE, device=box.device) as player:
        box.pump()
        player.add_16bit_pcm(sound, "a")
        box.run(3 * RATE)
        assert np.array_equal(box.heard[box.heard != 0], sound)
        assert player.wait_until_idle(1) and box.device.stats.malformed == 0


@pytest.mark.parametrize("fade_ms", [0, 20])
def test_interrupts_of_a_native_peer_are_exact(box, fade_ms) -> None:
    with wavtools.WavStreamPlayer(RATE, device=box.device) as player:
        box.pump()
        box.run(2400)
        for number in range(1, 21):
            player.add_16bit_pcm(np.full(RATE, number * 1000, np.int16), f"answer {number}")
            box.run(240 * (5 + number))
            receipt = player.interrupt(fade_ms)
            box.run(4800)
            exact = receipt.wait_until_settled(1)
            assert exact.settled and exact.track_id == f"answer {number}"
            whole = int(np.count_nonzero(box.heard == number * 1000))
            # The first sample of a ramp may have the full level.
            assert exact.offset in ((whole, whole - 1) if fade_ms else (whole,))
        assert box.device.stats.malformed == 0


def test_two_cuts_before_the_first_is_carried_out(box) -> None:
    with wavtools.WavStreamPlayer(RATE, device=box.device) as player:
        box.pump()
        box.run(2400)
        player.add_16bit_pcm(np.full(RATE, 1, np.int16), "a")
        box.run(4800)
        first = player.interrupt()
        player.add_16bit_pcm(np.full(RATE, 2, np.int16), "b")
        second = player.interrupt()
        player.add_16bit_pcm(np.full(2400, 3, np.int16), "c")
        box.run(RATE)
        assert first.wait_until_settled(1).offset == int(np.count_nonzero(box.heard == 1))
        assert second.wait_until_settled(1).offset == int(np.count_nonzero(box.heard == 2))
        assert int(np.count_nonzero(box.heard == 3)) == 2400
        assert box.device.stats.malformed == 0


def test_the_microphone_of_a_native_peer_arrives_bit_for_bit(box) -> None:
    with wavtools.WavRecorder(RATE, device=box.device) as recorder:
        box.pump()
        until_blocking(lambda: box.link.opened.get("microphone"))
        recorder.record()
        spoken = np.random.default_rng(1).integers(-30_000, 30_000, RATE).astype(np.int16)
        box.hardware.capture(spoken)
        until_blocking(lambda: box.link.captured == RATE)
        recorder.pause()
        assert np.array_equal(np.rint(recorder.read().channels[0] * 32_768), spoken)


def test_frames_against_the_rules_are_malformed_for_a_native_peer(box) -> None:
    with wavtools.WavStreamPlayer(RATE, device=box.device):
        box.pump()
        stream = box.link.opened["speaker"]["stream"]
        for frame in (
            b"",
            wire.encode(wire.PLAY, stream, 0, 7, bytes(4)),
            wire.encode(wire.PLAY, stream, 0, 0, bytes(3)),
            wire.encode(wire.CUT, stream, 1, 5, struct.pack("<dI", 9, 0)),
            wire.encode(wire.CUT, stream, 1, 5, b"short"),
            wire.encode_json(wire.HELLO, {"version": 1, "speaker": {"stream": "x"}}),
        ):
            with pytest.raises(wire.Malformed):
                box.native.handle(frame)


def test_no_frame_of_a_host_harms_a_native_peer(box) -> None:
    """20 000 frames, random and nearly right: each is carried out or malformed."""
    chance = random.Random(3)
    sound = np.full(2400, 5, np.int16)
    with wavtools.WavStreamPlayer(RATE, device=box.device) as player:
        box.pump()
        stream = box.link.opened["speaker"]["stream"]
        for number in range(20_000):
            position = chance.choice((0.0, 240.0, -1.0, float("nan"), float("inf"), 1e300, float(number)))
            payload = chance.choice(
                (
                    b"",
                    bytes(480),
                    chance.randbytes(12),
                    struct.pack("<dI", position, 2**32 - 1),
                    b"{",
                    b'{"speaker": 5}',
                )
            )
            frame = (
                HEADER.pack(chance.randrange(14), 0, chance.choice((0, stream)), number % 70, position)
                + payload
            )
            if frame[0] == wire.HELLO and payload == b"{}":
                continue
            try:
                box.native.handle(frame)
            except wire.Malformed:
                continue
            if number % 500 == 0:
                box.run(240)
        player.add_16bit_pcm(sound, "waits for a peer")
    # Its devices are closed and free.
    box.native.close()
    with wavtools.WavStreamPlayer(RATE, device=box.hardware) as player:
        player.add_16bit_pcm(sound, "a")
        assert np.array_equal(box.hardware.render(2400), sound)


# The listener and the command line


def connected(listener: remote.Listener, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "wavtools.remote", *arguments, "--input", "null", "--output", "null"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "WAVTOOLS_REMOTE_TOKEN": listener.token},
    )


def test_another_process_plays_and_captures_for_this_one() -> None:
    with (
        remote.listen() as listener,
        wavtools.WavStreamPlayer(RATE, device=listener.device) as player,
        wavtools.WavRecorder(RATE, device=listener.device) as recorder,
    ):
        other = connected(listener, str(listener.port))
        try:
            recorder.record()
            player.add_16bit_pcm(np.ones(RATE // 2, np.int16), "a")
            assert player.wait_until_idle(20)
            until_blocking(lambda: recorder.stats.frames_captured > 2400)
            player.add_16bit_pcm(np.ones(4 * RATE, np.int16), "b")
            until_blocking(lambda: player.get_track_sample_offset().offset > 2400)
            receipt = player.interrupt().wait_until_settled(10)
            assert receipt.settled and 2400 < receipt.offset < 4 * RATE
            assert listener.device.stats.malformed == 0
            listener.device.close("that is all")
            _, told = other.communicate(timeout=20)
            assert other.returncode == 0 and b"that is all" in told
        finally:
            other.kill()
            other.wait()


def test_a_process_behind_a_pipe_is_a_peer_too() -> None:
    device = wavtools.RemoteDevice()
    with (
        wavtools.WavStreamPlayer(RATE, device=device) as player,
        subprocess.Popen(
            [sys.executable, "-m", "wavtools.remote", "-", "--input", "null", "--output", "null"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as other,
    ):
        try:
            assert other.stdin is not None and other.stdout is not None
            connection = remote.connect(device, other.stdout, other.stdin, other.kill)
            player.add_16bit_pcm(np.ones(2400, np.int16), "a")
            assert player.wait_until_idle(20)
            connection.close()
            assert connection.wait(5)
            until_blocking(lambda: device.peer is None)
        finally:
            other.kill()


@pytest.mark.parametrize(
    "greeting",
    [b"", b"\n", b"wavtools-remote 1 wrong-token\n", b"GET / HTTP/1.1\r\n", b"x" * 5000, b"\xff\xfe\0\n"],
)
def test_nobody_gets_in_without_the_token(greeting) -> None:
    with remote.listen() as listener, socket.create_connection(("127.0.0.1", listener.port), 10) as client:
        client.sendall(greeting)
        client.shutdown(socket.SHUT_WR)
        try:
            assert client.recv(100).startswith(b"no") or not client.recv(100)
        except ConnectionError:
            pass
        assert listener.device.stats.peers == 0


def test_a_wrong_token_is_told_in_one_line(capsys) -> None:
    with remote.listen() as listener:
        assert main([str(listener.port), "--token", "another one"]) == 1
    error = capsys.readouterr().err
    assert "the token is wrong" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["9", "--token", "x"], "nothing answers on 127.0.0.1:9"),
        (["x"], "is no [HOST:]PORT"),
        (["8700"], "a token is needed"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, text, capsys, monkeypatch) -> None:
    monkeypatch.delenv("WAVTOOLS_REMOTE_TOKEN", raising=False)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"host": "0.0.0.0"}, "use ssh -L"),
        ({"token": "short"}, "8 to 200 plain characters"),
        ({"port": 70_000}, "0 to 65535"),
    ],
)
def test_what_listen_refuses(options, text) -> None:
    with pytest.raises(ValueError, match=text):
        remote.listen(**options)


def test_the_command_is_shown_and_a_closed_listener_frees_its_port() -> None:
    listener = remote.listen()
    assert listener.command == f"python -m wavtools.remote {listener.port} --token {listener.token}"
    listener.close()
    listener.close()
    remote.listen(listener.port).close()


# With a sound server

ROOM = """
import json, os, subprocess, sys, time
import numpy as np
import wavtools

with wavtools.remote.listen() as listener, wavtools.WavStreamPlayer(24000, device=listener.device) as player:
    other = subprocess.Popen([sys.executable, "-m", "wavtools.remote", str(listener.port), "--token", listener.token])
    recorder = wavtools.WavRecorder(24000, device="speaker.monitor")
    recorder.begin()
    recorder.record()
    receipts = []
    for number in range(1, 11):
        player.add_16bit_pcm(np.full(48000, number * 1000, np.int16), str(number))
        while player.get_track_sample_offset().offset < 3000 + 700 * number or (
            player.get_track_sample_offset().track_id != str(number)
        ):
            time.sleep(0.002)
        receipt = player.interrupt().wait_until_settled(10)
        receipts.append((receipt.track_id, receipt.offset, receipt.settled))
        time.sleep(0.15)
    recorder.pause()
    heard = np.rint(recorder.read().channels[0] * 32768).astype(int)
    counts = [int(np.count_nonzero(heard == number * 1000)) for number in range(1, 11)]
    recorder.quit()
    listener.device.close()
    print(json.dumps({"receipts": receipts, "counts": counts, "stats": listener.device.stats.malformed}))
    other.wait(10)
"""


def test_the_sink_of_another_process_plays_exactly_what_the_receipts_say(tmp_path) -> None:
    server = AudioServer(tmp_path, rate=RATE)
    try:
        done = server.python(ROOM)
    finally:
        server.stop()
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(str(number), count, True) for number, count in enumerate(told["counts"], 1)] == [
        tuple(receipt) for receipt in told["receipts"]
    ]
    assert told["stats"] == 0
