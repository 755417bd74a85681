"""What a callback raises, a signal handler calls, a fork copies or a caller drops: nothing is lost, nobody waits."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import weakref
from typing import Any

import numpy as np
import pytest

from wavtools import (
    DeviceEvent,
    DuplexDevice,
    OfflineDevice,
    StateError,
    WavPacker,
    WavRecorder,
    WavStreamPlayer,
    _chunk_queue,
    record,
    wav,
)
from wavtools._audio_chunk import AudioChunk
from wavtools.ring import RingBuffer

ONES = np.ones(2400, np.int16)


# Numbers


@pytest.mark.parametrize("make", [WavRecorder, WavStreamPlayer, OfflineDevice])
def test_a_rate_that_is_no_integer_is_refused_at_the_door(make: Any) -> None:
    for rate in (24_000.0, "24000", None, np.float32(24_000)):
        with pytest.raises(TypeError, match="sample_rate must be an integer"):
            make(rate)
    for rate in (np.int32(24_000), np.uint16(24_000), np.int16(24_000)):
        assert type(make(rate).sample_rate) is int


def test_other_numbers_are_checked_at_the_door() -> None:
    with pytest.raises(TypeError, match="channels must be an integer"):
        WavRecorder(channels=1.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="channels must be an integer"):
        OfflineDevice(24_000, 2.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="keep_seconds is nan"):
        WavRecorder(keep_seconds=float("nan"))
    with pytest.raises(ValueError, match="prebuffer_ms is nan"):
        WavStreamPlayer(prebuffer_ms=float("nan"))
    with pytest.raises(ValueError, match="queue_seconds is 0"):
        WavStreamPlayer(queue_seconds=0)
    recorder = WavRecorder(device=OfflineDevice(24_000))
    recorder.begin()
    with pytest.raises(TypeError, match="chunk_size must be an integer"):
        recorder.record(chunk_size=480.0)  # type: ignore[arg-type]
    recorder.end()


def test_the_queue_is_as_long_as_wanted() -> None:
    with WavStreamPlayer(24_000, device=OfflineDevice(24_000), queue_seconds=0.5) as player:
        player.add_16bit_pcm(np.ones(12_000, np.int16))
        with pytest.raises(BufferError, match="12000 of 12000"):
            player.add_16bit_pcm(np.ones(1, np.int16))


@pytest.mark.parametrize(
    "data",
    [WavPacker.pack(ONES, 24_000).data, b"fLaC" + bytes(60), b"OggS" + bytes(60), b"ID3\3\0" + bytes(59)],
)
def test_the_bytes_of_a_file_are_not_played_as_samples(data: bytes) -> None:
    with WavStreamPlayer(24_000, device=OfflineDevice(24_000)) as player:
        with pytest.raises(ValueError, match="holds an audio file, not samples"):
            player.add_16bit_pcm(data)
        assert player.get_track_sample_offset() is None


# Callbacks


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_whatever_a_callback_raises_recording_goes_on(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    device = OfflineDevice(24_000)
    seen: list[int] = []

    def callback(chunk: AudioChunk) -> None:
        seen.append(len(chunk.mono))
        raise error("mine")

    recorder = WavRecorder(24_000, device=device)
    recorder.begin()
    recorder.record(callback, 800)
    device.capture(ONES)
    recorder.pause()
    recorder.record(callback, 800)
    device.capture(ONES)
    recorder.pause()
    assert seen == [800] * 6
    assert recorder.stats.callback_errors == 6
    assert len(recorder.end().pcm) == 4800
    assert "the recorder's callback raised" in caplog.text


def test_an_error_that_ends_the_delivery_is_told_and_nobody_waits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    device = OfflineDevice(24_000)
    recorder = WavRecorder(24_000, device=device)
    recorder.begin()
    recorder.record(lambda chunk: None, 800)
    monkeypatch.setattr("wavtools._delivery.to_int16", lambda frames: 1 / 0)
    device.capture(ONES)
    recorder.pause()
    assert "recording ended by an error" in caplog.text
    with pytest.raises(StateError, match="recording ended by an error"):
        recorder.record()
    assert len(recorder.end().pcm) == 0


async def _async_callback(chunk: AudioChunk) -> None:
    raise AssertionError


def test_coroutine_functions_are_refused_where_threads_call() -> None:
    recorder = WavRecorder(24_000, device=OfflineDevice(24_000))
    recorder.begin()
    with pytest.raises(TypeError, match="async for chunk in recorder"):
        recorder.record(_async_callback)
    recorder.end()
    with pytest.raises(TypeError, match="plain function"):
        recorder.listen_for_device_change(_async_callback)
    with pytest.raises(TypeError, match="on_event"):
        WavRecorder(on_event=_async_callback)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="on_event"):
        WavStreamPlayer(on_event=_async_callback)  # type: ignore[arg-type]


# Stores and devices


def test_a_recorder_that_is_dropped_lets_its_device_go() -> None:
    device = OfflineDevice(24_000)
    recorder = WavRecorder(24_000, device=device)
    recorder.begin()
    recorder.record(lambda chunk: None)
    gone = weakref.ref(recorder)
    del recorder
    gc.collect()
    assert gone() is None
    with WavRecorder(24_000, device=device):
        pass


def test_keeping_the_newest_chunks_costs_the_same_for_any_number() -> None:
    queue = _chunk_queue.ChunkQueue(24_000 * 1000)
    chunk = AudioChunk(ONES[:240], ONES[:240])
    for _ in range(200_000):
        queue.put(chunk)
    queue.close()
    assert sum(len(one.mono) for one in queue) == 24_000 * 1000


def test_a_recording_that_no_file_can_hold_stays_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    device = OfflineDevice(24_000)
    recorder = WavRecorder(24_000, device=device)
    recorder.begin()
    recorder.record()
    device.capture(ONES)

    def fails(*arguments: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(WavPacker, "pack", fails)
        with pytest.raises(MemoryError):
            recorder.end()
    assert len(recorder.save().pcm) == 2400
    assert len(recorder.read().mean_values) == 2400
    with pytest.raises(StateError):
        recorder.record()


def test_files_beyond_4_gib_are_rf64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wav, "_MAX_DATA_BYTES", 1000)
    stereo = np.arange(2000, dtype=np.int16).reshape(-1, 2)
    file = WavPacker.pack(stereo, 48_000)
    assert file.data[:4] == b"RF64"
    assert (file.pcm == stereo).all()
    assert file.duration == 1000 / 48_000
    again = wav.read_wav(file.data, strict=True, dtype="int32")
    assert (again.pcm == stereo.astype(np.int32) << 16).all()


@pytest.mark.parametrize(("device_channels", "wanted"), [(2, 1), (1, 2), (4, 1), (2, None)])
def test_the_number_of_channels_means_the_same_on_every_device(
    device_channels: int, wanted: int | None
) -> None:
    device = OfflineDevice(24_000, device_channels)
    frames = np.repeat(np.arange(0, 4800, 2, dtype=np.int16)[:, np.newaxis], device_channels, 1)
    recorder = WavRecorder(24_000, device=device, channels=wanted)
    recorder.begin()
    recorder.record()
    device.capture(frames if device_channels > 1 else frames[:, 0])
    recorder.pause()
    file = recorder.end()
    assert file.channel_count == (wanted or device_channels)
    assert (file.pcm.reshape(2400, -1) == frames[:, :1]).all()


def test_a_begin_that_failed_leaves_the_device_free(monkeypatch: pytest.MonkeyPatch) -> None:
    device = OfflineDevice(24_000)
    recorder = WavRecorder(24_000, device=device)

    def fails(*arguments: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("wavtools._capture_session.CaptureState", fails)
        with pytest.raises(MemoryError):
            recorder.begin()
    recorder.begin()
    recorder.end()


# Signals


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timer")
def test_a_signal_handler_may_interrupt_in_the_middle_of_any_call() -> None:
    code = """
import signal, time
import numpy as np
from wavtools import OfflineDevice, WavRecorder, WavStreamPlayer
device = OfflineDevice(24000)
player = WavStreamPlayer(24000, device=device); player.connect()
recorder = WavRecorder(24000, device=device, keep_seconds=1); recorder.begin(); recorder.record()
calls, armed = 0, True
def handler(number, frame):
    global calls
    calls += 1
    player.interrupt()
    recorder.stats; recorder.clear(); recorder.read()
    # Once more, after a while: handlers do not pile up on a busy machine.
    if armed: signal.setitimer(signal.ITIMER_REAL, 0.0003 + calls % 7 * 0.0001)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.001)
ones = np.ones(240, np.int16)
end = time.monotonic() + 2
n = 0
while time.monotonic() < end:
    n += 1
    player.add_16bit_pcm(ones, str(n)); device.render(240); player.get_track_sample_offset()
    device.capture(ones); recorder.stats; recorder.save(force=True)
armed = False
signal.setitimer(signal.ITIMER_REAL, 0)
player.disconnect(); recorder.quit()
print("calls", calls)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[1]) > 100


# Processes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_leaves_at_once_and_is_told() -> None:
    code = """
import os, sys
import numpy as np
from wavtools import OfflineDevice, StateError, WavRecorder, WavStreamPlayer
device = OfflineDevice(24000)
with WavRecorder(24000, device=device) as recorder, WavStreamPlayer(24000, device=OfflineDevice(24000)) as player:
    recorder.record()
    child = os.fork()
    if child == 0:
        for call in (recorder.pause, recorder.end, lambda: player.add_16bit_pcm(b"12")):
            try:
                call()
            except StateError as error:
                assert "spawn" in str(error), error
            else:
                os._exit(3)
if child == 0:
    sys.exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")
def test_audio_in_a_forked_child_names_the_spawn_method() -> None:
    code = """
import os, sys
from wavtools import DeviceError, WavStreamPlayer
with WavStreamPlayer(24000, device="null"):
    pass
child = os.fork()
if child == 0:
    try:
        WavStreamPlayer(24000, device="null").connect()
    except DeviceError as error:
        os._exit(0 if "spawn" in str(error) else 4)
    os._exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


# Devices that watch, and doors beside the main ones


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_whatever_on_event_raises_the_device_stays_watched_and_the_other_half_is_told(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def fails(event: DeviceEvent) -> None:
        raise error("mine")

    device = DuplexDevice("null", "null")
    with (
        WavRecorder(24_000, device=device, on_event=fails) as recorder,
        WavStreamPlayer(24_000, device=device, on_event=lambda event: told.append(event.kind)),
    ):
        device._tell(DeviceEvent("suspended", "null", "test"))
        assert told == ["suspended"]
        assert "the on_event callback raised" in caplog.text
        assert recorder.get_status() == "paused"


@pytest.mark.parametrize("spec", [1.5, True, [], b"room"])
def test_what_names_no_device_is_refused_at_every_door(spec: Any) -> None:
    for device in (spec, DuplexDevice(spec, spec)):
        with pytest.raises(TypeError, match="device must be None, an id"):
            WavStreamPlayer(device=device).connect()


def test_a_text_is_no_number() -> None:
    with pytest.raises(TypeError, match="prebuffer_ms must be a number, not '5'"):
        WavStreamPlayer(prebuffer_ms="5")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="seconds must be a number"):
        record("1", device=OfflineDevice(24_000))  # type: ignore[arg-type]


@pytest.mark.parametrize("arguments", [(480.0,), (480, 1.0), ("480",)])
def test_a_ring_takes_integers_only(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match="must be an integer"):
        RingBuffer(*arguments)
